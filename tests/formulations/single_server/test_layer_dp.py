"""Layer profiles: the exact one against every set, the split one against the exact one and an LP."""

import numpy as np
import pytest
from random_terms import best_by_count, closure_lp, plain_value, random_layer

from slimbench.formulations.single_server import splitting
from slimbench.formulations.single_server.layer_dp import (
    NO_SET,
    layer_profiles,
    layers_of,
    mark_sets,
)
from slimbench.formulations.single_server.splitting import split_profile
from slimbench.formulations.status import ALWAYS, FREE, NEVER
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.formulations.tolerances import MAX_EXACT_EXPERTS

LAYERS = [
    pytest.param(
        random_layer(seed, experts=experts, terms=terms, largest=largest, skew=skew), id=f"K={largest}-{seed}"
    )
    for seed, (experts, terms, largest, skew) in enumerate(
        [
            (6, 10, 2, 1.0),
            (8, 30, 2, 0.0),
            (9, 25, 3, 1.0),
            (9, 40, 4, 0.5),
            (10, 20, 4, 2.0),
            (10, 60, 3, 0.0),
        ]
    )
]
SINGLETONS = [random_layer(seed, experts=9, terms=30, largest=1) for seed in range(3)]


def exact_profile(terms: AndTerms, max_exact_experts: int = MAX_EXACT_EXPERTS):
    """Savings by number of experts, and a function from numbers of the layers to chosen experts."""
    layers = layers_of(terms, max_exact_experts)
    assert not layers.wide.any()
    profiles = layer_profiles(terms.weights, layers, np.zeros(len(layers.named), np.int64), True)

    def chosen(*counts: int) -> list[int]:
        cached = np.zeros(layers.named.max() + 1, np.bool_)
        mark_sets(layers, profiles, np.array(counts), cached)
        return cached.nonzero()[0].tolist()

    return profiles.savings, chosen


def assert_sets_reach_the_savings(terms, savings, chosen):
    for count, saving in enumerate(savings):
        experts = chosen(count)
        assert len(experts) == count
        assert plain_value(terms, set(experts)) == pytest.approx(saving, rel=1e-12)


@pytest.mark.parametrize("terms", LAYERS)
def test_exact_profile_is_the_best_of_every_set(terms):
    savings, chosen = exact_profile(terms)
    assert savings == pytest.approx(best_by_count(terms), rel=1e-12)
    assert_sets_reach_the_savings(terms, savings, chosen)


@pytest.mark.parametrize("terms", SINGLETONS)
def test_singleton_profile_is_exact_for_any_number_of_experts(terms):
    savings, chosen = exact_profile(terms, max_exact_experts=0)
    assert savings == pytest.approx(best_by_count(terms), rel=1e-12)
    assert_sets_reach_the_savings(terms, savings, chosen)


def test_singleton_profile_breaks_ties_by_number():
    terms = AndTerms(np.ones(4), np.arange(5), np.array([3, 1, 2, 0], np.int32), np.array([0, 4]))
    _, chosen = exact_profile(terms, 0)
    assert [chosen(c) for c in range(5)] == [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_a_set_named_twice_counts_twice():
    terms = AndTerms(
        np.array([1.0, 2.0]), np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32), np.array([0, 2])
    )
    assert exact_profile(terms)[0].tolist() == [0, 0, 3]
    assert split_profile(terms).savings.tolist() == [0, 0, 3]


@pytest.mark.parametrize("terms", LAYERS)
def test_split_profile_brackets_the_exact_one(terms):
    profile, exact = split_profile(terms), np.array(best_by_count(terms))
    noise = 1e-12 * exact[-1]
    assert np.all(profile.savings <= exact + noise)
    assert np.all(profile.bounds >= exact - noise)
    assert np.all(np.diff(profile.savings) >= 0)
    assert profile.savings[-1] == pytest.approx(exact[-1], rel=1e-12)
    assert profile.bounds[-1] == pytest.approx(exact[-1], rel=1e-12)
    assert_sets_reach_the_savings(terms, profile.savings, lambda count: profile.sets[count].tolist())


@pytest.mark.parametrize("terms", LAYERS)
@pytest.mark.parametrize("sweeps", [1, 2, 5])
def test_bounds_hold_after_any_number_of_sweeps(terms, sweeps, monkeypatch):
    monkeypatch.setattr(splitting, "SPLIT_SWEEPS", sweeps)
    exact = np.array(best_by_count(terms))
    assert np.all(split_profile(terms).bounds >= exact - 1e-12 * exact[-1])


@pytest.mark.parametrize("terms", LAYERS)
def test_bounds_converge_to_the_concave_envelope(terms, monkeypatch):
    """The LP's value at every c is the envelope of the exact profile, and the even split attains it."""
    monkeypatch.setattr(splitting, "SPLIT_SWEEPS", 100_000)
    monkeypatch.setattr(splitting, "SPLIT_MOVE", 1e-13)
    profile = split_profile(terms)
    counts = range(len(profile.bounds))
    ones = np.ones(terms.members.max() + 1)
    relaxed = [closure_lp(terms, ones, c, integer=False) for c in counts]
    assert profile.bounds == pytest.approx(relaxed, rel=1e-6, abs=1e-6)
    assert profile.bounds == pytest.approx(concave_envelope(best_by_count(terms)), rel=1e-6, abs=1e-6)


def concave_envelope(values: list[float]) -> list[float]:
    """The best mixture of any two points around each count."""
    n = len(values)
    return [
        max(
            values[i] if i == j else (values[i] * (j - k) + values[j] * (k - i)) / (j - i)
            for i in range(k + 1)
            for j in range(k, n)
        )
        for k in range(n)
    ]


def test_the_default_number_of_sweeps_is_close_to_the_envelope():
    for case in LAYERS:
        terms = case.values[0]
        bounds, envelope = split_profile(terms).bounds, concave_envelope(best_by_count(terms))
        assert bounds[1:] == pytest.approx(envelope[1:], rel=1e-2)


@pytest.mark.parametrize(
    "weights",
    [pytest.param([1.0, 1.0, 1e-18], id="below rounding"), pytest.param([1.0, 1e-300, 1e-300], id="tiny")],
)
def test_weights_lost_in_rounding_leave_the_bounds_numbers(weights):
    """A weight below the rounding of its members' totals cannot be poured, and must not become 0 / 0."""
    members = np.array([0, 1, 1, 2, 0, 2], np.int32)
    terms = AndTerms(np.array(weights), np.array([0, 2, 4, 6]), members, np.array([0, 3]))
    profile = split_profile(terms)
    assert np.all(np.isfinite(profile.bounds))
    assert np.all(profile.bounds >= np.array(best_by_count(terms)) - 1e-12)


def test_exact_and_split_meet_at_the_limit_of_experts():
    terms = random_layer(7, experts=9, terms=40, largest=2)
    named = len(set(terms.members.tolist()))
    assert layers_of(terms, named).by_bits.all()
    assert layers_of(terms, named - 1).wide.all()


def test_where_prices_make_a_larger_set_worse_the_smaller_one_stands():
    """At most c experts: an expert that costs more than it saves is left out, alone and in a pair."""
    weights = np.array([3.0, 2.0, -1.0, 4.0, 1.0, -9.0])
    offsets, members = np.array([0, 1, 2, 3, 5, 6, 7]), np.array([0, 1, 2, 3, 4, 3, 4], np.int32)
    savings, chosen = exact_profile(AndTerms(weights, offsets, members, np.array([0, 3, 6])))
    assert savings.tolist() == [0, 3, 5, 5, 0, 1, 1]
    assert chosen(3, 2) == [0, 1, 3]


def test_of_equal_sets_the_larger_or_the_smaller_one_is_taken():
    """The first expert adds nothing without the second."""
    terms = AndTerms(np.array([1.0]), np.array([0, 2]), np.array([0, 1], np.int32), np.array([0, 1]))
    layers, free = layers_of(terms, 20), np.zeros(2, np.int64)
    assert layer_profiles(terms.weights, layers, free, True).sets.tolist() == [0, 1, 3]
    assert layer_profiles(terms.weights, layers, free, False).sets.tolist() == [0, 0, 3]


@pytest.mark.parametrize("largest", [1, 3])
def test_forced_experts_are_in_every_set_and_forbidden_ones_in_none(largest):
    terms = random_layer(3, experts=6, terms=20, largest=largest)
    layers = layers_of(terms, 20)
    status = np.array([ALWAYS, FREE, NEVER, FREE, ALWAYS, FREE])[: len(layers.named)]
    profiles = layer_profiles(terms.weights, layers, status, False)
    must, never = layers.named[status == ALWAYS], layers.named[status == NEVER]
    for count, saving in enumerate(profiles.savings):
        cached = np.zeros(6, np.bool_)
        mark_sets(layers, profiles, np.array([count]), cached)
        if count < len(must):
            assert saving == NO_SET
        else:
            assert cached[must].all()
            assert not cached[never].any()
            assert cached.sum() <= count
            assert terms.value(cached) == pytest.approx(saving, rel=1e-12)
