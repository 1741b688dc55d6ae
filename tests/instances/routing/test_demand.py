"""Tenants: their users, their share of the tokens, their models, their taste."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.routing.activations import Activations
from slimbench.instances.routing.demand import Demand, Tenant, draw_demand
from slimbench.instances.routing.recipe import ZipfRouting, draw_routing
from slimbench.instances.sampling.apportionment import apportioned

PAIR = Model("pair", layers=2, experts_per_layer=6, top_k=2, expert_bytes=1)
ONE = Model("one", layers=1, experts_per_layer=8, top_k=1, expert_bytes=1)
MODELS = [PAIR, ONE]
BANK = Tenant(name="bank", users=3, weight=4, models={"pair": 1})
SHOP = Tenant(name="shop", users=1, weight=1, models={"pair": 1, "one": 3}, taste=1)


def demand(*tenants: Tenant, users: int = 8, model_taste: float = 0.0) -> Demand:
    return draw_demand(tenants, model_taste, MODELS, users, np.random.default_rng(1))


def drawn(of: Demand, **parameters: float) -> Activations:
    routing = ZipfRouting(**parameters)
    return draw_routing(routing, MODELS, of, np.random.default_rng(2), np.random.default_rng(3))


def test_without_tenants_all_users_are_alike() -> None:
    alone = demand()
    assert alone.user_names == tuple(f"u{u}" for u in range(8))
    assert (alone.shares == 1).all()


def test_tenants_have_their_users_and_their_shares_of_tokens_and_models() -> None:
    both = demand(BANK, SHOP)
    assert both.user_names == (*(f"bank-{i}" for i in range(6)), "shop-0", "shop-1")
    shares = both.shares / 16  # eight users, two models
    assert shares.sum() == pytest.approx(1)
    assert shares[:6].sum(axis=0) == pytest.approx([0.8, 0])
    assert shares[6:].sum(axis=0) == pytest.approx([0.2 / 4, 0.2 * 3 / 4])
    assert np.ptp(shares[:6], axis=0).tolist() == [0, 0]


def test_rates_of_a_layer_add_up_to_the_share_of_its_model_and_of_each_tenant() -> None:
    both = demand(BANK, SHOP)
    made = drawn(both, tokens=20)
    for m, (model, share) in enumerate(zip(MODELS, (0.85, 0.15), strict=True)):
        for layer in range(model.layers):
            rows = (made.models == m) & (made.layers == layer)
            assert made.rates[rows].sum() == pytest.approx(share)
            of_bank = rows & (both.tenants[made.users] == 0)
            assert made.rates[of_bank].sum() == pytest.approx((0.8, 0)[m])


def test_tenants_without_weights_have_tokens_by_their_users() -> None:
    shares = demand(Tenant(name="a", users=3), Tenant(name="b", users=1)).shares
    assert shares == pytest.approx(np.ones((8, 2)))


def test_tenants_that_differ_in_nothing_change_no_draw() -> None:
    plain = drawn(demand(), tokens=10)
    tenants = drawn(demand(Tenant(name="a"), Tenant(name="b")), tokens=10)
    assert np.array_equal(plain.group_indices, tenants.group_indices)
    assert plain.rates == pytest.approx(tenants.rates)


def uses(made: Activations, users: list[int], experts: int) -> np.ndarray:
    """How often the users call each expert of the first layer of the first model."""
    rows = np.isin(made.users, users) & (made.models == 0) & (made.layers == 0)
    counts = np.zeros(experts)
    for group, rate in zip(made.groups[rows], made.rates[rows], strict=True):
        counts[group[group >= 0]] += rate
    return counts / counts.sum()


def test_users_of_a_tenant_are_alike_and_tenants_are_not() -> None:
    tastes = [Tenant(name=name, taste=1.0) for name in ("a", "b")]
    made = drawn(demand(*tastes), tokens=4000, user_taste=0.0, zipf_exponent=2.0)
    first, second = uses(made, [0, 1], 6), uses(made, [2, 3], 6)
    other = uses(made, [4, 5, 6, 7], 6)
    assert np.abs(first - second).max() < 0.02
    assert np.abs(first - other).max() > 0.1


def test_a_favourite_model_has_its_share_of_every_user_and_favourites_follow_the_tenant() -> None:
    shares = demand(Tenant(name="a", models={"pair": 1, "one": 3}), users=400, model_taste=0.5).shares / 2
    assert shares.sum(axis=1) == pytest.approx(1)
    assert set(shares[:, 1].round(9)) == {0.375, 0.875}  # half of 3 / 4, and the other half where it is loved
    assert (shares[:, 1] > 0.5).mean() == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize(
    ("tenants", "users", "problem"),
    [
        ((Tenant(name="a", models={"two": 1}),), 3, r"routing.tenants\[0\].models: names 'two'"),
        ((BANK, SHOP), 1, "network.users: is 1, expected enough for a user of the tenant 'shop'"),
    ],
)  # fmt: skip
def test_tenants_that_do_not_fit_are_named(tenants: tuple[Tenant, ...], users: int, problem: str) -> None:
    with pytest.raises(InstanceError, match=f"^{problem}"):
        demand(*tenants, users=users)


def test_parameters_out_of_range_are_named() -> None:
    with pytest.raises(InstanceError, match=r"^routing.tenants.taste: is 2, expected 0 to 1"):
        Tenant(name="a", taste=2)
    with pytest.raises(InstanceError, match=r"^routing.tenants.models.pair: is 0, expected"):
        Tenant(name="a", models={"pair": 0})
    with pytest.raises(InstanceError, match=r"^routing.model_taste: is -1, expected 0 to 1"):
        ZipfRouting(model_taste=-1)
    with pytest.raises(InstanceError, match=r"^routing.tenants\[1\].name: is 'bank' a second time"):
        ZipfRouting(tenants=(BANK, BANK))


@given(st.integers(0, 200), st.lists(st.floats(0.01, 10), min_size=1, max_size=8))
def test_seats_are_apportioned_whole_and_within_one_of_their_quota(seats: int, shares: list[float]) -> None:
    counts = apportioned(seats, np.array(shares))
    assert counts.sum() == seats
    assert np.abs(counts - seats * np.array(shares) / sum(shares)).max() < 1 + 1e-6


def test_ties_go_to_the_first() -> None:
    assert apportioned(3, np.array([1.0, 1.0])).tolist() == [2, 1]
