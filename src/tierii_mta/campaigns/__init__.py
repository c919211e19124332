"""Why many leave: the campaign file, its audience and templates, and the mail made from them at the attempt.

In the order a campaign takes: `specification` (the file) → `expansion` (templates, attachments) → `snapshot` (fixed) →
`audience` (feed → columns → cleaning) → `inquiry` (tried on contacts) → `loading`; `enqueue` leads through them.  At
the attempt: `merge` → `press` (implemented by `pressroom`) → `plate` (template, text part, header) → signature.
"""
