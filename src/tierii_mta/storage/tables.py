"""The tables as queries see them.

Owns names and types of columns; how they come to exist, with their indexes, is `migrations` (a test compares the two).
Times are `Instant`s (milliseconds), states and kinds the numbers of `codes`, JSON is text.  docs/reference/database.md
says what each table is for.  Received mail and what belongs to it is `received_tables`.
"""

from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Row, SmallInteger, Table, Text, text

from tierii_mta.storage.codes import CLAIMABLE_SQL, SET_ASIDE_SQL

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row whose columns are named where it is read."""

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied_at", BigInteger, nullable=False),
)

node = Table(
    "node",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

change = Table(
    "change",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("stream", BigInteger),
    Column("lane", BigInteger),
    Column("origin", BigInteger, nullable=False),  # who need not be told; 0: tell everybody
    Column("at", BigInteger, nullable=False),
)

probe = Table(
    "probe",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("filler", LargeBinary, nullable=False),
)

content = Table(
    "content",
    metadata,
    Column("sha256", Text, primary_key=True),  # hex
    Column("body", LargeBinary, nullable=False),
)

campaign = Table(
    "campaign",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("ends_as", SmallInteger),  # what draining leads to
    Column("is_marketing", Boolean, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("list_id", Text),
    Column("sender", Text),  # domain of From; None: accepted before it was kept
    Column("fingerprint", Text, nullable=False),
    Column("specification", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("reason", Text),
    Column("canary", BigInteger),  # how many went first; the others wait for their end; None: nobody waits
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("plan", Text),  # when and how fast it may send, as JSON (queue.pacing)
    Column("wakes_at", BigInteger),  # when its start, an opening or its end is next; None: nothing is to be decided
)

pace = Table(
    "pace",
    metadata,
    Column("campaign", BigInteger, primary_key=True, autoincrement=False),
    Column("arrival_us", BigInteger, nullable=False),  # when the next one would come at exactly its rate
    Column("released", BigInteger, nullable=False),  # of the present batch
    Column("resumes_at", BigInteger),  # the batch is full until then
)

campaign_content = Table(
    "campaign_content",
    metadata,
    Column("campaign", BigInteger, primary_key=True),
    Column("sha256", Text, primary_key=True),
)

stream = Table(
    "stream",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("campaign", BigInteger),  # None: submitted mail
    Column("step", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("swept", Text),  # how far the sweep of a cancelled stream has come: a domain
)

lane = Table(
    "lane",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("stream", BigInteger, nullable=False),
    Column("domain", Text, nullable=False),
    Column("suspended_until", BigInteger),
    Column("reason", Text),
)

message = Table(
    "message",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("stream", BigInteger, nullable=False),
    Column("reverse_path", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("is_marketing", Boolean, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("ret", SmallInteger),  # what a report is to hold; None: not said
    Column("envid", Text),  # in xtext, as it came
    Column("is_smtputf8", Boolean, nullable=False, server_default=text("FALSE")),
    Column("label", Text),  # X-Tierii-Campaign
    Column("tag", Text),  # X-Tierii-Tag
    Column("return_path", Text),  # domain of signed return paths; None: the reverse-path itself travels
)

body_part = Table(
    "body_part",
    metadata,
    Column("message", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("stream", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("message", BigInteger, nullable=False),
    Column("fingerprint", Text),  # of what was asked for; None: not told
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("lane", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("owner", BigInteger),  # epoch of whoever has it in hand
    Column("origin", SmallInteger),  # the state it was claimed from
    Column("attempts", SmallInteger, nullable=False),
    Column("campaign", BigInteger),
    Column("step", SmallInteger, nullable=False),
    Column("recipient_key", LargeBinary, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("message", BigInteger),
    Column("contact", Text, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),  # None while the state is not final
    Column("reason", SmallInteger),
    Column("marks", SmallInteger, nullable=False),
    Column("was_blocked", Boolean, nullable=False),
    Column("body_hash", Text),
    Column("last_reply", Text),
    Column("notify", SmallInteger, nullable=False, server_default=text("0")),  # bits; 0: not said
    Column("orcpt", Text),  # `type;xtext`, as it came
)

crash = Table(
    "crash",
    metadata,
    Column("delivery", BigInteger, primary_key=True, autoincrement=False),
    Column("crashes", SmallInteger, nullable=False),
    Column("certain", SmallInteger, nullable=False),  # those that nothing else can be blamed for
)

IS_CLAIMABLE = text(f"delivery.{CLAIMABLE_SQL}")
IS_SET_ASIDE = text(f"delivery.{SET_ASIDE_SQL}")
"""The partial indexes' own words: with bound values SQLite could not tell that they apply."""

tally = Table(
    "tally",
    metadata,
    Column("stream", BigInteger, primary_key=True),
    Column("priority", SmallInteger, primary_key=True),
    Column("kind", SmallInteger, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("id", Text, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("campaign", Text),
    Column("delivery", BigInteger),
    Column("message_id", Text),
    Column("recipient", Text),
    Column("provider", Text),
    Column("data", Text, nullable=False),
)

suppression = Table(
    "suppression",
    metadata,
    Column("recipient_key", LargeBinary, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("address", Text),
    Column("evidence", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
)

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),  # argon2id, encoded with its parameters
    Column("role", Text, nullable=False),
    Column("senders", Text, nullable=False),  # JSON: addresses, and domains as "@example.com"
    Column("max_priority", SmallInteger, nullable=False),
    Column("return_path", Text, nullable=False),  # "keep" or "verp"
    Column("messages_per_day", BigInteger),
    Column("recipients_per_day", BigInteger),
    Column("newcomers_per_day", BigInteger),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("account", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),  # days since 1970, UTC
    Column("messages", BigInteger, nullable=False),
    Column("recipients", BigInteger, nullable=False),
    Column("newcomers", BigInteger, nullable=False),
)

acquaintance = Table(
    "acquaintance",
    metadata,
    Column("account", Text, primary_key=True),
    Column("recipient_key", LargeBinary, primary_key=True),
)

report = Table(
    "report",
    metadata,
    Column("delivery", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("owed_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
)

transcript = Table(
    "transcript",
    metadata,
    Column("delivery", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),
)

suspension = Table(
    "suspension",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("value", Text, primary_key=True),
    Column("until", BigInteger),  # None: until the operator says so
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

contact_list = Table(
    "contact_list",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

list_member = Table(
    "list_member",
    metadata,
    Column("list", BigInteger, primary_key=True, autoincrement=False),
    Column("recipient_key", LargeBinary, primary_key=True),
    Column("contact", Text, nullable=False),  # JSON
)
