"""Bayesian analyses of profiling data: from counts to a report that someone can defend."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness, not as fairness.")

from plausible.fairness.amplification import amplification
from plausible.fairness.analysis import Analysis, Finding, Table
from plausible.fairness.audit import Audit
from plausible.fairness.base_rates import base_rates
from plausible.fairness.bayes import profile, prosecutor_from_rates
from plausible.fairness.bayes_optimal import bayes_optimal
from plausible.fairness.burden import burden
from plausible.fairness.calibration import calibration
from plausible.fairness.chance import chance
from plausible.fairness.correlation import correlation
from plausible.fairness.costs import Costs
from plausible.fairness.counts import Counts
from plausible.fairness.decisions import decisions
from plausible.fairness.detection import detection
from plausible.fairness.estimates import Estimate, estimate
from plausible.fairness.found_out import found_out
from plausible.fairness.intersections import intersections
from plausible.fairness.planes import planes
from plausible.fairness.pooling import pooled
from plausible.fairness.posteriors import Prior, Rates
from plausible.fairness.prosecutor import prosecutor
from plausible.fairness.proxies import proxies
from plausible.fairness.reading import Columns, read_counts
from plausible.fairness.relative_rates import relative_rates
from plausible.fairness.report import Report
from plausible.fairness.rounded import CountedRate, RoundedRate
from plausible.fairness.scores import scores
from plausible.fairness.spurious import spurious
from plausible.fairness.thresholds import thresholds
from plausible.fairness.trained_on_arrests import trained_on_arrests

__all__ = [
    "Analysis",
    "Audit",
    "Columns",
    "Costs",
    "CountedRate",
    "Counts",
    "Estimate",
    "Finding",
    "Prior",
    "Rates",
    "Report",
    "RoundedRate",
    "Table",
    "amplification",
    "base_rates",
    "bayes_optimal",
    "burden",
    "calibration",
    "chance",
    "correlation",
    "decisions",
    "detection",
    "estimate",
    "found_out",
    "intersections",
    "planes",
    "pooled",
    "profile",
    "prosecutor",
    "prosecutor_from_rates",
    "proxies",
    "read_counts",
    "relative_rates",
    "scores",
    "spurious",
    "thresholds",
    "trained_on_arrests",
]
