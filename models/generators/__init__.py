"""Models that turn noise into data."""
