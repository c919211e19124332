"""The expressions of campaign.yaml: the segment.

Owns reading them with the types of the schema, and turning what is wrong with them into findings of the file.  Works on
the raw document, so that these findings stand beside all others.  The language is `campaigns.segment`.
"""

from collections.abc import Iterator

from tierii_mta.campaigns.problems import Problem, problem_at
from tierii_mta.campaigns.segment import TYPES, ExpressionInvalid, Fault, read
from tierii_mta.yaml12 import Document, KeyPath


def segment_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the segment; nothing where the types themselves are wrong, which is told elsewhere."""
    segment, schema = document.value.get("segment"), document.value.get("schema")
    types = schema.get("types") or {} if isinstance(schema, dict) else {}
    if not isinstance(segment, str) or not isinstance(types, dict) or not TYPES.issuperset(types.values()):
        return
    try:
        read(segment, types)
    except ExpressionInvalid as invalid:
        for fault in invalid.faults:
            yield problem_of(document, ("segment",), fault)


def problem_of(document: Document, path: KeyPath, fault: Fault) -> Problem:
    """Return what is wrong with an expression as a finding about its key."""
    return problem_at(document, path, str(fault), fault.remedy)
