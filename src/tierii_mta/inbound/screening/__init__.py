"""The checks of port 25: what is found about a message and its sender, and what follows from it.

A message, step by step:
1. `case`        the header and the first part of the body, read once for all checks
2. the checks    all at once, under one deadline; one that is late or fails is noted and harms nobody  (screening)
       origin        does the client's address have a name, and does it say its own?
       sender        does the sender's domain take mail?
       credentials   SPF, DKIM, DMARC and ARC: who vouches for it?
       lists         is the client on a block list or an allow-list?
       answers       is it written to an address that we signed, or does it answer mail of ours?
       content       a few things that hardly any honest message does
       rspamd        what rspamd says, if there is one
3. `verdict`     the findings weighed by `rules`: accept, quarantine, greylist or reject
4. `acquaintance` unless that is to accept: did we write to the author, if there is a proven one?
5. `greylist`    whoever is to wait: has it waited already?
"""
