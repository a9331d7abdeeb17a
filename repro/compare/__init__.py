"""Claims beside measurements, and the verdict."""
