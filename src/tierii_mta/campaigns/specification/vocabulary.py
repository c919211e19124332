"""Names that a campaign file and its templates may use without a contact or a variable bringing them.

Owns the reserved names of the template context, to which `campaigns.template` gives their values, and the names of the
compliance profiles, which `campaigns.preflight.profiles` reads.  Pure.
"""

PERSON_FIELDS = ("email", "first_name", "last_name", "full_name", "company", "position")
"""Fields every contact has; they default to the empty text."""

CONTEXT_NAMES = frozenset(
    {
        *PERSON_FIELDS,
        "contact",
        "campaign",
        "campaign_date",
        "unsubscribe_url",
        "preferences_url",
        "web_view_url",
        "format_date",
        "format_currency",
        "capitalize",
        "url",
    }
)

_LANGUAGE_NAMES = frozenset(
    {"range", "dict", "cycler", "joiner", "namespace", "lipsum", "loop", "self", "super", "caller", "varargs", "kwargs"}
) | {"true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "for"}

RESERVED_NAMES = CONTEXT_NAMES | _LANGUAGE_NAMES
"""What `variables` may not be called."""

LINK_NAMES = frozenset({"unsubscribe_url", "preferences_url", "web_view_url"})
"""Names that stand for pages of ours, and so need `web.public_url`."""

PROFILES = ("can-spam", "casl", "gdpr", "cannabis-us-ca")
"""Compliance profiles that travel with the product."""
