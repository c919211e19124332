"""Conversations with a server, as text, in one small `world`.

`script` reads and plays them; `engine` is our engine as their peer, `test_listener` the listener over TCP.
"""
