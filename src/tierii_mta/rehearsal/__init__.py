"""The Internet on loopback: a receiving MX with personalities, an authoritative DNS server, and the demo."""
