"""Recipes of networks that output a distribution."""
