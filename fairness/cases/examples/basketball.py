"""The basketball example of the prosecutor's fallacy, with assumed numbers."""

from plausible.fairness.estimation.rounded import RoundedRate
from plausible.fairness.prosecutor.published_rates import prosecutor_from_rates
from plausible.fairness.reporting.report import Report

__all__ = ["basketball"]


def basketball() -> Report:
    """Nearly all players are tall; nearly no tall person is a player."""
    return Report(
        "Tall people and basketball: the prosecutor's fallacy",
        "Nearly every professional basketball player is tall. Does that make tall people likely to "
        "be professional basketball players?",
        [
            prosecutor_from_rates(
                base_rate=RoundedRate(0.00001, rounding=0.00001),
                if_true=RoundedRate(0.99, rounding=0.01),
                if_false=RoundedRate(0.05, rounding=0.01),
                hypothesis="professional basketball players",
                evidence="tall",
            )
        ],
        notes=[
            "The numbers are assumed, to the nearest order: one man in 100,000 plays "
            "professionally, 99 % of players are taller than 1.90 m, and so are 5 % of other men."
        ],
    )
