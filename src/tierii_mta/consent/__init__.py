"""Who may be written to: the suppression list."""
