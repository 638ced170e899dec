"""What the other columns tell about the group."""
