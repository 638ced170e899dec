"""Small tables of tests, as files of each kind and as frames."""

from collections.abc import Callable
from io import StringIO
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd

from plausible.fairness.counts.counts import Counts

__all__ = ["KINDS", "cells", "each_kind", "lines"]


def lines(text: str) -> str:
    """Rows separated by slashes, as the lines of a file."""
    return "\n".join(row.strip() for row in text.split(" / ")) + "\n"


def as_csv(text: str, folder: Path) -> Path:
    (path := folder / "table.csv").write_text(lines(text), encoding="utf-8")
    return path


def as_frame(text: str, _: Path) -> pd.DataFrame:
    return pd.read_csv(StringIO(lines(text)))


def as_texts(text: str, _: Path) -> pd.DataFrame:
    return pd.read_csv(StringIO(lines(text)), dtype=str, keep_default_na=False)


def as_parquet(text: str, folder: Path) -> Path:
    as_frame(text, folder).to_parquet(path := folder / "table.parquet")
    return path


KINDS: list[Callable[[str, Path], Any]] = [as_csv, as_frame, as_texts, as_parquet]


def each_kind(*cases: Any) -> list[Any]:
    """Cases of a test, each with one of the kinds in turn: (write, *case)."""
    whole = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [(write, *case) for write, case in zip(cycle(KINDS), whole, strict=False)]


def cells(counts: Counts) -> dict[str, tuple[float, ...]]:
    """The numbers of each group, in the order of the measures."""
    of = {name: counts[name] for name in counts.measures}
    return {
        group: tuple(of[name][i].item() for name in of) for i, group in enumerate(counts.groups)
    }
