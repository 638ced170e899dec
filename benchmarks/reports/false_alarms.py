"""How often a page says "higher" or "lower" where nothing differs, and where something does.

python benchmarks/reports/false_alarms.py
python benchmarks/reports/false_alarms.py --tables 2000 --pages 100
"""

import argparse
import re

import numpy as np

from plausible.fairness import Audit, Counts
from plausible.fairness.estimation.comparison import compare

TRIALS, RATE, HITS, TIMES = 1000, 0.2, 0.3, 1.5
# What a page says without a hedge of one group against another.
SAYS = re.compile(
    r"\bis (?:still )?(?:higher|lower) for|[1-9]\d* lies? (?:above|below) the|"
    r"\b(?:more|fewer) \w+ are in vain for"
)


def table(groups: int, times: float, random: np.random.Generator, trials: int = TRIALS) -> Counts:
    """Groups of one rate, but for the last, whose rate is so many times that of the others."""
    rates = np.full(groups, RATE)
    rates[-1] *= times
    events = random.binomial(trials, rates)
    hits = random.binomial(events, HITS)
    return Counts.of(
        {
            f"g{i}": {"trials": trials, "events": int(events[i]), "hits": int(hits[i])}
            for i in range(groups)
        }
    )


def told(counts: Counts) -> dict[str, int]:
    """On which side of the reference the base rates of each group are said to lie."""
    gaps = compare(counts, "events", "trials").gaps.values()
    return {gap.group: gap.credible_direction for gap in gaps}


def shares(groups: int, tables: int, seed: int = 0) -> tuple[float, float]:
    """Shares of tables: with any false word, and with the right one of the group that is higher."""
    random = np.random.default_rng([seed, groups])
    false = [any(told(table(groups, 1, random)).values()) for _ in range(tables)]
    raised = [told(table(groups, TIMES, random))[f"g{groups - 1}"] > 0 for _ in range(tables)]
    return float(np.mean(false)), float(np.mean(raised))


def pages(groups: int, number: int, times: float = 1, seed: int = 0) -> list[list[str]]:
    """What each of so many whole pages says without a hedge."""
    random = np.random.default_rng([seed, groups, 1])
    return [
        [
            finding.text
            for analysis in Audit(table(groups, times, random)).run()
            for finding in analysis.findings
            if SAYS.search(finding.text)
        ]
        for _ in range(number)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--pages", type=int, default=20)
    given = parser.parse_args()
    print(
        "| groups | false word, table | right word, table | false word, page | right word, page |"
    )
    print("|---|---|---|---|---|")
    for groups in (2, 6, 10):
        false, right = shares(groups, given.tables)
        on_page = np.mean([bool(page) for page in pages(groups, given.pages)])
        last = re.compile(rf"higher for g{groups - 1}\b")
        raised = [
            any(last.search(text) for text in page) for page in pages(groups, given.pages, TIMES)
        ]
        numbers = (false, right, on_page, np.mean(raised))
        print(f"| {groups} | " + " | ".join(f"{100 * x:.1f} %" for x in numbers) + " |", flush=True)


if __name__ == "__main__":
    main()
