"""Decisions that change what later decisions are made from."""
