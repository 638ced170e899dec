"""An audit: every analysis that the columns of a table allow, and what the others lack."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.derived import as_flags, looked_for, losses
from plausible.fairness.estimation.multiplicity import on_page
from plausible.fairness.further import NOTHING, Further
from plausible.fairness.of_rows import of_rows
from plausible.fairness.repeats import one_name
from plausible.fairness.reporting import registry
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.registry import BEYOND, COLUMNS, Registered
from plausible.fairness.reporting.report import Report
from plausible.inference.errors import DataError, PlausibleError, UnknownName

__all__ = ["Audit"]

_FLAGS = {"trials", "events", "hits"}


class Audit:
    """Runs the analyses that a table or counts allow.

    Decisions against outcomes are also read as cases (trials), positive decisions (events) and
    right ones among these (hits), so that their base rates and their burden are analysed too.

    Args:
        source: a file, folder, data frame or Ibis table, as `read_counts` takes it; or counts.
        columns: which columns hold what; None for counts.
        reference: the group that others are compared with; the largest by default.
        seed: of all draws.
        further: a survey, costs of actions, who offends: tables of their own.
        features: columns that may tell the group; by default all others but those that determine
            the group or the outcome.
        ignore: columns that are not used to tell the group.
        lifetime: periods that a person lives through; without it nothing is said of a lifetime.
            Each of the trials then stands for one person in one period.
        period: what one of them is called, such as "year"; the name of the trials by default.

    Attributes:
        counts: what was read.
        skipped: analyses that could not be run, and why, once `run` was called.

    Raises:
        UnknownName: for a column or reference that does not exist.
        DataError: for a table that cannot be counted.
    """

    def __init__(
        self,
        source: Any,
        columns: Columns | None = None,
        *,
        reference: str | None = None,
        seed: int = 0,
        further: Further = NOTHING,
        features: Sequence[str] = (),
        ignore: Sequence[str] = (),
        lifetime: int | None = None,
        period: str | None = None,
    ) -> None:
        if isinstance(source, Counts):
            self.counts = source
        elif columns is None:
            raise DataError("An audit of a table needs to know its columns: columns=Columns(...).")
        else:
            from plausible.fairness.counts.reading import read_counts

            self.counts = read_counts(source, columns)
        if reference is not None and reference not in self.counts.groups:
            raise UnknownName(self.counts.group, reference, self.counts.groups)
        if seed < 0:
            raise DataError(f"A seed is a whole number from 0 up, but is {seed}.")
        if lifetime is None and period is not None:
            raise DataError(f"Of how many periods ({period}) is a lifetime? Give lifetime too.")
        if lifetime is not None and lifetime < 1:
            raise DataError(f"A lifetime has one or more {period or 'trials'}, not {lifetime}.")
        self.columns = columns
        self.lifetime, self.period = lifetime, period
        self.reference, self.seed = reference, seed
        self.skipped: list[tuple[str, str]] = []
        self._source, self._further = source, further
        self._named, self._ignored = tuple(features), tuple(ignore)
        self._flags = as_flags(self.counts, columns)
        self._given = further.arguments(self.counts, () if columns is None else columns.groups)
        if self._named or self._ignored:
            self._check_features()

    def __repr__(self) -> str:
        return f"<Audit of {self.counts!r}; report() runs every analysis>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: what was read, without running an analysis."""
        from plausible.fairness.reporting.notebook import counts_cell

        read = [] if self.columns is None else [self.columns.in_words()]
        return counts_cell(self.counts, [*read, "report() runs every analysis of these counts."])

    def run(self) -> list[Analysis]:
        """The analyses, in the order of a report."""
        self.skipped = []
        possible, analyses, beyond = [], [], []
        absent = {name: words for name, words in BEYOND.items() if name in self._further.absent}
        for entry in map(registry.registered, registry.names()):
            if any(need in absent for need in entry.needs):
                beyond.append((entry.label, _lacking(entry, absent)))
            elif not entry.needs or not {*COLUMNS, *BEYOND} >= set(entry.needs):
                continue
            elif reason := self._lacks(entry):
                self.skipped.append((entry.label, reason))
            else:
                possible.append(entry)
        with on_page(sum(entry.rates for entry in possible)):
            for entry in possible:
                try:
                    analyses.append(self._analysed(entry))
                except PlausibleError as error:
                    self.skipped.append((entry.label, str(error)))
        self.skipped += beyond
        return one_name(analyses)

    def report(self, title: str = "", lead: str = "") -> Report:
        """All of it as a report.

        Raises:
            DataError: if the columns allow no analysis.
        """
        analyses = self.run()
        flags = self._flags
        total = f"{int(flags[flags.measures[0]].sum()):,} {flags.label_of(flags.measures[0])}"
        if flags.weighted:
            worth = f"{int(flags[flags.measures[0]].sum()):,} of equal weight"
            total = f"Weighted {flags.label_of(flags.measures[0])}, which tell as much as {worth},"
        groups = "one group" if len(flags.groups) == 1 else f"{len(flags.groups):,} groups"
        return Report(
            title or f"{flags.source or 'Counts'} by {flags.group}",
            lead or f"{total} in {groups} of {flags.group}.{losses(flags)}",
            analyses,
            skipped=self.skipped,
            notes=[] if self.columns is None else [self.columns.in_words()],
        )

    def _analysed(self, entry: Registered) -> Analysis:
        """The analysis of what it takes: counts, but for a few that take something else."""
        counts = self._flags if _FLAGS & set(entry.needs) else self.counts
        if entry.name == "prosecutor":
            from plausible.fairness.base_rates.aside import Aside

            within = Aside(looked_for(counts))
            analysis = self._call(entry, within.counts)
            return replace(analysis, counts=counts, findings=within(analysis.findings))
        if entry.name == "pooled":
            return self._call(entry, counts.total())
        if taken := of_rows(entry.name, self._source, self.columns, self.counts.source):
            return self._call(entry, taken[0], **taken[1])
        if entry.name == "proxies":
            from plausible.fairness.counts.reading import recoded

            assert self.columns is not None
            given = self._features()
            return self._call(entry, recoded(self._source, self.columns), **given)
        if given := dict(self._given.get(entry.name, {})):
            return self._call(entry, given.pop("costs", counts), **given)
        return self._call(entry, counts)

    def _call(self, entry: Registered, data: Any, **given: Any) -> Analysis:
        """The function with the options of the audit that it has parameters for."""
        threshold = None if self.columns is None else self.columns.threshold
        options = {"reference": self.reference, "seed": self.seed, "threshold": threshold}
        if entry.name == "burden":
            options |= {"times": self.lifetime, "period": self.period}
        accepted = inspect.signature(entry.function).parameters
        given |= {name: value for name, value in options.items() if name in accepted}
        analysis: Analysis = entry.function(data, **given)
        return analysis

    def _lacks(self, entry: Registered) -> str | None:
        """Why an analysis cannot be run; None where it can."""
        absent = self._absent()
        if entry.name == "burden" and self.lifetime is not None:
            absent.pop("hits", None)
        if lacking := _lacking(entry, absent):
            return lacking
        counts = self.counts
        strata, cells, groups = len(counts.strata), len(counts.frame), len(counts.groups)
        if strata < entry.strata:
            return f"it needs {entry.strata} strata or more; there are {strata:,}."
        if entry.strata and cells > entry.most:
            return f"it takes up to {entry.most:,} groups in strata; there are {cells:,}."
        if groups < entry.groups:
            return f"it needs {entry.groups} groups or more; there are {groups}."
        if groups > entry.most:
            return f"it takes up to {entry.most:,} groups; there are {groups:,}."
        return None

    def _absent(self) -> dict[str, str]:
        """What this table does not hold, in words."""
        measures, columns = {*self.counts.measures, *self._flags.measures}, self.columns
        holds = {
            **{name: name in measures for name in _FLAGS},
            "decisions": measures >= set(CONFUSION),
            "score": columns is not None and columns.score is not None,
            "versus": columns is not None and columns.versus is not None,
            "mean": columns is not None and columns.mean is not None,
            "good": self.counts.good,
            "rows": columns is not None and columns.whole,
            "strata": self.counts.by is not None,
        }
        return {name: words for name, words in COLUMNS.items() if not holds[name]}

    def _check_features(self) -> None:
        """Raise unless columns that are named as features or ignored exist and go together."""
        from plausible.fairness.counts.tables import open_table

        if self.columns is None:
            raise DataError("Counts have no columns that could tell the group: give a table.")
        names = open_table(self._source).columns
        for name in (*self._named, *self._ignored):
            if name not in names:
                raise UnknownName("column", name, names)
        for name in self._named:
            if name in self._ignored or name in self.columns.groups:
                what = "ignored" if name in self._ignored else "the group"
                raise DataError(f"Column {name!r} is {what}, so it cannot be a feature too.")

    def _features(self) -> dict[str, Any]:
        """The group, and the columns that have no part in the counts and could tell it."""
        from plausible.fairness.counts.tables import open_table

        columns = self.columns
        assert columns is not None
        if len(columns.groups) > 1:
            raise DataError("it needs one column of the group, not several that are crossed.")
        if columns.since or columns.until:
            raise DataError("it needs the whole table, not only some days of it.")
        taken = {*columns.groups, columns.events, columns.hits, columns.decision, columns.outcome}
        taken |= {columns.score, columns.versus, columns.mean, columns.date}
        names = open_table(self._source).columns
        ignored = [name for name in names if name in taken or name in self._ignored]
        ignored = [name for name in ignored if name != columns.groups[0]]
        if len(ignored) + 1 == len(names):
            raise DataError("it needs further columns, which could tell the group.")
        return {
            "group": columns.groups[0],
            "outcome": columns.outcome,
            "columns": self._named or None,
            "ignore": [name for name in ignored if name not in self._named],
            "sources": [self.counts.source],
        }


def _lacking(entry: Registered, absent: Mapping[str, str]) -> str:
    """What an analysis needs of what is absent, as a sentence; empty where it has all."""
    words = [absent[need] for need in entry.needs if need in absent]
    if not words:
        return ""
    return f"it needs {', '.join(words[:-1])}{' and ' * bool(words[1:])}{words[-1]}."
