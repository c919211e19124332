"""Whether what a server says are well-formed replies."""

import re

_LINE = re.compile(rb"([2-5][0-9]{2})([ -])([ -~]*)")
_CODE = re.compile(rb"([245])\.[0-9]{1,3}\.[0-9]{1,3}( |$)")
_WITHOUT_CODE = (b"220", b"250", b"334", b"354")  # the greeting, EHLO and HELO, AUTH and DATA (RFC 2034 §4)


def faults(output: bytes, *, needs_codes: bool = True) -> str | None:
    """Return what is wrong with some whole replies: with their lines, their codes, their enhanced codes."""
    if output and not output.endswith(b"\r\n"):
        return f"an unfinished line: {output!r}"
    open_code = b""
    for line in output.split(b"\r\n")[:-1]:
        found = _LINE.fullmatch(line)
        if found is None or len(line) > 510:
            return f"no reply line: {line!r}"
        code, mark, text = found.groups()
        if open_code not in (b"", code):
            return f"the code changes: {line!r}"
        open_code = code if mark == b"-" else b""
        enhanced = _CODE.match(text)
        if needs_codes and enhanced is None and code not in _WITHOUT_CODE:
            return f"no enhanced code: {line!r}"
        if needs_codes and enhanced is not None and enhanced[1] != code[:1]:
            return f"codes contradict each other: {line!r}"
    return f"an unfinished reply: {output!r}" if open_code else None
