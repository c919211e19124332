"""The preflight: what `check` and `plan` say of a campaign before it goes, and what `enqueue` refuses.

`rules` is the table; each rule's check stands in the module of its subject: `authenticity` and `hosts` (A), `header`
and `oneclick` (H), `wording` and `links` (C), `persons` (L), `volume` (V).  They judge a `case`, which `run` puts
together from a `census` of the contacts and `specimens` of the mail; what the network says comes through the ports of
`case`.  Compliance profiles are data (`profiles`).
"""
