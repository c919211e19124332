"""How well delivery reports are read, measured on reports that nobody here wrote."""
