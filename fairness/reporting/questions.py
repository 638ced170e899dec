"""The six questions with which every report ends, and what the report has to say to each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plausible.fairness.reporting.analysis import Analysis

__all__ = ["Answer", "closing_questions"]


@dataclass(frozen=True)
class _Question:
    heading: str
    text: str
    analyses: tuple[str, ...]
    beyond: str


@dataclass(frozen=True)
class Answer:
    """One of the six questions, with what a report says to it.

    Attributes:
        heading: a word or two.
        question: the question.
        here: which parts of the report speak to it, in a sentence.
        beyond: what no part of it can say.
    """

    heading: str
    question: str
    here: str
    beyond: str


_QUESTIONS = (
    _Question(
        "Representative data",
        "Do the data show everyone alike, or do they show whom somebody chose to look at?",
        ("base-rates", "pooled", "detection", "relative-rates", "found-out", "planes"),
        "Records begin where somebody looked. Who was never looked at is in no table.",
    ),
    _Question(
        "Amplification",
        "Does a prediction widen a difference that is in the data?",
        ("amplification", "bayes-optimal-amplification", "proxies", "trained-on-arrests"),
        "A model that adds nothing still repeats what is in its data, wrong or right.",
    ),
    _Question(
        "Bayes",
        "Is the probability of the evidence given guilt kept apart from that of guilt given the "
        "evidence?",
        ("prosecutor", "profile", "scores", "calibration"),
        "A correct probability of a group says nothing about the person who is stopped.",
    ),
    _Question(
        "Actions",
        "Does the action follow from a weighing of its costs, or from the largest probability "
        "alone?",
        ("decisions", "burden", "intersections", "thresholds"),
        "What a wrong stop costs a person, or a group, is no number that data can give.",
    ),
    _Question(
        "Causes",
        "What makes the numbers differ, and what would an intervention change?",
        ("causal", "mediation", "feedback", "correlation", "spurious", "chance-correlation"),
        "Counts and correlations fit many causal stories; which of them is true needs knowledge "
        "from outside the table, or an experiment.",
    ),
    _Question(
        "Dignity",
        "Would it be right to treat a person as a specimen of a group, even if all of the above "
        "were in order?",
        (),
        "This is no question of effectiveness, and no analysis here can answer it. A profile that "
        "works still makes some people pay, with their time and their standing, for what others "
        "did.",
    ),
)


def closing_questions(analyses: Iterable[Analysis]) -> Sequence[Answer]:
    """The six questions, each with the parts of a report that speak to it.

    Args:
        analyses: of the report.
    """
    there = list(analyses)
    answers = []
    for question in _QUESTIONS:
        titles = [a.title for a in there if a.name in question.analyses]
        if titles:
            here = f"Here: {', '.join(dict.fromkeys(titles))}."
        elif question.analyses:
            here = "No part of this report speaks to it."
        else:
            here = ""
        answers.append(Answer(question.heading, question.text, here, question.beyond))
    return answers
