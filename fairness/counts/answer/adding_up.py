"""The answer of the counting query as counts: checked, with what was left out set apart."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from plausible.fairness.counts.answer.doubts import check_values
from plausible.fairness.counts.answer.groups import (
    JOINED,
    chosen,
    keys_of,
    named,
    ordered,
    without_totals,
)
from plausible.fairness.counts.columns import Columns, several
from plausible.fairness.counts.counts import CONFUSION, MEASURES, Counts
from plausible.inference.errors import DataError

__all__ = ["added_up"]

_ROUNDING = 1e-12
_NAMED = 12  # groups in a sentence


def added_up(
    frame: pd.DataFrame,
    columns: Columns,
    source: str,
    categories: Mapping[str, Sequence[str]],
    *,
    apart: bool = True,
) -> Counts:
    """The counts that the query found.

    Args:
        frame: its answer, see `counting_query`.
        columns: which columns hold what.
        source: where the data come from, in words.
        categories: names of a key in their order, where the table knows it.
        apart: whether each stratum stands for itself, so that weights make none worth more cases
            than it holds; otherwise only their sums do.

    Raises:
        UnknownName: for a group that is asked for and not there.
        DataError: for values that are no counts, and where nothing can be counted.
    """
    if columns.whole and columns.weight is None and not columns.confusion:
        frame = frame.assign(trials=frame["rows"] - frame["unread"])
    measures = [name for name in (*CONFUSION, *MEASURES) if name in frame]
    decimals = [n for n in frame if frame[n].map(lambda x: isinstance(x, Decimal)).any()]
    frame, words = named(frame.astype(dict.fromkeys(decimals, float)), columns)
    frame = chosen(frame, columns)
    frame[measures] = frame[measures].fillna(0)
    frame, totals = without_totals(frame, columns, measures)
    check_values(frame, columns, measures)
    keys = keys_of(frame)
    unnamed = frame[keys].isna().any(axis=1)
    missing = {
        "rows": int(frame.loc[unnamed, "rows"].sum()),
        "values": int(frame.loc[~unnamed, "unread"].sum()),
        **{name: int(frame.loc[unnamed, name].sum()) for name in measures},
    }
    rows = int(frame["rows"].sum())
    if rows == missing["rows"] + missing["values"]:
        raise DataError(
            f"None of the {rows:,} rows of {source} can be counted: {missing['rows']:,} have no "
            f"{' or '.join((*columns.groups, *([columns.by] if columns.by else [])))}, and "
            f"{missing['values']:,} lack a value that is counted."
        )
    kept = ordered(frame[~unnamed], categories)
    kept["group"] = kept[[name for name in keys if name != "by"]].agg(JOINED.join, axis=1)
    groups = list(ordered(kept.drop(columns="by", errors="ignore"), categories)["group"].unique())
    notes = [*_read(words, totals, columns), *_losses(kept, columns), *_outside(kept, columns)]
    if columns.weight is not None:
        kept = _effective(kept, measures, apart=apart)
        notes.append(_weighted(kept, columns))
    names = _decided(columns) if columns.confusion else _names(columns)
    table = kept[["group", *([] if columns.by is None else ["by"]), *measures]]
    return Counts(
        _all_at_first(table, groups),
        group=" and ".join(columns.groups),
        by=columns.by,
        names=names,
        missing=missing,
        rows=rows,
        source=source,
        lost=_lost(kept, columns),
        notes=tuple(notes),
        weighted=columns.weight is not None,
        good=columns.benefit,
    )


def _names(columns: Columns) -> dict[str, str]:
    """What sentences call the measures."""
    named = {"trials": columns.trials, "events": columns.events, "hits": columns.hits}
    names = {part: name for part, name in named.items() if name is not None}
    return {"trials": "rows" if columns.whole else "cases"} | names


def _decided(columns: Columns) -> dict[str, str]:
    """What sentences call the decision, where it is a column, and the outcome."""
    named = {"decision": columns.decision, "outcome": columns.outcome}
    return {part: name for part, name in named.items() if name is not None}


def _unit(columns: Columns) -> str:
    """What is lost where a value is missing."""
    return "rows" if columns.whole else columns.trials or "cases"


def _sizes(frame: pd.DataFrame, columns: Columns) -> tuple[pd.Series, pd.Series]:
    """Cases of each group, and those that are left out, in the order of the frame."""
    names = ("rows", "unread") if columns.whole else ("size", "lost")
    sums = frame.groupby("group", sort=False)[list(names)].sum()
    return sums[names[0]].astype("int64"), sums[names[1]].astype("int64")


def _lost(frame: pd.DataFrame, columns: Columns) -> dict[str, int]:
    _, lost = _sizes(frame, columns)
    return {str(group): int(n) for group, n in lost.items() if n}


def _losses(frame: pd.DataFrame, columns: Columns) -> list[str]:
    """Which cases are left out because a value is missing, in sentences."""
    unit, (sizes, lost) = _unit(columns), _sizes(frame, columns)
    sentences = []
    if total := int(lost.sum()):
        lacks = {
            name: int(frame[f"lacks {i}"].sum())
            for i, name in enumerate(columns.counted)
            if name != columns.trials and frame[f"lacks {i}"].sum()
        }
        amounts = (columns.trials, columns.events, columns.hits, columns.count)
        what = "value of" if columns.whole or {*lacks} - {*amounts} else "number of"
        which = [name if len(lacks) == 1 else f"{name} ({n:,})" for name, n in lacks.items()]
        by_group = [f"{lost[g]:,} of {sizes[g]:,} of {g}" for g in lost[lost > 0].index]
        sentences.append(
            f"{total:,} of the {int(sizes.sum()):,} {unit} have no {what} {_either(which)} and are "
            f"left out: {_some(by_group)}."
        )
    unsized = 0 if columns.whole else int(frame["unsized"].sum())
    if unsized:
        of = " or ".join(n for n in (columns.trials, columns.count) if n)
        sentences.append(
            f"{unsized:,} of the {int(frame['rows'].sum()):,} rows have no number of {of} and are "
            "left out."
        )
    return sentences


def _outside(frame: pd.DataFrame, columns: Columns) -> list[str]:
    """How many hits do not belong to an event, as a sentence."""
    if "outside" not in frame or not frame["outside"].sum():
        return []
    by_group = frame.groupby("group", sort=False)["outside"].sum().astype("int64")
    each = [f"{n:,} of {group}" for group, n in by_group.items() if n]
    return [
        f"{int(by_group.sum()):,} {columns.hits} without {columns.events} are not counted as hits: "
        f"{_some(each)}."
    ]


def _read(words: Sequence[str], totals: Sequence[str], columns: Columns) -> list[str]:
    """What was taken for missing, and which rows were left out as totals."""
    sentences = []
    if words:
        kept = " and counts as a group of its own" if columns.keep_missing else ""
        sentences.append(
            f"A {' or '.join((*columns.groups, *([columns.by] if columns.by else [])))} that is "
            f"written as {_either([f'“{w}”' for w in words])} is taken as missing{kept}."
        )
    if totals:
        sentences.append(
            f"Left out are rows that add up the others: {_some([f'“{name}”' for name in totals])}."
        )
    gone = several(columns.except_)
    if gone:
        sentences.append(f"Left out, as asked: {_some(gone)}.")
    if columns.only:
        sentences.append(f"Only these groups are counted: {_some(several(columns.only))}.")
    return sentences


def _effective(frame: pd.DataFrame, measures: Sequence[str], *, apart: bool) -> pd.DataFrame:
    r"""Weighted sums as counts of as many equally weighted cases as tell the same.

    .. math:: n = \frac{(\sum_i w_i)^2}{\sum_i w_i^2}, \qquad
              k = n\, \frac{\sum_i w_i y_i}{\sum_i w_i}

    With strata all cells of a group are scaled by one number, so that their shares are those of
    the weights: by the group's own, or, where strata stand apart, by the smallest of them.

    Source: Kish, Survey Sampling (1965), section 11.7.
    """
    by_group = frame.groupby("group", sort=False)
    sums, squares = (frame[name] for name in ("weights", "squares"))
    if not apart:
        sums, squares = (by_group[name].transform("sum") for name in ("weights", "squares"))
    scale = (sums / squares).where(squares > 0, np.inf)
    smallest = scale.groupby(frame["group"], sort=False).transform("min")
    smallest = smallest.where(np.isfinite(smallest), 0.0)
    effective = frame[list(measures)].astype(float).mul(smallest, axis=0)
    nearest = effective.round()  # sums of equal weights are off by the last digits
    effective = effective.where((effective - nearest).abs() > _ROUNDING * nearest, nearest)
    if "trials" in effective:
        effective = effective.cummin(axis=1)  # as sums of other orders may not be
    return frame.assign(**{name: effective[name] for name in measures})


def _weighted(frame: pd.DataFrame, columns: Columns) -> str:
    """How many equally weighted cases the weighted ones are worth, as a sentence."""
    sizes, lost = _sizes(frame, columns)
    measures = [name for name in (*CONFUSION, "trials") if name in frame]
    worth = frame.groupby("group", sort=False)[measures].sum().sum(axis=1)
    each = [f"{sizes[g] - lost[g]:,} of {g} as {worth[g]:,.1f}" for g in worth.index]
    return (
        f"Weights are those of column {columns.weight}. Rates are weighted, and counts are "
        f"effective: {_some(each)} (the squared sum of the weights over the sum of their squares). "
        "Intervals rest on these; how a sample was drawn in clusters is not in the weights."
    )


def _all_at_first(frame: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """The same, with no cases of a group in the first stratum where its place would be lost."""
    if list(frame["group"].unique()) == list(groups) or list(groups) == sorted(groups):
        return frame
    first = frame[frame["by"] == frame["by"].iloc[0]].set_index("group")
    padded = first.reindex(groups, fill_value=0).assign(by=frame["by"].iloc[0])
    return pd.concat([padded.reset_index()[list(frame.columns)], frame.iloc[len(first) :]])


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
