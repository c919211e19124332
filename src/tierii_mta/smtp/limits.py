"""Sizes no peer can make us exceed.

Owns the bounds of what is read from and written to the wire in one go; what a listener lets its clients do is a
setting.  RFC 5321 §4.5.3.1 says what every implementation must take; ours are the figures the field runs with.
"""

REPLY_LINES = 100  # of one reply; the longest honest ones (EHLO, policy essays) have a few dozen
REPLY_OCTETS = 32 * 1024  # of one reply, line ends included
COMMAND_OCTETS = 2048  # of one command line, CR LF included (the RFC's 512 plus room for extensions' parameters)
PIECE_OCTETS = 64 * 1024  # of a message, written at once; more waits until the peer has taken it
EXCERPT_CHARACTERS = 80  # of the peer's bytes, quoted in an error of ours
