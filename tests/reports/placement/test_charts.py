"""Charts of placements draw what the evaluation says, of any size, and can be made from any names."""

import math

import numpy as np
import pytest
from samples import build, random_instance, two_cells, with_fields

from slimbench.instances import Instance, Model, Placement, evaluate
from slimbench.reports.charts.chart import renderings
from slimbench.reports.placement import chart as placement
from slimbench.reports.placement import demand, places, who_pays
from slimbench.reports.placement.view import placement_charts

OPTIMUM = {0: [(0, 0, 0), (0, 0, 1)], 1: [(0, 0, 2)]}
OTHER = {0: [(0, 0, 1), (0, 0, 2)], 1: [(0, 0, 0)]}
EVIL = ("<script>alert(1)</script>", "' + alert(1) + '", "{{ 7 * 7 }}", "$x$ \\ datum.x", "[bold]")
POSITIONS = {"server_positions_m": [[0, 0], [90, 30]], "user_positions_m": [[10, 5], [80, 40]]}


def placed(instance: Instance, *experts: dict[int, list[tuple[int, int, int]]]) -> dict[str, Placement]:
    return {
        name: Placement.of(instance, e)
        for name, e in zip(("optimum", "other", "third"), experts, strict=False)
    }


def charts(instance: Instance, placements: dict[str, Placement]) -> dict:
    return {chart.name: chart for chart in placement_charts(instance, placements)}


def test_every_pair_of_server_and_expert_is_in_both_in_one_or_in_neither() -> None:
    instance = two_cells()
    frame = charts(instance, placed(instance, OPTIMUM, OTHER))["placement_heat_map"].data
    held = {(row.server, row.expert): row.held for row in frame.itertuples()}
    assert held == {
        ("edge-0", 0): "only in optimum", ("edge-0", 1): "in both", ("edge-0", 2): "only in other",
        ("edge-1", 0): "only in other", ("edge-1", 1): "in neither", ("edge-1", 2): "only in optimum",
    }  # fmt: skip
    calls = dict(zip(frame["expert"], frame["calls"], strict=True))
    assert calls == pytest.approx({0: 0.5, 1: 0.9, 2: 0.6})


def test_one_placement_is_drawn_by_what_it_caches() -> None:
    instance = two_cells()
    frame = charts(instance, placed(instance, OPTIMUM))["placement_heat_map"].data
    assert frame["held"].tolist() == ["cached"] * 2 + ["not cached"] * 3 + ["cached"]


def test_layers_are_apart_and_models_further() -> None:
    instance = build(
        dispatch="single", capacities=[9], models=[Model("a", 2, 3, 1, 1), Model("b", 1, 2, 1, 1)],
        edge=np.full((1, 1, 2), 0.1), cloud=[[1, 1]], activations=[],
    )  # fmt: skip
    frame = charts(instance, placed(instance, {}))["placement_heat_map"].data
    gaps = (frame["left"].to_numpy()[1:] - frame["right"].to_numpy()[:-1]).round(9)
    assert gaps.tolist() == [0, 0, placement.LAYER_GAP, 0, 0, placement.LAYER_GAP + placement.MODEL_GAP, 0]


def test_what_is_too_large_is_drawn_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "MAX_CELLS", 5)
    monkeypatch.setattr(placement, "MAX_SERVERS", 1)
    instance = two_cells()
    chart = charts(instance, placed(instance, OPTIMUM, OTHER, OPTIMUM))["placement_heat_map"]
    columns = ["against", "server", "layer", "both", "only_first", "only_other", "share"]
    assert chart.data[columns].to_numpy().tolist() == [
        ["other", "edge-0", 0, 1, 1, 1, pytest.approx(2 / 3)],
        ["third", "edge-0", 0, 2, 0, 0, 0],
    ]
    assert "Not drawn: 1 server." in chart.how_to_read
    alone = charts(instance, placed(instance, OPTIMUM))["placement_heat_map"]
    assert alone.data["share"].tolist() == pytest.approx([2 / 3])


def test_latencies_of_users_are_those_of_the_evaluation() -> None:
    instance = random_instance(3, models=2)
    placements = {"a": Placement.empty(instance), "b": Placement(np.ones((3, instance.n_experts), bool))}
    frame = charts(instance, placements)["placement_users"].data
    for name, cached in placements.items():
        part = frame[frame["placement"] == name].set_index("user")["latency_s"]
        expected = evaluate(instance, cached).user_latency_s
        assert part[list(instance.user_names)].tolist() == expected.tolist()


def test_only_the_worst_off_users_are_drawn_and_all_are_in_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(who_pays, "MAX_USERS", 1)
    instance = two_cells()
    chart = charts(instance, placed(instance, OPTIMUM))["placement_users"]
    assert set(chart.sources[who_pays.USERS]["user"]) == {"u1"}
    assert set(chart.data["user"]) == {"u0", "u1"}
    assert chart.title.startswith("Who pays: 1 of 2 users")


def test_there_is_no_map_of_places_that_are_not_known() -> None:
    instance = two_cells()
    assert "placement_map" not in charts(instance, placed(instance, OPTIMUM))


@pytest.mark.parametrize("known", [list(POSITIONS), ["server_positions_m"], ["user_positions_m"]])
def test_a_map_shows_the_places_that_are_known_with_their_latencies(known: list[str]) -> None:
    instance = with_fields(two_cells(), **{field: POSITIONS[field] for field in known})
    chart = charts(instance, placed(instance, OPTIMUM, OTHER))["placement_map"]
    where = {(row.placement, row.name): (row.x_m, row.y_m) for row in chart.data.itertuples(index=False)}
    expected = {}
    for field, names in (
        ("server_positions_m", instance.server_names),
        ("user_positions_m", instance.user_names),
    ):
        if field in known:
            expected |= {
                (name, place): tuple(position_m)
                for name in ("optimum", "other")
                for place, position_m in zip(names, POSITIONS[field], strict=True)
            }
    assert where == expected
    if "user_positions_m" in known:
        worth = evaluate(instance, Placement.of(instance, OTHER))
        shown = chart.data.query("placement == 'other' and kind == 'user'").set_index("name")["latency_s"]
        assert shown[list(instance.user_names)].tolist() == worth.user_latency_s.tolist()
    assert renderings(chart)["svg"].startswith(b"<svg")


@pytest.mark.parametrize("positions_m", [[[5, 5], [5, 5]], [[-1e9, 1e9], [1e9, -1e9]]])
def test_places_on_one_spot_and_as_far_apart_as_may_be_are_drawn(positions_m: list[list[float]]) -> None:
    instance = with_fields(two_cells(), server_positions_m=positions_m, user_positions_m=positions_m)
    svg = renderings(charts(instance, placed(instance, OPTIMUM))["placement_map"])["svg"].decode()
    assert "NaN" not in svg


def test_experts_are_ranked_by_their_calls() -> None:
    frame = charts(two_cells(), {})["placement_demand"].data
    assert frame[["expert", "rank"]].to_numpy().tolist() == [[0, 3], [1, 1], [2, 2]]


def test_without_placements_there_is_what_is_asked_for_and_where() -> None:
    assert list(charts(two_cells(), {})) == ["placement_users", "placement_demand"]
    mapped = with_fields(two_cells(), **POSITIONS)
    assert list(charts(mapped, {})) == ["placement_users", "placement_map", "placement_demand"]


@pytest.mark.parametrize("count", [0, 3])
def test_charts_of_any_names_are_drawn_the_same_every_time(
    count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    instance = with_fields(
        two_cells(), **POSITIONS, server_names=EVIL[:2], user_names=EVIL[2:4],
        models=(Model(EVIL[4], 1, 3, 2, 1),), rates=[0.5, 0.0, 0.0],
    )  # fmt: skip
    names = ["\x00\x1b[31m\ud800", "</script>", "' + alert(1) + '"][:count]
    placements = dict(zip(names, placed(instance, OPTIMUM, OTHER, {}).values(), strict=False))
    for first, second in zip(
        placement_charts(instance, placements), placement_charts(instance, placements), strict=True
    ):
        drawn = renderings(first)
        assert drawn == renderings(second)
        assert b"<script" not in drawn["svg"]
        assert b"\x1b" not in drawn["svg"]
    assert "ERROR" not in capfd.readouterr().err  # Vega tells there of what it could not draw


def test_a_chart_names_only_data_that_come_with_it() -> None:
    instance = with_fields(two_cells(), **POSITIONS)
    for chart in placement_charts(instance, placed(instance, OPTIMUM, OTHER)):
        assert set(chart.sources) <= {
            placement.SOURCE,
            who_pays.USERS,
            who_pays.STORED,
            places.SOURCE,
            demand.SOURCE,
        }
        assert not chart.specification.get("datasets")
        assert all(name in str(chart.specification) for name in chart.sources)
        assert math.prod(frame.shape[0] for frame in chart.sources.values()) > 0
