"""Messages as strangers write them, for tests of DKIM."""

from hypothesis import strategies as st

_WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0\x0b\x0c", exclude_categories=["Cs"]), max_size=12
)
_GAPS = st.sampled_from(["", " ", "  ", "\t", " \t ", "\r\n ", " \r\n\t", "\r\n  \t", " " * 50])


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """Field values with odd white space and folds, none of them a line of white space alone at the end."""
    pieces = draw(st.lists(st.tuples(_GAPS, _WORDS), max_size=6))
    return "".join(gap + word for gap, word in pieces).encode() + b"."


_NAMES = st.sampled_from(
    ["Subject", "subject", "SUBJECT", "To", "Cc", "Reply-To", "X-Other", "List-Unsubscribe", "References"]
)
_LINES = st.one_of(
    st.just(b""),
    st.sampled_from([b" ", b"\t", b" \t ", b"x" * 990, b"a " * 400, b" lead", b"trail  ", b"a \t b", b"."]),
    _WORDS.map(str.encode),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies with blank lines, white space at line ends, long lines; empty ones too."""
    lines = draw(st.lists(_LINES, max_size=8))
    return b"".join(line + b"\r\n" for line in lines)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Whole messages with one From, duplicate and missing other fields, in any order."""
    fields = draw(st.lists(st.tuples(_NAMES, values()), max_size=8))
    fields.insert(draw(st.integers(0, len(fields))), ("From", b" Ana <ana@example.com>"))
    header = b"".join(name.encode() + b":" + value + b"\r\n" for name, value in fields)
    return header + b"\r\n" + draw(bodies())
