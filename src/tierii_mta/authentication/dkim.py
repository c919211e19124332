"""DKIM, as the rest of the product uses it: `DkimKey`, `sign` and `verify`.

RFC 6376 with RFC 8301 and RFC 8463.  The parts: `canonical` and `coverage` (pure), `tags`, `keys`, `sign`, `signature`,
`body_hash`, `verify`.
"""

from tierii_mta.authentication.coverage import OVERSIGNED, Coverage, cover
from tierii_mta.authentication.keys import DkimKey, KeyKind, dns_record, generate_key
from tierii_mta.authentication.sign import sign, sign_coverage
from tierii_mta.authentication.signature import Result
from tierii_mta.authentication.verify import Verdict, verify

__all__ = [
    "OVERSIGNED",
    "Coverage",
    "DkimKey",
    "KeyKind",
    "Result",
    "Verdict",
    "cover",
    "dns_record",
    "generate_key",
    "sign",
    "sign_coverage",
    "verify",
]
