"""How delivery reports are read: the formats, what their texts mean, and who is to blame."""
