"""How names become hosts: the Resolver port, its answers, and the stub resolver behind it."""
