"""The command `report`: the page of a case, or of a table of one's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    from plausible.fairness.counts.text_file import TextFile
    from plausible.fairness.reporting.report import Report

__all__ = ["report"]


Words = Annotated[
    tuple[str, ...],
    Parameter(negative="", allow_leading_hyphen=True, consume_multiple=False),
]


@dataclass(frozen=True)
class _ColumnsAsked(Columns):
    __doc__ = Columns.__doc__
    group: Words = ()  # the command itself says where it is missing
    yes: Words = ()
    no: Words = ()
    missing: Words = ()
    keep_missing: Annotated[bool, Parameter(negative="")] = False
    only: Words = ()
    except_: Words = ()


@dataclass(frozen=True)
class _LinesAsked:
    """How the lines of a text file are read.

    Attributes:
        encoding: of the letters of a text file, such as latin-1 or cp1252; UTF-8 by default.
        skip: how many lines stand above the table in a text file.
        skip_end: how many lines stand below it.
        names: of the columns, with commas between them, where no line of a text file names them.
    """

    encoding: str | None = None
    skip: int = 0
    skip_end: int = 0
    names: Words = ()

    def of(self, source: str) -> "str | TextFile":
        """The source with what is said of its lines."""
        from plausible.fairness.counts.text_file import TextFile

        names = _split(self.names)
        if self.encoding is None and not (self.skip or self.skip_end or names):
            return source
        return TextFile(source, self.encoding or "utf-8", self.skip, self.skip_end, names)


@dataclass(frozen=True)
class _FurtherAsked:
    """Further tables and groups.

    Attributes:
        also: another column of a group, which is analysed by itself on the same page, without
            reference and further tables; several with commas between them.
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
    lines: Annotated[_LinesAsked | None, Parameter(name="*")] = None,
    further: Annotated[_FurtherAsked | None, Parameter(name="*")] = None,
    reference: str | None = None,
    lifetime: int | None = None,
    period: str | None = None,
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
        lifetime: periods that a person lives through, for the chance of at least one event in them;
            each of the trials then has to be one person in one period, such as residents of a year.
        period: what one of them is called, such as year; the trials' own name by default.
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
        make = _of_case(source, columns or lines or further, reference, seed, lifetime, period)
    else:
        asked = (columns, lines or _LinesAsked(), further or _FurtherAsked())
        make = _of_table(source, *asked, reference, seed or 0, lifetime, period)
    for read in (source, *(further.tables.values() if further else ())):
        _check_targets(read, targets)
    with folder_for(*(target.parent for target in targets)), announced(masked(source)):
        result = make()
        _write(result, page, written)
    _show(result)
    say(f"Report: {', '.join(map(str, targets))}")
    return 0


def _of_case(name: str, *given: object) -> Callable[[], "Report"]:
    chosen = case(name)
    if any(option is not None for option in given):
        raise CommandError(
            f"The case {name} has its own counts and seed: it takes no columns, no reference, no "
            "lifetime and no seed."
        )
    return chosen.report


def _of_table(
    source: str,
    asked: _ColumnsAsked | None,
    lines: _LinesAsked,
    further: _FurtherAsked,
    reference: str | None,
    seed: int,
    lifetime: int | None,
    period: str | None,
) -> Callable[[], "Report"]:
    if asked is None or not any(map(str.strip, asked.group)):
        raise CommandError("Which column holds the groups? Name it with --group.")
    groups = [_split(asked.group), *((name,) for name in _parts(further.also))]
    if twice := [group for group in groups if groups.count(group) > 1]:
        raise CommandError(f"The group {' and '.join(twice[0])} is named twice. Name it once.")

    def make() -> "Report":
        from plausible.fairness.audit import Audit
        from plausible.fairness.further import Further
        from plausible.fairness.joining import joined

        table, reports = lines.of(source), {}
        first = _groups(asked.group, table)
        for group in (first, *groups[1:]):
            chosen = {} if group == first else {"only": (), "except_": ()}
            audit = Audit(
                table,
                Columns(**{**vars(asked), "group": group, **chosen}),
                reference=reference if group == first else None,
                seed=seed,
                lifetime=lifetime,
                period=period,
                further=Further(**(further.tables if group == first else {})),
                features=_parts(further.features),
                ignore=_parts(further.ignore),
            )
            reports[" and ".join(group)] = audit.report()
        return joined(reports)

    return make


def _groups(asked: tuple[str, ...], table: "str | TextFile") -> tuple[str, ...]:
    """The columns of the group: one with commas in it is split unless the table has it whole."""
    from plausible.fairness.counts.tables import open_table

    if len(asked) == 1 and "," in asked[0] and asked[0] not in open_table(table).columns:
        return _split(asked)
    return asked


def _split(words: tuple[str, ...]) -> tuple[str, ...]:
    """One word with commas as several."""
    return tuple(_parts(words[0])) if len(words) == 1 else words


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
    say(result.lead)
    for analysis in result.analyses:
        say(analysis.title, bold=True)
        for finding in analysis.findings:
            say(f"  {finding.text}")
    if result.skipped:
        say("Not analysed", bold=True)
    for what, why in result.skipped:
        say(f"  {what}: {why}")
