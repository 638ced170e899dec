"""An audit: every analysis that the columns of a table allow, and what the others lack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plausible.fairness.amplification import amplification
from plausible.fairness.analysis import Analysis
from plausible.fairness.base_rates import base_rates
from plausible.fairness.burden import burden
from plausible.fairness.calibration import calibration
from plausible.fairness.counts import CONFUSION, Counts
from plausible.fairness.pooling import pooled
from plausible.fairness.prosecutor import prosecutor
from plausible.fairness.reading import Columns, read_counts
from plausible.fairness.report import Report
from plausible.fairness.scores import scores
from plausible.fairness.thresholds import thresholds
from plausible.inference.errors import DataError, PlausibleError

__all__ = ["Audit"]

_MANY = 7
_NEED = {
    "trials": "a column of trials",
    "events": "a column of events",
    "hits": "a column of hits",
    **dict.fromkeys(CONFUSION, "a decision (or a score with a threshold) and an outcome"),
}


@dataclass(frozen=True)
class _Entry:
    """An analysis and what it needs.

    Attributes:
        run: from counts to the analysis.
        needs: measures.
        groups: least number of groups.
        most: largest number of groups.
        score: whether a score has to be given.
    """

    name: str
    run: Callable[[Counts], Analysis]
    needs: tuple[str, ...]
    groups: int = 1
    most: int = 10**9
    score: bool = False


class Audit:
    """Runs the analyses that counts allow.

    Args:
        source: a file, folder, data frame or Ibis table, as `read_counts` takes it; or counts.
        columns: which columns hold what; None for counts.
        reference: the group that others are compared with; the largest by default.
        seed: of all draws.

    Attributes:
        counts: what was read.
        skipped: analyses that could not be run, and why, once `run` was called.
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
        self.columns = columns
        self.reference, self.seed = reference, seed
        self.skipped: list[tuple[str, str]] = []
        self._source = source

    def run(self) -> list[Analysis]:
        """The analyses, in the order of a report."""
        self.skipped = []
        made = []
        for entry in self._entries():
            reason = self._lacks(entry)
            if reason is None:
                try:
                    made.append(entry.run(self.counts))
                    continue
                except PlausibleError as error:
                    reason = str(error)
            self.skipped.append((entry.name, reason))
        return made

    def report(self, title: str = "", lead: str = "") -> Report:
        """All of it as a report.

        Raises:
            DataError: if the columns allow no analysis.
        """
        analyses = self.run()
        counts = self.counts
        whole = counts.called(counts.measures[0])
        return Report(
            title or f"{counts.source or 'Counts'} by {counts.group}",
            lead
            or f"{int(counts[counts.measures[0]].sum()):,} {whole} of {len(counts.groups):,} "
            f"groups, by {counts.group}.",
            analyses,
            skipped=self.skipped,
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
                most=300,
            ),
            _Entry("prosecutor's fallacy", lambda c: prosecutor(c, **seed), ("trials", "events")),
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
        )

    def _lacks(self, entry: _Entry) -> str | None:
        """Why an analysis cannot be run; None where it can."""
        there = self.counts.measures
        missing = dict.fromkeys(_NEED[m] for m in entry.needs if m not in there)
        if missing:
            return f"it needs {' and '.join(missing)}."
        if entry.score and (self.columns is None or self.columns.score is None):
            return "it needs a column of scores, with a threshold and an outcome."
        groups = len(self.counts.groups)
        if groups < entry.groups:
            return f"it needs {entry.groups} groups or more; there are {groups}."
        if groups > entry.most:
            return f"it takes up to {entry.most:,} groups; there are {groups:,}."
        return None

    def _levels(self) -> Counts:
        """People and outcomes for each level of the score, in tenths of its range."""
        import ibis

        from plausible.fairness.reading import open_table

        assert self.columns is not None and self.columns.score is not None
        table = open_table(self._source)
        score = table[self.columns.score]
        ends = table.aggregate(low=score.min(), high=score.max()).execute().iloc[0]
        width = (ends["high"] - ends["low"]) / 10 or 1.0
        number = ((score - ends["low"]) / width).floor().cast("int64")
        number = ibis.least(number, 9)
        middle = ends["low"] + (number + 0.5) * width
        with_levels = table.mutate(score_level=middle.round(6).cast("string"))
        columns = Columns(self.columns.group, events=self.columns.outcome, by="score_level")
        return read_counts(with_levels, columns, said=self.counts.source)
