"""How it is seen: the HTTP application in its own process."""
