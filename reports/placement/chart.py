"""Heat map of placements: which server caches which experts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart, plain
from slimbench.reports.placement import inspection
from slimbench.reports.placement.inspection import BOTH, NEITHER, ONLY_FIRST, ONLY_OTHER, Inspection
from slimbench.reports.tables.numbers import count_text

SOURCE: Final = "placement_cells"
MAX_CELLS: Final = 12_000  # drawn one by one; of more a cell is a layer
MAX_SERVERS: Final = 40  # of those
MAX_LAYERS: Final = 80
COLOURS: Final = {
    BOTH: "#0072b2",
    ONLY_FIRST: "#d55e00",
    ONLY_OTHER: "#009e73",
    NEITHER: "rgba(140, 140, 140, 0.18)",  # faint on light and dark
}
LAYER_GAP: Final = 0.6  # of a cell's width
MODEL_GAP: Final = 2.0
EXPERT_WIDTH: Final = 10
LAYER_WIDTH: Final = 18
CELL_HEIGHT: Final = 18
INK: Final = "#7a828b"  # of labels, on light and dark


def placement_heat_map(seen: Inspection) -> Chart | None:
    """Server x (layer, expert), a panel for each placement after the first; None without a placement.

    Where there are too many experts for a cell each, a cell is a layer and its colour a share of experts.
    """
    if not seen.placements:
        return None
    instance = seen.instance
    panels = max(1, len(seen.others))
    if instance.n_servers * instance.n_experts * panels <= MAX_CELLS:
        return _by_expert(seen)
    return _by_layer(seen)


def _by_expert(seen: Inspection) -> Chart:
    instance, names = seen.instance, labels(seen.placements)
    experts = inspection.demand(instance)
    experts["model"] = experts["model"].map(_model_labels(instance))
    gaps = _gaps(instance, LAYER_GAP)[instance.expert_layers]
    experts["left"] = np.arange(instance.n_experts) + gaps
    experts["right"] = experts["left"] + 1
    frames = []
    for other, server, row in _rows(seen):
        words = np.array(_words(seen, names, other), object)[row]
        frames.append(experts.assign(against=names[other], server=server, held=words, state=row))
    frame = pd.concat(frames, ignore_index=True)
    found = frame.drop_duplicates("held").sort_values("state", kind="stable")
    colours = alt.Scale(
        domain=found["held"].tolist(), range=[COLOURS[int(state)] for state in found["state"]]
    )
    colour = alt.Color("held:N", scale=colours, legend=alt.Legend(title=None))
    calls = alt.Tooltip("calls:Q", title="calls a token", format=".4f")
    tooltip = ["server:N", "model:N", "layer:O", "expert:O", calls, "held:N"]
    held = (
        f"blue where both placements cache it, orange where only {next(iter(names.values()))} does, green "
        "where only the other does."
        if seen.others
        else "blue where it is cached."
    )
    how = f"A square is an expert on a server, {held} Layers, numbered below, are apart by a gap."
    return _chart(seen, how, frame, colour, tooltip, EXPERT_WIDTH)


def _by_layer(seen: Inspection) -> Chart:
    instance, names = seen.instance, labels(seen.placements)
    b = np.arange(min(instance.n_layers, MAX_LAYERS))
    left = b + _gaps(instance, 0.0)[b]
    models = np.array(list(_model_labels(instance).values()), object)[instance.layer_models[b]]
    numbers = b - instance.model_layer_starts[instance.layer_models[b]]
    sizes = np.diff(instance.layer_starts)[b]
    frames = []
    for other, server, row in _rows(seen, MAX_SERVERS):
        both, only_first, only_other = (
            np.bincount(instance.expert_layers[row == state], minlength=instance.n_layers)[b]
            for state in (BOTH, ONLY_FIRST, ONLY_OTHER)
        )
        share = (only_first + only_other if seen.others else both) / sizes
        frames.append(
            pd.DataFrame(
                {"against": names[other], "server": server, "model": models, "layer": numbers}
                | {"both": both, "only_first": only_first, "only_other": only_other}
                | {"share": share, "left": left, "right": left + 1}
            )
        )
    what = "experts that only one of the two caches" if seen.others else "experts cached"
    colour = alt.Color(
        "share:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(title="share", format=".0%", type="symbol"),
    )
    tooltip = ["server:N", "model:N", "layer:O", "both:Q", "only_first:Q", "only_other:Q"]
    how = f"A square is a layer on a server; the lighter, the larger the share of {what}."
    for noun, count, most in (
        ("server", instance.n_servers, MAX_SERVERS),
        ("layer", instance.n_layers, MAX_LAYERS),
    ):
        if count > most:
            how += f" Not drawn: {count_text(count - most, noun)}."
    return _chart(seen, how, pd.concat(frames, ignore_index=True), colour, tooltip, LAYER_WIDTH)


def _rows(seen: Inspection, most: int | None = None) -> Iterator[tuple[str, str, inspection.States]]:
    """For each panel its placement, and for each of its servers the label and the states of all experts."""
    first = next(iter(seen.placements))
    servers = list(labels(seen.instance.server_names).values())[:most]
    for other in seen.others or [first]:
        states = inspection.states(seen.placements[first].holds, seen.placements[other].holds)
        for server, row in zip(servers, states, strict=False):
            yield other, server, row


def _chart(
    seen: Inspection,
    how_to_read: str,
    frame: pd.DataFrame,
    colour: alt.Color,
    tooltip: list[Any],
    cell_width: int,
) -> Chart:
    """Squares from ``left`` to ``right``, numbers of layers below and names of models above them."""
    instance, names = seen.instance, labels(seen.placements)
    end = float(frame["right"].max())
    scale = alt.Scale(domain=[0, end], nice=False, zero=False)
    servers = list(dict.fromkeys(frame["server"]))
    y = alt.Y("server:N", sort=servers, axis=alt.Axis(title=None, ticks=False, domain=False))
    x = alt.X("left:Q", scale=scale, axis=None)
    squares = alt.Chart().mark_rect(stroke=None)
    squares = squares.encode(x=x, x2="right:Q", y=y, color=colour, tooltip=tooltip)
    text = alt.Chart()
    layers = (
        text.transform_aggregate(start="min(left)", end="max(right)", groupby=["model", "layer"])
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(baseline="top", dy=5, fontSize=10, color=INK)
        .encode(x=alt.X("middle:Q", scale=scale, axis=None), y=alt.value("height"), text="layer:N")
    )
    models = (
        text.transform_aggregate(start="min(left)", groupby=["model"])
        .mark_text(baseline="bottom", align="left", dy=-5, fontSize=11, color=INK)
        .encode(x=alt.X("start:Q", scale=scale, axis=None), y=alt.value(0), text="model:N")
    )
    against = list(dict.fromkeys(frame["against"]))
    header = alt.Header(title="against") if len(against) > 1 else None
    drawn = (
        alt.layer(squares, layers, models)
        .properties(width=round(cell_width * end), height=CELL_HEIGHT * len(servers))
        .facet(row=alt.Row("against:N", sort=against, header=header), data=alt.NamedData(SOURCE))
    )
    first, *others = names.values()
    against_text = f"{first} against {', '.join(others)}" if others else first
    title = (
        f"Cached experts: {against_text}, {count_text(instance.n_servers, 'server')}, "
        f"{count_text(instance.n_layers, 'layer')}, {count_text(instance.n_experts, 'expert')}"
    )
    return Chart("placement_heat_map", plain(title, 160), how_to_read, frame, drawn, {SOURCE: frame})


def _gaps(instance: Instance, of_layer: float) -> FloatArray:
    """(B,) float64, what is left free before each layer, all gaps so far together."""
    changes: IntArray = np.diff(instance.layer_models, prepend=instance.layer_models[:1]).astype(np.int64)
    return np.asarray(of_layer * np.arange(instance.n_layers) + MODEL_GAP * np.cumsum(changes))


def _model_labels(instance: Instance) -> dict[str, str]:
    return labels(model.name for model in instance.models)


def _words(seen: Inspection, names: dict[str, str], other: str) -> list[str]:
    """What each of ``inspection.states`` is called."""
    if not seen.others:
        return ["cached", "", "", "not cached"]
    only_other = f"only in {names[other]}" if len(seen.others) == 1 else "only in the other"
    return ["in both", f"only in {next(iter(names.values()))}", only_other, "in neither"]
