"""Moves of annealing: what they keep, and what temperature does to them."""

import numpy as np
import pytest
from random_terms import server_terms
from samples import random_instance

from slimbench.formulations.heuristics.annealing import anneal_server


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
def test_a_cold_server_fits_and_never_saves_less(dispatch, seed):
    instance = random_instance(
        seed, dispatch=dispatch, models=2, layers=2, experts=5, equal_sizes=False, capacity=0.4
    )
    terms, sizes = server_terms(instance, seed), instance.expert_bytes
    rng, cached = np.random.default_rng(seed), np.zeros(instance.n_experts, np.bool_)
    values = []
    for _ in range(10):
        anneal_server(terms, cached, sizes, int(instance.capacities_bytes[0]), 1e-12, rng)
        assert sizes[cached].sum() <= instance.capacities_bytes[0]
        values.append(terms.value(cached))
    assert values == sorted(values)
    assert values[-1] > 0


def test_a_hot_server_accepts_what_saves_less():
    instance = random_instance(1, layers=2, experts=6, capacity=0.4)
    terms, sizes = server_terms(instance, 1), instance.expert_bytes
    rng, cached = np.random.default_rng(0), np.zeros(instance.n_experts, np.bool_)
    values = []
    for _ in range(30):
        anneal_server(terms, cached, sizes, int(instance.capacities_bytes[0]), 1e6, rng)
        assert sizes[cached].sum() <= instance.capacities_bytes[0]
        values.append(terms.value(cached))
    assert np.any(np.diff(values) < 0)


def test_experts_that_no_term_names_lose_their_room():
    instance = random_instance(2, servers=1, layers=1, experts=8, groups=2, capacity=0.3)
    terms = server_terms(instance, 2)
    idle = np.ones(instance.n_experts, np.bool_)
    idle[terms.members] = False
    cached = idle & (np.cumsum(idle * instance.expert_bytes) <= instance.capacities_bytes[0])
    assert cached.any()
    anneal_server(
        terms, cached, instance.expert_bytes, int(instance.capacities_bytes[0]), 1.0, np.random.default_rng(0)
    )
    assert not np.any(cached & idle)
