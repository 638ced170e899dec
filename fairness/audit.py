"""An audit: every analysis that the columns of a table allow, and what the others lack."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ibis

from plausible.fairness.amplification.amplification import amplification
from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.base_rates.pooling import pooled
from plausible.fairness.burden.burden import burden
from plausible.fairness.burden.intersections import intersections
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.counts.reading import Columns, open_table, read_counts
from plausible.fairness.prosecutor.prosecutor import prosecutor
from plausible.fairness.proxies.proxies import proxies
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.report import Report
from plausible.fairness.scores.calibration import calibration
from plausible.fairness.scores.scores import scores
from plausible.fairness.scores.thresholds import thresholds
from plausible.inference.errors import DataError, PlausibleError, UnknownName

__all__ = ["Audit"]

_LEVEL = "level of the score"
_MANY, _POOLED = 7, 300
_NEED = {
    "trials": "a column of trials",
    "events": "a column of events",
    "hits": "a column of hits",
    **dict.fromkeys(CONFUSION, "a decision (or a score with a threshold) and an outcome"),
}
# What no table of decisions holds.
_BEYOND = (
    ("sampling bias and detection", "it needs a survey of the conduct itself, in another table."),
    ("prediction and action", "it needs what every outcome of every action costs."),
)


@dataclass(frozen=True)
class _Entry:
    """An analysis and what it needs.

    Attributes:
        run: from counts to the analysis.
        needs: measures.
        groups: least number of groups.
        most: largest number of groups, in strata of groups and strata together.
        strata: least number of strata; at most `_POOLED` of them are analysed.
        score: whether a score has to be given.
        rows: whether the rows of single cases are needed.
    """

    name: str
    run: Callable[[Counts], Analysis]
    needs: tuple[str, ...]
    groups: int = 1
    most: int = 10**9
    strata: int = 0
    score: bool = False
    rows: bool = False


class Audit:
    """Runs the analyses that a table or counts allow.

    Decisions against outcomes are also read as cases (trials), positive decisions (events) and
    right ones among these (hits), so that their base rates and their burden are analysed too.

    Args:
        source: a file, folder, data frame or Ibis table, as `read_counts` takes it; or counts.
        columns: which columns hold what; None for counts.
        reference: the group that others are compared with; the largest by default.
        seed: of all draws.

    Attributes:
        counts: what was read.
        skipped: analyses that could not be run, and why, once `run` was called.

    Raises:
        UnknownName: for a column or reference that is not there.
        DataError: for a table that cannot be counted.
    """

    def __init__(
        self,
        source: Any,
        columns: Columns | None = None,
        *,
        reference: str | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(source, Counts):
            self.counts = source
        elif columns is None:
            raise DataError("An audit of a table needs to know its columns: columns=Columns(...).")
        else:
            self.counts = read_counts(source, columns)
        if reference is not None and reference not in self.counts.groups:
            raise UnknownName(self.counts.group, reference, self.counts.groups)
        if seed < 0:
            raise DataError(f"A seed is a whole number from 0 up, but is {seed}.")
        self.columns = columns
        self.reference, self.seed = reference, seed
        self.skipped: list[tuple[str, str]] = []
        self._source = source
        self._flags = _flags(self.counts, columns)

    def run(self) -> list[Analysis]:
        """The analyses, in the order of a report."""
        self.skipped = []
        made = []
        for entry in self._entries():
            reason = self._lacks(entry)
            if reason is None:
                try:
                    made.append(entry.run(self._flags if "events" in entry.needs else self.counts))
                    continue
                except PlausibleError as error:
                    reason = str(error)
            self.skipped.append((entry.name, reason))
        self.skipped += _BEYOND
        return made

    def report(self, title: str = "", lead: str = "") -> Report:
        """All of it as a report.

        Raises:
            DataError: if the columns allow no analysis.
        """
        analyses = self.run()
        flags = self._flags
        total = f"{int(flags[flags.measures[0]].sum()):,} {flags.label_of(flags.measures[0])}"
        groups = "one group" if len(flags.groups) == 1 else f"{len(flags.groups):,} groups"
        return Report(
            title or f"{flags.source or 'Counts'} by {flags.group}",
            lead or f"{total} in {groups} of {flags.group}.",
            analyses,
            skipped=self.skipped,
            notes=[] if self.columns is None else [_reading(self.columns)],
        )

    def _entries(self) -> tuple[_Entry, ...]:
        kw: dict[str, Any] = {"reference": self.reference, "seed": self.seed}
        seed: dict[str, Any] = {"seed": self.seed}
        threshold = self.columns.threshold if self.columns is not None else None
        return (
            _Entry("base rates", lambda c: base_rates(c, **kw), ("trials", "events")),
            _Entry(
                "partial pooling of many groups",
                lambda c: pooled(c.total(), **kw),
                ("trials", "events"),
                groups=_MANY,
                most=_POOLED,
            ),
            _Entry(
                "partial pooling of strata",
                lambda c: pooled(c, **kw),
                ("trials", "events"),
                most=_POOLED,
                strata=_MANY,
            ),
            _Entry(
                "two attributes at once",
                lambda c: intersections(c, **seed),
                ("trials", "events"),
                strata=2,
            ),
            _Entry(
                "prosecutor's fallacy",
                lambda c: replace(prosecutor(_looked_for(c), **seed), counts=c),
                ("trials", "events"),
            ),
            _Entry("burden", lambda c: burden(c, **kw), ("trials", "events", "hits")),
            _Entry("errors of decisions", lambda c: scores(c, **kw), CONFUSION),
            _Entry(
                "threshold",
                lambda c: thresholds(c, threshold=threshold or 0.0, **kw),
                CONFUSION,
                score=True,
            ),
            _Entry("amplification", lambda c: amplification(c, **seed), CONFUSION, groups=2),
            _Entry("calibration", lambda _: calibration(self._levels(), **kw), (), score=True),
            _Entry("proxies", lambda _: self._proxies(), (), rows=True),
        )

    def _lacks(self, entry: _Entry) -> str | None:
        """Why an analysis cannot be run; None where it can."""
        there = {*self.counts.measures, *self._flags.measures}
        if missing := list(dict.fromkeys(_NEED[m] for m in entry.needs if m not in there)):
            return f"it needs {', '.join(missing[:-1])}{' and ' * bool(missing[1:])}{missing[-1]}."
        if entry.score and (self.columns is None or self.columns.score is None):
            return "it needs a column of scores, with a threshold and an outcome."
        if entry.rows and (self.columns is None or self.columns.trials is not None):
            return "it needs a table in which a row is one case."
        strata = len(self.counts.strata)
        if entry.strata and self.counts.by is None:
            return "it needs a column of strata."
        if entry.strata and not entry.strata <= strata <= _POOLED:
            return f"it needs {entry.strata} to {_POOLED} strata; there are {strata:,}."
        cells = len(self.counts.frame)
        if entry.strata and cells > entry.most:
            return f"it takes up to {entry.most:,} groups in strata; there are {cells:,}."
        groups = len(self.counts.groups)
        if groups < entry.groups:
            return f"it needs {entry.groups} groups or more; there are {groups}."
        if groups > entry.most:
            return f"it takes up to {entry.most:,} groups; there are {groups:,}."
        return None

    def _levels(self) -> Counts:
        """People and outcomes for each level of the score, in tenths of its range."""
        assert self.columns is not None and self.columns.score is not None
        table = open_table(self._source)
        score = table[self.columns.score].cast("float64")
        score = score.isnan().ifelse(None, score)
        ends = table.aggregate(low=score.min(), high=score.max()).execute().iloc[0]
        width = float(ends["high"] - ends["low"]) / 10 or 1.0
        if not math.isfinite(width):
            raise DataError(
                f"it needs finite scores; they go from {ends['low']:g} to {ends['high']:g}."
            )
        tenth = ((score - ends["low"]) / width).floor().cast("int64")
        number = (tenth > 9).ifelse(9, tenth)
        digits = 3 - math.floor(math.log10(width))
        middles = [round(float(ends["low"]) + (i + 0.5) * width, digits) for i in range(10)]
        names = [(number == i, f"{middle:.15g}") for i, middle in enumerate(middles)]
        leveled = table.mutate(**{_LEVEL: ibis.cases(*names)})
        columns = replace(
            self.columns,
            events=self.columns.outcome,
            by=_LEVEL,
            outcome=None,
            decision=None,
            score=None,
            threshold=None,
        )
        return read_counts(leveled, columns, said=self.counts.source)

    def _proxies(self) -> Analysis:
        """What the columns that have no part in the counts tell about the group."""
        columns = self.columns
        assert columns is not None
        if len(columns.groups) > 1:
            raise DataError("it needs one column of the group, not several that are crossed.")
        if columns.since or columns.until:
            raise DataError("it needs the whole table, not only some days of it.")
        taken = {*columns.groups, columns.events, columns.hits, columns.decision, columns.outcome}
        taken |= {columns.score, columns.date}
        others = [name for name in open_table(self._source).columns if name not in taken]
        if not others:
            raise DataError("it needs further columns, which could tell the group.")
        return proxies(
            self._source,
            columns.groups[0],
            outcome=columns.outcome,
            columns=others,
            sources=[self.counts.source],
            seed=self.seed,
        )


def _looked_for(counts: Counts) -> Counts:
    """Hits among events, where hits were counted: to be searched is not what is looked for."""
    if "hits" not in counts.measures:
        return counts
    frame = counts.frame.drop(columns="trials")
    frame = frame.rename(columns={"events": "trials", "hits": "events"})
    names = {"trials": counts.label_of("events"), "events": counts.label_of("hits")}
    return replace(counts, frame=frame, names=names, missing={})


def _flags(counts: Counts, columns: Columns | None) -> Counts:
    """Decisions against outcomes as cases, positive decisions and right ones; else the same."""
    if not set(CONFUSION) <= set(counts.measures):
        return counts
    cells = counts.frame
    frame = cells.drop(columns=list(CONFUSION)).assign(
        trials=cells[list(CONFUSION)].sum(axis=1),
        events=cells["false_positive"] + cells["true_positive"],
        hits=cells["true_positive"],
    )
    names = {"trials": "cases", "events": "positive decisions", "hits": "right ones among them"}
    if columns is not None and columns.outcome is not None:
        what = columns.decision or f"{columns.score} above {columns.threshold:g}"
        names = {"trials": "rows", "events": what, "hits": f"{what} and {columns.outcome}"}
    missing = {name: n for name, n in counts.missing.items() if name not in CONFUSION}
    return replace(counts, frame=frame, names=names, missing=missing)


def _reading(columns: Columns) -> str:
    """Which column was read as what, in a sentence."""
    parts = {
        "the group": " and ".join(columns.groups),
        "trials": columns.trials,
        "events": columns.events,
        "hits": columns.hits,
        "strata": columns.by,
        "the decision": columns.decision
        or (columns.score and f"{columns.score} above {columns.threshold:g}"),
        "the outcome": columns.outcome,
        "days": columns.date
        and f"{columns.date} from {columns.since or 'the first'} to {columns.until or 'the last'}",
    }
    read = [f"{part}: {name}" for part, name in parts.items() if name]
    whole = " Each row is one case." if columns.trials is None else ""
    return f"What was read from which column. {'; '.join(read)}.{whole}"
