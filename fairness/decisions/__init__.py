"""A prediction is not an action."""
