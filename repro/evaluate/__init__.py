"""Checkpoints scored by lm-eval."""
