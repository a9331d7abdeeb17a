"""Questions asked of every card."""
