"""Reads a table of costs: what each action costs where the outcome is yes, and where it is no."""

from typing import Any

import pandas as pd

from plausible.fairness.counts.tables import label_of, open_table, readable
from plausible.fairness.decisions.costs import Costs
from plausible.inference.errors import DataError, UnknownName

__all__ = ["read_costs"]

_MOST = 10_000
_ANSWERS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}


def read_costs(source: Any, outcome: str) -> Costs:
    """The costs of actions, from a table with a row for each action and answer.

    The columns are `action`, `outcome` (yes or no), and `cost`, or `low` and `high` where only a
    range is known.

    Args:
        source: a table, as `open_table` takes it.
        outcome: what is the case or not, in words.

    Returns:
        Costs whose outcomes are "<outcome>: yes" and "<outcome>: no".

    Raises:
        UnknownName: for a column that is not there.
        DataError: for costs that are missing or given twice, other outcomes, or a range upside
            down.
    """
    with readable(source):
        frame = open_table(source).limit(_MOST).execute()
    label = label_of(source)
    ends = ("cost", "cost") if "cost" in frame else ("low", "high")
    for name in ("action", "outcome", *ends):
        if name not in frame:
            accepted = "Its columns are action, outcome (yes or no), and cost or low and high"
            raise DataError(f"{label} has no column {name!r}. {accepted}.")
    cells: dict[str, dict[str, tuple[float, float]]] = {}
    for action, answer, low, high in frame[["action", "outcome", *ends]].itertuples(
        index=False, name=None
    ):
        said = _ANSWERS.get(str(answer).strip().lower())
        if said is None:
            raise UnknownName(f"outcome in {label}", str(answer), ("yes", "no"))
        name = f"{outcome}: {said}"
        if name in cells.setdefault(str(action), {}):
            raise DataError(f"{label} has two costs of {action!r} where the outcome is {said}.")
        numbers = [pd.to_numeric(value, errors="coerce") for value in (low, high)]
        cells[str(action)][name] = (float(numbers[0]), float(numbers[1]))
    order = [f"{outcome}: {said}" for said in ("yes", "no")]
    ordered = {a: {o: row[o] for o in order if o in row} for a, row in cells.items()}
    return Costs(ordered, note=f"The costs are those of {label}.")
