"""Risk scores, thresholds and their errors."""
