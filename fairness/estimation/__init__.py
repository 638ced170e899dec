"""Numbers with their uncertainty; no sentences."""
