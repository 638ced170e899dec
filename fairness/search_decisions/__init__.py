"""Tests of search decisions, and what each of them takes for granted."""
