"""The tests mirror `src`; besides them stand contracts/ (ports on both databases) and scenarios/ (the whole daemon)."""
