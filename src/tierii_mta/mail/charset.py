"""The characters that octets of a received mail stand for.

Owns which codecs a label may name and what to do when label and octets disagree; not where labels stand (mail.mime,
mail.encoded_words).  Labels are foreign data, so they only ever choose from a table: Python's registry also holds
codecs that are slow, that unpack, or that are no charsets at all, and it remembers every unknown name.  What comes out
has neither NUL nor lone surrogates, so that it can be stored as it is.  RFC 2978, RFC 6532; labels are widened as
browsers do (Encoding Standard), because senders write `gb2312` and mean GB 18030.  Pure and linear.
"""

import codecs
from encodings.aliases import aliases
from functools import lru_cache
from types import MappingProxyType

REPLACEMENT = "\ufffd"
_FAMILIES = (
    *("ascii", "big5", "cp", "euc_", "gb", "hp_roman8", "hz", "iso2022", "iso8859", "johab", "koi8", "kz1048"),
    *("latin_1", "mac_", "ptcp154", "shift_jis", "tis_620", "utf_"),
)
_WIDER = MappingProxyType(
    {
        "latin_1": "cp1252",
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "euc_kr": "cp949",
        "shift_jis": "cp932",
        "big5": "big5hkscs",
        "iso8859_9": "cp1254",
        "iso8859_11": "cp874",
        "tis_620": "cp874",
        "iso2022_jp": "iso2022_jp_ext",
        "utf_8": "utf_8_sig",
    }
)
_MORE_LABELS = MappingProxyType(
    {
        "unicode11utf7": "utf_7",
        "unicode11utf8": "utf_8",
        "utf8mb4": "utf_8",
        "xsjis": "shift_jis",
        "xeucjp": "euc_jp",
        "xgbk": "gbk",
        "xmacroman": "mac_roman",
        "iso88598i": "iso8859_8",
        "iso88598e": "iso8859_8",
        "windows874": "cp874",
        "windows949": "cp949",
        "windows31j": "cp932",
        "ksc56011987": "cp949",
        "ksc5601": "cp949",
        "eucjpms": "euc_jp",
    }
)
_MARKS = (
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF32_LE, "utf_32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf_32"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
)
_WESTERN = frozenset({"ascii", "latin_1", "cp1252"})  # what senders write who do not know
_SHIFTED = ("iso2022", "hz", "utf_7", "utf_16", "utf_32", "cp0", "cp1026", "cp1140", "cp273", "cp500")
"""Where octets of ASCII are not always its characters."""
_LAST_RESORT = "cp1252"


def _squashed(label: str) -> str:
    return "".join(filter(str.isalnum, label.lower()))


_LABELS = MappingProxyType(
    {_squashed(codec): codec for codec in aliases.values() if codec.startswith(_FAMILIES)}
    | {_squashed(alias): codec for alias, codec in aliases.items() if codec.startswith(_FAMILIES)}
    | _MORE_LABELS
)


@lru_cache(maxsize=256)
def find_codec(label: str | None) -> str | None:
    """Return the codec that a charset label names, or None for a label that we do not know."""
    return _LABELS.get(_squashed(label)) if label and len(label) <= 64 else None


def decode(octets: bytes, label: str | None = None) -> str:
    """Return the text; whatever the octets and the label are, there is one.

    The label is believed where the octets fit it.  UTF-8 is recognised under a Western label and under none, since
    nothing else happens to look like it.
    """
    codec = find_codec(label)
    if octets.isascii() and (codec is None or not codec.startswith(_SHIFTED)):
        if b"\x1b$" not in octets:
            return _storable(octets.decode("ascii"))
        codec = "iso2022_jp"  # Japanese without a label, or with that of what it looks like
    text = _first_fit(octets, codec)
    return _storable(text if text is not None else _forced(octets, codec))


def _first_fit(octets: bytes, codec: str | None) -> str | None:
    """Return the text by the first codec that has a character for everything."""
    candidates = []
    if codec is None or codec in _WESTERN:
        candidates = [name for mark, name in _MARKS if octets.startswith(mark)] + ["utf_8"]
    if codec is not None and codec != "ascii":
        candidates += [_WIDER.get(codec, codec), "utf_8"]
    for candidate in candidates:
        try:
            return octets.decode(candidate)
        except UnicodeError:
            continue
    return None


def _forced(octets: bytes, codec: str | None) -> str:
    """Return the text with replacement characters: by the label, or as UTF-8, if most of it fits; else Windows-1252."""
    likely = "utf_8" if codec is None or codec in _WESTERN else codec
    text = octets.decode(_WIDER.get(likely, likely), "replace")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return text if 2 * text.count(REPLACEMENT) <= foreign else octets.decode(_LAST_RESORT, "replace")


def _storable(text: str) -> str:
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")  # UTF-7 can spell half a surrogate pair
