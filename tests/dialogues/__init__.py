"""Conversations with a server, as text: `script` reads and plays them, `engine` is our engine as their peer."""
