"""How it runs: settings, logs, control socket, supervisor, and the composition root (daemon.assembly)."""
