"""A plan's stages trained."""
