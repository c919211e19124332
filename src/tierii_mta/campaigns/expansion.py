"""Gathering all that a campaign's mails are made of, so that they never need the operator's files again.

Owns how templates find the templates they include or extend (the campaign's folder first, then the shipped ones), and
what is wrong with them; the result is complete: every source by name, every attachment with its octets.  Reads files,
once, at enqueue.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import meta

from tierii_mta import shipped
from tierii_mta.campaigns.attachments import read_attachments
from tierii_mta.campaigns.markup import attributes, marks
from tierii_mta.campaigns.problems import CampaignInvalid, Problem, problem_at
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.template import HEADERS, SUBJECT, Sources, TemplateBroken, names_used, parse
from tierii_mta.mail.compose import Attachment
from tierii_mta.yaml12 import KeyPath

MAX_SOURCE_BYTES = 1 << 20
_MAX_SOURCES = 100
_CID = re.compile(r"""["'(]cid:([A-Za-z0-9._-]+)""")


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a campaign is made of, complete."""

    sources: Sources  # the subject, header values, and every template reached
    html: str | None  # name of the HTML template
    text: str | None  # name of the text template; None: made from the HTML
    attachments: Sequence[Attachment]
    header_fields: frozenset[str]  # names that subject and headers use


@dataclass(slots=True)
class _Gathering:
    campaign: Campaign
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def expand(campaign: Campaign) -> Expansion:
    """Return everything the campaign's mails are made of; raises `CampaignInvalid` with all that is wrong with it."""
    gathering = _Gathering(campaign)
    header_names = _gather_headers(gathering)
    template = campaign.specification.template
    html = _gather_main(gathering, template.html, "html")
    text = _gather_main(gathering, None if template.text == "auto" else template.text, "text")
    attachments = []
    for each in read_attachments(campaign):
        if isinstance(each, Problem):
            gathering.problems.append(each)
        else:
            attachments.append(each)
    gathering.problems += _lost_images(gathering, {each.content_id for each in attachments})
    if template.inline_css:
        gathering.problems += _linked_sheets(gathering)
    if gathering.problems:
        raise CampaignInvalid(gathering.problems)
    return Expansion(
        sources=Sources(gathering.texts, gathering.files),
        html=html,
        text=text,
        attachments=attachments,
        header_fields=frozenset(header_names),
    )


def _gather_headers(gathering: _Gathering) -> set[str]:
    specification = gathering.campaign.specification
    document = gathering.campaign.document
    names: set[str] = set()
    values: list[tuple[str, KeyPath, str]] = [(SUBJECT, ("subject",), specification.subject)]
    values += [(HEADERS + name, ("headers", name), value) for name, value in specification.headers.items()]
    for source, path, text in values:
        file = document.where(path)
        gathering.texts[source], gathering.files[source] = text, file
        try:
            names.update(use.name for use in names_used(text, file=file))
            if next(iter(meta.find_referenced_templates(parse(text, file=file))), "") != "":
                gathering.problems.append(problem_at(document, path, "a header cannot include another template"))
        except TemplateBroken as broken:
            gathering.problems.append(problem_at(document, path, f"is not a sound template: {broken.what}"))
    return names


def _gather_main(gathering: _Gathering, name: str | None, key: str) -> str | None:
    if name is None:
        return None
    campaign = gathering.campaign
    path = campaign.file(name)
    text = _read(path)
    if isinstance(text, str):
        _gather(gathering, name, path, text)
        return name
    where: KeyPath = ("template", key)
    gathering.problems.append(
        problem_at(
            campaign.document, where, f"{path}: {text.reason}", "check the path; it counts from the campaign file"
        )
    )
    return None


def _gather(gathering: _Gathering, name: str, path: Path, text: str) -> None:
    """Take in one template and, through it, those it names."""
    if name in gathering.texts:
        return
    gathering.texts[name], gathering.files[name] = text, str(path)
    try:
        tree = parse(text, file=str(path))
        names_used(text, file=str(path))
    except TemplateBroken as broken:
        gathering.problems.append(Problem(f"{broken.file}:{broken.line}", broken.what, "mend the template"))
        return
    for reference in meta.find_referenced_templates(tree):
        _gather_reference(gathering, reference, path)


def _gather_reference(gathering: _Gathering, reference: str | None, path: Path) -> None:
    if reference is None:
        what, remedy = "includes or extends a template whose name is computed", "write the name as a text"
    elif reference in gathering.texts:
        return
    elif ".." in Path(reference).parts or Path(reference).is_absolute():
        what, remedy = f"the template {reference} lies outside the campaign's folder", "keep it beside the campaign"
    elif len(gathering.texts) >= _MAX_SOURCES:
        what, remedy = f"more than {_MAX_SOURCES} templates are involved", "include fewer"
    else:
        for folder in _folders(gathering.campaign):
            text = _read(folder / reference)
            if isinstance(text, str):
                _gather(gathering, reference, folder / reference, text)
                return
        what, remedy = f"the template {reference} was not found", "it is looked for in the campaign's folder"
    gathering.problems.append(Problem(str(path), what, remedy))


def _folders(campaign: Campaign) -> Iterator[Path]:
    yield campaign.folder
    try:
        yield shipped.folder("templates")
    except FileNotFoundError:
        return


def _lost_images(gathering: _Gathering, inline: set[str | None]) -> Iterator[Problem]:
    """Yield each `cid:` that no attachment answers to: the reader would see a broken image."""
    for name, text in gathering.texts.items():
        for found in _CID.finditer(text):
            if found[1] not in inline and not name.startswith(HEADERS) and name != SUBJECT:
                line = text.count("\n", 0, found.start()) + 1
                what = f"cid:{found[1]} names no attachment"
                yield Problem(f"{gathering.files[name]}:{line}", what, f"add one with inline: {found[1]}")


def _linked_sheets(gathering: _Gathering) -> Iterator[Problem]:
    """Yield each style sheet that would have to be fetched to be inlined."""
    for name, text in gathering.texts.items():
        for mark in marks(text):
            named = {each.name: each.value.lower() for each in attributes(mark.text)} if mark.name == "link" else {}
            if "stylesheet" in named.get("rel", "").split():
                line = text.count("\n", 0, mark.start) + 1
                what = "a linked style sheet cannot be inlined: nothing is fetched"
                yield Problem(f"{gathering.files[name]}:{line}", what, "write <style>{% include 'sheet.css' %}</style>")


@dataclass(frozen=True, slots=True)
class _Unreadable:
    reason: str


def _read(path: Path) -> str | _Unreadable:
    try:
        raw = path.read_bytes()
    except OSError as cause:
        return _Unreadable(cause.strerror or "cannot be read")
    if len(raw) > MAX_SOURCE_BYTES:
        return _Unreadable(f"is larger than {MAX_SOURCE_BYTES} octets")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = raw.count(b"\n", 0, cause.start) + 1
        return _Unreadable(f"line {line} is not UTF-8")
