"""Experts of different sizes, as real files have them: every backend proves the optimum of brute force."""

import itertools
from pathlib import Path
from random import Random

import numpy as np
import pytest
from isolated import PATIENCE_S, process_of, run_milp_solver, solve
from odd_sizes import PRICED, fault_of, model_of, odd_instance
from oracles import brute_force, plain_saving
from samples import build
from scipy import sparse

from slimbench.formulations.backends import BACKENDS, row_ranges
from slimbench.formulations.backends.row_ranges import in_range
from slimbench.formulations.backends.small_weights import LARGEST, small_weights
from slimbench.formulations.milp.build import ALL_REDUCTIONS, build_milp
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import TINY_COEFFICIENT
from slimbench.instances import Model, read_instance

FIELD = Path(__file__).parents[1] / "field"
MODELS = {
    "single": ["cover", "destination", PRICED],
    "parallel": ["cover", "radius", "assignment", PRICED],
    "serial": ["cover", "radius", "assignment", PRICED],
}
CASES = [(b, d, f) for b in BACKENDS for d, models in MODELS.items() for f in models]
EACH = 4  # instances of a case: 220 in all; ``python -m fuzz milp-scip`` tries as many as one likes


@pytest.mark.parametrize(("backend", "dispatch", "formulation"), CASES)
def test_odd_sizes_have_the_optimum_of_brute_force(backend, dispatch, formulation):
    for number in range(EACH):
        instance = odd_instance(Random(f"{backend}/{dispatch}/{formulation}/{number}"), dispatch)
        milp = model_of(instance, formulation)
        fault = fault_of(instance, milp, solve(milp, backend), brute_force(instance)[0])
        assert fault is None, number


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "optimum"), [("odd-sizes-scip", 0.25083), ("odd-sizes-cbc", 6.936400836)])
def test_instances_with_wrong_optima_in_the_field_are_solved(name, optimum, backend):
    instance = read_instance(FIELD / f"{name}.json")
    job = process_of(BACKENDS[backend][0]).submit(run_milp_solver, instance, 60.0, {"backend": backend})
    result = job.result(PATIENCE_S)
    assert result["optimal"]
    assert plain_saving(instance, result["placement"]) == pytest.approx(optimum, rel=1e-9)


# Small weights


def admitted(sizes, counts, capacity):
    vectors = np.array(list(itertools.product(*(range(count + 1) for count in counts))))
    return vectors @ np.array(sizes, object) <= capacity


@pytest.mark.parametrize("kinds", [1, 2, 3, 4])
def test_small_weights_admit_the_same_items(kinds):
    rng = Random(kinds)
    most = {1: 60, 2: 12, 3: 6, 4: 4}[kinds]
    for _ in range(50):
        base = rng.choice([352_321_536, 2_147_483_659, 10**10 + 19, 999_983])
        near = base + rng.randrange(64)
        sizes = tuple({base, near, rng.randrange(1, base), rng.randrange(1, base)})[:kinds]
        counts = tuple(rng.randint(1, most) for _ in sizes)
        some = sum(s * rng.randint(0, c) for s, c in zip(sizes, counts, strict=True))
        capacity = max(0, some - rng.choice([0, 1]))
        if capacity >= sum(s * c for s, c in zip(sizes, counts, strict=True)):
            continue
        weights, room = small_weights(sizes, counts, capacity)
        assert max(*weights, room) <= LARGEST
        assert (admitted(weights, counts, room) == admitted(sizes, counts, capacity)).all()


def test_a_byte_too_much_is_a_unit_too_much():
    """Ten of the smaller fit to the byte; of ten, none may be the larger one."""
    weights, room = small_weights((352_321_536, 352_321_537), (12, 12), 3_523_215_360)
    small, large = weights
    assert 10 * small <= room < 9 * small + large
    assert 9 * large <= room
    assert room < 1000


def test_sizes_without_small_weights_are_not_approximated():
    sizes, counts = (352_321_536, 176_160_769, 9_437_187), (300, 1680, 1440)
    assert small_weights(sizes, counts, 352_321_536 * 100) is None


# Ranges of rows


def model(rows, upper, integer):
    rows = sparse.csr_array(np.array(rows, float))
    v = rows.shape[1]
    return MilpModel(
        objective=np.ones(v),
        rows=rows,
        row_upper=np.array(upper, float),
        integer=np.array(integer, bool),
        implied_integer=np.ones(v, bool),
        placement_columns=np.arange(v)[None],
        seconds_per_unit=1.0,
    )


def test_rows_of_ones_stay_as_they_are():
    given = model([[1, -1, 0], [1, 1, 1]], [0, 2], [True] * 3)
    assert in_range(given, integers=False) is given


def test_capacity_rows_become_small_integers_and_the_others_stay():
    given = model([[1, -1, 0], [4_294_967_311, 2_147_483_659, 2_147_483_659]], [0, 4_294_967_320], [True] * 3)
    rows = in_range(given, integers=False)
    assert rows.rows.toarray().tolist() == [[1, -1, 0], [2, 1, 1]]
    assert rows.row_upper.tolist() == [0, 2]
    assert given.row_upper.tolist() == [0, 4_294_967_320]


@pytest.mark.parametrize(
    ("integers", "row", "room"), [(True, [13.0, 8.0], 8.0), (False, [1.625, 1.0], 8.5 / 8)]
)
def test_a_capacity_without_small_integers_keeps_its_sizes(integers, row, room, monkeypatch):
    """For CP-SAT over their divisor; for others also over 2^3, the room half a unit above 8, below 13."""
    monkeypatch.setattr(row_ranges, "small_weights", lambda *_: None)
    scaled = in_range(model([[65, 40]], [44], [True] * 2), integers=integers)
    assert scaled.rows.data.tolist() == row
    assert scaled.row_upper.tolist() == [room]


def test_other_rows_are_divided_by_a_power_of_two():
    given = model([[3e9, -5e8, 7.0]], [2e9], [False] * 3)
    scaled = in_range(given, integers=False)
    assert scaled.rows.toarray()[0].tolist() == [3e9 / 2**31, -5e8 / 2**31, 7.0 / 2**31]
    assert scaled.row_upper.tolist() == [2e9 / 2**31]


def test_tiny_coefficients_are_given_away_so_that_no_solution_is_lost():
    given = model([[1.5, TINY_COEFFICIENT / 2, -TINY_COEFFICIENT / 4]], [1.0], [False] * 3)
    scaled = in_range(given, integers=False)
    assert scaled.rows.toarray()[0].tolist() == [1.5, 0, 0]
    assert 1.0 + TINY_COEFFICIENT / 4 <= scaled.row_upper[0] <= 1.0 + TINY_COEFFICIENT / 2
    assert scaled.rows.nnz == 1


def test_assignment_asks_only_what_servers_can_hold():
    """One server is fast and has no room; beside it the other's share was below what solvers count."""
    instance = build(
        dispatch="parallel",
        capacities=[0, 2],
        models=[Model("m", 1, 3, 2, 1)],
        edge=[[[0.01], [0.1 - 1e-12]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0, 1), 1.0), (0, 0, 0, (1, 2), 1.0)],
    )
    milp = build_milp(instance, "assignment", ALL_REDUCTIONS - {"roomy-servers"})
    assert set(np.abs(milp.rows.data).tolist()) == {1.0}
