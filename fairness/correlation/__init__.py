"""Correlations, and what chance makes of them."""
