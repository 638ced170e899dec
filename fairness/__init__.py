"""Bayesian analyses of profiling data: from counts to a report that someone can defend."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness, not as fairness.")

from typing import TYPE_CHECKING

from plausible.inference.lazy import lazy

if TYPE_CHECKING:  # for tools that read types; tests/test_lazy.py holds it to the table below
    from plausible.fairness.amplification.amplification import amplification
    from plausible.fairness.amplification.bayes_optimal import bayes_optimal
    from plausible.fairness.audit import Audit
    from plausible.fairness.base_rates.base_rates import base_rates
    from plausible.fairness.base_rates.pooling import pooled
    from plausible.fairness.base_rates.relative_rates import relative_rates
    from plausible.fairness.burden.burden import burden
    from plausible.fairness.burden.found_out import found_out
    from plausible.fairness.burden.intersections import intersections
    from plausible.fairness.correlation.chance import chance
    from plausible.fairness.correlation.correlation import correlation
    from plausible.fairness.correlation.spurious import spurious
    from plausible.fairness.counts.columns import Columns
    from plausible.fairness.counts.counts import Counts
    from plausible.fairness.counts.reading import read_counts
    from plausible.fairness.decisions.costs import Costs
    from plausible.fairness.decisions.decisions import decisions
    from plausible.fairness.estimation.estimates import Estimate, estimate
    from plausible.fairness.estimation.posteriors import Prior, Rates
    from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
    from plausible.fairness.prosecutor.prosecutor import prosecutor
    from plausible.fairness.prosecutor.published_rates import profile, prosecutor_from_rates
    from plausible.fairness.proxies.proxies import proxies
    from plausible.fairness.reporting.analysis import Analysis, Finding, Table
    from plausible.fairness.reporting.registry import analysis
    from plausible.fairness.reporting.report import Report
    from plausible.fairness.sampling_bias.detection import detection
    from plausible.fairness.sampling_bias.survivorship import survivorship
    from plausible.fairness.sampling_bias.trained_on_arrests import trained_on_arrests
    from plausible.fairness.scores.calibration import calibration
    from plausible.fairness.scores.scores import scores
    from plausible.fairness.scores.thresholds import thresholds

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
    "analysis",
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
    "pooled",
    "profile",
    "prosecutor",
    "prosecutor_from_rates",
    "proxies",
    "read_counts",
    "relative_rates",
    "scores",
    "spurious",
    "survivorship",
    "thresholds",
    "trained_on_arrests",
]

lazy(
    __name__,
    {
        "amplification.amplification": "amplification",
        "amplification.bayes_optimal": "bayes_optimal",
        "audit": "Audit",
        "base_rates.base_rates": "base_rates",
        "base_rates.pooling": "pooled",
        "base_rates.relative_rates": "relative_rates",
        "burden.burden": "burden",
        "burden.found_out": "found_out",
        "burden.intersections": "intersections",
        "correlation.chance": "chance",
        "correlation.correlation": "correlation",
        "correlation.spurious": "spurious",
        "counts.counts": "Counts",
        "counts.columns": "Columns",
        "counts.reading": "read_counts",
        "decisions.costs": "Costs",
        "decisions.decisions": "decisions",
        "estimation.estimates": "Estimate estimate",
        "estimation.posteriors": "Prior Rates",
        "estimation.rounded": "CountedRate RoundedRate",
        "prosecutor.prosecutor": "prosecutor",
        "prosecutor.published_rates": "profile prosecutor_from_rates",
        "proxies.proxies": "proxies",
        "reporting.analysis": "Analysis Finding Table",
        "reporting.registry": "analysis",
        "reporting.report": "Report",
        "sampling_bias.detection": "detection",
        "sampling_bias.survivorship": "survivorship",
        "sampling_bias.trained_on_arrests": "trained_on_arrests",
        "scores.calibration": "calibration",
        "scores.scores": "scores",
        "scores.thresholds": "thresholds",
    },
)
