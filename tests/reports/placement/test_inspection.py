"""What is said of placements: sums agree with the evaluation, and the example's figures are those by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import build, two_cells, with_fields
from strategies import instances, placements

from slimbench.instances import Instance, InstanceError, Model, Placement, evaluate
from slimbench.reports.placement import inspection
from slimbench.reports.placement.inspection import NOTHING, Inspection, inspect_placements

OPTIMUM = {0: [(0, 0, 0), (0, 0, 1)], 1: [(0, 0, 2)]}
OTHER = {0: [(0, 0, 1), (0, 0, 2)], 1: [(0, 0, 0)]}


def example(**more: dict[int, list[tuple[int, int, int]]]) -> Inspection:
    instance = two_cells()
    placed = {"optimum": OPTIMUM, **more}
    return inspect_placements(
        instance, {name: Placement.of(instance, experts) for name, experts in placed.items()}
    )


@st.composite
def inspections(draw: st.DrawFn) -> Inspection:
    instance = draw(instances())
    names = draw(st.sampled_from([[], ["a"], ["a", "b"], ["a", "b", "[c]"]]))
    return inspect_placements(instance, {name: draw(placements(instance)) for name in names})


# Latency


def test_latencies_of_the_example_are_those_by_hand() -> None:
    table = inspection.overall(example(other=OTHER))
    assert table["placement"].tolist() == [NOTHING, "optimum", "other"]
    assert table["latency_s"].tolist() == pytest.approx([0.110, 0.051, 0.060])
    assert table["saving_s"].tolist() == pytest.approx([0, 0.059, 0.050])
    assert table["saving_share"].tolist() == pytest.approx([0, 59 / 110, 50 / 110])
    assert table["worse_s"].tolist() == pytest.approx([0.059, 0, 0.009])
    assert table["violation"].tolist() == [None] * 3


def test_a_placement_that_does_not_fit_says_so() -> None:
    seen = example(full={1: [(0, 0, 0), (0, 0, 1)]})
    (violation,) = inspection.overall(seen)["violation"].dropna()
    assert violation == "server edge-1 holds 2 bytes, expected at most 1"


def test_who_keeps_most_of_its_latency_comes_first() -> None:
    users = inspection.by_user(example())
    assert users["user"].tolist() == ["u1", "u0"]
    assert users["latency_none_s"].tolist() == pytest.approx([0.040, 0.070])
    assert users["latency_s"].tolist() == pytest.approx([0.040, 0.011])
    assert users["kept_share"].tolist() == pytest.approx([1, 11 / 70])


def test_beside_a_baseline_who_loses_most_by_leaving_it_comes_first() -> None:
    users = inspection.by_user(example(other=OTHER))
    assert users["user"].tolist() == ["u0", "u1"] * 2
    assert users["placement"].tolist() == ["optimum"] * 2 + ["other"] * 2
    assert users["worse_s"].tolist() == pytest.approx([0, 0, 0.041, -0.032])
    assert users["worse_share"].tolist() == pytest.approx([0, 0, 41 / 70, -32 / 40])


def test_a_user_without_demand_comes_last_and_has_no_shares() -> None:
    instance = with_fields(two_cells(), rates=[0.5, 0.2, 0.0])
    users = inspection.by_user(inspect_placements(instance, {"a": Placement.empty(instance)}))
    assert users["user"].tolist() == ["u0", "u1"]
    assert math.isnan(users["kept_share"][1])


def test_without_a_placement_users_are_known_by_what_they_wait_for() -> None:
    users = inspection.by_user(inspect_placements(two_cells(), {}))
    assert users["user"].tolist() == ["u0", "u1"]
    assert users["latency_none_s"].tolist() == pytest.approx([0.070, 0.040])


@given(inspections())
def test_shares_of_the_users_add_up_to_the_latency(seen: Inspection) -> None:
    base, users = seen.instance.base_latency_s, inspection.by_user(seen)
    for name, part in users.groupby("placement") if seen.placements else []:
        assert len(part) == seen.instance.n_users
        assert base + part["latency_s"].sum() == pytest.approx(seen.evaluations[str(name)].latency_s)
        assert base + part["latency_none_s"].sum() == pytest.approx(seen.nothing.latency_none_s)
        latencies = dict(zip(part["user"], part["latency_s"], strict=True))
        expected = evaluate(seen.instance, seen.placements[str(name)]).user_latency_s
        assert [latencies[user] for user in seen.instance.user_names] == expected.tolist()


@pytest.mark.parametrize("names", [[NOTHING], ["a\n", "a\\n"]])
def test_a_placement_may_not_be_called_as_another_or_as_having_none_is(names: list[str]) -> None:
    with pytest.raises(InstanceError, match="placement: is called 'no expert cached' or as another"):
        inspect_placements(two_cells(), dict.fromkeys(names, Placement.empty(two_cells())))


def test_what_cannot_be_seen_of_a_name_is_written_out() -> None:
    seen = inspect_placements(two_cells(), {"a\x1b\udcff": Placement.empty(two_cells())})
    assert list(seen.placements) == list(seen.evaluations) == [r"a\x1b\udcff"]
    assert inspection.overall(seen)["placement"][1] == r"a\x1b\udcff"


# Storage and differences


@given(inspections())
def test_bytes_by_model_add_up_to_what_a_server_stores(seen: Inspection) -> None:
    table = inspection.storage(seen)
    for name, placement in seen.placements.items():
        own = table[table["placement"] == name].groupby("server", sort=False)
        assert own["used_bytes"].sum().tolist() == placement.used_bytes(seen.instance).tolist()
        assert own["experts"].sum().tolist() == placement.holds.sum(axis=1).tolist()
        assert own["capacity_bytes"].first().tolist() == seen.instance.capacities_bytes.tolist()


def test_differences_of_the_example_are_those_by_hand() -> None:
    columns = ["both", "only_first", "only_other"]
    servers = inspection.differences_by_server(example(other=OTHER))
    assert servers["server"].tolist() == ["edge-0", "edge-1"]
    assert servers[columns].to_numpy().tolist() == [[1, 1, 1], [0, 1, 1]]
    layers = inspection.differences_by_layer(example(other=OTHER))
    assert layers[["other", "model", "layer", *columns]].to_numpy().tolist() == [["other", "toy", 0, 1, 2, 2]]


@given(inspections())
def test_differences_count_every_cached_pair_once(seen: Inspection) -> None:
    first = next(iter(seen.placements.values()), None)
    for table, rows in (
        (inspection.differences_by_server(seen), seen.instance.n_servers),
        (inspection.differences_by_layer(seen), seen.instance.n_layers),
    ):
        assert len(table) == rows * len(seen.others)
        for name in seen.others:
            part, other = table[table["other"] == name], seen.placements[name]
            assert first is not None
            assert part["both"].sum() == (first.holds & other.holds).sum()
            assert part["only_first"].sum() == (first.holds & ~other.holds).sum()
            assert part["only_other"].sum() == (other.holds & ~first.holds).sum()


# Demand and positions


def two_layers() -> Instance:
    return build(
        dispatch="parallel",
        capacities=[1],
        models=[Model("a", 1, 2, 1, 1), Model("b", 2, 3, 2, 1)],
        edge=[[[0.1, 0.1]]],
        cloud=[[1, 1]],
        activations=[(0, 1, 1, (0, 2), 0.5), (0, 1, 1, (2,), 0.25), (0, 0, 0, (1,), 0.5)],
    )


def test_demand_counts_the_calls_of_each_expert() -> None:
    table = inspection.demand(two_layers())
    assert table["model"].tolist() == ["a"] * 2 + ["b"] * 6
    assert table["layer"].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert table["expert"].tolist() == [0, 1, 0, 1, 2, 0, 1, 2]
    assert table["calls"].tolist() == [0, 0.5, 0, 0, 0, 0.5, 0, 0.75]


def test_popularity_of_a_layer_is_that_of_its_experts() -> None:
    table = inspection.concentration(two_layers())
    assert table["calls"].tolist() == [0.5, 0, 1.25]
    assert table["top_share"].tolist() == pytest.approx([1, math.nan, 0.6], nan_ok=True)
    assert table["half"].tolist() == [1, 0, 1]


@given(instances())
def test_places_are_those_that_are_known(instance: Instance) -> None:
    table = inspection.places(instance)
    for kind, names, positions_m in (
        ("server", instance.server_names, instance.server_positions_m),
        ("user", instance.user_names, instance.user_positions_m),
    ):
        part = table[table["kind"] == kind]
        if positions_m is None:
            assert part.empty
        else:
            assert part["name"].tolist() == list(names)
            assert np.array_equal(part[["x_m", "y_m"]].to_numpy(float), positions_m)
