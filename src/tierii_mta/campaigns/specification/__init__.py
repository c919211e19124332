"""campaign.yaml: what a campaign is, as its author wrote it.

Owns the model of the whole file, its canonical form and its loading; all that is wrong with a file is reported at
once, each finding with file, line, key, remedy and the nearest known key.  Does not read contacts or templates
(campaigns.audience, campaigns.expansion).  The only place of this package that knows pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationError
from pydantic import model_validator as check_section

from tierii_mta import yaml12
from tierii_mta.campaigns.problems import CampaignInvalid, Problem
from tierii_mta.campaigns.specification import availability, findings
from tierii_mta.campaigns.specification.compliance import ComplianceSection
from tierii_mta.campaigns.specification.expressions import segment_problems
from tierii_mta.campaigns.specification.oversight import GuardsSection, NotifySection
from tierii_mta.campaigns.specification.references import Environ, resolve, stray_references
from tierii_mta.campaigns.specification.sections import (
    AbTestSection,
    AttachmentSection,
    CampaignSection,
    CsvFeed,
    DedupeSection,
    Duration,
    ExcludeSection,
    Feed,
    FollowUpSection,
    ForeignFeed,
    FromSection,
    HeaderName,
    HttpFeed,
    InlineFeed,
    JsonFeed,
    Line,
    ListFeed,
    ListSection,
    ReplyToSection,
    SchemaSection,
    Section,
    SqlFeed,
    StopReason,
    TemplateSection,
    TrackingSection,
    TransportSection,
    UnsubscribeSection,
    VariableName,
)
from tierii_mta.campaigns.specification.timing import BatchSection, RateSection, ScheduleSection
from tierii_mta.errors import CheckFailed
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Json, Priority
from tierii_mta.yaml12 import Document

__all__ = [
    "Campaign",
    "CsvFeed",
    "ForeignFeed",
    "HttpFeed",
    "InlineFeed",
    "JsonFeed",
    "ListFeed",
    "Specification",
    "SqlFeed",
    "load",
    "parse",
    "read",
]

_ALIASES = {"batch_size": "size", "batch_delay": "delay", "delay_minutes": "delay"}


class Specification(Section):
    """The file, key by key. Required: campaign.id, from, subject, template, contacts."""

    version: int = Field(default=1, ge=1, le=1)
    campaign: CampaignSection
    sender: FromSection = Field(alias="from")
    reply_to: ReplyToSection | None = None
    mailing_list: ListSection | None = Field(default=None, alias="list")
    subject: str = Field(min_length=1)
    template: TemplateSection
    variables: dict[VariableName, JsonValue] = Field(default_factory=dict)
    contacts: list[Feed] = Field(min_length=1)
    schema_: SchemaSection = Field(default=SchemaSection(), alias="schema")
    dedupe: DedupeSection = DedupeSection()
    segment: str | None = None
    exclude: ExcludeSection = ExcludeSection()
    batch: BatchSection = BatchSection()
    batch_size: int | None = Field(default=None, ge=1, le=10_000)
    batch_delay: Duration | None = None
    delay_minutes: float | None = Field(default=None, ge=0)
    rate: RateSection | None = None
    schedule: ScheduleSection = ScheduleSection()
    tracking: TrackingSection = TrackingSection()
    unsubscribe: UnsubscribeSection = UnsubscribeSection()
    compliance: ComplianceSection = ComplianceSection()
    attachments: list[AttachmentSection] = Field(default_factory=list)
    headers: dict[HeaderName, Line] = Field(default_factory=dict)
    ab_test: AbTestSection | None = None
    follow_ups: list[FollowUpSection] = Field(default_factory=list)
    stop_on: list[StopReason] = Field(default_factory=list)
    transport: TransportSection = TransportSection()
    guards: GuardsSection = GuardsSection()
    notify: NotifySection | None = None

    @check_section(mode="after")
    def _says_batch_once(self) -> "Specification":
        given = self.model_fields_set & _ALIASES.keys()
        if given and ("batch" in self.model_fields_set or len(given & {"batch_delay", "delay_minutes"}) > 1):
            raise ValueError(f"{', '.join(sorted(given))} say again what another key says; keep `batch` alone")
        return self

    @property
    def is_marketing(self) -> bool:
        return self.campaign.kind == "marketing"

    @property
    def priority(self) -> Priority:
        """The priority given, else high for transactional and normal for marketing mail."""
        default = "normal" if self.is_marketing else "high"
        return Priority[(self.campaign.priority or default).upper()]

    @property
    def name(self) -> str:
        return self.campaign.name or self.campaign.id

    @property
    def list_id(self) -> str | None:
        return self.mailing_list.id if self.mailing_list else None

    @property
    def pacing(self) -> BatchSection:
        """The batches, by whatever name the file gives them. A size alone asks for nothing: batches follow at once."""
        if self.batch_size is None and self.batch_delay is None and self.delay_minutes is None:
            return self.batch
        delay = self.batch_delay if self.batch_delay is not None else timedelta(minutes=self.delay_minutes or 0)
        return BatchSection(size=self.batch_size or BatchSection().size, delay=delay)

    @cached_property
    def from_address(self) -> Address:
        return Address.parse(self.sender.email)

    def canonical(self) -> dict[str, Json]:
        """Return the file's meaning: no defaults, aliases folded into `batch`, references unresolved, no contacts.

        Two files that mean the same have the same canonical form. A key that a later version adds changes nothing
        here as long as it is not used.
        """
        tree: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for feed in tree["contacts"]:
            if feed["type"] == "inline":
                feed.pop("items", None)
        for alias in _ALIASES:
            tree.pop(alias, None)
        tree["batch"] = self.pacing.model_dump(mode="json", exclude_defaults=True)
        return {key: value for key, value in tree.items() if value not in ({}, [])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign file that was read and found sound by itself."""

    path: Path
    specification: Specification
    document: Document
    environ: Environ = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.specification.campaign.id

    @property
    def folder(self) -> Path:
        """Where relative paths count from."""
        return self.path.parent

    def file(self, name: str) -> Path:
        """Return a path of the file's, counted from its folder, references resolved."""
        return self.folder / self.resolve(name)

    def resolve(self, text: str) -> str:
        """Return a value with `${env:NAME}` and `${file:PATH}` filled in; raises `CheckFailed`."""
        return resolve(text, environ=self.environ, folder=self.folder, where=str(self.path))


def load(path: Path, *, environ: Environ | None = None) -> Campaign:
    """Read a campaign file; raises `CampaignInvalid` (exit 3) with everything that is wrong in it."""
    document = yaml12.load(path, error=CheckFailed)
    return _campaign(document, path, environ or {})


def parse(text: str, *, path: Path, environ: Environ | None = None) -> Campaign:
    """Like `load`, from text; `path` is the name errors show and the place relative paths count from."""
    return _campaign(yaml12.parse(text, file=str(path), error=CheckFailed), path, environ or {})


def read(canonical: Mapping[str, Json]) -> Specification:
    """Return the specification of a canonical form kept in a snapshot."""
    return Specification.model_validate(canonical)


def _campaign(document: Document, path: Path, environ: Environ) -> Campaign:
    if not isinstance(document.value, dict):
        raise CheckFailed("is not a mapping of keys", where=document.file, remedy="see docs/reference/campaign-yaml.md")
    problems: list[Problem] = [
        *availability.refusals(document),
        *availability.unknown_feeds(document),
        *stray_references(document),
        *segment_problems(document),
    ]
    specification: Specification | None = None
    try:
        specification = Specification.model_validate(document.value)
    except ValidationError as errors:
        problems += findings.problems_of(errors, document, Specification)
    if problems or specification is None:
        raise CampaignInvalid(problems)
    return Campaign(path=path, specification=specification, document=document, environ=environ)
