"""Enumeration in the package against the plain brute force of the tests."""

import numpy as np
import pytest
from hypothesis import assume, given
from oracles import all_experts, brute_force, maximal_caches, plain_fits, plain_saving
from samples import random_instance
from strategies import instances

from slimbench.formulations import SolverError
from slimbench.formulations import brute_force as enumeration
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import DISPATCHES

LIMIT = 20_000


@given(instance=instances(max_servers=2, max_layers=1, max_experts=3))
def test_best_placement_saves_what_plain_brute_force_saves(instance):
    try:
        optimum, _ = brute_force(instance, limit=2_000)
    except ValueError:
        assume(False)
    placement = best_placement(instance, LIMIT)
    assert plain_fits(instance, placement)
    assert plain_saving(instance, placement) == pytest.approx(optimum, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_best_placement_of_several_sizes_is_optimal(dispatch):
    instance = random_instance(
        4, dispatch=dispatch, servers=2, models=3, experts=3, equal_sizes=False, capacity=0.4
    )
    placement = best_placement(instance, LIMIT)
    assert plain_saving(instance, placement) == pytest.approx(brute_force(instance)[0], rel=1e-9)


@given(instance=instances(max_servers=2, max_layers=1))
def test_caches_are_all_those_without_room_for_one_more(instance):
    experts = all_experts(instance)
    for server in range(instance.n_servers):
        caches = [
            frozenset(experts[e] for e in np.flatnonzero(cache))
            for cache in enumeration.maximal_caches(instance, server, LIMIT)
        ]
        assert len(set(caches)) == len(caches)
        assert set(caches) == set(maximal_caches(instance, server))


def test_too_many_caches_of_a_server_are_refused():
    with pytest.raises(SolverError, match="more than 10 caches"):
        best_placement(random_instance(0, experts=12), 10)


def test_too_many_placements_are_refused():
    with pytest.raises(SolverError, match=r"needs \d+ placements, expected at most 40"):
        best_placement(random_instance(0, experts=5), 40)
