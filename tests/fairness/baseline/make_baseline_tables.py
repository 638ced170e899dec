"""Makes the tables of the six audits: nobody in them is real, every number is drawn from a seed."""

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent


def stops() -> pd.DataFrame:
    """Counts of three groups in eight districts; in one of them nobody of group C was stopped."""
    random = np.random.default_rng(1)
    rows = []
    for d in range(8):
        for group, size, rate in (("A", 400, 0.10), ("B", 150, 0.22), ("C", 60, 0.15)):
            n = 0 if (group, d) == ("C", 5) else int(random.poisson(size * (1 + d / 8)))
            searches = int(random.binomial(n, rate * (0.7 + 0.08 * d)))
            finds = int(random.binomial(searches, 0.35 if group == "A" else 0.2))
            rows.append((group, f"district {d + 1}", n, searches, finds))
    return pd.DataFrame(rows, columns=["group", "district", "stops", "searches", "finds"])


def clerks() -> pd.DataFrame:
    """Counts of twelve clerks: one without a case, one without a name, one with a missing value."""
    random = np.random.default_rng(2)
    rates = random.beta(6, 24, size=12)
    rates[:2] = 0.02, 0.6  # far from the others, so that chance does not choose whom to name
    n = random.integers(40, 400, size=12)
    n[4] = 0
    rows = [
        (f"clerk {i + 1:02}", int(n[i]), int(random.binomial(n[i], rates[i]))) for i in range(12)
    ]
    frame = pd.DataFrame(rows, columns=["clerk", "claims", "refused"]).astype({"refused": "Int64"})
    frame.loc[len(frame)] = [None, 31, 4]
    frame.loc[len(frame)] = ["clerk 07", 12, None]
    return frame


def claims() -> pd.DataFrame:
    """One claim a row: a score of two groups, a recorded fault, and columns that tell the group."""
    random = np.random.default_rng(3)
    n = 420
    group = random.choice(["A", "B"], n, p=[0.6, 0.4])
    fault = random.random(n) < 0.3
    score = 0.3 + 0.3 * fault + 0.15 * (group == "B") + random.normal(0, 0.2, n)
    frame = pd.DataFrame(
        {
            "group": group,
            "fault": np.where(fault, "yes", "no"),
            "score": score.clip(0, 1).round(3),
            "income": random.normal(np.where(group == "A", 30, 24), 6).round(1),
            "quarter": np.where(
                random.random(n) < 0.7, np.where(group == "A", "west", "east"), "centre"
            ),
        }
    )
    frame.loc[::37, "score"] = np.nan
    frame.loc[5::41, "group"] = None
    frame.loc[11::59, "income"] = np.nan
    return frame


def checks() -> pd.DataFrame:
    """One decision a row: three groups, two offices, days of two years, some values missing."""
    random = np.random.default_rng(4)
    n = 450
    group = random.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2])
    office = random.choice(["north", "south"], n)
    fault = random.random(n) < 0.25
    chance = 0.15 + 0.45 * fault + 0.12 * (group == "B") + 0.05 * (office == "south")
    checked = random.random(n) < chance
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(random.integers(0, 730, n), unit="D")
    frame = pd.DataFrame(
        {
            "group": group,
            "office": office,
            "checked": np.where(checked, "t", "f"),
            "fault": fault.astype(int).astype("object"),
            "day": days.strftime("%Y-%m-%d"),
        }
    )
    frame.loc[7::53, "fault"] = None
    frame.loc[3::61, "office"] = None
    return frame


def visits() -> pd.DataFrame:
    """One visit a row: two attributes to cross, a visit counted or not, and what it led to."""
    random = np.random.default_rng(5)
    n = 380
    region = random.choice(["north", "south"], n, p=[0.7, 0.3])
    age = random.choice(["old", "young"], n)
    visited = random.random(n) < 0.2 + 0.2 * (region == "south") + 0.1 * (age == "young")
    hit = visited & (random.random(n) < 0.3)
    frame = pd.DataFrame(
        {
            "region": region,
            "age": age,
            "visited": np.where(visited, "Yes", "No"),
            "hit": np.where(hit, "1", np.where(visited, "0", "")),
            "street": random.choice([f"street {i}" for i in range(6)], n),
        }
    )
    frame.loc[9::71, "visited"] = "unknown"
    frame.loc[2::83, "age"] = None
    return frame


def permits() -> pd.DataFrame:
    """One application a row: four groups, a score from 0 to 100, days as time stamps."""
    random = np.random.default_rng(6)
    n = 500
    group = random.choice(["P", "Q", "R", "S"], n, p=[0.4, 0.3, 0.2, 0.1])
    risk = random.beta(2, 3, n)
    score = (100 * (0.7 * risk + 0.3 * random.random(n)) + 8 * (group == "Q")).round().astype(int)
    days = pd.Timestamp("2022-03-01") + pd.to_timedelta(random.integers(0, 400, n), unit="D")
    return pd.DataFrame(
        {
            "group": group,
            "score": score.clip(0, 100),
            "default": random.random(n) < risk * np.where(group == "S", 0.6, 0.9),
            "day": days.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )


TABLES = {f.__name__: f for f in (stops, clerks, claims, checks, visits, permits)}

if __name__ == "__main__":
    for name, table in TABLES.items():
        table().to_csv(FOLDER / f"{name}.csv", index=False)
