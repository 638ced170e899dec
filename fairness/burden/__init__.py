"""What a practice costs people who did nothing."""
