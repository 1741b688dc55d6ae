"""What holds for any instance: of the optimum, and of every solver of ours."""

import dataclasses

import numpy as np
import pytest
from adversarial import SOLVERS, run
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_fits, plain_saving
from samples import random_instance, with_fields
from strategies import instances

from slimbench.bench import SolveContext

PATIENCE = {"lns": {"patience": 5}, "lagrangian": {"iterations": 200}, "lp-rounding": {"samples": 5}}
HEURISTICS = ["slim-greedy", "slim-dp", "slim-maxconv", "slim-sweep", "local-search", "annealing", *PATIENCE]


@given(instance=instances(), data=st.data())
def test_more_capacity_never_lowers_the_optimum(instance, data):
    wider = with_fields(
        instance,
        capacities_bytes=np.array(
            [capacity + data.draw(st.integers(0, 3)) for capacity in instance.capacities_bytes.tolist()]
        ),
    )
    optimum, context = run("exact", instance)
    more, wider_context = run("exact", wider)
    assert context.proven_optimal
    assert wider_context.proven_optimal
    assert plain_saving(wider, more) >= plain_saving(instance, optimum) * (1 - 1e-9)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
@pytest.mark.parametrize("name", HEURISTICS)
def test_equal_seeds_give_equal_placements_whatever_the_number_of_threads(name, dispatch):
    instance = random_instance(
        11, dispatch=dispatch, servers=5, users=12, layers=4, experts=8, groups=12, top_k=2
    )
    placements = []
    for threads in (1, 2):
        given_to_solver = dataclasses.replace(instance)  # nothing derived is left from the run before
        context = SolveContext(np.random.default_rng(3), threads=threads)
        placements.append(SOLVERS[name](given_to_solver, context, **PATIENCE.get(name, {})))
    assert plain_fits(instance, placements[0])
    assert placements[0] == placements[1]
