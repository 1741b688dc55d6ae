"""Bounds are bounds to the last bit: held against sums of fractions, which round nothing."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from isolated import solve
from random_terms import server_terms, sets_of
from samples import random_instance
from scipy import sparse

from slimbench.formulations.backends.dual_bound import dual_bound
from slimbench.formulations.backends.row_ranges import in_range
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual
from slimbench.formulations.lagrangian.subproblem import SubproblemSolver
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.single_server.exact_sums import raised_to_grid
from slimbench.formulations.single_server.max_plus import is_concave, max_plus, max_plus_plain
from slimbench.formulations.single_server.solve import best_cache


def fractions(values):
    return [Fraction(value) for value in np.asarray(values, float).tolist()]


def best_exactly(sets, sizes, room):
    """The most that experts within the room save; ``sets`` are pairs of experts and a fraction."""
    named = sorted(set().union(*(experts for experts, _ in sets)))
    unit = max(weight.denominator for _, weight in sets)  # powers of two: integers add up faster
    whole = [(experts, int(weight * unit)) for experts, weight in sets]
    return max(
        Fraction(sum(weight for experts, weight in whole if experts.issubset(inside)), unit)
        for count in range(len(named) + 1)
        for inside in itertools.combinations(named, count)
        if sum(int(sizes[e]) for e in inside) <= room
    )


def exact_sets(terms):
    return [(experts, Fraction(weight)) for experts, weight in sets_of(terms)]


# Multipliers


def sets_under(subproblem, multipliers):
    weights = fractions(subproblem.terms.weights)
    for row, term in zip(subproblem.rows.tolist(), subproblem.row_terms.tolist(), strict=True):
        weights[term] += int(subproblem.sign) * Fraction(float(multipliers[row]))
    return [(experts, w) for (experts, _), w in zip(sets_of(subproblem.terms), weights, strict=True)]


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
@pytest.mark.parametrize("models", [1, 2])
def test_no_dual_value_is_below_the_exact_one(models, dispatch, exact_experts):
    for seed in range(4):
        instance = random_instance(
            seed, dispatch=dispatch, servers=2, models=models, equal_sizes=models == 1, experts=5 - models
        )
        dual = LagrangianDual(instance, relaxation(instance), exact_experts)
        rows = dual.relaxation
        shares = np.random.default_rng(seed).random(len(rows.multiplier_bounds))
        multipliers = shares * rows.multiplier_bounds
        exact = sum(
            max(w - p, 0) for w, p in zip(fractions(rows.rewards), fractions(multipliers), strict=True)
        )
        for subproblem in rows.subproblems:
            sets = sets_under(subproblem, multipliers)
            exact += best_exactly(sets, instance.expert_bytes, subproblem.capacity_bytes)
        assert Fraction(dual.value(multipliers)[0]) >= exact


def test_what_an_expert_can_save_is_bounded_from_above_and_the_subproblem_from_below():
    instance = random_instance(4, servers=2, layers=2, experts=4, groups=4)
    subproblem = relaxation(instance).subproblems[0]
    sizes, rng = instance.expert_bytes, np.random.default_rng(0)
    for room in (2, 3, 4):
        solver = SubproblemSolver(instance, subproblem._replace(capacity_bytes=room), 16)
        for _ in range(4):
            multipliers = rng.random(len(relaxation(instance).multiplier_bounds))
            least, inside, outside = solver.forced(multipliers, np.zeros(instance.n_experts, np.int64))
            sets = sets_under(subproblem, multipliers)
            assert Fraction(least) <= best_exactly(sets, sizes, room)
            for e in set(subproblem.terms.members.tolist()):
                without = [(experts, w) for experts, w in sets if e not in experts]
                with_it = [(experts - {e}, w) for experts, w in sets]
                assert Fraction(float(outside[e])) >= best_exactly(without, sizes, room)
                alone = sum((w for experts, w in with_it if not experts), Fraction(0))
                rest = [(experts, w) for experts, w in with_it if experts]
                assert Fraction(float(inside[e])) >= alone + best_exactly(rest, sizes, room - int(sizes[e]))


# Split layers and their convolution


@pytest.mark.parametrize("seed", [9, 12, 17, 20, 22, 33, 47])  # sums of doubles are below the best in these
def test_no_bound_of_a_split_cache_is_below_the_exact_best(seed):
    """With room for all the split is tight."""
    instance = random_instance(seed, models=2, experts=4, top_k=3, groups=6, equal_sizes=False)
    terms = server_terms(instance, seed)
    sizes = instance.expert_bytes
    for room in (int(sizes.sum()), int(sizes.sum()) - 1, int(0.5 * sizes.sum())):
        bound = best_cache(instance, terms, room, max_exact_experts=0).bound_s
        best = best_exactly(exact_sets(terms), sizes, room)
        assert Fraction(bound) >= best
        assert bound <= float(best) * 1.5


def curve(slopes):
    return np.concatenate([[0.0], np.cumsum(slopes)])


NEARLY_CONCAVE = curve([1.0, *(0.5 + 9e-13 * np.arange(20))])  # grows again and again, by less than tolerated
BETWEEN = curve([1.0, *np.full(20, 0.5 + 5e-12)])


def test_with_a_tolerance_a_convolution_is_no_bound():
    assert is_concave(NEARLY_CONCAVE)
    joined, _ = max_plus(NEARLY_CONCAVE, BETWEEN, 40)
    best, _ = max_plus_plain(NEARLY_CONCAVE, BETWEEN, 40)
    assert joined[22] < best[22]


def random_curves(seed):
    rng = np.random.default_rng(seed)
    bumpy = np.maximum.accumulate(rng.random(40).cumsum() + rng.random(40))
    return curve(np.sort(rng.random(60))[::-1]), np.concatenate([[0.0], bumpy])


@pytest.mark.parametrize(("f", "g"), [(NEARLY_CONCAVE, BETWEEN), *map(random_curves, range(10))])
def test_curves_on_the_grid_are_joined_to_the_last_bit(f, g):
    raised = raised_to_grid(np.concatenate([f, g]), np.array([0, len(f), len(f) + len(g)]), 1e-15)
    first, second = raised[: len(f)], raised[len(f) :]
    assert (first >= f).all()
    assert (second >= g).all()
    assert raised == pytest.approx(np.concatenate([f, g]), rel=1e-9)
    joined, _ = max_plus(first, second, 200, 0.0)
    best = [Fraction(0)] * len(joined)
    for (i, a), (j, b) in itertools.product(enumerate(fractions(first)), enumerate(fractions(second))):
        best[i + j] = max(best[i + j], a + b)
    assert fractions(joined) == best


def test_nothing_to_save_stays_nothing():
    assert raised_to_grid(np.zeros(5), np.array([0, 2, 5]), 0.0).tolist() == [0.0] * 5


# Linear programs


def dual_exactly(milp, multipliers):
    rows = [max(y, Fraction(0)) for y in fractions(multipliers)]
    reduced = fractions(milp.objective)
    for r, c, a in zip(*sparse.find(milp.rows), strict=True):
        reduced[c] -= Fraction(float(a)) * rows[r]
    bound = sum(y * u for y, u in zip(rows, fractions(milp.row_upper), strict=True))
    return bound + sum(max(d, Fraction(0)) for d in reduced)


def random_milp(rng):
    rows, columns = 6, 9
    return MilpModel(
        objective=rng.normal(size=columns),
        rows=sparse.csr_array(rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.6)),
        row_upper=rng.random(rows),
        integer=np.zeros(columns, bool),
        implied_integer=np.zeros(columns, bool),
        placement_columns=np.zeros((1, 0), np.int64),
        seconds_per_unit=1.0,
    )


def test_any_multipliers_bound_the_relaxation_exactly():
    rng = np.random.default_rng(0)
    for _ in range(200):
        milp = random_milp(rng)
        multipliers = rng.normal(size=len(milp.row_upper))
        bound, exact = dual_bound(milp, multipliers), dual_exactly(milp, multipliers)
        assert exact <= Fraction(bound)
        assert bound == pytest.approx(float(exact), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("backend", ["highs", "cbc", "gurobi"])
def test_the_bound_of_a_linear_program_is_that_of_its_multipliers(backend):
    milp = build_milp(random_instance(1, users=8, layers=2, experts=8, groups=8, capacity=0.3)).relaxed()
    result = solve(milp, backend)
    assert result.termination == "optimal"
    assert result.bound == dual_bound(in_range(milp, integers=False), result.multipliers)
    assert Fraction(result.bound) >= dual_exactly(in_range(milp, integers=False), result.multipliers)
    assert result.bound == pytest.approx(result.objective, rel=1e-6)
