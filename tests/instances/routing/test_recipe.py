from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.routing.activations import Activations, merged
from slimbench.instances.routing.demand import draw_demand
from slimbench.instances.routing.recipe import ZipfRouting, draw_routing

PAIR = Model("pair", layers=2, experts_per_layer=4, top_k=2, expert_bytes=1)
TRIPLE = Model("triple", layers=3, experts_per_layer=6, top_k=3, expert_bytes=1)
Row = tuple[int, int, int, tuple[int, ...]]


def drawn(models: list[Model], users: int, **parameters: float) -> Activations:
    routing = ZipfRouting(**parameters)
    demand = draw_demand((), 0.0, models, users, np.random.default_rng(4))
    return draw_routing(routing, models, demand, np.random.default_rng(3), np.random.default_rng(5))


def as_dict(activations: Activations) -> dict[Row, float]:
    rows = {
        (int(u), int(m), int(layer), tuple(int(e) for e in group if e >= 0)): float(rate)
        for u, m, layer, group, rate in zip(
            activations.users, activations.models, activations.layers, activations.groups, activations.rates,
            strict=True,
        )
    }  # fmt: skip
    assert len(rows) == len(activations.rates), "a row is there twice"
    return rows


def marginals(activations: Activations, model: Model, user: int, layer: int) -> FloatArray:
    uses = np.zeros(model.experts_per_layer)
    for (u, _, lay, group), rate in as_dict(activations).items():
        if (u, lay) == (user, layer):
            uses[list(group)] += rate
    return uses


# Merging and device-held experts


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.sets(st.integers(0, 3), max_size=3)
        ),
        max_size=30,
    )
)
def test_merging_adds_the_rates_of_equal_rows_and_keeps_nothing_twice(
    rows: list[tuple[int, int, int, set[int]]],
) -> None:
    table = np.full((len(rows), 3), -1)
    expected: dict[Row, float] = {}
    for i, (u, m, layer, group) in enumerate(rows):
        table[i, : len(group)] = sorted(group, reverse=True)
        key = (u, m, layer, tuple(sorted(group)))
        expected[key] = expected.get(key, 0.0) + 1 + i
    keys = np.array([row[:3] for row in rows]).reshape(-1, 3)
    made = merged(keys[:, 0], keys[:, 1], keys[:, 2], np.arange(len(rows)) + 1.0, table)
    assert as_dict(made) == expected


def test_what_a_device_holds_leaves_the_groups_and_is_served_at_its_own_latency() -> None:
    made = merged(
        [0, 0, 0, 1], [1, 1, 1, 1], [2, 2, 2, 2], [0.1, 0.2, 0.3, 0.4], [[0, 1], [0, 5], [1, 5], [0, 1]]
    )
    held = np.zeros((2, 2 * 4 + 3 * 6), np.bool_)
    held[0, 8 + 2 * 6 + 0] = held[0, 8 + 2 * 6 + 1] = (
        True  # user 0 holds experts 0 and 1 of model 1's layer 2
    )
    rest = made.without_device_experts(held, np.array([100.0, 10.0]), [PAIR, TRIPLE])
    assert as_dict(rest) == {(0, 1, 2, (5,)): pytest.approx(0.5), (1, 1, 2, (0, 1)): 0.4}
    assert rest.base_latency_s == pytest.approx(0.1 * 10)


def test_holding_every_expert_leaves_only_the_constant() -> None:
    made = drawn([PAIR, TRIPLE], users=2)
    rest = made.without_device_experts(np.ones((2, 26), np.bool_), np.array([1.0, 2.0]), [PAIR, TRIPLE])
    assert len(rest.rates) == 0
    assert rest.base_latency_s == pytest.approx(0.5 * 2 * 1.0 + 0.5 * 3 * 2.0)


def test_the_most_used_experts_are_counted_by_user_and_layer() -> None:
    made = merged([0, 0, 1], [0, 0, 0], [0, 0, 1], [0.3, 0.1, 0.6], [[2, 1], [2, 3], [0, 3]])
    held = made.most_used(1, 2, [PAIR])
    assert np.flatnonzero(held[0]).tolist() == [2, 4]  # nothing is used in layer 1: the first
    assert np.flatnonzero(held[1]).tolist() == [0, 4]  # 0 and 3 of layer 1 are tied: the first


# Drawing


@pytest.mark.parametrize("models", [[PAIR], [PAIR, TRIPLE]])
def test_rates_of_a_layer_add_up_to_the_share_of_its_model(models: list[Model]) -> None:
    made = drawn(models, users=5)
    for m, model in enumerate(models):
        for layer in range(model.layers):
            chosen = (made.models == m) & (made.layers == layer)
            assert made.rates[chosen].sum() == pytest.approx(1 / len(models))
            assert set(np.diff(made.group_offsets)[chosen]) == {model.top_k}


def test_draws_follow_the_law_of_successive_draws_without_replacement() -> None:
    made = drawn([Model("one", 1, 4, 2, 1)], users=1, zipf_exponent=1.0, user_taste=0.0, tokens=40_000)
    uses = marginals(made, PAIR, 0, 0)
    weights = np.zeros(4)
    weights[np.argsort(-uses)] = 1 / np.arange(1, 5)  # most used first
    weights /= weights.sum()
    expected: dict[Row, float] = {}
    for i, j in permutations(range(4), 2):
        key = (0, 0, 0, (min(i, j), max(i, j)))
        expected[key] = expected.get(key, 0.0) + weights[i] * weights[j] / (1 - weights[i])
    assert as_dict(made) == pytest.approx(expected, abs=0.012)  # 5 standard deviations


def test_ranks_are_independent_from_layer_to_layer() -> None:
    deep = Model("deep", 40, 8, 1, 1)
    made = drawn([deep], users=1, zipf_exponent=2.0, user_taste=0.0)
    favourites = {int(np.argmax(marginals(made, deep, 0, layer))) for layer in range(40)}
    assert favourites == set(range(8))


def test_without_taste_users_agree_and_with_full_taste_they_do_not() -> None:
    def distance(taste: float) -> float:
        made = drawn([TRIPLE], users=2, user_taste=taste, tokens=20_000, zipf_exponent=1.5)
        return max(
            2 * float(np.abs(marginals(made, TRIPLE, 0, layer) - marginals(made, TRIPLE, 1, layer)).max())
            for layer in range(3)
        )

    assert distance(0.0) < 0.03 < 0.3 < distance(1.0)


def test_a_larger_exponent_makes_the_favourite_more_favoured() -> None:
    top = [
        marginals(drawn([TRIPLE], 1, zipf_exponent=s, tokens=5000), TRIPLE, 0, 0).max() for s in (0, 0.65, 3)
    ]
    assert top[0] == pytest.approx(0.5, abs=0.04)  # 3 of 6, all alike
    assert top[0] + 0.1 < top[1] < top[2] - 0.1


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("zipf_exponent", -0.1), ("user_taste", 1.1), ("user_taste", float("nan")), ("tokens", 0)],
)
def test_parameters_out_of_range_are_named(parameter: str, value: float) -> None:
    with pytest.raises(InstanceError, match=rf"^routing\.{parameter}: is {value}, expected"):
        ZipfRouting(**{parameter: value})
