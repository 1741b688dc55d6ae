"""Map of an instance: servers, users, fastest links, wires."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from slimbench.instances import Instance
from slimbench.instances.network import WiredGraph
from slimbench.instances.problem.arrays import BoolArray, FloatArray
from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import INK, Chart
from slimbench.reports.charts.style import PALETTE
from slimbench.reports.placement import inspection
from slimbench.reports.placement.metres import metre_axes
from slimbench.reports.placement.who_pays import BYTES
from slimbench.reports.tables.numbers import count_text

PLACES: Final = "network_places"
LINES: Final = "network_lines"
SIDE: Final = 520  # of the longer side, pixels
MAX_PLACES: Final = 2000  # of servers, and of users
MAX_NAMED: Final = 40  # servers with their names beside them
MAX_KINDS: Final = len(PALETTE)
FASTEST, REACHED, WIRE = "to the fastest server", "to another one faster than the cloud", "wire"
LINE_COLOURS: Final = {FASTEST: "#8fa3b5", REACHED: "#dde4ea", WIRE: INK}


def network_map(instance: Instance, wires: WiredGraph | None = None) -> Chart | None:
    """Servers as squares, users as points, a line to each user's fastest server; None without all positions.

    Parameters
    ----------
    instance : Instance
    wires : WiredGraph, optional
        The backhaul, which the instance itself does not know; without it, lines to all servers that are
        faster than the cloud are drawn.
    """
    if instance.server_positions_m is None or instance.user_positions_m is None:
        return None
    places = _places(instance, wires)
    lines = _lines(instance, wires)
    x, y, width, height = metre_axes(places, SIDE)
    known = [name for name in LINE_COLOURS if (lines["line"] == name).any()]
    line = alt.Color(
        "line:N",
        sort=known,
        scale=alt.Scale(domain=known, range=[LINE_COLOURS[name] for name in known]),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=2),
    )
    width_px = alt.condition(f"datum.line == '{WIRE}'", alt.value(1.8), alt.value(1))
    rules = alt.Chart(alt.NamedData(LINES)).mark_rule()
    rules = rules.encode(x=x, y=y, x2="x2_m:Q", y2="y2_m:Q", color=line, strokeWidth=width_px)
    base = alt.Chart(alt.NamedData(PLACES)).encode(x=x, y=y)
    tooltip = ["name:N", "group:N"]
    switches = base.transform_filter("datum.kind == 'switch'").mark_point(
        shape="diamond", filled=True, size=70, opacity=1, color=LINE_COLOURS[WIRE]
    )
    squares = (
        base.transform_filter("datum.kind == 'server'")
        .mark_square(opacity=1, stroke="#ffffff", strokeWidth=1)
        .encode(
            size=alt.Size(
                "capacity_bytes:Q",
                scale=alt.Scale(range=[20, 320], zero=True),
                legend=alt.Legend(
                    title="capacity, bytes",
                    labelExpr=BYTES,
                    symbolType="square",
                    symbolFillColor=LINE_COLOURS[FASTEST],
                    tickCount=3,
                ),
            ),
            color=_group_colours(places, "server"),
            tooltip=[*tooltip, alt.Tooltip("capacity_bytes:Q", format=",")],
        )
    )
    points = (
        base.transform_filter("datum.kind == 'user'")
        .mark_circle(size=34, opacity=1, stroke="#ffffff", strokeWidth=0.5)
        .encode(color=_group_colours(places, "user"), tooltip=tooltip)
    )
    names = base.transform_filter("datum.kind == 'server' && datum.named").encode(text="name:N")
    look: dict[str, Any] = {"align": "left", "dx": 11, "dy": -11, "fontSize": 10}
    halo = names.mark_text(**look, stroke="#ffffff", strokeWidth=3)
    drawing = (
        alt.layer(rules, switches, squares, points, halo, names.mark_text(**look, color=INK))
        .resolve_scale(color="independent")
        .properties(width=width, height=height)
    )
    sizes = f"{count_text(instance.n_servers, 'server')}, {count_text(instance.n_users, 'user')}"
    return Chart(
        "network_map",
        f"{instance.name}: {sizes}",
        _how_to_read(instance, wires),
        places,
        drawing,
        {PLACES: places, LINES: lines},
    )


def _how_to_read(instance: Instance, wires: WiredGraph | None) -> str:
    how = (
        "A square is a server, the larger the more it holds; a point is a user, joined to the server that is "
        "fastest for it, over all models. "
    )
    how += (
        "Thick lines are wires, diamonds switches."
        if wires
        else "Faint lines go to the other servers that are faster for it than the cloud."
    )
    if max(instance.n_servers, instance.n_users) > MAX_PLACES:
        how += f" Only the first {MAX_PLACES:,} servers and users are drawn."
    return how


def _places(instance: Instance, wires: WiredGraph | None) -> pd.DataFrame:
    """A row a mark: ``kind``, ``name``, ``group``, ``x_m``, ``y_m``, ``capacity_bytes``, ``named``."""
    places = inspection.places(instance)
    places["group"] = [_group(name) for name in places["name"]]
    for kind in ("server", "user"):
        of = places["kind"] == kind
        if not 1 < places.loc[of, "group"].nunique() <= MAX_KINDS or not places.loc[of, "group"].all():
            places.loc[of, "group"] = kind
    places["named"] = instance.n_servers <= MAX_NAMED
    places["name"] = places["name"].map(labels(dict.fromkeys(places["name"])))
    places["group"] = places["group"].map(labels(dict.fromkeys(places["group"])))
    places = places.groupby("kind", sort=False).head(MAX_PLACES)
    if wires is None:
        return places.reset_index(drop=True)
    x_m, y_m = wires.positions_m[instance.n_servers :].T
    switches = pd.DataFrame({"kind": "switch", "x_m": x_m, "y_m": y_m})
    return pd.concat([places, switches], ignore_index=True) if len(switches) else places


def _group(name: str) -> str:
    """What a name begins with, before its number: those that make instances call servers and users so."""
    return name.rstrip("0123456789").rstrip("-")


def _lines(instance: Instance, wires: WiredGraph | None) -> pd.DataFrame:
    """Lines, what is drawn first on top of the list: ``line``, ``x_m``, ``y_m``, ``x2_m``, ``y2_m``."""
    assert instance.server_positions_m is not None
    assert instance.user_positions_m is not None
    servers_m, users_m = instance.server_positions_m[:MAX_PLACES], instance.user_positions_m[:MAX_PLACES]
    edge_s = instance.edge_latency_s[: len(users_m), : len(servers_m)]
    fastest = np.argmin(edge_s.sum(axis=2), axis=1)
    frames = []
    if wires is None:
        faster: BoolArray = np.asarray((edge_s < instance.cloud_latency_s[: len(users_m), None]).any(axis=2))
        faster[np.arange(len(users_m)), fastest] = False
        users, reached = np.nonzero(faster)
        frames.append(_between(REACHED, users_m[users], servers_m[reached]))
    frames.append(_between(FASTEST, users_m, servers_m[fastest]))
    if wires is not None:
        frames.append(_between(WIRE, *(wires.positions_m[wires.ends[:, i]] for i in (0, 1))))
    return pd.concat(frames, ignore_index=True)


def _between(line: str, from_m: FloatArray, to_m: FloatArray) -> pd.DataFrame:
    ends = np.column_stack([from_m, to_m]).T
    return pd.DataFrame({"line": line, **dict(zip(("x_m", "y_m", "x2_m", "y2_m"), ends, strict=True))})


def _group_colours(places: pd.DataFrame, kind: str) -> alt.Color:
    """Of each group; users begin where the colours of three groups of servers end."""
    groups = list(dict.fromkeys(places.loc[places["kind"] == kind, "group"]))
    colours = PALETTE if kind == "server" else PALETTE[3:] + PALETTE[:3]
    return alt.Color(
        "group:N",
        scale=alt.Scale(domain=groups, range=list(colours[: len(groups)])),
        legend=alt.Legend(
            title=f"{kind}s" if len(groups) > 1 else None,
            symbolType="square" if kind == "server" else "circle",
        ),
    )
