"""The sections of campaign.yaml, as pydantic models.

Owns names, shapes and defaults of every key of the contract, those of features that are not built yet included, so
that a misspelt key is found whatever it belongs to.  What this version cannot do is refused by `availability`.
Everything is strict: a word is not a number, and `yes` is not true.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    Tag,
)
from pydantic import model_validator as check_section

from tierii_mta.campaigns.specification.vocabulary import RESERVED_NAMES
from tierii_mta.mail.address import Address, InvalidAddress, parse_domain
from tierii_mta.quantities import format_duration, parse_duration, parse_share

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HEADER_NAME = re.compile(r"x-[a-z0-9-]{1,70}|feedback-id|precedence", re.IGNORECASE)
_LIST_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,200}[a-z0-9])?")
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _address(text: str) -> str:
    try:
        return str(Address.parse(text))
    except InvalidAddress as cause:
        raise ValueError(f"{text!r} {cause}") from cause


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except InvalidAddress as cause:
        raise ValueError(f"{text!r} {cause}") from cause


def _line(text: str) -> str:
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}; write one line of plain text")
    return text


def _literal(text: str) -> str:
    if "{{" in text or "{%" in text:
        raise ValueError(
            "is not a template: names are filled in in the subject, the headers and the template files only"
        )
    return _line(text)


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is not a header a campaign may set; only X-*, Feedback-ID and Precedence are")
    return name


def _variable_name(name: str) -> str:
    if name in RESERVED_NAMES:
        raise ValueError(f"the name {name!r} is taken by the template context; choose another")
    if not name.isidentifier():
        raise ValueError(f"{name!r} cannot be used in a template; use letters, digits and _")
    return name


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError(f"{text!r} is not an id; write 1 to 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first")
    return text


def _list_id(text: str) -> str:
    if not _LIST_ID.fullmatch(text):
        raise ValueError(f"{text!r} is not a list id; write it like a domain, for instance news.example.com")
    return text


def _reject_limit(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.endswith("%"):
        parse_share(value)
        return value
    raise ValueError(f"{value!r} is neither a number of rows nor a share such as 2%")


Duration = Annotated[timedelta, PlainValidator(parse_duration), PlainSerializer(format_duration)]
Share = Annotated[float, PlainValidator(parse_share)]
AddressText = Annotated[str, AfterValidator(_address)]
DomainText = Annotated[str, AfterValidator(_domain)]
Line = Annotated[str, AfterValidator(_line)]
Literally = Annotated[str, AfterValidator(_literal)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
ListId = Annotated[str, AfterValidator(_list_id)]
FilePath = Annotated[str, Field(min_length=1)]
StopReason = Literal["reply", "unsubscribe", "complaint", "hard_bounce"]
Slug = Annotated[str, AfterValidator(_slug)]


class Section(BaseModel):
    """A mapping of campaign.yaml: unknown keys are errors, values are not converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CampaignSection(Section):
    id: Slug
    name: Literally | None = None  # default: the id
    kind: Literal["marketing", "transactional"] = "marketing"
    priority: Literal["high", "normal", "low"] | None = None  # default: by kind
    tags: list[Line] = []
    pool: str | None = None  # default: that of the From domain


class FromSection(Section):
    name: Literally = ""
    email: AddressText


class ReplyToSection(Section):
    name: Literally = ""
    email: AddressText
    track: bool = False


class ListSection(Section):
    id: ListId
    name: Literally = ""
    opt_in: Literal["single", "double"] | None = None  # how people came to it


class TemplateSection(Section):
    html: FilePath | None = None
    text: FilePath = "auto"  # or a file
    inline_css: bool = False

    @check_section(mode="after")
    def _has_a_part(self) -> "TemplateSection":
        if self.html is None and self.text == "auto":
            raise ValueError("names no file; give html, or text, or both")
        return self


class CsvFeed(Section):
    type: Literal["csv"]
    path: FilePath
    encoding: str = "auto"
    delimiter: str = "auto"
    map: dict[str, str] = {}  # our field → their column


class InlineFeed(Section):
    type: Literal["inline"]
    items: list[dict[str, JsonValue]] = []


class JsonFeed(Section):
    type: Literal["json"]
    path: FilePath
    encoding: str = "auto"
    items: str | None = None  # keys that lead to the array, joined by dots
    map: dict[str, str] = {}


class SqlFeed(Section):
    type: Literal["sql"]
    url: str
    query: str
    map: dict[str, str] = {}


class HttpFeed(Section):
    type: Literal["http"]
    url: str
    auth: str | None = None  # a bearer token, or scheme and credentials
    items: str | None = None
    next: str | None = None  # keys that lead to the next page's address
    map: dict[str, str] = {}


class ListFeed(Section):
    type: Literal["list"]
    name: str


class ForeignFeed(Section):
    """A feed of an installed package, which knows its own keys."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    type: str
    map: dict[str, str] = {}


FEED_TYPES = ("csv", "json", "sql", "http", "inline", "list")


def _feed_type(feed: Any) -> str | None:
    kind = feed.get("type") if isinstance(feed, dict) else getattr(feed, "type", None)
    return kind if kind in FEED_TYPES or not isinstance(kind, str) else "foreign"


Feed = Annotated[
    Annotated[CsvFeed, Tag("csv")]
    | Annotated[JsonFeed, Tag("json")]
    | Annotated[SqlFeed, Tag("sql")]
    | Annotated[HttpFeed, Tag("http")]
    | Annotated[InlineFeed, Tag("inline")]
    | Annotated[ListFeed, Tag("list")]
    | Annotated[ForeignFeed, Tag("foreign")],
    Discriminator(_feed_type),
]


class SchemaSection(Section):
    required: list[str] = ["email"]
    types: dict[str, Literal["str", "int", "float", "bool", "date", "datetime", "email", "url"]] = {}
    on_invalid: Literal["reject", "fail"] = "reject"
    max_rejects: Annotated[int | str, PlainValidator(_reject_limit)] | None = None  # rows, or "2%"; none: no limit


class DedupeSection(Section):
    key: Literal["email"] = "email"
    on_conflict: Literal["first", "last", "merge", "error"] = "first"


class ExcludeSection(Section):
    suppression: bool = True
    domains: list[DomainText] = []  # with their subdomains
    campaigns_within: Duration | None = None


class UnsubscribeSection(Section):
    one_click: bool = True
    mailto: bool = False
    footer: Literal["auto", "none"] = "auto"


class AttachmentSection(Section):
    path: FilePath
    inline: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None  # for `cid:` in the HTML


class TrackingSection(Section):
    opens: bool = False
    clicks: bool = False
    utm: dict[str, str] | None = None


class VariantSection(Section):
    id: Slug
    weight: Annotated[int, Field(ge=1)] = 1
    subject: str | None = None
    template: TemplateSection | None = None


class WinnerSection(Section):
    metric: str
    after: Duration
    min_delivered: int = 0
    otherwise: str


class AbTestSection(Section):
    variants: Annotated[list[VariantSection], Field(min_length=2)]
    sample: Share
    winner: WinnerSection


class FollowUpSection(Section):
    id: Slug
    after: Duration
    condition: Annotated[str | None, Field(alias="if")] = None
    subject: str | None = None
    template: TemplateSection | None = None


class TransportSection(Section):
    use: str = "direct-mx"
    fallback: list[str] = []
