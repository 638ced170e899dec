"""Cases of risk scores."""
