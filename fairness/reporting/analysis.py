"""What an analysis gives back: estimates, sentences that rest on them, what it cannot show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from plausible.fairness.counts.counts import Counts, line
from plausible.fairness.estimation.estimates import Estimate
from plausible.inference.errors import UnknownName
from plausible.inference.pages.page import Picture

__all__ = ["Analysis", "Finding", "Table"]


@dataclass(frozen=True, repr=False)
class Finding:
    """One sentence with its number and interval, and what is easily read into it wrongly.

    Attributes:
        text: a whole sentence, computed from the posterior: where the effect is reversed it says
            the reverse, and where the interval covers no effect, that the data do not tell.
        caveat: what the number does not say; empty where `cannot_show` says it already.
        estimate: the number that it rests on; None where it rests on a count.
    """

    text: str
    caveat: str = ""
    estimate: Estimate | None = None

    def __repr__(self) -> str:
        return f"<Finding: {line(self.text)}>"


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A table of a report.

    Attributes:
        caption: what the numbers are, with their units.
        frame: its first column names the rows; numbers are numbers, not texts, and every column
            has a name of its own.
        front: whether it stands on the page itself, not among all numbers.
    """

    caption: str
    frame: pd.DataFrame
    front: bool = False

    def __repr__(self) -> str:
        rows, columns = self.frame.shape
        return f"<Table of {rows:,} rows and {columns} columns: {line(self.caption)}>"


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """The answer to one question about counts or a graph, with its uncertainty and its limits.

    `analysis["false_positive_rate", "Black", "White"]` is an estimate by its address; see `find`.

    Attributes:
        name: as in `plausible report` and JSON, such as "base-rates".
        title: a heading of a few words.
        question: what is asked, as a sentence that ends in a question mark.
        findings: what was found, most important first.
        estimates: every number of the answer with its interval.
        assumptions: what has to hold for the numbers to mean what they say, priors included.
        cannot_show: what no number here can tell.
        sources: where data and methods come from, with links.
        counts: what was analysed; None for an analysis of a graph or of a simulation.
        posterior: draws as ArviZ data; None where nothing was drawn.
        tables: further tables besides the one of the estimates.
        draw: makes the pictures when they are wanted.
        details: further values for the JSON file, plain numbers and texts only.
    """

    name: str
    title: str
    question: str
    findings: Sequence[Finding]
    estimates: Sequence[Estimate]
    assumptions: Sequence[str]
    cannot_show: Sequence[str]
    sources: Sequence[str] = ()
    counts: Counts | None = None
    posterior: Any = None
    tables: Sequence[Table] = ()
    draw: Callable[[], Sequence[Picture]] = tuple
    details: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, address: str | tuple[str, ...]) -> Estimate:
        """The estimate at an address; see `find`."""
        return self.find(*((address,) if isinstance(address, str) else address))

    def find(
        self,
        quantity: str,
        group: str = "",
        reference: str = "",
        measure: str = "",
        stratum: str = "",
    ) -> Estimate:
        """The estimate of a quantity, of a group, or of a group against a reference.

        Args:
            quantity: what is estimated, such as "false_positive_rate".
            group: whose it is; empty for a quantity of all.
            reference: the group that it is compared with; empty for a quantity of one group.
            measure: such as "ratio"; by default the difference, where there are several.
            stratum: where it holds; empty for a quantity of all strata.

        Raises:
            UnknownName: if there is none; lists those that there are.
        """
        at = (quantity, group, reference, stratum)
        hits = [e for e in self.estimates if _address(e) == at and measure in ("", e.measure)]
        if not hits:
            given = ", ".join(part for part in (*at, measure) if part)
            accepted = [", ".join(filter(None, (*_address(e), e.measure))) for e in self.estimates]
            raise UnknownName("estimate", given, accepted)
        return next((e for e in hits if e.measure == "difference"), hits[0])

    def __repr__(self) -> str:
        first = f": {line(self.findings[0].text)}" if self.findings else ""
        return (
            f"<Analysis {self.name}, {_number(self.findings, 'finding')}, "
            f"{_number(self.estimates, 'estimate')}{first}>"
        )

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        from plausible.fairness.reporting.notebook import analysis_cell

        return analysis_cell(self)

    def table(self) -> pd.DataFrame:
        """Every estimate with its interval and the counts that it rests on, one a row."""
        from plausible.fairness.reporting.tidy import tidy

        return tidy(self.estimates)

    def figures(self) -> Sequence[Picture]:
        """The pictures, with captions and descriptions."""
        return self.draw()


def _address(e: Estimate) -> tuple[str, str, str, str]:
    return e.quantity, e.group, e.reference, e.stratum


def _number(things: Sequence[object], what: str) -> str:
    return f"{len(things):,} {what}{'s' * (len(things) != 1)}"
