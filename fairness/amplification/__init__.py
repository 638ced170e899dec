"""Groups further apart in predictions than in the data."""
