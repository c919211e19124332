"""How it is driven: one module per noun, on click."""
