"""Says which groups are so small that their numbers are uncertain and may point at people."""

from plausible.fairness.counts import CONFUSION, Counts

__all__ = ["SMALL", "small_cells"]

SMALL = 10
_NAMED = 5


def small_cells(counts: Counts, fewer_than: int = SMALL) -> str:
    """A sentence that names the groups, or groups in strata, with few cases; empty without any.

    A case is a trial, or an event where there are no trials, or a person with a decision and an
    outcome.

    Args:
        counts: of any measures.
        fewer_than: the count from which on a cell is not small.
    """
    frame = counts.frame
    cells = [cell for cell in CONFUSION if cell in frame]
    if "trials" in frame or "events" in frame or "hits" in frame:
        measure = next(m for m in ("trials", "events", "hits") if m in frame)
        sizes, called = frame[measure], counts.called(measure)
    else:
        sizes, called = frame[cells].sum(axis=1), "cases"
    small = frame[sizes < fewer_than].assign(size=sizes[sizes < fewer_than])
    if not len(small):
        return ""
    small = small.sort_values("size", kind="stable")
    names = small["group"] if counts.by is None else small["group"] + " in " + small["by"]
    listed = [f"{name} ({size})" for name, size in zip(names, small["size"], strict=True)]
    shown = listed[:_NAMED]
    if more := len(listed) - len(shown):
        shown.append(f"{more:,} more")
    last = shown.pop()
    text = f"{', '.join(shown)} and {last}" if shown else last
    return (
        f"{len(listed):,} of {len(frame):,} {'groups' if counts.by is None else 'cells'} have "
        f"fewer than {fewer_than:,} {called}: {text}. What is said about them is uncertain, and so "
        "few people may be recognised in a published table."
    )
