"""The key of a person: what the queue, the suppression list and unsubscribe links know an address by.

A keyed hash rather than the address: rows stay small, unsubscribe links hold no address, and both go on working after
the address itself was purged or erased.  Made by `mail.tokens.TokenCodec.person_key`; changing the secret loses them.
"""

from typing import NewType

PersonKey = NewType("PersonKey", bytes)
"""16 octets: HMAC-SHA256 over the normalised address under a key derived from the installation's secret."""
