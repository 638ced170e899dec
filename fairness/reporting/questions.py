"""The six questions with which every report ends, and what the report has to say to each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from plausible.fairness.reporting import registry
from plausible.fairness.reporting.analysis import Analysis

__all__ = ["QUESTIONS", "Answer", "closing_questions"]


class _Question(NamedTuple):
    """A heading, the question, and what no report can say to it."""

    heading: str
    text: str
    beyond: str


@dataclass(frozen=True)
class Answer:
    """One of the six questions, with what a report says to it.

    Attributes:
        heading: a word or two.
        question: the question.
        here: which parts of the report speak to it, in a sentence.
        says: what these find; empty where their titles say enough.
        beyond: what no part of it can say.
    """

    heading: str
    question: str
    here: str
    beyond: str
    says: str = ""


# By the name with which an analysis says what it answers.
QUESTIONS = {
    "representative": _Question(
        "Representative data",
        "Do the data show everyone alike, or do they show whom somebody chose to look at?",
        "Records begin where somebody looked. Who was never looked at is in no table.",
    ),
    "amplification": _Question(
        "Amplification",
        "Does a prediction widen a difference that is in the data?",
        "A model that adds nothing still repeats what is in its data, wrong or right.",
    ),
    "bayes": _Question(
        "Bayes",
        "Is the probability of the evidence given guilt kept apart from that of guilt given the "
        "evidence?",
        "A correct probability of a group says nothing about the person who is stopped.",
    ),
    "actions": _Question(
        "Actions",
        "Does the action follow from a weighing of its costs, or from the largest probability "
        "alone?",
        "What a wrong stop costs a person, or a group, is not a number that data can give.",
    ),
    "causes": _Question(
        "Causes",
        "What makes the numbers differ, and what would an intervention change?",
        "Counts and correlations fit many causal stories; which of them is true needs knowledge "
        "from outside the table, or an experiment.",
    ),
    "dignity": _Question(
        "Dignity",
        "Would it be right to treat a person as a specimen of a group, even if all of the above "
        "were in order?",
        "This question is not about effectiveness, and no analysis here can answer it. A profile "
        "that works still makes some people pay, with their time and their standing, for what "
        "others did.",
    ),
}


# Where a yes is good for whoever gets it, some of them are other ones.
_GOOD = {
    "bayes": _Question(
        "Bayes",
        "Is the probability of a yes given the group kept apart from that of the group given a "
        "yes?",
        "A correct probability of a group says nothing about the person who asks for a yes.",
    ),
    "actions": QUESTIONS["actions"]._replace(
        beyond="What a wrong refusal costs a person, or a group, is not a number that data give."
    ),
}


def closing_questions(analyses: Iterable[Analysis]) -> Sequence[Answer]:
    """The six questions, each with the parts of a report that speak to it.

    An analysis speaks to the question that it is registered for, and one that nobody registered
    to none.

    Args:
        analyses: of the report.
    """
    analyses, known = list(analyses), registry.names()
    good = any(a.counts is not None and a.counts.good for a in analyses)
    questions = QUESTIONS | (_GOOD if good else {})
    parts: dict[str, list[Analysis]] = {name: [] for name in QUESTIONS}
    for analysis in analyses:
        if analysis.name in known:
            parts[registry.registered(analysis.name).answers].append(analysis)
    return [
        Answer(
            question.heading,
            question.text,
            _here(name, [part.title for part in parts[name]]),
            question.beyond,
            _says(name, parts[name]),
        )
        for name, question in questions.items()
    ]


def _here(question: str, titles: Sequence[str]) -> str:
    if titles:
        return f"Here: {', '.join(dict.fromkeys(titles))}."
    return "" if question == "dignity" else "No part of this report speaks to it."


def _says(question: str, parts: Sequence[Analysis]) -> str:
    """Of causes, what the first part finds: a title alone does not say it."""
    texts = [part.findings[0].text for part in parts if part.findings]
    return texts[0] if question == "causes" and texts else ""
