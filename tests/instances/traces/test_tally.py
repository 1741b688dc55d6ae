"""Counts of keys that stream by: exact, or those of Misra and Gries with their bound."""

from collections import Counter

import numpy as np
import pytest

from slimbench.instances.problem.arrays import IntArray
from slimbench.instances.traces.tally import Tally


def zipf_keys(n: int, values: int, n_words: int) -> IntArray:
    """(n, n_words) skewed keys; those of several words differ in the last or in the first one."""
    rng = np.random.default_rng(0)
    drawn = np.minimum((rng.pareto(0.5, n)).astype(np.int64), values - 1)
    keys = np.zeros((n, n_words), np.int64)
    keys[:, 0] = drawn % 7
    keys[:, -1] = drawn
    return keys


def tallied(keys: IntArray, most: int, batch: int) -> tuple[Tally, Counter[tuple[int, ...]]]:
    tally = Tally(keys.shape[1], most)
    for start in range(0, len(keys), batch):
        tally.add(keys[start : start + batch])
    seen, counts = tally.counted()
    assert seen.tolist() == sorted(seen.tolist())
    return tally, Counter({tuple(key): int(count) for key, count in zip(seen.tolist(), counts, strict=True)})


@pytest.mark.parametrize("n_words", [1, 3])
@pytest.mark.parametrize("batch", [1000, 20_000])
def test_counts_are_exact_while_there_is_room(n_words: int, batch: int) -> None:
    keys = zipf_keys(20_000, 3000, n_words)
    tally, counts = tallied(keys, 3000, batch)
    assert counts == Counter(map(tuple, keys.tolist()))
    assert tally.shortfall == 0


@pytest.mark.parametrize("most", [1, 10, 100])
@pytest.mark.parametrize("batch", [50, 20_000])
def test_counts_of_too_many_keys_are_too_low_by_a_known_bound(most: int, batch: int) -> None:
    keys = zipf_keys(20_000, 3000, 2)
    tally, counts = tallied(keys, most, batch)
    exact = Counter(map(tuple, keys.tolist()))
    assert 0 < len(counts) <= most
    assert all(exact[key] - tally.shortfall <= counts[key] <= exact[key] for key in exact)
    assert 0 < tally.shortfall * (most + 1) <= len(keys) - counts.total()
    # the bound is no idle one: some count is as far off as it says
    assert max(exact[key] - counts[key] for key in exact) == tally.shortfall


def test_there_are_never_more_keys_than_twice_the_most_and_a_batch() -> None:
    tally = Tally(1, 100)
    for start in range(0, 10**5, 50):
        tally.add(np.arange(start, start + 50)[:, None])
        assert tally.n_keys <= 200
