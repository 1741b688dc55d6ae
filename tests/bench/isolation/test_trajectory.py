"""Incumbents and bounds over time: few points in memory, none of the ends lost, only improvements kept."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.isolation.trajectory import (
    PLACEMENT_BYTES,
    POINTS,
    IncumbentLog,
    best_so_far,
    gap_integral,
    primal_integral,
    thinned,
)
from slimbench.instances import Placement


def packed(number, experts=24):
    bits = [number >> bit & 1 for bit in range(experts)]
    return PackedPlacement.pack(Placement(np.array([bits], bool)))


# Keeping


def test_a_trail_keeps_few_reports_whole():
    log = IncumbentLog()
    reports = [(0.001 * i, packed(i)) for i in range(POINTS)]
    for seconds, placement in reports:
        log.add(seconds, placement, None)
    assert log.placements == reports
    assert log.bounds == []


def test_a_trail_of_many_reports_stays_short_and_covers_the_whole_run():
    log = IncumbentLog()
    count = 20_000
    for i in range(1, count + 1):
        log.add(0.01 * i, packed(i), 1000.0 / i)
    for points in (log.placements, log.bounds):
        assert POINTS / 2 < len(points) <= POINTS
        seconds = [second for second, _ in points]
        assert (seconds[0], seconds[-1]) == (0.01, 0.01 * count)
        late = [b / a for a, b in itertools.pairwise(seconds) if a > 1]
        assert max(late) < 1.2  # no stretch of time is emptied
    assert log.placements[-1][1] == packed(count)
    assert log.bounds[-1][1] == 1000.0 / count


def test_large_placements_are_kept_less_often():
    log = IncumbentLog()
    large = 2**20
    for i in range(100):
        log.add(float(i), PackedPlacement((1, 8 * large), bytes([i]) * large), None)
    assert len(log.placements) <= PLACEMENT_BYTES // large
    assert [log.placements[0][0], log.placements[-1][0]] == [0.0, 99.0]


def test_repetitions_and_higher_bounds_are_not_kept():
    log = IncumbentLog()
    for seconds, placement, bound in [(1.0, 1, 5.0), (2.0, 1, 6.0), (3.0, 2, 5.0), (4.0, 1, 4.0)]:
        log.add(seconds, packed(placement), bound)
    assert log.placements == [(1.0, packed(1)), (3.0, packed(2)), (4.0, packed(1))]
    assert log.bounds == [(1.0, 5.0), (4.0, 4.0)]


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(2, 50))
def test_thinning_keeps_both_ends_the_order_and_the_count(seconds, count):
    points = [(second, i) for i, second in enumerate(sorted(seconds))]
    kept = thinned(points, count)
    assert len(kept) == min(count, len(points))
    assert kept[:1] == points[:1]
    assert kept[-1:] == points[-1:]
    assert [i for _, i in kept] == sorted(i for _, i in kept)


def test_thinning_leaves_out_what_has_close_neighbours():
    seconds = [1.0, 2.0, 2.01, 2.02, 4.0, 4.01, 4.02, 8.0]
    kept = thinned([(second, None) for second in seconds], 6)
    assert [second for second, _ in kept] == [1.0, 2.0, 2.02, 4.0, 4.02, 8.0]


# Joining


def test_savings_rise_and_bounds_fall_and_each_step_says_both():
    savings = [(1.0, 0.2), (2.0, 0.1), (3.0, 0.3), (6.0, 0.3)]
    bounds = [(0.5, 0.9), (3.0, 0.5), (4.0, 0.7), (5.0, 0.3)]
    assert best_so_far(savings, bounds) == [
        (0.5, None, 0.9),
        (1.0, 0.2, 0.9),
        (3.0, 0.3, 0.5),
        (5.0, 0.3, 0.3),
    ]


def test_small_improvements_are_one_step_that_tells_the_last():
    savings = [(float(i), 1.0 + 1e-8 * i) for i in range(1000)]
    steps = best_so_far(savings, [])
    assert steps[0] == (0.0, 1.0, None)
    assert steps[-1] == (999.0, 1.0 + 1e-8 * 999, None)
    assert 9 <= len(steps) <= 12


def test_nothing_reported_is_no_step():
    assert best_so_far([], []) == []


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=20),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=20),
)
def test_steps_are_monotone_and_end_with_the_best(savings, bounds):
    steps = best_so_far(savings, bounds)
    assert [s for s, _, _ in steps] == sorted({s for s, _, _ in steps})
    best = [-math.inf if saving is None else saving for _, saving, _ in steps]
    least = [math.inf if bound is None else bound for _, _, bound in steps]
    assert best == sorted(best)
    assert least == sorted(least, reverse=True)
    if steps:
        assert best[-1] == max((saving for _, saving in savings), default=-math.inf)
        assert least[-1] == min((bound for _, bound in bounds), default=math.inf)


@pytest.mark.parametrize("count", [2, 3])
def test_thinning_to_almost_nothing_ends(count):
    assert len(thinned([(0.0, i) for i in range(100)], count)) == count


# Integrals


def test_the_primal_integral_is_one_until_an_incumbent_and_holds_the_last_one_to_the_limit():
    steps = [(1.0, None, 9.0), (2.0, 1.0, 9.0), (4.0, 3.0, 9.0)]
    assert primal_integral(steps, 4.0, 10.0) == pytest.approx(2 * 1 + 2 * 0.75 + 6 * 0.25)
    assert primal_integral([], 4.0, 10.0) == 10
    assert primal_integral(steps, 4.0, 3.0) == pytest.approx(2 * 1 + 1 * 0.75)  # what comes later is cut off


def test_the_gap_integral_is_one_until_there_are_an_incumbent_and_a_bound():
    steps = [(1.0, None, 8.0), (2.0, 2.0, 8.0), (4.0, 2.0, 4.0)]
    assert gap_integral(steps, 3.0, 10.0) == pytest.approx(2 * 1 + 2 * 0.75 + 6 * 0.5)
    assert gap_integral([(0.0, 2.0, None)], 3.0, 10.0) == 10
    assert gap_integral([], 3.0, 10.0) == 10


def test_a_run_that_ended_proven_adds_nothing_after_its_end():
    steps = [(1.0, 1.0, 2.0), (3.0, 2.0 - 1e-6, 2.0)]
    assert primal_integral(steps, 2.0, 1e6) == pytest.approx(1 * 1 + 2 * 0.5)
    assert gap_integral(steps, 2.0, 1e6) == pytest.approx(1 * 1 + 2 * 0.5)


def test_where_nothing_can_be_saved_there_is_no_gap():
    steps = [(1.0, 0.0, 0.0)]
    assert primal_integral(steps, 0.0, 10.0) == 0
    assert primal_integral([], 0.0, 10.0) == 0
    assert gap_integral(steps, 0.0, 10.0) == 1  # only then is it proven


def test_a_bound_that_a_placement_refutes_does_not_close_the_gap():
    assert gap_integral([(0.0, 1.0, 1.0)], 2.0, 10.0) == pytest.approx(5)
    assert gap_integral([(0.0, 1.0, 2.0)], math.nan, 10.0) == pytest.approx(5)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), max_size=20),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 2)), max_size=20),
    st.floats(1e-3, 1),
)
def test_integrals_lie_between_nothing_and_the_limit_and_fall_with_more_reports(savings, bounds, best):
    steps = best_so_far(savings, bounds)
    for integral in (primal_integral, gap_integral):
        assert 0 <= integral(steps, best, 10.0) <= 10 + 1e-9
        assert integral(steps, best, 10.0) <= integral(best_so_far(savings[:-1], bounds), best, 10.0) + 1e-4
