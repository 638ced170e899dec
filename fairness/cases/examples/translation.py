"""Prediction is not action: a translation of one word, and a filter of e-mail."""

from dataclasses import replace

from plausible.fairness.amplification.bayes_optimal import bayes_optimal
from plausible.fairness.decisions.costs import E_MAIL, TRANSLATION
from plausible.fairness.decisions.decisions import decisions
from plausible.fairness.reporting.report import Report

__all__ = ["translation"]


def translation() -> Report:
    """What to show when 70 % of translations would be male."""
    words = decisions(TRANSLATION, {"male": 0.7, "female": 0.3})
    mail = decisions(E_MAIL, counts={"spam": 84, "ham": 16})
    return Report(
        "A prediction is not an action: translation and e-mail",
        "A sentence about a doctor has to be translated into a language that knows two forms. Say "
        "that seven translations of ten are male: what should be shown?",
        [
            replace(words, title="One word, two forms"),
            replace(mail, title="E-mail: inbox, junk folder, or deleted"),
            bayes_optimal(),
        ],
        notes=[
            "The probability of .7 is the lecture's example. The costs are assumed, with ranges; "
            "nobody can measure what a wrong form costs the person who reads it. Of 100 messages "
            "like the one at hand, 84 were spam: assumed too."
        ],
    )
