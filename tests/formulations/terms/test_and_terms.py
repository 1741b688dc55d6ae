"""Fact 3: with all other servers fixed, a server's saving is a sum of weighted AND-terms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_saving
from samples import build
from strategies import placed_instances

from slimbench.formulations.terms.and_terms import AndTerms, and_terms, marginal_savings
from slimbench.instances import DISPATCHES, Instance, Model, Placement

TOLERANCE_S = 1e-12
cases = placed_instances().flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, pair[0].n_servers - 1))
)


def plain_phi(instance: Instance, holds: np.ndarray, server: int, cache: np.ndarray) -> float:
    """Saving with the server holding ``cache`` less the saving with it empty, by the plain evaluator."""
    filled, emptied = holds.copy(), holds.copy()
    filled[server], emptied[server] = cache, False
    return plain_saving(instance, Placement(filled)) - plain_saving(instance, Placement(emptied))


@pytest.mark.parametrize("dispatch", DISPATCHES)
@given(data=st.data())
def test_terms_give_the_plain_marginal_saving_of_any_cache(dispatch, data):
    instance, placement = data.draw(placed_instances(dispatches=[dispatch]))
    for server in range(instance.n_servers):
        terms = and_terms(instance, placement.holds, server)
        cache = placement.holds[server]
        expected = plain_phi(instance, placement.holds, server, cache)
        assert terms.value(cache) == pytest.approx(expected, abs=TOLERANCE_S)


@given(cases)
def test_terms_do_not_depend_on_what_the_server_itself_holds(case):
    instance, placement, server = case
    emptied = placement.holds.copy()
    emptied[server] = False
    with_cache, without = (and_terms(instance, holds, server) for holds in (placement.holds, emptied))
    for field in AndTerms._fields:
        assert np.array_equal(getattr(with_cache, field), getattr(without, field))


@given(cases, st.data())
def test_a_servers_plain_marginal_saving_is_supermodular(case, data):
    instance, placement, server = case
    shape = instance.n_experts
    a, b = (np.array(data.draw(st.lists(st.booleans(), min_size=shape, max_size=shape))) for _ in range(2))
    phi_a, phi_b, phi_both, phi_common = (
        plain_phi(instance, placement.holds, server, cache) for cache in (a, b, a | b, a & b)
    )
    assert phi_both + phi_common >= phi_a + phi_b - TOLERANCE_S


@given(cases)
def test_terms_are_positive_sets_of_different_experts_of_one_layer(case):
    instance, placement, server = case
    terms = and_terms(instance, placement.holds, server)
    assert np.all(terms.weights > 0)
    for layer in range(instance.n_layers):
        for i in range(terms.layer_offsets[layer], terms.layer_offsets[layer + 1]):
            members = terms.members[terms.offsets[i] : terms.offsets[i + 1]]
            assert members.size
            assert np.all(np.diff(members) > 0)
            assert np.all(instance.expert_layers[members] == layer)
    assert terms.layer_offsets[-1] == len(terms.weights)


@given(cases)
def test_terms_of_one_layer_are_those_among_all_layers(case):
    instance, placement, server = case
    everything = and_terms(instance, placement.holds, server)
    for layer in range(instance.n_layers):
        alone = and_terms(instance, placement.holds, server, layer)
        start, stop = everything.layer_offsets[layer], everything.layer_offsets[layer + 1]
        assert np.array_equal(alone.weights, everything.weights[start:stop])
        members = slice(everything.offsets[start], everything.offsets[stop])
        assert np.array_equal(alone.members, everything.members[members])


@given(cases)
def test_marginal_savings_are_plain_differences_of_one_expert(case):
    instance, placement, server = case
    cached = placement.holds[server]
    marginal = marginal_savings(and_terms(instance, placement.holds, server), cached)
    for e in range(instance.n_experts):
        with_e, without_e = placement.holds.copy(), placement.holds.copy()
        with_e[server, e], without_e[server, e] = True, False
        difference = plain_saving(instance, Placement(with_e)) - plain_saving(instance, Placement(without_e))
        assert marginal[e] == pytest.approx(difference, abs=TOLERANCE_S)


@given(cases)
def test_of_layer_merges_equal_sets_and_keeps_the_value(case):
    instance, placement, server = case
    terms = and_terms(instance, placement.holds, server)
    cached = placement.holds[server]
    total = 0.0
    for layer in range(instance.n_layers):
        merged = terms.of_layer(layer)
        sets = [tuple(merged.members[a:b]) for a, b in zip(merged.offsets, merged.offsets[1:], strict=False)]
        assert len(set(sets)) == len(sets)
        total += merged.value(cached)
    assert total == pytest.approx(terms.value(cached), abs=TOLERANCE_S)


def test_of_layer_adds_the_weights_of_equal_sets():
    terms = AndTerms(
        weights=np.array([1.0, 2.0, 4.0, 8.0]),
        offsets=np.array([0, 2, 3, 5, 6]),
        members=np.array([0, 2, 1, 0, 2, 5], np.int32),
        layer_offsets=np.array([0, 3, 4]),
    )
    merged = terms.of_layer(0)
    found = {
        tuple(merged.members[a:b]): w
        for a, b, w in zip(merged.offsets, merged.offsets[1:], merged.weights, strict=False)
    }
    assert found == {(0, 2): 5.0, (1,): 2.0}


def test_parallel_terms_are_the_prefixes_of_the_documented_example():
    """docs/MODEL.md, section 4: latencies 100, 100, 30 ms and t = 20 ms give 70 on {0,1}, 10 on all."""
    instance = build(
        dispatch="parallel",
        capacities=[3, 3],
        models=[Model("m", 1, 3, 3, 1)],
        edge=[[[0.020], [0.030]]],
        cloud=[[0.100]],
        activations=[(0, 0, 0, (0, 1, 2), 1.0)],
    )
    holds = Placement.of(instance, {1: [(0, 0, 2)]}).holds
    terms = and_terms(instance, holds, 0)
    assert terms.weights == pytest.approx([0.070, 0.010])
    assert terms.members.tolist() == [0, 1, 0, 1, 2]


def test_an_unreachable_or_slow_server_and_a_rate_of_zero_have_no_terms():
    instance = build(
        dispatch="single",
        capacities=[2, 2, 2],
        models=[Model("m", 1, 2, 1, 1)],
        edge=[[[np.inf], [0.1], [0.05]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0,), 1.0), (0, 0, 0, (1,), 0.0)],
    )
    nothing = np.zeros((3, 2), np.bool_)
    assert [len(and_terms(instance, nothing, n).weights) for n in range(3)] == [0, 0, 1]
