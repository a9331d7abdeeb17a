"""A spec's holes filled, each with its origin."""
