"""The command `report`: the page of a case, or of a table of one's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from plausible.fairness.cases import CASES, case
from plausible.fairness.counts.addresses import is_address, masked
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


def report(
    source: str | None = None,
    /,
    *,
    cases: Annotated[bool, Parameter(name="--list")] = False,
    columns: Annotated[_ColumnsAsked | None, Parameter(name="*")] = None,
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
    file = Path(source)
    is_table = is_address(source) or file.exists() or file.suffix or columns
    is_case = source in CASES or not is_table
    page = out or Path(f"{source}.html" if is_case else "report.html")
    others = {"to_json": json, "to_markdown": markdown, "to_csv": csv}
    further = {target: make for make, target in others.items() if target is not None}
    targets = [page, *(target for target in others.values() if target is not None)]
    if is_case:
        make = _of_case(source, columns, reference, seed)
    else:
        make = _of_table(source, columns, reference, seed or 0)
    _check_targets(file, targets)
    with folder_for(*(target.parent for target in targets)), announced(masked(source)):
        result = make()
        _write(result, page, further)
    _show(result)
    say(f"Report: {', '.join(map(str, targets))}")
    return 0


def _of_case(
    name: str, columns: Columns | None, reference: str | None, seed: int | None
) -> Callable[[], "Report"]:
    chosen = case(name)
    if columns is not None or reference is not None or seed is not None:
        raise CommandError(
            f"The case {name} has its own counts and seed: it takes no columns, no reference and "
            "no seed."
        )
    return chosen.report


def _of_table(
    source: str, asked: _ColumnsAsked | None, reference: str | None, seed: int
) -> Callable[[], "Report"]:
    if asked is None or not asked.group:
        raise CommandError("Which column holds the groups? Name it with --group.")
    groups = [part.strip() for part in asked.group.split(",")]
    columns = Columns(**{**vars(asked), "group": groups})

    def make() -> "Report":
        from plausible.fairness.audit import Audit

        return Audit(source, columns, reference=reference, seed=seed).report()

    return make


def _check_targets(source: Path, targets: Sequence[Path]) -> None:
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
    read = source.resolve()
    for target in targets:
        written = target.resolve()
        part = written.suffix.lower() in (".parquet", ".pq") and read in written.parents
        if written == read or part:
            raise CommandError(f"The report would overwrite the table {source}. Name another file.")
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
