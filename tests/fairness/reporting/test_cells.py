"""Tables of a report: what they hold, what they leave out, and that they say so."""

import pytest

from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.cells import counted


def counts(cells: dict[str, int]) -> Counts:
    return Counts.of({name: {"trials": n, "events": n} for name, n in cells.items()})


@pytest.mark.parametrize(("small", "more"), [(5, ""), (6, " and 1 more"), (8, " and 3 more")])
def test_five_small_groups_are_named_and_the_others_counted(small: int, more: str) -> None:
    # Seen failing with a comparison that counts none more.
    table = counted(counts({f"g{i}": 29 for i in range(small)} | {"large": 30}))
    names = ", ".join(f"g{i}" for i in range(5)) + more
    assert any(f"Fewer than 30 trials: {names}." in note for note in table["notes"])


@pytest.mark.parametrize(("pairs", "more"), [(5, 0), (7, 2)])
def test_five_names_that_look_alike_are_given_and_the_others_counted(pairs: int, more: int) -> None:
    names = [f"{letter}{i}" for i in range(pairs) for letter in "aA"]
    (note,) = (n for n in counted(counts(dict.fromkeys(names, 90)))["notes"] if "capitals" in n)
    assert "“a4”, “A4”" in note and "“a5”" not in note
    assert ("more" in note) == (more > 0) and (not more or f"and {more} more" in note)


@pytest.mark.parametrize("groups", [40, 41])
def test_the_forty_largest_groups_are_shown(groups: int) -> None:
    table = counted(counts({f"g{i}": 100 + i for i in range(groups)}))
    assert len(table["rows"]) == 40
    told = f"The table shows the 40 largest of {groups} groups."
    assert (told in table["notes"]) == (groups > 40)
    if groups > 40:
        assert table["rows"][0] == ["g40", "140", "140"]
