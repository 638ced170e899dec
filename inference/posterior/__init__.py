"""Draws from posteriors, as ArviZ data."""
