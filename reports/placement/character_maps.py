"""Placements and positions drawn with characters, for terminals: ASCII, so that any of them can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from rich.cells import cell_len, set_cell_size

from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import FloatArray
from slimbench.reports.placement.inspection import BOTH, NEITHER, ONLY_FIRST, ONLY_OTHER, states

MARKS: Final = {BOTH: "#", ONLY_FIRST: "<", ONLY_OTHER: ">", NEITHER: "."}
MAX_CELLS: Final = 4000  # servers times experts drawn one by one; more are counted by layer
MAX_SERVERS: Final = 20
MAX_LAYERS: Final = 64
MAP_SIZE: Final = (60, 20)  # columns and rows: a character is about twice as high as wide
_NAME: Final = 24  # characters of a server's name


class Column(NamedTuple):
    """One layer of a drawing: its model, what stands above it, and a text for each server."""

    model: int
    label: str
    cells: Sequence[str]


def placement_lines(
    instance: Instance, first: Placement, other: Placement | None, width: int
) -> Iterator[str]:
    """Server x (layer, expert), a mark for each; what one is too many for, as counts of a layer's experts.

    Counts are of experts cached; with another placement, of those in both, only in the first and only in the
    other.

    Parameters
    ----------
    width : int
        Characters of a line; more layers continue below.
    """
    other = other or first
    state = states(first.holds, other.holds)[:MAX_SERVERS]
    widest = max(model.experts_per_layer for model in instance.models)
    drawn = first.holds.size <= MAX_CELLS and widest + _NAME + 2 <= width
    columns = []
    for b in range(min(instance.n_layers, MAX_LAYERS)):
        experts = state[:, instance.layer_starts[b] : instance.layer_starts[b + 1]]
        if drawn:
            cells = ["".join(MARKS[value] for value in row) for row in experts]
        elif other is first:
            cells = [str(np.count_nonzero(row == BOTH)) for row in experts]
        else:
            cells = [
                "/".join(str(np.count_nonzero(row == value)) for value in (BOTH, ONLY_FIRST, ONLY_OTHER))
                for row in experts
            ]
        model = int(instance.layer_models[b])
        columns.append(Column(model, str(b - int(instance.model_layer_starts[model])), cells))
    names = [shortened(name, _NAME) for name in instance.server_names[:MAX_SERVERS]]
    yield from _blocks([model.name for model in instance.models], names, columns, width)
    for what, count, most in (
        ("server", instance.n_servers, MAX_SERVERS),
        ("layer", instance.n_layers, MAX_LAYERS),
    ):
        if count > most:
            yield f"({count - most:,} more {what}{'s' if count > most + 1 else ''})"


def map_lines(servers_m: FloatArray, users_m: FloatArray) -> Iterator[str]:
    """Where servers and users are: S a server, a digit as many users, + more of them than nine.

    Parameters
    ----------
    servers_m : (N, 2) float64, metres
    users_m : (U, 2) float64, metres
    """
    places = np.concatenate([servers_m, users_m])  # at least one
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    scale = max(float(span.max()), 1e-9) / np.array([MAP_SIZE[0] - 1, MAP_SIZE[1] - 1])
    rows = int(span[1] / scale[1]) + 1
    grid = [[" "] * (int(span[0] / scale[0]) + 1) for _ in range(rows)]

    def at(points_m: FloatArray) -> list[tuple[int, int]]:
        cells = ((points_m - low) / scale).astype(np.int64)
        return [(rows - 1 - int(y), int(x)) for x, y in cells]

    for row, column in at(users_m):
        before = grid[row][column]
        grid[row][column] = "1" if before == " " else "+" if before in "9+" else str(int(before) + 1)
    for row, column in at(servers_m):
        grid[row][column] = "S"
    for line in grid:
        yield "".join(line).rstrip()
    yield f"S server, 1-9 users at one spot, + more; {span[0]:,.0f} m wide, {span[1]:,.0f} m high"


def shortened(name: str, length: int) -> str:
    """A name that takes at most ``length`` columns of a terminal."""
    return name if cell_len(name) <= length else f"{set_cell_size(name, length - 2)}.."


def _blocks(
    models: Sequence[str], names: Sequence[str], columns: Sequence[Column], width: int
) -> Iterator[str]:
    """As many columns of one model side by side as a line holds, then the next below."""
    margin = max(map(cell_len, names))
    start = 0
    while start < len(columns):
        block: list[tuple[Column, int]] = []
        left = width - margin - 1
        for column in columns[start:]:
            needed = max(len(column.label), *map(len, column.cells))
            if block and (needed + 1 > left or column.model != block[0][0].model):
                break
            block.append((column, needed))
            left -= needed + 1
        start += len(block)
        yield f"{models[block[0][0].model]}, layer"
        yield f"{'':<{margin}} {' '.join(f'{column.label:<{n}}' for column, n in block)}".rstrip()
        for i, name in enumerate(names):
            cells = "|".join(f"{column.cells[i]:<{n}}" for column, n in block)
            yield f"{set_cell_size(name, margin)} {cells}"
