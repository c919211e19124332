"""Measurements with a peer beside us in the same run: they print figures, and gate nothing."""
