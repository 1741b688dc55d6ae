"""Layer profiles: the exact one against every set, the split one against the exact one and an LP."""

import numpy as np
import pytest
from random_terms import best_by_count, closure_lp, plain_value, random_layer

from slimbench.formulations.single_server import profiles
from slimbench.formulations.single_server.profiles import (
    MAX_EXACT_EXPERTS,
    Profiles,
    layer_profiles,
    mark_sets,
)
from slimbench.formulations.terms.and_terms import AndTerms

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


def split_profile(terms: AndTerms) -> Profiles:
    profile = layer_profiles(terms, max_exact_experts=0)
    assert not profile.exact.any()
    return profile


def chosen(profile: Profiles, count: int) -> list[int]:
    """The best known set of at most ``count`` experts of the only layer."""
    cached = np.zeros(profile.orders.max() + 1, np.bool_)
    mark_sets(profile, 0, np.array([count]), cached)
    return cached.nonzero()[0].tolist()


def assert_chosen_sets_reach_the_savings(terms, profile):
    for count, saving in enumerate(profile.savings):
        experts = chosen(profile, count)
        assert len(experts) == count
        assert plain_value(terms, set(experts)) == pytest.approx(saving, rel=1e-12)


@pytest.mark.parametrize("terms", LAYERS)
def test_exact_profile_is_the_best_of_every_set(terms):
    profile = layer_profiles(terms, MAX_EXACT_EXPERTS)
    assert profile.exact.all()
    assert profile.savings == pytest.approx(best_by_count(terms), rel=1e-12)
    assert_chosen_sets_reach_the_savings(terms, profile)


@pytest.mark.parametrize("terms", SINGLETONS)
def test_singleton_profile_is_exact_for_any_number_of_experts(terms):
    profile = layer_profiles(terms, max_exact_experts=0)
    assert profile.exact.all()
    assert profile.savings == pytest.approx(best_by_count(terms), rel=1e-12)
    assert_chosen_sets_reach_the_savings(terms, profile)


def test_singleton_profile_breaks_ties_by_number():
    terms = AndTerms(np.ones(4), np.arange(5), np.array([3, 1, 2, 0], np.int32), np.array([0, 4]))
    profile = layer_profiles(terms, 0)
    assert [chosen(profile, c) for c in range(5)] == [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_a_set_named_twice_counts_twice():
    terms = AndTerms(
        np.array([1.0, 2.0]), np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32), np.array([0, 2])
    )
    assert layer_profiles(terms, 20).savings.tolist() == [0, 0, 3]
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
    assert_chosen_sets_reach_the_savings(terms, profile)


@pytest.mark.parametrize("terms", LAYERS)
@pytest.mark.parametrize("sweeps", [1, 2, 5])
def test_bounds_hold_after_any_number_of_sweeps(terms, sweeps, monkeypatch):
    monkeypatch.setattr(profiles, "SPLIT_SWEEPS", sweeps)
    exact = np.array(best_by_count(terms))
    assert np.all(split_profile(terms).bounds >= exact - 1e-12 * exact[-1])


@pytest.mark.parametrize("terms", LAYERS)
def test_bounds_converge_to_the_concave_envelope(terms, monkeypatch):
    """The LP's value at every c is the envelope of the exact profile, and the even split attains it."""
    monkeypatch.setattr(profiles, "SPLIT_SWEEPS", 100_000)
    monkeypatch.setattr(profiles, "SPLIT_TOLERANCE", 1e-13)
    profile = split_profile(terms)
    counts = range(len(profile.bounds))
    ones = np.ones(profile.orders.max() + 1)
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
    assert layer_profiles(terms, named).exact.all()
    assert not layer_profiles(terms, named - 1).exact.any()


def test_where_prices_make_a_larger_set_worse_the_smaller_one_stands():
    """At most c experts: an expert that costs more than it saves is left out, alone and in a pair."""
    weights = np.array([3.0, 2.0, -1.0, 4.0, 1.0, -9.0])
    offsets, members = np.array([0, 1, 2, 3, 5, 6, 7]), np.array([0, 1, 2, 3, 4, 3, 4], np.int32)
    profile = layer_profiles(AndTerms(weights, offsets, members, np.array([0, 3, 6])), 20)
    assert profile.savings.tolist() == [0, 3, 5, 5, 0, 1, 1]
    cached = np.zeros(5, np.bool_)
    mark_sets(profile, 0, np.array([3, 2]), cached)
    assert cached.tolist() == [True, True, False, True, False]
