"""Changes to small instances: always valid, always within the limits, each of the kind it is named for."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import assert_same

from slimbench.bench.attack.draft import EXPERT_BYTES, LATENCIES_S, RATES, Limits, rounded
from slimbench.bench.attack.mutation import CHANGES, mutated
from slimbench.bench.attack.starts import drawn_start, first_starts
from slimbench.bench.attack.traps import traps
from slimbench.instances import DISPATCHES, InstanceError, read_instance, write_instance

WIDE = Limits()


@st.composite
def limits(draw):
    experts = draw(st.integers(1, 5))
    return Limits(
        servers=draw(st.integers(1, 4)),
        users=draw(st.integers(1, 4)),
        models=draw(st.integers(1, 2)),
        layers=draw(st.integers(1, 2)),
        experts=experts,
        top_k=draw(st.integers(1, min(3, experts))),
        activations=draw(st.integers(1, 10)),
    )


def assert_within(instance, allowed):
    """Each limit, looked up in the validated instance."""
    assert instance.n_servers <= allowed.servers
    assert instance.n_users <= allowed.users
    assert len(instance.models) <= allowed.models
    assert 1 <= instance.n_activations <= allowed.activations
    assert instance.max_group_size <= allowed.top_k
    for model in instance.models:
        assert model.layers <= allowed.layers
        assert model.experts_per_layer <= allowed.experts
        assert model.top_k <= allowed.top_k
        assert EXPERT_BYTES[0] <= model.expert_bytes <= EXPERT_BYTES[1]
    assert instance.capacities_bytes.max() <= instance.expert_bytes.sum()
    edge = instance.edge_latency_s
    numbers = [(instance.rates, RATES), (instance.cloud_latency_s, LATENCIES_S)]
    for values, (low, high) in [*numbers, (edge[np.isfinite(edge)], LATENCIES_S)]:
        assert np.all((low <= values) & (values <= high))


@given(limits(), st.sampled_from(DISPATCHES), st.integers(0, 2**32))
def test_a_mutated_instance_is_valid_and_within_its_limits(allowed, dispatch, seed):
    rng = np.random.default_rng(seed)
    draft = drawn_start(dispatch, allowed, rng)
    for _ in range(8):
        changed = mutated(draft, allowed, rng)
        assert_within(changed.instance("changed"), allowed)  # which validates it
        assert changed.dispatch == dispatch
        assert changed.history[-1] in {*CHANGES, ""}
        draft = changed


@given(limits(), st.sampled_from(DISPATCHES), st.integers(0, 2**32))
def test_every_start_is_within_the_limits(allowed, dispatch, seed):
    for draft in first_starts(dispatch, allowed, np.random.default_rng(seed), 2):
        assert_within(draft.instance("start"), allowed)


def test_a_mutation_leaves_the_draft_it_starts_from_alone():
    rng = np.random.default_rng(0)
    draft = drawn_start("single", WIDE, rng)
    before = draft.instance("before")
    for _ in range(100):
        mutated(draft, WIDE, rng)
    assert_same(draft.instance("before"), before)


def test_every_kind_of_change_happens_and_changes_something():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(40):
        draft = drawn_start("single", WIDE, rng)
        for _ in range(10):
            changed = mutated(draft, WIDE, rng)
            assert changed.instance("x").sha256 != draft.instance("x").sha256
            seen.add(changed.history[-1])
            draft = changed
    assert seen == set(CHANGES)


def test_a_change_of_one_number_changes_no_other():
    draft = drawn_start("single", WIDE, np.random.default_rng(2))
    arrays = ("rates", "edge_latency_s", "cloud_latency_s", "capacities_bytes")
    for name, array in zip(("rate", "edge latency", "cloud latency", "capacity"), arrays, strict=True):
        for seed in range(20):
            changed = draft.copy()
            CHANGES[name](changed, np.random.default_rng(seed))
            if not WIDE.admit(changed):
                continue
            before, after = draft.instance("x"), changed.instance("x")
            differ = {a: int(np.sum(getattr(before, a) != getattr(after, a))) for a in arrays}
            assert differ[array] <= 1
            assert sum(differ.values()) == differ[array]


def test_an_instance_that_nothing_may_change_is_returned_as_it_was():
    narrow = Limits(servers=1, users=1, models=1, layers=1, experts=1, top_k=1, activations=1)
    draft = drawn_start("single", narrow, np.random.default_rng(0))
    ends = [mutated(draft, narrow, np.random.default_rng(seed)) for seed in range(30)]
    assert {changed.history[-1] for changed in ends} <= {*CHANGES, ""}
    assert all(narrow.admit(changed) for changed in ends)


def test_limits_refuse_each_thing_that_is_beyond_them():
    draft = next(d for d in traps("single", WIDE) if d.history == ("trap: shared server",))
    assert WIDE.admit(draft)
    for smaller in ({"servers": 1}, {"users": 1}, {"experts": 3}, {"top_k": 1}, {"activations": 1}):
        assert not dataclasses.replace(WIDE, **smaller).admit(draft)
    for value in (RATES[0] / 2, RATES[1] * 2):
        changed = draft.copy()
        changed.activations[0].rate = value
        assert not WIDE.admit(changed)
    slow, big = draft.copy(), draft.copy()
    slow.cloud_latency_s[0, 0] = 2 * LATENCIES_S[1]
    big.capacities_bytes[0] = big.total_bytes + 1
    assert not WIDE.admit(slow)
    assert not WIDE.admit(big)


def test_groups_larger_than_layers_are_refused_in_the_words_of_the_options():
    with pytest.raises(InstanceError, match="--top-k: is 3, expected at most --experts = 2"):
        Limits(experts=2, top_k=3)


def test_all_traps_are_set_where_there_is_room_and_none_where_there_is_not():
    for dispatch in DISPATCHES:
        names = ["shared server", "split pair", "giant", "crowded out", "popular half"]
        assert [draft.history for draft in traps(dispatch, WIDE)] == [(f"trap: {name}",) for name in names]
    assert list(traps("single", Limits(servers=1, models=1, experts=1, top_k=1))) == []


def test_numbers_are_rounded_within_their_range():
    assert rounded(0.0123456, 0.001, 1) == 0.0123
    assert rounded(5.0, 0.001, 1) == 1
    assert rounded(0.0, 0.001, 1) == 0.001


def test_a_draft_survives_its_file(tmp_path):
    instance = drawn_start("parallel", WIDE, np.random.default_rng(3)).instance("kept")
    write_instance(instance, tmp_path / "kept.json")
    assert_same(read_instance(tmp_path / "kept.json"), instance)
