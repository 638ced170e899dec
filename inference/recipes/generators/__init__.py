"""Recipes of networks that turn noise into data."""
