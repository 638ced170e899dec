"""The reports whose numbers are kept: every case, six audits, and analyses with arguments.

`python baseline_reports.py [FOLDER]` writes them all: those here were written by version 0.1.0,
commit 988e0ae, and are not to be made anew.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import plausible.fairness as fairness
from plausible.fairness import Audit, Columns, Counts, Prior, Report
from plausible.fairness.cases import CASES, case

FOLDER = Path(__file__).parent
# Their draws came from NUTS.
SAMPLED = ("pooled",)
# Numbers inside sentences are compared in these fields; take a field out to let them change. Those
# of findings and assumptions did: groups that the data do not decide now share a sentence, others
# come in another order, and what was left out is an assumption.
TEXTS = ("title", "lead", "notes", "question", "cannot_show")
ESTIMATE = ("value", "low", "high", "level", "above")
COUNTS = ("missing", "rows", "table")
_NUMBER = re.compile(r"(?<![\w.,])[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?")

# Seeds of the first two are such that the chains of NUTS agree.
AUDITS: dict[str, tuple[Columns, dict[str, Any]]] = {
    "stops": (
        Columns("group", trials="stops", events="searches", hits="finds", by="district"),
        {"reference": "B", "seed": 13},
    ),
    "clerks": (Columns("clerk", trials="claims", events="refused"), {"seed": 0}),
    "claims": (Columns("group", score="score", threshold=0.6, outcome="fault"), {}),
    "checks": (
        Columns(
            "group",
            decision="checked",
            outcome="fault",
            by="office",
            date="day",
            since="2021-03-01",
            until="2022-10-31",
        ),
        {},
    ),
    "visits": (
        Columns(["region", "age"], events="visited", hits="hit"),
        {"reference": "north, old"},
    ),
    "permits": (
        Columns(
            "group",
            score="score",
            threshold=55.0,
            outcome="default",
            date="day",
            until="2023-01-31",
        ),
        {"reference": "R", "seed": 7},
    ),
}
SLOW = ("stops", "clerks")  # the audits with NUTS


def audit(name: str, **more: Any) -> Report:
    columns, options = AUDITS[name]
    # Version 0.1.0 said what happens in 50 trials, whether or not these are a lifetime.
    options = {"lifetime": 50, **options, **more}
    return Audit(FOLDER / f"{name}.csv", columns, **options).report()


def arguments() -> Report:
    """Analyses that no case and no audit runs, and arguments that none of them passes."""
    prior, rate, counted = Prior(2.0, 5.0), fairness.RoundedRate, fairness.CountedRate
    flat = Counts.of(
        {
            "A": {"trials": 800, "events": 90, "hits": 30},
            "B": {"trials": 300, "events": 70, "hits": 12},
            "C": {"trials": 90, "events": 8, "hits": 5},
        },
        names={"trials": "people", "events": "stops", "hits": "arrests"},
    )
    cells = Counts.of({"A": _cells(300, 60, 40, 90), "B": _cells(120, 50, 20, 40)})
    other = Counts.of({"A": _cells(330, 30, 70, 60), "B": _cells(150, 20, 35, 25)})
    strata = fairness.read_counts(FOLDER / "stops.csv", AUDITS["stops"][0])
    x, y = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3], [2.0, 7.0, 1.8, 2.8, 1.2, 8.0, 4.0]
    costs = fairness.Costs({"go": {"rain": (2.0, 4.0), "dry": 0.0}, "stay": {"rain": 1, "dry": 1}})
    surveys = Counts.of({"A": {"trials": 400, "events": 40}, "B": {"trials": 300, "events": 45}})
    arrests = Counts.of({"A": {"trials": 9000, "events": 30}, "B": {"trials": 5000, "events": 60}})
    use = {"A": rate(0.06, rounding=0.01), "B": rate(0.03, rounding=0.01)}
    return Report(
        "Arguments",
        "",
        [
            fairness.base_rates(flat, reference="B", prior=prior, seed=1),
            fairness.intersections(strata, prior=prior, seed=2),
            fairness.prosecutor(flat, prior=prior, seed=3),
            fairness.burden(flat, times=20, period="years", reference="C", prior=prior),
            fairness.scores(cells, reference="B", prior=Prior(2.0, 2.0), seed=5),
            fairness.thresholds(
                cells, threshold=0.5, others={0.9: other}, without=other, prior=prior, seed=6
            ),
            fairness.calibration(strata, reference="C", prior=prior, seed=7),
            fairness.amplification(cells, prior=0.5, seed=8),
            fairness.amplification(flat, flat.only("A", "B", "C"), prior=3.0, seed=9),
            fairness.detection(arrests, surveys, reference="B", prior=prior, seed=10),
            fairness.detection(arrests, reference="A", detection_prior=Prior(1.0, 30.0)),
            fairness.found_out(flat, {**use, "C": counted(4, 90, prior)}, prior=prior, seed=11),
            fairness.survivorship({"wing": 40, "tail": 12, "engine": 3}, prior=2.0, seed=12),
            fairness.survivorship({"wing": 40, "tail": 12}, {"wing": 3.0, "tail": 1.0}),
            fairness.decisions(costs, counts={"rain": 7, "dry": 15}, prior=0.5, further=30),
            fairness.correlation(x, y, times=range(7), searched=100, prior=2.0, seed=13),
            fairness.prosecutor_from_rates(
                counted(20, 900, prior), rate(0.9), rate(0.05), hypothesis="ill", evidence="seen"
            ),
            fairness.profile({"A": counted(9, 70, prior), "B": use["B"]}, hypothesis="late"),
            fairness.relative_rates(use, {"A": rate(0.01), "B": rate(0.002)}, reference="A"),
            fairness.bayes_optimal((0.5, 2.0), (0.6, 0.8), shown=0.6, people=20_000, seed=14),
        ],
    )


def _cells(*numbers: int) -> dict[str, int]:
    names = ("true_negative", "false_positive", "false_negative", "true_positive")
    return dict(zip(names, numbers, strict=True))


REPORTS: dict[str, Callable[[], Report]] = {
    **{
        f"case-{name}": (lambda n=name: case(n).report())
        for name in CASES
        if (FOLDER / f"case-{name}.json").exists()  # later ones were not in version 0.1.0
    },
    **{name: (lambda n=name: audit(n)) for name in AUDITS},
    "arguments": arguments,
}


def numbers(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a report by its place, and the reference groups that details name.

    Analyses go by name (a second one of a name is `scores#2`), estimates by order. Numbers in
    sentences go by their order in the field. Labels, names and sources are not here.
    """
    result: dict[str, Any] = {}
    for name in ("title", "lead", "notes"):
        result.update(_printed(name, content[name]))
    seen: dict[str, int] = {}
    for analysis in content["analyses"]:
        name = analysis["name"]
        seen[name] = seen.get(name, 0) + 1
        where = name if seen[name] == 1 else f"{name}#{seen[name]}"
        result.update((f"{where}.{place}", value) for place, value in _analysis(analysis))
    return result


def _analysis(analysis: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("title", "question", "cannot_show"):
        yield from _printed(key, analysis[key]).items()
    yield "estimates.length", len(analysis["estimates"])
    for i, estimate in enumerate(analysis["estimates"]):
        for key in ESTIMATE:
            yield f"estimates.{i}.{key}", estimate[key]
    yield from _leaves("details", analysis["details"])
    for key in COUNTS:
        yield from _leaves(f"counts.{key}", analysis.get("counts", {}).get(key))


def _leaves(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{where}.{key}", item)
    elif isinstance(value, list):
        yield f"{where}.length", len(value)
        for i, item in enumerate(value):
            yield from _leaves(f"{where}.{i}", item)
    else:
        yield where, value


def _printed(where: str, text: str | list[str]) -> dict[str, Any]:
    """The numbers printed in a sentence, or in a list of them, in their order."""
    if where.rpartition(".")[2] not in TEXTS:
        return {}
    joined = text if isinstance(text, str) else " ".join(text)
    printed = [float(n.replace(",", "").replace("−", "-")) for n in _NUMBER.findall(joined)]
    return {f"{where} prints": printed}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else FOLDER
    for name, make in REPORTS.items():
        (target / f"{name}.json").write_text(make().to_json(), encoding="utf-8")
