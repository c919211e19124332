"""Expressions over the fields of a contact: who belongs to a segment.

`lexer` cuts the text into tokens, `grammar` builds the tree, `kinds` holds it against the types of the schema,
`predicate` turns it into a function that costs a few microseconds a contact.  Nothing is ever handed to Python to be
evaluated, and nothing an author can write takes more than linear time.  docs/operate/segments.md is the language.
"""

from tierii_mta.campaigns.segment.expression import Expression, read
from tierii_mta.campaigns.segment.faults import ExpressionInvalid, Fault
from tierii_mta.campaigns.segment.kinds import TYPES
from tierii_mta.campaigns.segment.tree import Field

__all__ = ["TYPES", "Expression", "ExpressionInvalid", "Fault", "Field", "read"]
