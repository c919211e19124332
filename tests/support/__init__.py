"""What tests of several folders share: a manual clock and a DNS server on loopback."""
