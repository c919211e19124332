"""The product's own authoritative DNS server, for tests."""

from tierii_mta.rehearsal.dns import DnsServer

__all__ = ["DnsServer"]
