"""Stories: the whole daemon as a child process on loopback, driven by its own command line, one story a file."""
