"""Filling servers in turn, and sweeping over them again."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_fits, plain_saving
from samples import random_instance
from strategies import instances, placed_instances

from slimbench.formulations.heuristics.decomposition import fill_servers, sweep_servers
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.terms.and_terms import and_terms
from slimbench.instances import DISPATCHES, Placement

exact = partial(best_cache, max_exact_experts=20)
split = partial(best_cache, max_exact_experts=0)
either = st.sampled_from([exact, split])


def never():
    return False


def ignore(placement):
    pass


@given(instance=instances(), best=either)
def test_filling_is_feasible_and_its_alpha_a_share(instance, best):
    result = fill_servers(instance, best)
    assert plain_fits(instance, result.placement)
    assert 0 <= result.alpha <= 1


@given(instance=instances())
def test_alpha_is_one_where_every_subproblem_is_exact(instance):
    assert fill_servers(instance, exact).alpha == 1


@given(instance=instances(), best=either)
def test_each_server_is_filled_given_the_ones_before_it(instance, best):
    placement = fill_servers(instance, best).placement
    before = np.zeros_like(placement.holds)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        cache = best(instance, and_terms(instance, before, n), capacity)
        assert np.array_equal(cache.cached, placement.holds[n])
        before[n] = cache.cached


@given(case=placed_instances(feasible=True), best=either)
def test_sweeps_never_lose_and_report_only_improvements(case, best):
    instance, start = case
    seen = [plain_saving(instance, start)]
    end = sweep_servers(instance, start, best, lambda p: seen.append(plain_saving(instance, p)), never)
    assert plain_fits(instance, end)
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(seen))
    assert plain_saving(instance, end) == seen[-1]


@given(case=placed_instances(feasible=True))
def test_after_exact_sweeps_no_server_gains_by_changing_alone(case):
    instance, start = case
    end = sweep_servers(instance, start, exact, ignore, never)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        terms = and_terms(instance, end.holds, n)
        assert exact(instance, terms, capacity).saving_s <= terms.value(end.holds[n]) * (1 + 1e-11)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_sweeps_improve_what_filling_in_turn_left(dispatch):
    """On some of a few random instances; otherwise the tests above would say nothing."""
    gains = []
    for seed in range(10):
        instance = random_instance(seed, dispatch=dispatch, servers=3, experts=8, groups=6, capacity=0.3)
        first = fill_servers(instance, exact).placement
        last = sweep_servers(instance, first, exact, ignore, never)
        gains.append(plain_saving(instance, last) - plain_saving(instance, first))
    assert max(gains) > 1e-3


def test_an_expired_deadline_leaves_the_start():
    instance = random_instance(0)
    start = Placement.empty(instance)
    assert sweep_servers(instance, start, exact, ignore, lambda: True) == start
