"""Recipients that only an open relay takes, as a client writes them between the angle brackets of RCPT.

`example.com` (some mailboxes) and `catch.example` (a catch-all) are ours, `mta.example.com` is our host name.
"""

FOREIGN = (
    "victim@other.example",
    "victim@www.example.com",  # below a domain of ours
    "victim@com",
    "victim@xample.com",
    "victim@notexample.com",
    "victim@example.com.other.example",
    "victim@example.com.local",
    "victim@localhost",
    "victim@other.example.",
    # the percent hack
    "victim%other.example@example.com",
    "victim%other.example@catch.example",
    "victim%other.example@mta.example.com",
    "victim%other.example+tag@catch.example",
    "sales+x%other.example@example.com",
    "postmaster%other.example@example.com",
    # bang paths
    "other.example!victim@example.com",
    "other.example!victim@catch.example",
    "a!b!victim%c@bounce.example.com",
    # quoted local parts
    '"victim@other.example"@example.com',
    '"victim@other.example"@catch.example',
    '"victim\\@other.example"@catch.example',
    '"victim%other.example"@catch.example',
    '"sales@example.com"@other.example',
    '"victim"@other.example',
    # address literals
    "victim@[127.0.0.1]",
    "victim@[192.0.2.7]",
    "victim@[IPv6:2001:db8::1]",
    "postmaster@[127.0.0.1]",
    # look-alikes: Cyrillic and Greek letters, an accent, their A-labels
    "sales@exаmple.com",
    "sales@xn--exmple-4nf.com",
    "sales@еxample.com",
    "sales@examplе.com.",
    "sales@exampΙe.com",
    "sales@exämple.com",
    "sales@example.сom",
)
"""Each parses, and would have to be passed on."""

MALFORMED = (
    "@mta.example.com:victim@other.example",  # source routes
    "@example.com,@mta.example.com:victim@other.example",
    "@example.com:victim",
    "victim@other.example@example.com",
    "victim@example.com@other.example",
    "victim%other.example",
    "other.example!victim",
    "victim",
    "victim@",
    "@example.com",
    "victim@other.example..",
    "victim@example.com,victim@other.example",
    "victim@other.example:25",
    "victim@192.0.2.7",
    "victim@[example.com]",
    "victim @other.example",
    "victim@other.example\\",
    "<victim@other.example>",
    "mailto:victim@other.example",
    "victim@other。example@example.com",
    "victim\uff20other.example",
    "vic\u202etim@example.com",
)
"""Each is no address, or none of ours in any reading."""
