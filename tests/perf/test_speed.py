"""The benchmarks of heuristics, at small sizes: that they run, and that their plain peers are right."""

import numpy as np
import pytest
from oracles import brute_force, plain_fits, plain_saving
from perf.convolution import arbitrary, concave, convolution, max_plus_values, plain_values
from perf.decomposition import decomposition
from perf.greedy import calls_of, greedy, pick_by_slimbench
from perf.growth import growth
from perf.peers.plain_knapsack import fill_plainly
from perf.table import growth_exponent
from samples import random_instance


def test_the_exponent_of_a_square_is_two():
    assert growth_exponent([10, 100, 1000], [1, 100, 10_000]) == pytest.approx(2)


def test_picks_are_those_of_naive_greedy():
    similarities = np.random.default_rng(0).random((40, 30))
    served, picked = np.zeros(40), []
    for _ in range(12):
        best = int(np.argmax(np.maximum(similarities, served[:, None]).sum(axis=0)))
        picked.append(best)
        served = np.maximum(served, similarities[:, best])
    assert pick_by_slimbench(calls_of(similarities), 12) == sorted(picked)


@pytest.mark.slow
def test_greedy_is_measured_beside_its_peers():
    pytest.importorskip("apricot", reason="of the extra perf")
    pytest.importorskip("submodlib", reason="of the extra perf")
    (row,) = greedy(((60, 6),), runs=1).rows
    assert row["slimbench_value"] == row["submodlib_value"]
    assert row["slimbench_s"] > 0


@pytest.mark.parametrize("left", [concave, arbitrary])
@pytest.mark.parametrize("right", [concave, arbitrary])
def test_the_plain_convolution_is_the_fast_one(left, right):
    f, g = left(300, 0), right(200, 1)
    assert np.array_equal(plain_values(f, g), max_plus_values(f, g))


@pytest.mark.slow
def test_convolutions_are_measured_at_growing_lengths():
    rows = convolution((50, 100)).rows
    assert [row["length"] for row in rows] == [50, 100] * 3
    assert all(row["plain_s"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("dispatch", "top_k"), [("single", 1), ("single", 2), ("parallel", 2), ("serial", 2)]
)
def test_the_plain_knapsack_solves_a_server_exactly(dispatch, top_k):
    for seed in range(5):
        instance = random_instance(
            seed,
            dispatch=dispatch,
            top_k=top_k,
            servers=1,
            models=2,
            experts=4,
            equal_sizes=False,
            capacity=0.4,
        )
        placement = fill_plainly(instance)
        assert plain_fits(instance, placement)
        assert plain_saving(instance, placement) == pytest.approx(brute_force(instance)[0])


@pytest.mark.slow
def test_decompositions_are_measured_beside_the_plain_one():
    (row,) = decomposition(((("moe-llava-phi2-2.7b-4e",), 3, 0.25),)).rows
    assert float(row["slim-maxconv_quality"]) > 0.9


@pytest.mark.slow
def test_growth_is_measured_in_processes_of_their_own():
    rows = growth({"moe-llava-phi2-2.7b-4e": (2, 4)}, {"slim-maxconv": "moe-llava-phi2-2.7b-4e"}).rows
    assert [row["solver"] for row in rows] == ["(the instance)"] * 2 + ["slim-maxconv"] * 2
    assert rows[0]["activations"] < rows[1]["activations"]
    assert all(row["peak_mib"] > 0 for row in rows)
    assert rows[0]["seconds_exponent"] is None
    assert rows[-1]["seconds_exponent"] is not None
