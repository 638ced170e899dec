"""Formulas of observed probabilities: what they say, and their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

__all__ = ["Formula", "Product", "Ratio", "Seen", "Sum", "summed", "value", "written"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """The observed distribution of some variables."""

    of: frozenset[str]

    def __str__(self) -> str:
        return written(self)


@dataclass(frozen=True)
class Sum:
    """A sum over the values of some variables."""

    over: frozenset[str]
    inner: "Formula"

    def __str__(self) -> str:
        return written(self)


@dataclass(frozen=True)
class Product:
    """A product."""

    parts: tuple["Formula", ...]

    def __str__(self) -> str:
        return written(self)


@dataclass(frozen=True)
class Ratio:
    """A quotient; of two observed distributions a conditional one."""

    top: "Formula"
    bottom: "Formula"

    def __str__(self) -> str:
        return written(self)


Formula = Seen | Sum | Product | Ratio


def summed(formula: Formula, over: Iterable[str]) -> Formula:
    """The sum of a formula over variables, in the shortest form."""
    names = frozenset(over)
    if not names:
        return formula
    if isinstance(formula, Seen):
        return Seen(formula.of - names)
    if isinstance(formula, Sum):
        return Sum(formula.over | names, formula.inner)
    return Sum(names, formula)


def value(formula: Formula, joint: Array, names: Sequence[str]) -> Array:
    """A formula's value for every value of the variables.

    Args:
        formula: of these variables.
        joint: their observed distribution, shape (..., size of each); leading axes are draws.
        names: of the last axes.

    Returns:
        An array that broadcasts with the joint: an axis has length 1 where nothing depends on it.
        It is nan where a formula divides by a probability of 0.
    """
    axis = {name: i - len(names) for i, name in enumerate(names)}
    if isinstance(formula, Seen):
        others = tuple(axis[name] for name in names if name not in formula.of)
        return joint.sum(others, keepdims=True)
    if isinstance(formula, Product):
        parts = [value(part, joint, names) for part in formula.parts]
        never = reduce(np.logical_or, [part == 0 for part in parts])
        return np.where(never, 0.0, reduce(np.multiply, parts))
    if isinstance(formula, Ratio):
        top, bottom = (value(part, joint, names) for part in (formula.top, formula.bottom))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(top, bottom)
    inner = value(formula.inner, joint, names)
    wide = list(np.broadcast_shapes(inner.shape, (1,) * len(names)))
    for name in formula.over:
        wide[axis[name]] = joint.shape[axis[name]]
    every: Array = np.broadcast_to(inner, wide)
    return every.sum(tuple(axis[name] for name in formula.over), keepdims=True)


def written(formula: Formula, primed: frozenset[str] = frozenset()) -> str:
    """A formula in letters; a variable that is summed over has a prime where it stands outside too.

    Args:
        formula: of any kind.
        primed: variables that have one already.
    """
    if isinstance(formula, Seen):
        return f"P({_listed(formula.of, primed)})" if formula.of else "1"
    if isinstance(formula, Ratio):
        top, bottom = formula.top, formula.bottom
        if isinstance(top, Seen) and isinstance(bottom, Seen) and bottom.of <= top.of:
            if not bottom.of:
                return written(top, primed)
            given = _listed(bottom.of, primed)
            return f"P({_listed(top.of - bottom.of, primed)} | {given})"
        return f"[{written(top, primed)}] / [{written(bottom, primed)}]"
    if isinstance(formula, Sum):
        over = _listed(formula.over, primed)
        return f"Σ_{{{over}}} {written(formula.inner, primed)}"
    texts = []
    for i, part in enumerate(formula.parts):
        others = frozenset[str]().union(*map(_free, formula.parts[:i] + formula.parts[i + 1 :]))
        if isinstance(part, Sum):
            texts.append(f"({written(part, primed | (part.over & others))})")
        else:
            texts.append(written(part, primed))
    return " · ".join(texts)


def _free(formula: Formula) -> frozenset[str]:
    """The variables on whose values a formula depends."""
    if isinstance(formula, Seen):
        return formula.of
    if isinstance(formula, Sum):
        return _free(formula.inner) - formula.over
    if isinstance(formula, Ratio):
        return _free(formula.top) | _free(formula.bottom)
    return frozenset[str]().union(*map(_free, formula.parts))


def _listed(names: Iterable[str], primed: frozenset[str]) -> str:
    return ", ".join(f"{name}′" if name in primed else name for name in sorted(names))
