"""Sequences: what periods cost, what moves are charged, and recipes that give the same on every platform."""

import dataclasses
from itertools import islice, pairwise

import numpy as np
import pytest
from samples import two_cells, with_fields
from sequences import one_server, random_sequence, swap

from slimbench.instances import InstanceError, Placement, evaluate
from slimbench.instances.generators.generate import make_instance, read_recipe, wires_of
from slimbench.instances.generators.scenario import scenario_fields, shipped_scenarios
from slimbench.instances.network import Network, draw_places
from slimbench.instances.problem.pooling import pooled
from slimbench.instances.sequences.mobility import RandomWaypoint, walks
from slimbench.instances.sequences.recipe import make_sequence, read_sequence_recipe
from slimbench.instances.sequences.sequence import Sequence, costs, fetch_prices_s, period_cost, still_held

RECIPE = {
    "name": "cells",
    "dispatch": "single",
    "seed": 3,
    "models": ["mixtral-8x7b"],
    "layers": 2,
    "network": {"servers": 3, "users": 4},
    "routing": {"kind": "zipf", "tokens": 20, "device_experts": 1},
}
CHANGING = {
    **RECIPE,
    "periods": 5,
    "drift": {"rankings": 3},
    "mobility": {},
    "outages": [{"server": 1, "first": 2, "last": 3}],
}


def holding(*rows):
    return Placement(np.array(rows, np.bool_))


def made(**fields):
    return make_sequence(read_sequence_recipe({**CHANGING, **fields}))[0]


def test_two_periods_by_hand():
    """100 tokens: serving costs 0.05 s a token with the better expert and 0.07 s with the other."""
    kept, followed = [holding([1, 0])] * 2, [holding([1, 0]), holding([0, 1])]
    sequence = swap(cloud_s_per_byte=1.5)
    first, second = costs(sequence, kept)
    assert (first.serving_s, first.fetching_s) == pytest.approx((5.0, 1.5))  # the first fill is charged
    assert (second.serving_s, second.fetching_s) == pytest.approx((7.0, 0.0))
    assert [c.total_s for c in costs(sequence, followed)] == pytest.approx([6.5, 6.5])
    assert sequence.cost_none_s == pytest.approx(22.0)


def test_a_neighbour_is_a_source_and_deleting_is_free():
    instance = two_cells()
    sequence = Sequence("two", (instance,) * 3, np.ones(3), 8.0, 2.0)
    one, other = holding([1, 1, 0], [0, 0, 0]), holding([0, 0, 0], [1, 0, 0])
    moved = costs(sequence, [one, other, holding([0, 0, 0], [0, 0, 0])])
    assert [(c.cloud_bytes, c.neighbour_bytes, c.fetching_s) for c in moved] == [
        (2, 0, 16.0),
        (0, 1, 2.0),
        (0, 0, 0.0),
    ]


def test_two_servers_that_fetch_at_once_are_no_source_for_each_other():
    sequence = Sequence("two", (two_cells(),), np.ones(1), 8.0, 2.0)
    assert costs(sequence, [holding([1, 0, 0], [1, 0, 0])])[0].cloud_bytes == 2


def test_a_server_that_was_down_has_lost_everything():
    up = two_cells()
    down = with_fields(up, capacities_bytes=np.array([0, 1]))
    sequence = Sequence("two", (up, down, up), np.ones(3), 8.0, 2.0)
    there, gone = holding([1, 1, 0], [0, 0, 0]), holding([0, 0, 0], [0, 0, 0])
    assert [c.cloud_bytes for c in costs(sequence, [there, gone, there])] == [2, 0, 2]
    # what is down in a period cannot be fetched from in it either
    beside = holding([0, 0, 0], [1, 0, 0])
    assert period_cost(sequence, 1, there, beside).cloud_bytes == 1


@pytest.mark.parametrize("seed", range(5))
def test_prices_add_up_to_what_fetching_costs(seed):
    sequence = random_sequence(seed, "parallel", 2)
    rng = np.random.default_rng(seed)
    before, now = (Placement(rng.random((2, 4)) < 0.5) for _ in range(2))
    instance = sequence.periods[1]
    held = still_held(instance.capacities_bytes, before.holds)
    prices = fetch_prices_s(
        held, instance.expert_bytes, sequence.cloud_s_per_byte, sequence.neighbour_s_per_byte
    )
    assert (prices * now.holds).sum() == pytest.approx(period_cost(sequence, 1, before, now).fetching_s)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"periods": ()}, "periods"),
        ({"tokens": np.ones(3)}, "tokens"),
        ({"tokens": np.array([1.0, np.nan])}, "tokens"),
        ({"neighbour_s_per_byte": 9.0}, "neighbour_s_per_byte"),
        ({"periods": (one_server((1, 1)), two_cells())}, r"periods\[1\]"),
    ],
)
def test_a_sequence_that_is_none_is_refused(changes, field):
    with pytest.raises(InstanceError, match=field):
        dataclasses.replace(swap(1.0), **changes)


def test_the_same_recipe_gives_the_same_sequence_everywhere():
    assert made().sha256 == "467d4fa9c32b8e15929e0d8258ed6505731795af41ac62690588044653e1643f"
    assert made(seed=4).sha256 != made().sha256


def test_the_hash_does_not_depend_on_the_type_of_its_name():
    sequence = swap(1.0)
    assert dataclasses.replace(sequence, name=np.str_(sequence.name)).sha256 == sequence.sha256


@pytest.mark.parametrize("scenario", [None, *shipped_scenarios()])
def test_the_first_period_is_the_instance_of_the_recipe(scenario):
    """Of every layout, path loss and backhaul, of kinds of servers, of tenants and of several models."""
    fields = scenario_fields(scenario, {"name": "cells"}) if scenario else RECIPE
    instance, note = make_instance(read_recipe(fields))
    roads = scenario in ("highway", "urban-vehicular")
    changes = {"periods": 2, "drift": {}, **({} if roads else {"mobility": {}})}
    sequence, changed = make_sequence(read_sequence_recipe(fields | changes))
    assert with_fields(instance, name="cells-t0").sha256 == sequence.periods[0].sha256
    assert changed.endswith(f"; {note}")


def test_what_is_lost_of_a_trace_is_in_the_note_of_a_sequence_too(tmp_path):
    trace = tmp_path / "trace.jsonl"
    row = '{"user": "u", "token": %d, "model": "mixtral-8x7b", "layer": 0, "experts": [%d, 3]}\n'
    trace.write_text("".join(row % (token, min(token, 1)) for token in range(4)))
    routing = {"kind": "trace", "path": trace.name, "min_support": 2}
    fields = RECIPE | {"layers": 1, "routing": routing}
    note = make_instance(read_recipe(fields), tmp_path)[1]
    assert "no placement saves over" in note
    assert make_sequence(read_sequence_recipe(fields), tmp_path)[1] == f"nothing changes; {note}"


def test_tastes_pass_from_one_ranking_to_the_next():
    periods = made(mobility=None, outages=[], routing={"kind": "zipf", "tokens": 20}).periods

    def shares(instance):
        rates = np.repeat(instance.rates, instance.group_sizes)
        return np.bincount(instance.group_experts, rates, minlength=instance.n_experts)

    first, between, second, _, last = map(shares, periods)
    assert between == pytest.approx((first + second) / 2)
    assert not np.allclose(first, second)
    assert not np.allclose(second, last)
    for instance in periods:
        assert instance.rates.sum() == pytest.approx(2)  # of two layers
        assert np.array_equal(instance.edge_latency_s, periods[0].edge_latency_s)


def test_users_move_no_faster_than_they_may_and_stay_inside():
    speed, seconds = 2.0, 30.0
    mobility = {"min_speed_m_per_s": speed, "max_speed_m_per_s": speed}
    positions = [p.user_positions_m for p in made(mobility=mobility, period_s=seconds).periods]
    steps = [np.linalg.norm(b - a, axis=1) for a, b in pairwise(positions)]
    assert np.max(steps) <= speed * seconds + 0.01
    assert np.max(steps) == pytest.approx(speed * seconds, abs=0.01)  # some walk straight on
    assert np.min(positions) >= 0
    assert np.max(positions) <= 400


def test_a_server_that_is_down_reaches_nobody_and_its_users_go_elsewhere():
    periods = made().periods
    for t, instance in enumerate(periods):
        down = t in (2, 3)
        assert (instance.capacities_bytes[1] == 0) == down
        assert np.isinf(instance.edge_latency_s[:, 1]).all() == down
        assert np.isfinite(instance.edge_latency_s).any(axis=1).all()  # everyone has a cell


def test_tenants_stay_who_they_are_when_tastes_drift():
    fields = scenario_fields("multi-tenant", {"periods": 3, "drift": {}})
    periods = make_sequence(read_sequence_recipe(fields))[0].periods
    shares = [np.bincount(p.activation_users * len(p.models) + p.activation_models, p.rates) for p in periods]
    assert shares[1] == pytest.approx(shares[0])
    assert shares[2] == pytest.approx(shares[0])
    assert periods[2].group_indices.tolist() != periods[0].group_indices.tolist()


def test_nothing_passes_through_a_server_that_is_down():
    """Its neighbours on a ring of five were two hops apart, and are three the other way round."""
    network = {
        "servers": 5, "users": 40, "layout": {"kind": "hexagonal"}, "backhaul": {"kind": "ring"},
        "backhaul_delay_s": 1.0, "backhaul_bit_per_s": 1e18,
    }  # fmt: skip
    ends = wires_of(read_recipe(RECIPE | {"network": network})).ends.tolist()
    one, other = (a + b - 1 for a, b in ends if 1 in (a, b))
    outages = [{"server": 1, "first": 1, "last": 1}]
    for t, instance in enumerate(made(network=network, mobility=None, outages=outages, periods=2).periods):
        latency_s = instance.edge_latency_s[:, :, 0]
        of_one = latency_s[np.argmin(latency_s, axis=1) == one]
        assert len(of_one) > 0
        assert of_one[:, other] - of_one[:, one] == pytest.approx(2 * (2 + t))  # there and back
        assert np.isinf(latency_s[:, 1]).all() == bool(t)


@pytest.mark.parametrize(
    ("wires", "price_s"),
    [
        ([(0, 1, 4e9), (1, 2, 1e9)], 8e-9),  # the slowest
        ([(0, 1, 4e9), (1, 2, 1e7)], 4e-8),  # the cloud is faster
    ],
)
def test_a_fetch_over_wires_is_charged_at_the_rate_of_the_slowest(wires, price_s):
    backhaul = {"kind": "wires", "wires": [{"between": [i, j], "bit_per_s": rate} for i, j, rate in wires]}
    assert made(network={"backhaul": backhaul}, outages=[]).neighbour_s_per_byte == pytest.approx(price_s)


@pytest.mark.parametrize(
    ("network", "inside"),
    [
        ({"path_loss": "umi", "servers": 1}, lambda xy: (xy >= 0).all() and (xy <= 400).all()),
        (
            {"path_loss": "inh-mixed", "layout": {"kind": "office"}, "servers": 1},
            lambda xy: (xy >= 0).all() and (xy <= [120, 50]).all(),
        ),
        (
            {"path_loss": "umi", "layout": {"kind": "hexagonal"}, "servers": 1},
            lambda xy: (abs(xy) <= 116).all(),
        ),
    ],
)
def test_users_walk_where_the_layout_places_them(network, inside):
    periods = made(network=network, outages=[], mobility={}, periods=6).periods
    assert all(inside(p.user_positions_m) for p in periods)
    assert len({p.edge_latency_s.tobytes() for p in periods}) == 6


def test_links_on_a_walk_have_the_distribution_and_the_correlation_that_they_should():
    """A walk of one decorrelation length in a thousand: normal numbers correlate, uniform ones are kept."""
    network = Network(users=20_000, servers=1)
    speed = 13 / 1e3
    mobility = RandomWaypoint(min_speed_m_per_s=speed, max_speed_m_per_s=speed, decorrelation_m=13)
    start = draw_places(network, np.random.default_rng(1))
    first, second = islice(walks(mobility, network, start, 1e3, np.random.default_rng(2)), 2)
    moved_m = np.linalg.norm(second.users_m - first.users_m, axis=1)
    assert np.median(moved_m) == pytest.approx(13)
    for before, after in zip(first.links, second.links, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] == pytest.approx(np.exp(-1), abs=0.03)
        assert after.mean() == pytest.approx(before.mean(), abs=0.04)
        assert after.std() == pytest.approx(before.std(), abs=0.04)
    same = first.links.sights == second.links.sights
    assert same.mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert (same == (first.links.blockers == second.links.blockers)).all()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"network": {"layout": {"kind": "highway"}}}, "^mobility: goes with the layouts random"),
        (
            {"network": {"backhaul": {"kind": "wires", "wires": [{"between": [0, 2]}]}}, "outages": []},
            r"^network.backhaul: leaves a server without a way to another in period 0",
        ),
        (
            {"network": {"backhaul": {"kind": "wires", "wires": [{"between": [0, 1]}, {"between": [1, 2]}]}}},
            r"^network.backhaul: leaves a server without a way to another in period 2",
        ),
        ({"outages": [{"server": 3, "first": 0, "last": 1}]}, r"outages\[0\].server: is 3, expected 0 to 2"),
        ({"outages": [{"server": 0, "first": 2, "last": 5}]}, r"outages\[0\].last: is 5, expected 2 to 4"),
        ({"outages": [{"server": n, "first": 1, "last": 1} for n in range(3)]}, "no server in period 1"),
        ({"mobility": {"min_speed_m_per_s": 0}}, "mobility.min_speed_m_per_s"),
        ({"mobility": {"min_speed_m_per_s": 9, "max_speed_m_per_s": 3}}, "larger than max_speed"),
        ({"drift": {"rankings": 1}}, "drift.rankings"),
        ({"periods": 0}, "periods"),
        ({"speed": 1}, "speed"),
        ({"routing": {"kind": "mixtral-fiddler", "path": "x"}, "models": []}, "."),
    ],
)
def test_a_recipe_that_cannot_be_made_is_refused(fields, problem, tmp_path):
    with pytest.raises(InstanceError, match=problem):
        make_sequence(read_sequence_recipe({**CHANGING, **fields}), tmp_path)


@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
def test_a_pooled_instance_saves_the_weighted_sum_and_the_bonuses(dispatch):
    sequence = random_sequence(7, dispatch)
    rng = np.random.default_rng(7)
    weights, bonuses = (2.0, 0.0, 0.5), rng.random((2, 4))
    pool = pooled(sequence.periods, weights, sequence.periods[0].capacities_bytes, bonuses)
    for _ in range(10):
        placement = Placement(rng.random((2, 4)) < 0.5)
        parts = [w * evaluate(i, placement).saving_s for i, w in zip(sequence.periods, weights, strict=True)]
        expected = sum(parts) + (bonuses * placement.holds).sum()
        assert evaluate(pool, placement).saving_s == pytest.approx(expected)
