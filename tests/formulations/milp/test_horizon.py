"""The offline optimum of tiny sequences, against every course of placements."""

import numpy as np
import pytest
from sequences import random_sequence, swap

from slimbench.bench.adaptive.conformance import least_cost_s
from slimbench.formulations.backends import SolveOptions, Start, solve_milp
from slimbench.formulations.milp.horizon import build_horizon, stacked, unstacked
from slimbench.instances import DISPATCHES, Placement
from slimbench.instances.sequences.sequence import Sequence, costs


def solved(sequence, **options):
    milp = build_horizon(sequence)
    result = solve_milp(milp, options=SolveOptions(**options))
    placements = unstacked(milp.placement(result.values), sequence.n_periods)
    cost_s = sum(period.total_s for period in costs(sequence, placements))
    return milp, result, placements, cost_s


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (0.0, 10.0),  # follow: 5 + 5
        (1.5, 13.0),  # follow: 6.5 + 6.5, keep: 6.5 + 7
        (2.5, 14.5),  # keep: 2.5 + 5 + 7
        (20.0, 22.0),  # nothing
    ],
)
def test_two_periods_by_hand(price, cost):
    _, result, placements, cost_s = solved(swap(price))
    assert result.termination == "optimal"
    assert cost_s == pytest.approx(cost)
    assert all(p.violation(i) is None for p, i in zip(placements, swap(price).periods, strict=True))


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("seed", range(4))
def test_the_model_has_the_optimum_of_all_courses(dispatch, seed):
    sequence = random_sequence(seed, dispatch)
    milp, result, placements, cost_s = solved(sequence)
    assert result.termination == "optimal"
    for placement, instance in zip(placements, sequence.periods, strict=True):
        assert placement.violation(instance) is None
    least_s = least_cost_s(sequence)
    assert cost_s == pytest.approx(least_s, rel=1e-6)
    assert sequence.cost_none_s - result.bound * milp.seconds_per_unit == pytest.approx(least_s, rel=1e-6)
    assert sequence.cost_none_s - result.objective * milp.seconds_per_unit == pytest.approx(cost_s, rel=1e-6)


def test_these_sequences_ask_for_moves_neighbours_and_outages():
    """Else the test above would say little."""
    moved = neighbours = outages = 0
    for dispatch in DISPATCHES:
        for seed in range(4):
            sequence = random_sequence(seed, dispatch)
            periods = costs(sequence, solved(sequence)[2])
            moved += sum(period.moved_bytes for period in periods[1:])
            neighbours += sum(period.neighbour_bytes for period in periods)
            outages += sum(bool((i.capacities_bytes == 0).any()) for i in sequence.periods)
    assert min(moved, neighbours, outages) > 0


def test_a_start_is_taken_and_its_worth_is_not_lost():
    sequence = random_sequence(1, "single")
    milp, _, placements, _ = solved(sequence)
    start = Start.of(milp, stacked(placements))
    found = []
    options = SolveOptions(start=start, on_incumbent=lambda values, _: found.append(values))
    solve_milp(milp, options=options)
    first = unstacked(milp.placement(found[0]), sequence.n_periods)
    assert (
        sum(c.total_s for c in costs(sequence, first))
        <= sum(c.total_s for c in costs(sequence, placements)) + 1e-9
    )


def test_a_sequence_in_which_nothing_is_called_has_nothing_to_cache():
    idle = swap(1.0, tokens=0.0)
    _, _, placements, cost_s = solved(idle)
    assert cost_s == 0
    assert not any(placement.holds.any() for placement in placements)


def test_stacking_and_back():
    placements = [Placement(np.eye(2, dtype=bool)), Placement(~np.eye(2, dtype=bool))]
    assert unstacked(stacked(placements), 2) == placements


def test_one_period_with_free_fetching_is_the_static_optimum():
    sequence = random_sequence(3, "parallel", 1)
    free = Sequence("free", sequence.periods, sequence.tokens, 0.0, 0.0)
    assert solved(free)[3] == pytest.approx(least_cost_s(free))
