"""The threshold test: recovery of known thresholds, published ones, and refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plausible.fairness import Columns, Counts, read_counts
from plausible.fairness.search_decisions.thresholds_by_place import threshold_test
from plausible.inference.errors import DataError

FILE = Path(__file__).parents[4] / "shared" / "data" / "nc_threshold_counts.csv"


def departments(places: int, seed: int) -> tuple[Counts, dict[str, float]]:
    """Counts as the program draws them, and the thresholds that it took, averaged as it does."""
    random = np.random.default_rng(seed)
    centers = {"A": 1.5, "B": 1.0, "C": 1.25}  # of what officers see, for each group
    share_of_place, signal_of_place = 0.1 * random.normal(size=(2, places))
    rows, thresholds, stops = [], dict[str, list[float]](), np.zeros(places)
    for group, center in centers.items():
        share_of_group, signal_of_group = 0.1 * random.normal(size=2)
        for p in range(places):
            logit = -1.0 + share_of_group + share_of_place[p]
            share = 1 / (1 + np.exp(-logit))
            signal = np.exp(0.3 + signal_of_group + signal_of_place[p])
            at = center + 0.3 * random.normal()
            n = int(random.integers(2_000, 6_000))
            guilty, innocent = share * stats.norm.sf(at - signal), (1 - share) * stats.norm.sf(at)
            k = random.binomial(n, guilty + innocent)
            h = random.binomial(k, guilty / (guilty + innocent))
            rows.append((group, f"place {p}", n, k, h))
            stops[p] += n
            odds = logit + signal * at - signal**2 / 2
            thresholds.setdefault(group, []).append(1 / (1 + np.exp(-odds)))
    frame = pd.DataFrame(rows, columns=["group", "by", "trials", "events", "hits"])
    truth = {g: float(np.average(x, weights=stops)) for g, x in thresholds.items()}
    return Counts(frame, by="place"), truth


@pytest.mark.slow
def test_known_thresholds_are_recovered_in_their_order() -> None:
    counts, truth = departments(10, seed=1)
    posterior = threshold_test(counts, chains=2, draws=500, tune=500)
    drawn = posterior.posterior["threshold"]
    for group, right in truth.items():
        own = drawn.sel(group_name=group).to_numpy().ravel()
        low, high = np.quantile(own, (0.001, 0.999))
        assert low <= right <= high, (group, right, own.mean())
    order = sorted(truth, key=truth.__getitem__)
    low_, middle, high_ = (drawn.sel(group_name=g).to_numpy().ravel() for g in order)
    assert (low_ < middle).mean() > 0.95 and (middle < high_).mean() > 0.95


@pytest.mark.slow
def test_north_carolinas_thresholds_are_the_published_ones() -> None:
    if not FILE.exists():
        pytest.skip("the counts of North Carolina are not here")
    columns = Columns(
        "driver_race", trials="num_stops", events="num_searches", hits="num_hits", by="department"
    )
    counts = read_counts(FILE, columns)
    posterior = threshold_test(counts, pinned=True)
    published: Any = {
        "White": (0.230, 0.222, 0.238),
        "Black": (0.206, 0.197, 0.215),
        "Hispanic": (0.137, 0.130, 0.144),
    }
    for group, (mean, *ends) in published.items():
        own = posterior.posterior["threshold"].sel(group_name=group).to_numpy().ravel()
        assert own.mean() == pytest.approx(mean, abs=0.002)
        assert np.quantile(own, (0.025, 0.975)) == pytest.approx(ends, abs=0.004)


def test_what_leaves_the_thresholds_to_the_prior_is_refused() -> None:
    counts, _ = departments(4, seed=0)
    with pytest.raises(DataError, match="With 2 groups in 4 places"):
        threshold_test(counts.only("A", "B"))
    with pytest.raises(DataError, match="needs places"):
        threshold_test(counts.total())
    frame = counts.frame.copy()
    frame.loc[0, ["trials", "events", "hits"]] = 0
    with pytest.raises(DataError, match="no stops of A in place place 0"):
        threshold_test(Counts(frame, by="place"))
