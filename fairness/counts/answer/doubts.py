"""What stops a table from being counted: values that are none, and what can be read in two ways."""

import re
import string
from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd

from plausible.fairness.counts.answer.groups import JOINED, keys_of, quoted
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.tables import label_of, written_names
from plausible.fairness.counts.text_file import TextFile
from plausible.fairness.counts.values import NOTHING
from plausible.inference.errors import DataError

__all__ = ["ask_about_frequencies", "check_values"]

_ROWS = 50_000  # a table of frequencies is no longer
_FILLED = 10  # at most so many times the rows are all combinations of what its columns hold
_PAIRED = 0.75  # of the rows have another with the other answer
_COUNT_NAMES = ("n", "nn", "freq", "frequency", "count", "counts", "anzahl", "häufigkeit", "fälle")
_GROUPED = re.compile(r"[0-9]{1,3}([.,' \u00a0\u202f\u2019])[0-9]{3}(\1[0-9]{3})*")
_WORDS = "yes/no, true/false, t/f, y/n or 1/0"


def check_values(frame: pd.DataFrame, columns: Columns, measures: Sequence[str]) -> None:
    """Raise unless every value that is counted can be.

    Args:
        frame: the answer of the counting query.
        columns: which columns hold what.
        measures: the columns of the frame that are added up.

    Raises:
        DataError: with what is wrong, in which column, and what to do.
    """
    if undated := _total(frame, "undated"):
        raise DataError(
            f"{undated:,} values of column {columns.date!r} are not dates. Write them as "
            "YYYY-MM-DD."
        )
    for name in columns.counted:
        _check_words(frame, columns, name)
        _check_thousands(frame, columns, name)
    for part in ("trials", "events", "hits", "count", "weight"):
        if f"{part} low" in frame:
            _check_amounts(frame, columns, part)
    if frame["disorder"].sum():
        _check_codes(frame, columns)
        raise _disorder(frame, columns)
    if "outside" in frame and frame["outside"].sum() > frame["hits"].sum():
        raise DataError(
            f"Of {int(frame['outside'].sum() + frame['hits'].sum()):,} {columns.hits}, "
            f"{int(frame['outside'].sum()):,} are in rows without {columns.events}. Hits are "
            "counted among the events: check which column is which."
        )


def check_names(file: TextFile, table: ibis.Table, columns: Columns) -> None:
    """Raise where a file has two columns of a name that is asked for, or none of any name.

    Raises:
        DataError: unless both columns hold the same.
    """
    names = table.columns
    numbers = all(re.fullmatch(r"column\d+", name) for name in names)
    if not {*columns.taken} <= {*names} and (
        numbers or any(re.fullmatch(r"[\d.,]+", name) for name in names)
    ):
        raise DataError(
            f"The first line of {label_of(file)} does not name its columns. Name all "
            f"{len(names)} with --names {','.join(string.ascii_lowercase[: min(len(names), 3)])}"
            f"{',...' if len(names) > 3 else ''}"
        )
    for name in columns.taken:
        if (second := f"{name}_1") not in names or written_names(file).count(name) < 2:
            continue
        if table.filter(~table[name].identical_to(table[second])).count().execute():
            raise DataError(
                f"{label_of(file)} has two columns named {name!r}, and they differ. Give one of "
                f"them another name, or name the second one as {second!r}."
            )


def _check_words(frame: pd.DataFrame, columns: Columns, name: str) -> None:
    if (mixed := _total(frame, f"worded {name}")) and _total(frame, f"numbered {name}"):
        raise DataError(
            f"Column {name!r} holds yes and no in words in {mixed:,} rows, and numbers in others. "
            f"Write {_WORDS} throughout, or nothing but numbers."
        )
    if (given := _total(frame, f"given {name}")) and (other := _total(frame, f"other {name}")):
        raise DataError(
            f"Column {name!r} holds the given words for yes and no in {given:,} rows, and others "
            f"that usually mean them, such as 1 and 0, in {other:,}. Give all words that occur, "
            "with --yes and --no."
        )
    if f"first {name}" not in frame:
        return
    texts = sorted({*frame[f"first {name}"].dropna(), *frame[f"last {name}"].dropna()})
    if not texts:
        return
    if grouped := next((m for m in map(_GROUPED.fullmatch, texts) if m), None):
        raise _thousands(name, grouped[0], grouped[1])
    if name in (columns.score, columns.mean, columns.count, columns.weight):
        raise DataError(
            f"{texts[-1]!r} in column {name!r} is not a number, but a number is needed. Leave "
            f"what is missing empty, or say --missing {quoted(texts[-1])}."
        )
    yes, no = _total(frame, f"yes {name}"), _total(frame, f"no {name}")
    if len(texts) == 1 and texts[0].isdigit() and bool(yes) != bool(no):
        texts = [*texts, "1" if yes else "0"]
    if len(texts) == 2 and ((not yes and not no) or "1" in texts or "0" in texts):
        one, other = texts
        raise DataError(
            f"{one!r} in column {name!r} is neither yes nor no. Which of {one!r} and {other!r} "
            f"means yes? Say --yes {quoted(one)} --no {quoted(other)}, or --yes {quoted(other)} "
            f"--no {quoted(one)}."
        )
    # Words sort after digits: among counts the word is what is wrong.
    raise DataError(
        f"{texts[-1]!r} in column {name!r} is neither yes nor no, nor a number. Write {_WORDS}, or "
        "nothing but numbers in a column of counts; say other words for yes and no with --yes and "
        f"--no, and those for missing values with --missing (--missing {quoted(texts[-1])})."
    )


def _check_thousands(frame: pd.DataFrame, columns: Columns, name: str) -> None:
    """Ask where each number could be one of thousands or one with three decimals."""
    said = columns.decimal is not None or columns.thousands is not None
    if said or name == columns.weight or not _total(frame, f"thousands {name}"):
        return
    if not _total(frame, f"decimals {name}"):
        raise _thousands(name, "15.000", ".", "such as ")


def _thousands(name: str, text: str, sign: str, such: str = "") -> DataError:
    return DataError(
        f"Column {name!r} holds numbers {such}{text!r}. Is {sign!r} between thousands or a decimal "
        f"sign? Say --thousands {quoted(sign)} or --decimal {quoted(sign)}."
    )


def _check_amounts(frame: pd.DataFrame, columns: Columns, part: str) -> None:
    name, low, high = (
        getattr(columns, part),
        frame[f"{part} low"].min(),
        frame[f"{part} high"].max(),
    )
    if low < 0:
        if part == "events":
            _check_codes(frame, columns)
        hint = f" If {low:g} means that a value is missing, say --missing {low:g}."
        what = "weights" if part == "weight" else "counts"
        raise DataError(f"Column {name!r} has the negative value {low:g}; {what} have none.{hint}")
    if part == "weight" and high == float("inf"):
        raise DataError(f"Column {name!r} has an infinite value; weights are finite numbers.")
    if _total(frame, f"{part} broken"):
        hint = " Weights are named with --weight." if part == "count" else ""
        raise DataError(
            f"Column {name!r} has values that are fractional, infinite or above 2^53, but "
            f"it is added up as counts. Give counts, not rates.{hint}"
        )


def _check_codes(frame: pd.DataFrame, columns: Columns) -> None:
    """Ask where a column of events holds two numbers that could be yes and no."""
    for part in ("events", "hits"):
        if columns.trials is not None or f"{part} low" not in frame:
            continue
        ends = {*frame[f"{part} low"].dropna(), *frame[f"{part} high"].dropna()}
        if len(ends) == 2 and ends != {0, 1}:
            one, other = (f"{end:g}" for end in sorted(ends))
            raise DataError(
                f"Which of {one} and {other} in column {getattr(columns, part)!r} means yes? Say "
                f"--yes {one} --no {other}, or --yes {other} --no {one}. If the column holds "
                "counts, name the column of trials with --trials."
            )


def _disorder(frame: pd.DataFrame, columns: Columns) -> DataError:
    wrong, row = int(frame["disorder"].sum()), frame[frame["disorder"] > 0].iloc[0]
    where = JOINED.join(str(row[key]) for key in keys_of(frame))
    parts = [p for p in (columns.trials or "1 a row", columns.events, columns.hits) if p]
    return DataError(
        f"In {wrong:,} of {int(frame['rows'].sum()):,} rows, such as one of {where}, a part is "
        f"larger than its whole: {' ≥ '.join(parts)} must hold in every row. Check which "
        f"column is which{'' if columns.trials else ', and name the column of trials if any'}."
    )


def ask_about_frequencies(table: ibis.Table, columns: Columns, counted: int) -> None:
    """Raise where a row may stand for as many cases as one of its numbers says.

    That is so where each combination of what the other columns hold occurs just once, as in R's
    `as.data.frame(table(...))`, or where a column has the name of a frequency.

    Args:
        table: that is counted.
        columns: which columns hold what.
        counted: how many of its rows were read.

    Raises:
        DataError: with the options for either reading.
    """
    if columns.count is not None or columns.weight is not None or counted > _ROWS:
        return
    named = {*columns.taken} - {columns.trials}
    numbers = [name for name in table.columns if name not in named and _counts(table[name])]
    if columns.trials is not None:
        numbers = [columns.trials] if columns.trials in numbers else []
    if not numbers:
        return
    rows = table.limit(_ROWS + 1).to_pandas()
    for name in numbers:
        if len(rows) <= _ROWS and _is_frequency(rows, name, columns):
            raise _frequencies(name, columns)


def _counts(column: Any) -> bool:
    kind = column.type()
    return bool(kind.is_integer() or kind.is_floating() or kind.is_decimal())


def _is_frequency(rows: pd.DataFrame, name: str, columns: Columns) -> bool:
    values = pd.to_numeric(rows[name], errors="coerce").dropna()
    if len(values) < 2 or (values < 0).any() or (values % 1 > 0).any() or values.max() < 2:
        return False
    if values.is_unique and values.max() - values.min() == len(values) - 1:
        return False  # numbers of the rows
    if values.between(1900, 2100).all():
        return False  # years
    aside = [c for c in rows if c == name or (c not in columns.taken and _measured(rows[c]))]
    others = rows.drop(columns=aside).astype("string")
    event = [c for c in (columns.events, columns.outcome) if c in others]
    if not event or (pd.to_numeric(rows[event[0]], errors="coerce") > 1).all():
        return False
    if columns.trials is not None and not _says_yes_or_no(rows[columns.events]):
        return False
    if columns.trials is not None and _in_words(rows[event[0]]):
        return True  # yes or no of many trials at once
    sizes = others.nunique(dropna=False)
    once = len(values) > 2 and not others.duplicated().any() and bool((sizes < len(rows)).all())
    if name.casefold() in _COUNT_NAMES and columns.trials is None:
        return True
    # Yes and no of one kind of case stand in rows of their own.
    paired = others.drop(columns=event).duplicated(keep=False).mean() >= _PAIRED
    return once and paired and sizes.prod() <= _FILLED * len(rows)


def _says_yes_or_no(column: pd.Series) -> bool:
    """Whether a column never holds more than one event in a row."""
    numbers = pd.to_numeric(column, errors="coerce")
    return bool((numbers.isna() | numbers.isin((0, 1))).all())


def _in_words(column: pd.Series) -> bool:
    """Whether a column says yes or no by its type or in letters."""
    texts = column.dropna().astype(str).str.strip().str.lower()
    return bool((texts.str.contains("[a-z]") & ~texts.isin(NOTHING)).any())


def _measured(column: pd.Series) -> bool:
    """Whether a column holds fractions, such as shares, which say nothing of what is counted."""
    return pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 > 0).any())


def _frequencies(name: str, columns: Columns) -> DataError:
    event = columns.events or columns.outcome
    instead = f" in place of --trials {quoted(name)}" if columns.trials == name else ""
    return DataError(
        f"Does each row stand for as many cases as column {name!r} says? Column {event!r} says yes "
        f"or no, and {name!r} holds whole numbers, as in a table of frequencies. If it is one, say "
        f"--count {quoted(name)}{instead}; if each row is one record, say --count 1."
    )


def _total(frame: pd.DataFrame, name: str) -> int:
    return int(frame[name].sum()) if name in frame else 0
