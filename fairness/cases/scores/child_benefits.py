"""Child benefits: a score above a threshold is investigated without a person (simulated)."""

from plausible.fairness.reporting.report import Report
from plausible.fairness.scores.scores import scores
from plausible.fairness.scores.simulated_scores import simulated_scores
from plausible.fairness.scores.thresholds import thresholds

__all__ = ["child_benefits"]


def child_benefits() -> Report:
    """Who is wrongly investigated, with and without nationality as a feature."""
    simulated = simulated_scores()
    at = simulated.counts(0.8)
    others = {threshold: simulated.counts(threshold) for threshold in (0.6, 0.7, 0.9)}
    return Report(
        "A risk score above 0.8 is investigated (simulated)",
        "The Dutch tax office scored claims for child benefits; a high score led to an "
        "investigation, and nationality was one of the features. No counts were published, so "
        "these claims are simulated: what the report shows is how such a rule works, not what "
        "happened to anyone.",
        [thresholds(at, others=others, without=simulated.counts(0.8, without=True)), scores(at)],
        notes=[
            "In the simulation both groups make mistakes equally often. In past checks, claims "
            "without a fault were recorded as faulty more often in one group; the score is a "
            "logistic regression trained on those records. All numbers follow from assumptions "
            "that anyone can change in the code."
        ],
    )
