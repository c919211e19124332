"""The tables of received mail as queries see them: the inbox, conversations, mailboxes' jobs, the greylist,
and who follows the event log.

Owns names and types of columns, as `tables` does for everything else, and in the same way.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table, Text, text

from tierii_mta.storage.tables import metadata

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("remote", Text, nullable=False),
    Column("helo", Text, nullable=False),
    Column("tls", Text),
    Column("reverse_path", Text, nullable=False),
    Column("message_id", Text),
    Column("size", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("verdict", Text, nullable=False),  # JSON
    Column("session", Text, nullable=False),  # JSON: the facts of the session
    Column("owner", BigInteger),  # epoch of whoever processes it
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),  # claims that came to no end
    Column("processed_at", BigInteger),
    Column("kind", Text),  # what it turned out to be; this and what follows: None before it was read
    Column("sender", Text),
    Column("subject", Text),
    Column("reading", Text),  # JSON
    Column("delivery", BigInteger),  # of ours that it is about
    Column("trust", Text),  # how sure that is
    Column("effects", Text),  # JSON: what followed
)

inbox_recipient = Table(
    "inbox_recipient",
    metadata,
    Column("message", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("address", Text, nullable=False),
    Column("mailbox", Text),  # `domain/local part` of the settings, None: a token's
    Column("token", Text),  # the kind of signed address it was sent to
)

inbox_part = Table(
    "inbox_part",
    metadata,
    Column("message", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

conversation = Table(
    "conversation",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("recipient_key", LargeBinary, nullable=False),  # the person we talk with
    Column("address", Text, nullable=False),
    Column("campaign", BigInteger),  # it began with
    Column("subject", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)

conversation_message = Table(
    "conversation_message",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("conversation", BigInteger, nullable=False),
    Column("is_ours", Boolean, nullable=False),
    Column("inbox", BigInteger),  # a received one
    Column("delivery", BigInteger),  # one of ours; of a received one: what it answers
    Column("message_id", Text),
    Column("sender", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("words", Text),  # what is new in it; None: ours, which the delivery tells
)

mailbox_job = Table(
    "mailbox_job",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("inbox", BigInteger, nullable=False),
    Column("mailbox", Text, nullable=False),  # `domain/local part` of the settings, or an address to send on to
    Column("recipient", Text, nullable=False),  # as the client wrote it
    Column("state", SmallInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("owner", BigInteger),  # epoch of whoever has it in hand
    Column("attempts", SmallInteger, nullable=False),
    Column("last_error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
)

event_reader = Table(
    "event_reader",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),  # the last event it is done with
    Column("moved_at", BigInteger, nullable=False),
)

greylist = Table(
    "greylist",
    metadata,
    Column("client", Text, primary_key=True),  # a network, or the domain that proved to be it
    Column("sender", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("passed_at", BigInteger),
)
