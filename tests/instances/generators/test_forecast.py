"""What a planner sees: observed tokens have the right law, noise the right size, and the rest stays."""

import numpy as np
import pytest
from samples import assert_same, build, random_instance, two_cells, with_fields

from slimbench.instances import InstanceError, Model
from slimbench.instances.generators.forecast import Forecast, forecast_instance, read_forecasts

SAME = ("dispatch", "server_names", "user_names", "models", "base_latency_s")


def rates_by_group(instance):
    """Rate of every user, layer and group, added over equal ones."""
    rates = {}
    for a in range(instance.n_activations):
        group = instance.group_indices[instance.group_offsets[a] : instance.group_offsets[a + 1]]
        key = int(instance.activation_users[a]), int(instance.group_layers[a]), tuple(group.tolist())
        rates[key] = rates.get(key, 0.0) + float(instance.rates[a])
    return rates


def with_a_device():
    """One user, two layers: of its share of 0.8, the device serves a quarter in layer 1."""
    return build(
        dispatch="single",
        capacities=(2,),
        models=[Model("toy", layers=2, experts_per_layer=3, top_k=2, expert_bytes=1)],
        edge=[[[0.01]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0, 1), 0.6), (0, 0, 0, (2,), 0.2), (0, 0, 1, (1, 2), 0.6)],
    )


# Tokens observed


@pytest.mark.parametrize("instance", [two_cells(), with_a_device()], ids=["two-cells", "device"])
def test_observed_rates_are_right_in_the_mean(instance):
    seeds, tokens = 400, 50
    true = rates_by_group(instance)
    sums = dict.fromkeys(true, 0.0)
    for seed in range(seeds):
        for key, rate in rates_by_group(
            forecast_instance(instance, Forecast(tokens=tokens, seed=seed))
        ).items():
            sums[key] += rate
    for key, rate in true.items():
        share = 0.8 if instance.n_layers == 2 else {0: 0.7, 1: 0.4}[key[0]]
        p = rate / share
        error = share * np.sqrt(p * (1 - p) / (seeds * tokens))
        assert abs(sums[key] / seeds - rate) <= 4 * error + 1e-11


def test_observed_rates_are_counts_over_tokens_of_the_users_share():
    seen = rates_by_group(forecast_instance(with_a_device(), Forecast(tokens=10, seed=1)))
    counts = {key: rate / 0.8 * 10 for key, rate in seen.items()}
    assert all(abs(count - round(count)) < 1e-9 and round(count) > 0 for count in counts.values())
    assert round(sum(count for key, count in counts.items() if key[1] == 0)) == 10
    assert sum(count for key, count in counts.items() if key[1] == 1) < 10.5


def test_more_tokens_of_one_seed_include_the_fewer():
    instance = random_instance(3, groups=6)
    few = rates_by_group(forecast_instance(instance, Forecast(tokens=8, seed=5)))
    many = rates_by_group(forecast_instance(instance, Forecast(tokens=16, seed=5)))
    assert all(8 * rate <= 16 * many.get(key, 0.0) + 1e-9 for key, rate in few.items())
    other = rates_by_group(forecast_instance(instance, Forecast(tokens=8, seed=6)))
    assert other != few


def test_groups_that_were_not_observed_are_absent():
    instance = random_instance(3, groups=6)
    seen = forecast_instance(instance, Forecast(tokens=1, seed=1))
    assert seen.n_activations == instance.n_users * instance.n_layers
    assert set(rates_by_group(seen)) <= set(rates_by_group(instance))


@pytest.mark.parametrize("planning", [Forecast(tokens=9, seed=2), Forecast(rate_noise=0.5, seed=2)])
def test_the_order_of_the_activations_means_nothing(planning):
    instance = random_instance(4, groups=5)
    order = np.arange(instance.n_activations)[::-1]
    table = instance.group_indices.reshape(-1, 2)[order]
    turned = with_fields(
        instance,
        activation_users=instance.activation_users[order],
        activation_models=instance.activation_models[order],
        activation_layers=instance.activation_layers[order],
        rates=instance.rates[order],
        group_indices=table.ravel(),
    )
    assert turned.sha256 == instance.sha256
    assert forecast_instance(turned, planning).sha256 == forecast_instance(instance, planning).sha256


def test_too_many_tokens_are_refused():
    with pytest.raises(InstanceError, match=r"tokens: would draw \d+ groups, expected at most 67108864"):
        forecast_instance(two_cells(), Forecast(tokens=2**26))


# Noise


def test_rate_noise_is_log_normal_and_changes_nothing_else():
    instance = random_instance(5, users=40, layers=5, groups=10)
    seen = forecast_instance(instance, Forecast(rate_noise=0.3, seed=1))
    logs = np.log(seen.rates / instance.rates)
    assert abs(logs.mean()) < 4 * 0.3 / np.sqrt(logs.size)
    assert abs(logs.std() - 0.3) < 4 * 0.3 / np.sqrt(2 * logs.size)
    assert_same(with_fields(seen, rates=instance.rates, name=instance.name), instance)


def test_latency_noise_is_one_factor_a_link_and_leaves_unreachable_unreachable():
    instance = random_instance(6, users=300, models=2, unreachable=0.3)
    seen = forecast_instance(instance, Forecast(latency_noise=0.2, seed=1))
    reached = np.isfinite(instance.edge_latency_s)
    assert (np.isfinite(seen.edge_latency_s) == reached).all()
    assert not reached.all()
    factors = seen.edge_latency_s[reached] / instance.edge_latency_s[reached]
    first, second = factors.reshape(-1, 2).T  # of the two models
    np.testing.assert_allclose(first, second, rtol=1e-5)  # rounded to nanoseconds
    for logs in (np.log(first), np.log(seen.cloud_latency_s / instance.cloud_latency_s)[:, 0]):
        assert abs(logs.std() - 0.2) < 4 * 0.2 / np.sqrt(2 * logs.size)
    kept = {"edge_latency_s": instance.edge_latency_s, "cloud_latency_s": instance.cloud_latency_s}
    assert_same(with_fields(seen, name=instance.name, **kept), instance)


def test_what_is_planned_on_has_a_name_of_its_own_and_the_same_servers_and_models():
    instance = two_cells()
    seen = forecast_instance(instance, Forecast(tokens=3, seed=4))
    assert seen.name == "two-cells[tokens=3,seed=4]"
    assert all(getattr(seen, name) == getattr(instance, name) for name in SAME)
    assert (seen.capacities_bytes == instance.capacities_bytes).all()


# As suites write it


def test_lists_of_values_and_seeds_are_run_through():
    plannings = read_forecasts([{"tokens": [4, 8], "seed": [1, 2]}, {"part": [0, 0.5]}, {"rate_noise": 1}])
    assert [planning.label for planning in plannings] == [
        "tokens=4,seed=1", "tokens=4,seed=2", "tokens=8,seed=1", "tokens=8,seed=2", "part=0-0.5",
        "rate_noise=1,seed=0",
    ]  # fmt: skip
    assert [planning.amount for planning in plannings] == [4, 4, 8, 8, 0.5, 1]
    parts = read_forecasts([{"part": [[0, 0.1], [0, 0.2]]}])
    assert [planning.label for planning in parts] == ["part=0-0.1", "part=0-0.2"]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"tokens": 4}, "planning: expected `array`"),
        ([4], r"planning\[0\]: expected `object`"),
        ([{}], r"planning\[0\]: expected exactly one of tokens, part, rate_noise, latency_noise"),
        ([{"tokens": 4, "rate_noise": 0.1}], r"planning\[0\]: expected exactly one of"),
        ([{"tokens": 4}, {"seed": 1}], r"planning\[1\]: expected exactly one of"),
        ([{"tokens": 0}], r"planning\[0\].tokens: expected `int` >= 1"),
        ([{"tokens": [4, 2.5]}], r"planning\[0\].tokens: expected `int"),
        ([{"tokens": []}], r"planning\[0\].tokens: is an empty list"),
        ([{"rate_noise": 0}], r"planning\[0\].rate_noise: expected `float` > 0"),
        ([{"latency_noise": float("nan")}], r"planning\[0\].latency_noise: expected `float` > 0"),
        ([{"tokens": 4, "seed": -1}], r"planning\[0\].seed: expected `int` >= 0"),
        ([{"part": [0.5, 0.5]}], r"planning\[0\].part: is \[0.5, 0.5\], expected 0 <= low < high <= 1"),
        ([{"part": 0.5}], r"planning\[0\].part: expected `array`"),
        ([{"part": [0, 0.5], "seed": 1}], r"planning\[0\].seed: does not go with part"),
        ([{"tokens": 2**70}], r"planning\[0\].tokens: expected `int` <= 67108864"),
        ([{"tokens": 4, "seed": 2**64}], r"planning\[0\].seed: expected `int` <= "),
        ([{"rate_noise": 1, "seed": list(range(10_001))}], "planning: has more than 10000"),
        ([{"share": 0.5}], r"planning\[0\].share: is not a field of this format"),
        ([{"tokens": 4}, {"tokens": [2, 4]}], r"planning\[1\]: has tokens=4,seed=0 a second time"),
    ],
)  # fmt: skip
def test_a_malformed_planning_names_its_field(entries, problem):
    with pytest.raises(InstanceError, match=problem.replace("`", "`?")):
        read_forecasts(entries)


def test_a_part_needs_a_trace():
    with pytest.raises(InstanceError, match="part: needs an instance that is made of a trace"):
        forecast_instance(two_cells(), Forecast(part=(0.0, 0.5)))
