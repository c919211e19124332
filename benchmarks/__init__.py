"""Measurements with a peer beside us in the same run. They print figures and gate nothing; see docs/reference/performance.md."""
