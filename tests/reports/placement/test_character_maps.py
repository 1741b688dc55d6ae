"""Placements and positions in characters."""

import numpy as np
import pytest
from samples import build, two_cells, with_fields

from slimbench.instances import Instance, Model, Placement
from slimbench.reports.placement import character_maps
from slimbench.reports.placement.character_maps import map_lines, placement_lines

FIRST = {0: [(0, 0, 0), (0, 0, 1)], 1: [(1, 0, 1)]}
OTHER = {0: [(0, 0, 1), (0, 1, 2)], 1: [(1, 0, 1)]}


def two_models() -> Instance:
    instance = build(
        dispatch="single", capacities=[9, 9], models=[Model("a", 2, 3, 1, 1), Model("b", 1, 2, 1, 1)],
        edge=np.full((1, 2, 2), 0.1), cloud=[[1, 1]], activations=[],
    )  # fmt: skip
    return with_fields(instance, server_names=("edge", "伺服"))


def lines(width: int = 80, *, both: bool = True) -> list[str]:
    instance = two_models()
    other = Placement.of(instance, OTHER) if both else None
    return list(placement_lines(instance, Placement.of(instance, FIRST), other, width))


def test_every_expert_of_every_server_has_its_mark() -> None:
    assert lines() == [
        "a, layer", "     0   1", "edge <#.|..>", "伺服 ...|...",
        "b, layer", "     0", "edge ..", "伺服 .#",
    ]  # fmt: skip
    assert lines(both=False)[2] == "edge ##.|..."


def test_layers_that_do_not_fit_a_line_continue_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_maps, "_NAME", 4)
    assert lines(width=10)[:8] == [
        "a, layer", "     0", "edge <#.", "伺服 ...",
        "a, layer", "     1", "edge ..>", "伺服 ...",
    ]  # fmt: skip


def test_what_is_too_large_is_counted_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_maps, "MAX_CELLS", 15)
    assert lines()[2] == "edge 1/1/0|0/0/1"
    assert lines(both=False)[2] == "edge 2|0"


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_maps, "MAX_SERVERS", 1)
    monkeypatch.setattr(character_maps, "MAX_LAYERS", 1)
    assert lines() == ["a, layer", "     0", "edge <#.", "(1 more server)", "(2 more layers)"]


def test_a_map_shows_each_place_once_and_servers_above_users() -> None:
    servers_m, users_m = np.array([[0.0, 0.0]]), np.array([[590.0, 0.0], [590.0, 0.0], [0.0, 400.0]])
    *rows, legend = map_lines(servers_m, np.concatenate([users_m, servers_m]))
    assert rows[0] == "1"  # north is on top
    assert rows[-1] == f"S{' ' * 58}2"
    assert "590 m wide, 400 m high" in legend


@pytest.mark.parametrize("users_m", [np.zeros((12, 2)), np.full((12, 2), -1e9)])
def test_users_at_one_spot_are_one_character(users_m: np.ndarray) -> None:
    assert next(map_lines(np.zeros((0, 2)), users_m)) == "+"


def test_positions_as_far_apart_as_they_may_be_are_drawn() -> None:
    drawn = list(map_lines(np.array([[-1e9, -1e9]]), np.array([[1e9, 1e9]])))
    width, height = character_maps.MAP_SIZE
    assert len(drawn) <= height + 1
    assert max(map(len, drawn[:-1])) <= width
    assert sum(line.count("S") for line in drawn[:-1]) == sum(line.count("1") for line in drawn[:-1]) == 1


def test_a_long_name_is_cut() -> None:
    instance = with_fields(two_cells(), server_names=("x" * 1000, "b"))
    drawn = list(placement_lines(instance, Placement.empty(instance), None, 80))
    assert drawn[2] == f"{'x' * 22}.. ..."
