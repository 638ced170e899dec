"""The command `report`: the page of a case, or of a table of one's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from plausible.fairness.cases import CASES, case
from plausible.fairness.counts.addresses import file_of, is_address, masked
from plausible.fairness.counts.columns import Columns
from plausible.inference.cli.console import say, show_list
from plausible.inference.cli.errors import CommandError
from plausible.inference.cli.folders import folder_for
from plausible.inference.errors import DataError
from plausible.inference.training.progress import announced

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["report"]


@dataclass(frozen=True)
class _ColumnsAsked(Columns):
    __doc__ = Columns.__doc__
    group: str = ""  # several in one word; the command itself says where it is missing


@dataclass(frozen=True)
class _FurtherAsked:
    """Further tables and groups.

    Attributes:
        also: another column of a group, which is analysed by itself on the same page; several with
            commas between them.
        survey: table of how many in each group do what events are of, by a survey: the columns of
            the group, and one of rates from 0 to 1 (rounding, error), or asked and how many did.
        costs: table of what each action costs: action, outcome (yes or no), cost or low and high.
        offenders: table of how many in each group do what hits are of, where trials are people; as
            the survey.
        features: columns that may tell the group, with commas between them; by default all others
            but those that determine the group or the outcome.
        ignore: columns that are not used to tell the group, with commas between them.
    """

    also: str = ""
    survey: str | None = None
    costs: str | None = None
    offenders: str | None = None
    features: str = ""
    ignore: str = ""

    @property
    def tables(self) -> dict[str, str]:
        """The further tables that are read."""
        given = {"survey": self.survey, "costs": self.costs, "offenders": self.offenders}
        return {name: source for name, source in given.items() if source is not None}


def report(
    source: str | None = None,
    /,
    *,
    cases: Annotated[bool, Parameter(name="--list")] = False,
    columns: Annotated[_ColumnsAsked | None, Parameter(name="*")] = None,
    further: Annotated[_FurtherAsked | None, Parameter(name="*")] = None,
    reference: str | None = None,
    out: Path | None = None,
    json: Path | None = None,
    markdown: Path | None = None,
    csv: Path | None = None,
    seed: int | None = None,
) -> int:
    """Write the report of a case, or of a table of one's own.

    plausible report compas --out compas.html

    plausible report stops.csv --group race --events searched --hits found --by department

    Args:
        source: a case (see --list); or a table: a file (CSV, JSON, Parquet, Feather, a workbook), a
            folder of Parquet files, or an address such as postgres://user@host/police?table=stops.
        cases: show all cases.
        reference: the group that others are compared with; the largest by default.
        out: the report as its ending says: .html for the page, .md for its text, .json for all its
            tables, .csv for one estimate a line; report.html or the case's name by default.
        json: a further file, with all tables.
        markdown: a further file, with the text.
        csv: a further file, with one estimate a line.
        seed: seed of all draws, 0 by default; a case has its own.
    """
    if cases or source is None:
        show_list(("case", "what it is about"), ((one.name, one.summary) for one in CASES.values()))
        say("A table of your own: plausible report FILE --group ... --events ...")
        return 0 if cases else 2
    file = file_of(source)
    is_table = is_address(source) or file.exists() or file.suffix or columns
    is_case = source in CASES or not is_table
    page = out or Path(f"{source}.html" if is_case else "report.html")
    others = {"to_json": json, "to_markdown": markdown, "to_csv": csv}
    written = {target: make for make, target in others.items() if target is not None}
    targets = [page, *(target for target in others.values() if target is not None)]
    if is_case:
        make = _of_case(source, columns or further, reference, seed)
    else:
        make = _of_table(source, columns, further or _FurtherAsked(), reference, seed or 0)
    for read in (source, *(further.tables.values() if further else ())):
        _check_targets(read, targets)
    with folder_for(*(target.parent for target in targets)), announced(masked(source)):
        result = make()
        _write(result, page, written)
    _show(result)
    say(f"Report: {', '.join(map(str, targets))}")
    return 0


def _of_case(
    name: str, columns: Columns | _FurtherAsked | None, reference: str | None, seed: int | None
) -> Callable[[], "Report"]:
    chosen = case(name)
    if columns is not None or reference is not None or seed is not None:
        raise CommandError(
            f"The case {name} has its own counts and seed: it takes no columns, no reference and "
            "no seed."
        )
    return chosen.report


def _of_table(
    source: str,
    asked: _ColumnsAsked | None,
    further: _FurtherAsked,
    reference: str | None,
    seed: int,
) -> Callable[[], "Report"]:
    if asked is None or not asked.group:
        raise CommandError("Which column holds the groups? Name it with --group.")
    groups = [_parts(asked.group), *([name] for name in _parts(further.also))]
    if twice := [group for group in groups if groups.count(group) > 1]:
        raise CommandError(f"The group {' and '.join(twice[0])} is named twice. Name it once.")
    columns = Columns(**{**vars(asked), "group": groups[0]})

    def make() -> "Report":
        from plausible.fairness.audit import Audit
        from plausible.fairness.further import Further
        from plausible.fairness.joining import joined

        reports = {}
        for group in groups:
            audit = Audit(
                source,
                replace(columns, group=group),
                reference=reference if group == groups[0] else None,
                seed=seed,
                further=Further(**further.tables),
                features=_parts(further.features),
                ignore=_parts(further.ignore),
            )
            reports[" and ".join(group)] = audit.report()
        return joined(reports)

    return make


def _parts(text: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _check_targets(source: str, targets: Sequence[Path]) -> None:
    """Raise if a file would take the place of another, of the source or of a folder.

    Args:
        source: what is read.
        targets: what is written, first the one whose ending says how.
    """
    from plausible.fairness.reporting.report import format_of

    try:
        format_of(targets[0])
    except DataError as error:
        raise CommandError(str(error)) from None
    if len({target.resolve() for target in targets}) < len(targets):
        raise CommandError("--out, --json, --markdown and --csv need a file each.")
    read = file_of(source).resolve()
    for target in targets:
        written = target.resolve()
        part = written.suffix.lower() in (".parquet", ".pq") and read in written.parents
        if written == read or part:
            raise CommandError(
                f"The report would overwrite the table {masked(source)}. Name another file."
            )
        if target.is_dir():
            raise CommandError(f"{target} is a folder. Name a file to write.")


def _write(result: "Report", page: Path, further: Mapping[Path, str]) -> None:
    """The report itself, and further files by the method that makes each."""
    from plausible.inference.pictures.style import write_whole

    result.write(page)
    for target, make in further.items():
        write_whole(target, getattr(result, make)().encode("utf-8"))


def _show(result: "Report") -> None:
    """The findings, and what was not analysed."""
    for analysis in result.analyses:
        say(analysis.title, bold=True)
        for finding in analysis.findings:
            say(f"  {finding.text}")
    if result.skipped:
        say("Not analysed", bold=True)
    for what, why in result.skipped:
        say(f"  {what}: {why}")
