"""Ways out: direct to the MX hosts of the recipient's domain."""
