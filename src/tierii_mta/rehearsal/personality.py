"""Personalities: how a receiving MX behaves, as an operator writes it in YAML.

Owns the rules (who, what, at which stage, with which reply) and their file format; not the SMTP that plays them
(rehearsal.exchange).  Pure apart from reading the file it is given.  Replies follow RFC 5321 §4.2 and RFC 3463.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar, cast

from tierii_mta.errors import ConfigurationError
from tierii_mta.quantities import parse_duration, parse_size
from tierii_mta.yaml12 import Document, KeyPath, load, nearest, parse

_REPLY = re.compile(r"[245][0-9]{2} (?:[245]\.\d{1,3}\.\d{1,3} )?[ -~]{1,400}")
_NOTHING = timedelta(0)
Value = TypeVar("Value")


class Behaviour(StrEnum):
    """What a rule does with a matching recipient."""

    ACCEPT = "accept"
    GREYLIST = "greylist"  # refuse at first, accept once `tries` refusals and `wait` are behind
    REJECT = "reject"  # this person does not exist
    FULL = "full"  # the mailbox is over quota
    BLOCK = "block"  # the sending host is on a block list: a refusal of us, not of the person
    BUSY = "busy"  # 421, then the connection is closed
    DROP = "drop"  # the connection is closed without a reply
    ANSWER = "answer"  # accept, and mark the message as one its reader answers


class Stage(StrEnum):
    """Where in the transaction a rule acts."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the DATA command, before 354
    DOT = "dot"  # after the final dot


class Tls(StrEnum):
    """Whether STARTTLS is there."""

    NONE = "none"
    OFFERED = "offered"
    REQUIRED = "required"  # 530 before it


_STANDARD: Mapping[Behaviour, tuple[Stage, str | None]] = {
    Behaviour.ACCEPT: (Stage.DOT, None),
    Behaviour.GREYLIST: (Stage.RCPT, "451 4.7.1 Greylisted, please try again later"),
    Behaviour.REJECT: (Stage.RCPT, "550 5.1.1 <{recipient}>: no such person here"),
    Behaviour.FULL: (Stage.RCPT, "452 4.2.2 <{recipient}>: mailbox is full"),
    Behaviour.BLOCK: (Stage.RCPT, "550 5.7.1 Service unavailable; client host [{client}] is on the list bl.example"),
    Behaviour.BUSY: (Stage.RCPT, "421 4.3.2 Too busy, closing the connection"),
    Behaviour.DROP: (Stage.DOT, None),
    Behaviour.ANSWER: (Stage.DOT, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long to wait before each reply."""

    greeting: timedelta = _NOTHING
    ehlo: timedelta = _NOTHING
    mail: timedelta = _NOTHING
    rcpt: timedelta = _NOTHING
    data: timedelta = _NOTHING
    dot: timedelta = _NOTHING

    def at(self, stage: Stage) -> timedelta:
        """Return the delay of one stage."""
        return cast("timedelta", getattr(self, stage.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `to` and `sender` are shell patterns over whole addresses, letter case ignored; `<>` is nobody."""

    behaviour: Behaviour
    to: str = "*"
    sender: str = "*"
    at: Stage | None = None  # None: where the behaviour usually acts
    text: str | None = None  # the reply; None: the behaviour's usual one; {recipient} and {client} are filled in
    wait: timedelta = _NOTHING  # greylist: time since the first refusal
    tries: int = 1  # greylist: refusals before it accepts
    times: int | None = None  # act so often, then match no longer
    delays: Delays = Delays()

    @property
    def stage(self) -> Stage:
        """Where the rule acts."""
        return self.at or _STANDARD[self.behaviour][0]

    def reply(self, *, recipient: str, client: str) -> str | None:
        """Return the refusal, complete; None where the behaviour refuses nothing."""
        text = self.text or _STANDARD[self.behaviour][1]
        return text.replace("{recipient}", recipient).replace("{client}", client) if text else None

    def matches(self, sender: str, recipient: str) -> bool:
        """Return whether the rule speaks of this pair."""
        return fnmatchcase(recipient.lower(), self.to.lower()) and fnmatchcase(
            (sender or "<>").lower(), self.sender.lower()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Personality:
    """A whole MX. The first rule that matches a recipient acts; where none does, the mail is accepted."""

    hostname: str = "mx.sink.example"
    rules: tuple[Rule, ...] = ()
    tls: Tls = Tls.NONE
    certificate: tuple[Path, Path] | None = None  # PEM certificate and key; None: one made for this run
    greeting: str | None = None  # said instead of 220, then the connection is closed, e.g. "421 4.3.2 not now"
    delays: Delays = Delays()
    messages_per_connection: int | None = None  # the next MAIL gets 421
    message_size_bytes: int = 25_000_000
    has_pipelining: bool = True
    has_smtputf8: bool = True
    keep: int = 1000  # messages held in memory, the oldest go first

    @classmethod
    def load(cls, path: Path) -> "Personality":
        """Read a personality file; raises `ConfigurationError` naming file, line and key."""
        return _read(load(path), path.parent)

    @classmethod
    def parse(cls, text: str, *, file: str = "personality") -> "Personality":
        """Read a personality from text; relative certificate paths count from the working directory."""
        return _read(parse(text, file=file), Path())


class _Section:
    """One mapping of the file, read key by key; `finish` refuses the keys nobody asked for."""

    def __init__(self, document: Document, path: KeyPath, value: Any) -> None:
        self._document, self._path, self._known = document, path, set[str]()
        if not isinstance(value, dict):
            raise self.wrong((), "must be a mapping of keys and values")
        self._values: dict[str, Any] = value

    def take(self, key: str, read: Callable[[Any], Value], default: Value) -> Value:
        """Return the value of a key, checked by `read` (ValueError says what is expected)."""
        self._known.add(key)
        if self._values.get(key) is None:
            return default
        try:
            return read(self._values[key])
        except ValueError as cause:
            raise self.wrong((key,), str(cause)) from cause

    def section(self, key: str) -> "_Section":
        """Return a mapping inside this one; an absent one is empty."""
        self._known.add(key)
        return _Section(self._document, (*self._path, key), self._values.get(key) or {})

    def items(self, key: str) -> list["_Section"]:
        """Return the mappings of a list inside this one."""
        self._known.add(key)
        items = self._values.get(key) or []
        if not isinstance(items, list):
            raise self.wrong((key,), "must be a list")
        return [_Section(self._document, (*self._path, key, number), item) for number, item in enumerate(items)]

    def finish(self) -> None:
        """Refuse unknown keys."""
        for key in self._values:
            if key not in self._known:
                guess = nearest(key, self._known)
                known = ", ".join(sorted(self._known))
                raise self.wrong((key,), "is not a key here", f"did you mean {guess}?" if guess else f"known: {known}")

    def wrong(self, path: KeyPath, what: str, remedy: str | None = None) -> ConfigurationError:
        """Return the error that points at a key of this section."""
        return ConfigurationError(what, where=self._document.where((*self._path, *path)), remedy=remedy)


def _read(document: Document, folder: Path) -> Personality:
    top = _Section(document, (), document.value)
    standard = Personality()
    tls, certificate = _read_tls(top, folder)
    limits = top.section("limits")
    extensions = top.section("extensions")
    personality = Personality(
        hostname=top.take("hostname", _text, standard.hostname),
        rules=tuple(_read_rule(section) for section in top.items("rules")),
        tls=tls,
        certificate=certificate,
        greeting=top.take("greeting", _reply, standard.greeting),
        delays=_read_delays(top.section("delay"), [field.name for field in fields(Delays)]),
        messages_per_connection=limits.take("messages_per_connection", _optional_count, None),
        message_size_bytes=limits.take("message_size", parse_size, standard.message_size_bytes),
        has_pipelining=extensions.take("pipelining", _flag, standard.has_pipelining),
        has_smtputf8=extensions.take("smtputf8", _flag, standard.has_smtputf8),
        keep=limits.take("keep", _count, standard.keep),
    )
    for section in (limits, extensions, top):
        section.finish()
    return personality


def _read_tls(top: _Section, folder: Path) -> tuple[Tls, tuple[Path, Path] | None]:
    section = top.section("tls")
    mode = section.take("starttls", _member(Tls), Tls.NONE)
    certificate = section.take("certificate", _text, "")
    key = section.take("key", _text, "")
    section.finish()
    if bool(certificate) != bool(key):
        raise section.wrong((), "needs both certificate and key, or neither", "without them one is made for this run")
    return mode, (folder / certificate, folder / key) if certificate else None


def _read_rule(section: _Section) -> Rule:
    rule = Rule(
        behaviour=section.take("do", _member(Behaviour), Behaviour.ACCEPT),
        to=section.take("to", _text, "*"),
        sender=section.take("from", _text, "*"),
        at=section.take("at", _stage, None),
        text=section.take("reply", _reply, None),
        wait=section.take("wait", parse_duration, _NOTHING),
        tries=section.take("tries", _count, 1),
        times=section.take("times", _optional_count, None),
        delays=_read_delays(section.section("delay"), ["rcpt", "data", "dot"]),
    )
    section.finish()
    if rule.stage is Stage.MAIL and rule.to != "*":
        raise section.wrong(("at",), "no recipient is known yet at mail", "leave out `to`, or act at rcpt")
    if rule.text and rule.behaviour in (Behaviour.ACCEPT, Behaviour.ANSWER, Behaviour.DROP):
        raise section.wrong(("reply",), f"{rule.behaviour} refuses nothing", "leave out the reply")
    if rule.behaviour is not Behaviour.GREYLIST and (rule.wait or rule.tries != 1):
        raise section.wrong((), "wait and tries belong to greylist", "use delay or times")
    return rule


def _read_delays(section: _Section, stages: list[str]) -> Delays:
    delays = Delays(**{stage: section.take(stage, parse_duration, _NOTHING) for stage in stages})
    section.finish()
    return delays


def _member(kind: type[StrEnum]) -> Callable[[Any], Any]:
    def read(value: Any) -> StrEnum:
        if value not in list(kind):
            raise ValueError(f"{value!r} is none of " + ", ".join(kind))
        return kind(value)

    return read


def _stage(value: Any) -> Stage | None:
    return cast("Stage", _member(Stage)(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("must be text in one line")
    return value


def _reply(value: Any) -> str | None:
    if not isinstance(value, str) or not _REPLY.fullmatch(value):
        raise ValueError(f'{value!r} is not a reply; write for instance "451 4.7.1 try again later"')
    return value


def _flag(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError("must be true or false")
    return bool(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number above 0")
    return value


def _optional_count(value: Any) -> int | None:
    return _count(value)
