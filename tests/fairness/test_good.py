"""A yes can be good for whoever gets it: nobody is investigated for nothing; one rate, one name."""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.burden.burden import burden
from plausible.fairness.cases.causes.admissions import admissions
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.report import Report
from plausible.inference.errors import DataError

# Words that are said of suspects.
SUSPECT = re.compile(r"search|investigat|for nothing|in vain|flagged|guilt|innocent|suspic|stop ")


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    random = np.random.default_rng(0)
    n = 4000
    sex, repaid = random.choice(["m", "w"], n), random.random(n) < 0.8
    approved = random.random(n) < 0.3 + 0.4 * repaid + 0.1 * (sex == "m")
    frame = pd.DataFrame({"sex": sex, "approved": approved, "repaid": repaid})
    return frame.assign(score=random.random(n) + approved, branch=random.choice(["x", "y"], n))


def words(report: Report) -> str:
    """All that the report says of this table; sources and what was not analysed aside."""
    texts = [report.lead, *report.notes]
    for a in report.analyses:
        texts += [a.title, a.question, *a.assumptions, *a.cannot_show]
        texts += [text for f in a.findings for text in (f.text, f.caveat)]
        texts += [e.label for e in a.estimates] + [p.caption for p in a.figures()]
    texts += [t for q in report.questions for t in (q.question, q.here, q.beyond, q.says)]
    return "\n".join(texts)


@pytest.mark.parametrize(
    "columns",
    [
        Columns("sex", decision="approved", outcome="repaid"),
        Columns("sex", events="approved", hits="repaid_if_approved"),
        Columns("sex", events="approved", by="branch"),
        Columns("sex", score="score", threshold=0.9, outcome="repaid", good=True),
    ],
    ids=["decision", "hits", "strata", "score"],
)
def test_nothing_that_is_said_of_suspects_is_said_of_a_loan(
    loans: pd.DataFrame, columns: Columns
) -> None:
    # Seen failing before: "investigated although there is nothing to find", "sends every search".
    table = loans.assign(repaid_if_approved=loans["approved"] & loans["repaid"])
    used = [*columns.groups, columns.events, columns.hits, columns.by]
    used += [columns.decision, columns.outcome, columns.score]
    report = Audit(table[[c for c in used if c]], columns).report()
    assert SUSPECT.findall(words(report)) == []
    assert {"burden", "thresholds"}.isdisjoint({a.name for a in report.analyses})


def test_errors_of_a_loan_are_named_by_what_they_are(loans: pd.DataFrame) -> None:
    report = Audit(
        loans[["sex", "approved", "repaid"]],
        Columns("sex", decision="approved", outcome="repaid"),
    ).report()
    text = words(report)
    assert "false-positive rate (approved although repaid is no)" in text
    assert "false-negative rate (not approved although repaid is yes)" in text
    assert "A yes in approved is taken to be good for whoever gets it, by the name" in text
    assert "are good for whoever gets them" in dict(report.skipped)["burden"]


@pytest.mark.parametrize(
    ("name", "good", "benefit"),
    [
        ("approved", None, True),
        ("Admitted", None, True),
        ("was_hired", None, True),
        ("loan granted", None, True),
        ("searched", None, False),
        ("not_approved", None, False),
        ("disapproved", None, False),
        ("refused", None, False),
        ("approved", False, False),
        ("yes", True, True),
    ],
)
def test_whether_a_yes_is_good_is_said_or_is_in_the_name(
    name: str, good: bool | None, benefit: bool
) -> None:
    assert Columns("g", events=name, good=good).benefit is benefit
    assert Columns("g", decision=name, outcome="o", good=good).benefit is benefit


def test_a_search_stays_a_search(loans: pd.DataFrame) -> None:
    table = loans.rename(columns={"approved": "searched", "repaid": "weapon"})
    columns = Columns("sex", decision="searched", outcome="weapon")
    text = words(Audit(table[["sex", "searched", "weapon"]], columns).report())
    assert "in vain" in text and "flagged among those without the outcome" in text
    assert "guilt" in text


def test_counts_of_a_good_have_no_burden() -> None:
    counts = Counts.of({"a": {"trials": 9, "events": 5, "hits": 2}}, good=True)
    with pytest.raises(DataError, match="good for whoever gets them"):
        burden(counts)


def test_berkeley_is_no_search() -> None:
    assert SUSPECT.findall(words(admissions())) == []


@pytest.mark.parametrize("decision", ["approved", "searched"])
def test_a_rate_has_one_name_on_a_page(loans: pd.DataFrame, decision: str) -> None:
    # Seen failing before: "selection rate" and "rate of approved among rows".
    table = loans.rename(columns={"approved": decision})
    for columns in (
        Columns("sex", decision=decision, outcome="repaid"),
        Columns("sex", score="score", threshold=0.9, outcome="repaid"),
        Columns("sex", events=decision, by="branch"),
    ):
        report = Audit(table, columns).report()
        names = defaultdict(set)
        for a in report.analyses:
            for e in a.estimates:
                if e.counts and e.measure == "share" and a.name != "ranking":
                    names[e.group, e.stratum, e.counts].add(e.words)
        assert {key: each for key, each in names.items() if len(each) > 1} == {}


def test_the_selection_rate_is_told_once(loans: pd.DataFrame) -> None:
    columns = Columns("sex", decision="approved", outcome="repaid")
    report = Audit(loans[["sex", "approved", "repaid"]], columns).report()
    analyses = {a.name: a for a in report.analyses}
    assert "approved among" in analyses["base-rates"].findings[0].text
    assert not [f for f in analyses["scores"].findings if "selection rate" in f.text]
    e = analyses["scores"]["selection_rate", "w"]
    assert e.words == analyses["base-rates"]["rate", "w"].words
    assert e.words == "selection rate (rate of approved among rows)"
