"""The place of the Bayesian analyses of profiling data; empty so far."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness, not as fairness.")
