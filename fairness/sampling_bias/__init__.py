"""What was counted against what happened."""
