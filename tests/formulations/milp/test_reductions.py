"""Each reduction keeps the optimum, alone and with all others, finds work, and says what it saves."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from adversarial import ADVERSARIAL
from grids import pairwise
from isolated import build_and_solve, process_of, solve
from oracles import brute_force, plain_fits, plain_saving
from samples import build, random_instance, with_fields

from slimbench.formulations.milp.build import ALL_REDUCTIONS, FORMULATIONS, applies, build_milp
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.instances import DISPATCHES, Model

AGREEMENT = 1e-6  # relative, docs/MODEL.md
MODELS = [  # a formulation with a dispatch that it models whatever the groups
    ("cover", "single"), ("destination", "single"),
    *((formulation, dispatch) for formulation in ("cover", "radius", "assignment")
      for dispatch in ("parallel", "serial")),
]  # fmt: skip
CHOICES = {
    "all": ALL_REDUCTIONS,
    "none": frozenset(),
    **{f"only {r}": frozenset({r}) for r in sorted(ALL_REDUCTIONS)},
    **{f"all but {r}": ALL_REDUCTIONS - {r} for r in sorted(ALL_REDUCTIONS)},
}


def reducible(dispatch, **changes):
    """Each reduction finds work.

    Repeated groups, users who share servers, a server slower than the cloud for one user and one slower for
    all, an expert that nobody names and one that a server is no use for, a group of three around a group of
    two, twins, a server with room for little, one with room for all, and a capacity that no experts fill.
    """
    sizes = (2, 3)
    edge = np.array(
        [[0.02, 0.02, 0.05, 0.30, 0.07], [0.03, 0.03, 0.02, 0.30, 0.20], [0.02, 0.02, 0.06, 0.30, 0.08]]
    )
    calls = [
        (0, 0, (0, 1), 1.0),
        (0, 0, (1, 0), 0.5),
        (0, 0, (0, 1, 3), 0.6),
        (0, 1, (0, 1), 0.4),
        (1, 0, (1, 2), 1.0),
        (1, 0, (3,), 0.7),
        (1, 1, (1,), 0.1),
        (2, 0, (0, 1), 0.3),
        (2, 0, (0, 1, 3), 0.9),
    ]  # fmt: skip
    fields = {
        "dispatch": dispatch,
        "capacities": [5, 5, 7, 2, 20],
        "models": [Model(f"m{m}", 1, 5, 3, size) for m, size in enumerate(sizes)],
        "edge": np.repeat(edge[:, :, None], 2, axis=2),
        "cloud": np.full((3, 2), 0.1),
        "activations": [(user, model, 0, group, rate) for user, model, group, rate in calls],
    }
    return build(**{**fields, **changes})


def radio(dispatch):
    """Own cell first, then every other server in reach at once: large sets that contain each other."""
    instance = random_instance(14, dispatch=dispatch, servers=4, users=6, experts=4, groups=4, on_device=0.2)
    edge = np.full((6, 4, 1), 0.03)
    edge[np.arange(6), np.arange(6) % 3] = 0.01
    edge[4:, 3] = np.inf
    return with_fields(instance, edge_latency_s=edge, capacities_bytes=np.array([1, 2, 1, 2]))


def own_cells(dispatch):
    """Every user reaches one server, and few rates are different: many experts are dominated, some tied."""
    instance = random_instance(
        15, dispatch=dispatch, servers=2, users=4, experts=5, top_k=3, groups=9, on_device=0.3, skew=0.5
    )
    edge = np.full((4, 2, 1), np.inf)
    edge[np.arange(4), np.arange(4) % 2] = 0.02
    rates = np.random.default_rng(15).choice([0.25, 0.5, 0.5], instance.n_activations)
    return with_fields(
        instance,
        edge_latency_s=edge,
        cloud_latency_s=np.full((4, 1), 0.1),
        rates=rates,
        capacities_bytes=np.array([2, 3]),
    )


INSTANCES = {
    **ADVERSARIAL,
    "reducible": reducible,
    "own cells": own_cells,
    "radio": radio,
    **{
        f"random {seed}": functools.partial(
            lambda seed, d: random_instance(
                seed, dispatch=d, models=2, experts=4, top_k=3, groups=4, on_device=0.3, equal_sizes=False,
                capacity=0.4,
            ),
            seed,
        )
        for seed in range(3)
    },
}  # fmt: skip


def assert_the_optimum_is_kept(instance, formulation, choices):
    optimum, _ = brute_force(instance)
    job = process_of("highspy").submit(build_and_solve, instance, formulation, choices)
    for choice, (placement, objective, bound) in job.result(250).items():
        assert plain_fits(instance, placement), (formulation, choice)
        for claim in (plain_saving(instance, placement), objective, bound):
            assert claim == pytest.approx(optimum, rel=AGREEMENT, abs=1e-12), (formulation, choice)


@pytest.mark.parametrize(
    ("kind", "choice", "model"),
    [
        *pairwise([kind for kind in INSTANCES if kind not in ADVERSARIAL], CHOICES, MODELS),
        *pairwise(ADVERSARIAL, ["none"], MODELS[::2]),
    ],
)
def test_reductions_keep_the_optimum(kind, choice, model):
    formulation, dispatch = model
    assert_the_optimum_is_kept(INSTANCES[kind](dispatch), formulation, {choice: CHOICES[choice]})


@pytest.mark.slow
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", INSTANCES)
def test_every_choice_of_reductions_keeps_the_optimum_in_every_formulation(kind, dispatch):
    instance = INSTANCES[kind](dispatch)
    choices = {name: r for name, r in CHOICES.items() if kind not in ADVERSARIAL or "but" not in name}
    for formulation in (f for f in FORMULATIONS if applies(f, instance)):
        assert_the_optimum_is_kept(instance, formulation, choices)


def size(milp):
    return {"columns": milp.n_columns, "rows": milp.rows.shape[0], "nonzeros": milp.rows.nnz}


# What each reduction makes smaller: formulation, dispatch, which counts
EFFECTS = {
    "merge": ("destination", "single", ("columns", "rows", "nonzeros")),
    "merge-users": ("cover", "parallel", ("columns", "rows", "nonzeros")),
    "slow-servers": ("destination", "single", ("columns", "rows", "nonzeros")),
    "unnamed-experts": ("cover", "single", ("columns", "nonzeros")),
    "useless-pairs": ("cover", "single", ("columns", "rows", "nonzeros")),
    "too-large": ("cover", "single", ("columns", "rows", "nonzeros")),
    "roomy-servers": ("cover", "single", ("columns", "rows", "nonzeros")),
    "nested-levels": ("cover", "single", ("nonzeros",)),
    "nested-groups": ("cover", "parallel", ("rows", "nonzeros")),
}


@pytest.mark.parametrize("reduction", EFFECTS)
def test_a_reduction_makes_the_model_smaller_by_itself(reduction):
    formulation, dispatch, counts = EFFECTS[reduction]
    instance = reducible(dispatch)
    if reduction == "roomy-servers":
        instance = with_fields(instance, capacities_bytes=np.array([5, 5, 7, 2, 25]))
    whole = size(build_milp(instance, formulation, frozenset()))
    reduced = size(build_milp(instance, formulation, frozenset({reduction})))
    for count in whole:
        assert (reduced[count] < whole[count]) == (count in counts), count


def test_symmetry_adds_a_row_for_each_server_that_has_an_identical_one_before_it():
    instance = reducible("single")
    whole, ordered = (size(build_milp(instance, "cover", frozenset(r))) for r in ((), {"symmetry"}))
    assert ordered["rows"] == whole["rows"] + 1
    assert ordered["nonzeros"] == whole["nonzeros"] + 2 * instance.n_experts


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_dominated_experts_are_ordered_where_a_server_shares_no_user(dispatch):
    """Expert 0 saves least: beside 3 it saves less than 1 and 2 do. 1 and 2 are tied. 3 saves most."""
    rates = {(0,): 0.1, (1,): 0.2, (2,): 0.2, (3,): 0.5, (0, 3): 0.3, (1, 3): 0.4, (2, 3): 0.4}
    fields = {
        "dispatch": dispatch,
        "capacities": [2, 2],
        "models": [Model("m", 1, 5, 2, 1)],
        "cloud": [[0.1], [0.1]],
        "activations": [(user, 0, 0, group, rate) for user in range(2) for group, rate in rates.items()],
    }
    apart = build(**fields, edge=[[[0.01], [np.inf]], [[np.inf], [0.01]]])
    whole, ordered = (build_milp(apart, "cover", frozenset(r)) for r in ((), {"dominated-experts"}))
    x = ordered.placement_columns
    dense = ordered.rows.toarray()
    for n in range(2):
        for lower, upper in ((0, 2), (2, 1), (1, 3)):
            row = np.zeros(ordered.n_columns)
            row[x[n, [lower, upper]]] = 1.0, -1.0
            assert (dense == row).all(axis=1).sum() == 1
    assert ordered.rows.shape[0] == whole.rows.shape[0] + 6
    shared = build(**fields, edge=[[[0.01], [0.02]], [[0.02], [0.01]]])
    whole, ordered = (size(build_milp(shared, "cover", frozenset(r))) for r in ((), {"dominated-experts"}))
    assert ordered == whole


def test_exact_room_is_the_most_that_experts_fill():
    """Experts of 2 and 3 bytes, at most one of 2: of 6 bytes 5 can be filled, of 7 bytes 6, of 4 bytes 3."""
    models = [Model("a", 1, 1, 1, 2), Model("b", 1, 3, 2, 3)]
    instance = build(
        dispatch="single",
        capacities=[4, 5, 7, 10, 11],
        models=models,
        edge=np.full((1, 5, 2), 0.01),
        cloud=np.full((1, 2), 0.1),
        activations=[(0, 0, 0, (0,), 1.0), (0, 1, 0, (0, 1), 1.0), (0, 1, 0, (1, 2), 1.0)],
    )
    plain, exact = (build_milp(instance, "cover", frozenset(r)) for r in ((), {"exact-room"}))
    assert plain.row_upper[:5].tolist() == [4, 5, 7, 10, 11]
    assert exact.row_upper[:5].tolist() == [3, 5, 6, 9, 11]


def test_roomy_servers_hold_everything_that_they_are_of_use_for():
    instance = reducible("single")
    milp = build_milp(instance)
    columns = milp.placement_columns
    called_by_user_0_or_2 = [0, 1, 3, 5, 6]  # whom alone the last server serves faster than the cloud
    assert np.flatnonzero(columns[4] == ALWAYS).tolist() == called_by_user_0_or_2
    assert (columns[4] == NEVER).sum() == instance.n_experts - 5
    assert (columns[3] == NEVER).all()  # slower than every cloud
    nothing_chosen = milp.placement(np.zeros(milp.n_columns))
    assert np.flatnonzero(nothing_chosen.holds[4]).tolist() == called_by_user_0_or_2
    assert plain_fits(instance, nothing_chosen)


RELAXED = {
    "random": lambda d: random_instance(
        0, dispatch=d, servers=4, users=8, experts=8, top_k=3, groups=8, capacity=0.3, on_device=0.3
    ),
    "radio": radio,
}


@pytest.mark.parametrize("reduction", ["merge-users", "nested-levels", "nested-groups"])
@pytest.mark.parametrize("kind", RELAXED)
@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_merged_users_and_nested_rows_keep_the_linear_relaxation(dispatch, kind, reduction):
    instance = RELAXED[kind](dispatch)
    with_it, without = (
        build_milp(instance, "cover", r) for r in (ALL_REDUCTIONS, ALL_REDUCTIONS - {reduction})
    )
    assert with_it.rows.nnz <= without.rows.nnz
    bounds = [solve(milp.relaxed()).objective for milp in (with_it, without)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-9)


def test_nested_levels_add_only_the_servers_beyond_the_largest_smaller_set():
    """An expert's users are near {0} and {0, 1, 2}, and {1, 2}: z of all three takes z of {1, 2} and x[0]."""
    instance = build(
        dispatch="serial",
        capacities=[1, 1, 1],
        models=[Model("m", 1, 2, 1, 1)],
        edge=[[[0.01], [0.02], [0.02]], [[0.3], [0.01], [0.01]]],
        cloud=[[0.1], [0.1]],
        activations=[(0, 0, 0, (0,), 1.0), (0, 0, 0, (1,), 0.1), (1, 0, 0, (0,), 1.0)],
    )
    milp = build_milp(instance, "cover", frozenset({"merge-users", "nested-levels"}))
    rows = {tuple(sorted(milp.rows[[r]].indices.tolist())) for r in range(3, milp.rows.shape[0])}
    x = milp.placement_columns
    pair = next(r for r in rows if {x[1, 0], x[2, 0]} < set(r))
    (of_pair,) = set(pair) - {x[1, 0], x[2, 0]}
    assert any({of_pair, x[0, 0]} < set(r) and len(r) == 3 for r in rows)
