"""Card text to a typed spec."""
