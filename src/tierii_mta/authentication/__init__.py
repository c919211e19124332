"""Who really sent it: DKIM signing and verifying."""
