"""Which names in the answer of the counting query are groups, and in which order they stand."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from plausible.fairness.counts.columns import Columns, plain, several
from plausible.fairness.counts.values import NOTHING
from plausible.inference.errors import DataError, UnknownName

__all__ = [
    "JOINED",
    "NOT_RECORDED",
    "chosen",
    "in_order",
    "keys_of",
    "named",
    "ordered",
    "quoted",
    "without_totals",
]

JOINED = ", "
NOT_RECORDED = "not recorded"
_TOTAL = re.compile(
    r"((grand |sub-?)?totals?\b.*|sums?|all|overall|altogether|combined|everyone|everybody"
    r"|all (ages|departments|genders|groups|people|persons|races|sexes)"
    r"|(ins)?gesamt|summe|alle|zusammen|ensemble|tous|toutes|totale?s?|totaal|totalt|suma|razem"
    r"|todos|todas|celkem|итого|всего|合計|总计)"
)
_INTERVAL = re.compile(r"[\[(]\s*([^,;]+?)\s*[,;]\s*([^,;]+?)\s*[\])]")
_NUMBER = re.compile(r"(?<![\d.])[-−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)")
_UP_TO = r"under|below|less than|up to|younger than|until|unter|bis|<=?|≤|-?inf(inity)?"
_FROM = r"over|above|more than|at least|older than|from|über|ab|>=?|≥"
_AND_LESS = r"(and|or|und) (under|below|less|younger|jünger|weniger)"
_AND_MORE = r"\+|(and|or|und) (over|above|more|older|up|älter|mehr)"
_UNIT = r"[$€£%]|ages?|aged|years?( old)?|yrs?\.?|jahren?|to|bis|and|und|-|–|—|\.\.+|:|,"


def keys_of(frame: pd.DataFrame) -> list[str]:
    """The columns that hold groups and strata."""
    keys = [name for name in frame.columns if re.fullmatch(r"g\d+", name)]
    return [*keys, "by"] if "by" in frame else keys


def named(frame: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, Sequence[str]]:
    """The frame with None where a name means that nothing is known, and the words that mean it.

    Where such rows are kept, they are one group, `NOT_RECORDED`.
    """
    words = (*NOTHING, *plain(columns.missing))
    numbers = {value for value in map(_float, plain(columns.missing)) if value is not None}
    frame, seen = frame.copy(), dict[str, None]()
    for key in keys_of(frame):
        texts = frame[key].astype("string")
        known = texts.str.strip().str.lower()
        nothing = known.isin(words) | known.map(_float, na_action="ignore").isin(numbers)
        seen |= dict.fromkeys(texts[nothing & (known != "")])
        names = texts.astype(object).where(~nothing & texts.notna(), None)
        if columns.keep_missing and key != "by":
            names = names.where(names.notna(), NOT_RECORDED)
        frame[key] = names
    return (_merged(frame) if columns.keep_missing else frame), sorted(seen)


def chosen(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The rows of the groups that are asked for, and those without a group.

    Raises:
        UnknownName: for a group that is not there.
    """
    only, gone = several(columns.only), several(columns.except_)
    if not only and not gone:
        return frame
    parts = frame[[key for key in keys_of(frame) if key != "by"]]
    whole = parts.agg(lambda row: JOINED.join(map(str, row)), axis=1)
    unnamed = parts.isna().any(axis=1)
    accepted = list(dict.fromkeys(whole[~unnamed]))
    accepted += (
        [] if parts.shape[1] == 1 else [x for key in parts for x in parts[key].dropna().unique()]
    )
    for name in (*only, *gone):
        if name not in accepted:
            raise UnknownName(" and ".join(columns.groups), name, accepted)

    def among(names: Sequence[str]) -> pd.Series:
        return whole.isin(names) | parts.isin(names).any(axis=1)

    kept = (among(only) | unnamed) if only else pd.Series(True, index=frame.index)
    return frame[kept & ~among(gone)]


def without_totals(
    frame: pd.DataFrame, columns: Columns, measures: Sequence[str]
) -> tuple[pd.DataFrame, Sequence[str]]:
    """The frame without rows that add up the others, and their names.

    Raises:
        DataError: for a row that may or may not be a total.
    """
    gone = []
    for key in keys_of(frame):
        of = columns.by if key == "by" else columns.groups[int(key[1:])]
        kept = several(columns.only) if key != "by" else ()
        sizes = frame.groupby(key, sort=False)["rows" if columns.whole else "size"].sum()
        totals = [name for name in sizes.index if _is_total(name) and name not in kept]
        others = sizes.drop(totals)
        if len(others) < 2:
            continue
        for name in totals:
            if columns.whole or sizes[name] < others.max():
                raise _doubt(name, str(of), "is named like a total", key)
            gone.append(f"{name}" if len(columns.groups) == 1 and key != "by" else f"{of} {name}")
        frame = frame[~frame[key].isin(totals)]
        if not columns.whole:
            for name in _sums(frame, key, measures):
                if name not in (*kept, NOT_RECORDED):
                    raise _doubt(name, str(of), "has the numbers of all the others together", key)
    return frame, gone


def _is_total(name: str) -> bool:
    return bool(_TOTAL.fullmatch(" ".join(name.casefold().strip(" *:.()").split())))


def _doubt(name: str, of: str, why: str, key: str) -> DataError:
    if key == "by":
        return DataError(
            f"The {of} {name!r} {why}. If it is one, take its rows out of the table; if it is not, "
            "give it another name."
        )
    return DataError(
        f"The {of} {name!r} {why}. If it is one, leave it out with --except {quoted(name)}; if it "
        f"is a group of its own, name all groups that count, each with --only (--only "
        f"{quoted(name)} ...)."
    )


def quoted(name: str) -> str:
    """A name as a word of a command."""
    return name if re.fullmatch(r"[\w.+-]+", name) else f'"{name}"'


def _sums(frame: pd.DataFrame, key: str, measures: Sequence[str]) -> list[str]:
    """Names of a key whose numbers are, everywhere, the sums over its other names."""
    rest = [other for other in keys_of(frame) if other != key]
    whole = frame.dropna(subset=keys_of(frame))
    by_name = whole.groupby(key, sort=False)[list(measures)].sum()
    known = by_name[(by_name > 0).any(axis=1)]
    shares = known.div(known.sum(axis=1), axis=0)
    if len(known) < 3 or np.allclose(shares, shares.iloc[0]):
        return []  # where all rates are the same, one column of numbers is all there is to add up
    halves = known[(2 * known == known.sum()).all(axis=1)]
    names = []
    for name in halves.index:
        own = whole[key] == name
        if not rest:
            names.append(str(name))
            continue
        mine, theirs = (whole[x].groupby(rest)[list(measures)].sum() for x in (own, ~own))
        gap = mine.sub(theirs, fill_value=0)
        if (gap == 0).all(axis=None):
            names.append(str(name))
    return names


def ordered(frame: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows by stratum and group, each in its own order.

    Args:
        frame: with names in every key.
        categories: names of a key in their order, where the table knows it.
    """
    ranks = {}
    for key in sorted(keys_of(frame)):  # "by" comes first
        names = in_order(list(frame[key].unique()), categories.get(key))
        ranks[key] = frame[key].map({name: i for i, name in enumerate(names)})
    return frame.loc[pd.DataFrame(ranks).sort_values(list(ranks), kind="stable").index]


def in_order(names: Sequence[str], categories: Sequence[str] | None = None) -> list[str]:
    """Names in the order of their categories, of the numbers that they are, or of letters.

    Numbers are those of intervals and ranges, such as "(17, 65]", "25–44", "under 18" and "65+".
    """
    if categories is not None:
        rank = {name: i for i, name in enumerate(categories)}
        return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))
    known = [name for name in names if name != NOT_RECORDED]
    spans = {name: _span(name) for name in known}
    if any(span is None for span in spans.values()):
        known = sorted(known)
    else:
        known = sorted(known, key=lambda name: (spans[name] or (0.0, 0.0), name))
    return [*known, *([NOT_RECORDED] if NOT_RECORDED in names else [])]


def _span(name: str) -> tuple[float, float] | None:
    """The least and the largest number of an interval or a range; None for another name."""
    text = " ".join(name.casefold().split())
    if interval := _INTERVAL.fullmatch(text):
        low, high = (_float(end.replace("∞", "inf")) for end in interval.groups())
        return None if low is None or high is None else (low, high)
    numbers = [float(n.replace(",", "").replace("−", "-")) for n in _NUMBER.findall(text)]
    words = _NUMBER.sub(" ", text).strip()
    unit = rf"(\s*({_UNIT}))*\s*"
    if len(numbers) == 2 and re.fullmatch(unit, words):
        return numbers[0], numbers[1]
    if len(numbers) != 1:
        return None
    for before, after, span in (
        ("", "", (numbers[0], numbers[0])),
        (_UP_TO, "", (-np.inf, numbers[0])),
        ("", _AND_LESS, (-np.inf, numbers[0])),
        (_FROM, "", (numbers[0], np.inf)),
        ("", _AND_MORE, (numbers[0], np.inf)),
    ):
        if re.fullmatch(rf"{unit}({before})?{unit}({after})?{unit}", words):
            return span
    return None


def _merged(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each group and stratum again, after several names became one."""
    keys = keys_of(frame)
    parts = [part for _, part in frame.groupby(keys, sort=False, dropna=False)]
    return pd.DataFrame([_one(part, keys) for part in parts]) if len(parts) < len(frame) else frame


def _one(rows: pd.DataFrame, keys: Sequence[str]) -> dict[str, Any]:
    """Several rows of the query as one."""
    one = {key: rows[key].iloc[0] for key in keys}
    for name in rows.columns.difference(keys, sort=False):
        known = rows[name].dropna()
        least, largest = name.startswith("first ") or name.endswith(" low"), name.endswith(" high")
        if least or largest or name.startswith("last "):
            one[name] = (min(known) if least else max(known)) if len(known) else None
        else:
            one[name] = known.sum()
    return one


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
