"""DKIM, as the rest of the product uses it: `DkimKey`, `sign` and `verify`.

RFC 6376 with RFC 8301 and RFC 8463.  The parts: `canonical` (pure), `tags`, `keys`, `sign`, `verify`.
"""

from tierii_mta.authentication.keys import DkimKey, KeyKind, dns_record, generate_key
from tierii_mta.authentication.sign import OVERSIGNED, sign
from tierii_mta.authentication.verify import Result, Verdict, verify

__all__ = [
    "OVERSIGNED",
    "DkimKey",
    "KeyKind",
    "Result",
    "Verdict",
    "dns_record",
    "generate_key",
    "sign",
    "verify",
]
