"""Bayesian analyses of counts and causal graphs, and the reports that explain them."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness, not as fairness.")
