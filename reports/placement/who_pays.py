"""Figures of latency by user and bytes by server."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart, plain
from slimbench.reports.charts.style import MARKS, WIDTH
from slimbench.reports.placement import inspection
from slimbench.reports.placement.inspection import NOTHING, Inspection
from slimbench.reports.tables.numbers import count_text

USERS: Final = "placement_users"
STORED: Final = "placement_stored"
MAX_USERS: Final = 40
MAX_SERVERS: Final = 40
ROW_HEIGHT: Final = 18
BYTES: Final = "format(datum.value, '.3~s')"  # an expression for labels: each with a prefix of its own
NONE_COLOUR: Final = "#8c8c8c"
NONE_MARK: Final = "diamond"
COLOURS: Final = ("#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#0072b2", "#7a5195", "#6b4423")


def who_pays(seen: Inspection) -> Chart:
    """Latency of the users that are worst off, before and after."""
    names = labels(seen.placements)
    table = inspection.by_user(seen)
    users = labels(dict.fromkeys(table["user"]))
    table = table.assign(user=table["user"].map(users))
    none = table.drop_duplicates("user")[["user", "latency_none_s"]]
    before = none.assign(placement=NOTHING, latency_s=none["latency_none_s"])
    frame = before
    if seen.placements:
        frame = pd.concat([before, table.assign(placement=table["placement"].map(names))], ignore_index=True)
    frame["latency_ms"] = 1e3 * frame["latency_s"]
    order = list(users.values())[:MAX_USERS]
    drawn = frame[frame["user"].isin(order)]
    tooltip = ["user:N", "placement:N", alt.Tooltip("latency_ms:Q", format=".4f")]
    if seen.placements:
        tooltip.append(alt.Tooltip("kept_share:Q", title="of that with no expert cached", format=".1%"))
    base = alt.Chart(alt.NamedData(USERS)).encode(
        y=alt.Y("user:N", sort=order, axis=alt.Axis(title=None, grid=True))
    )
    spans = base.mark_rule(color=NONE_COLOUR).encode(x="min(latency_ms):Q", x2="max(latency_ms):Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("latency_ms:Q", title="share of the latency per token, ms", scale=alt.Scale(zero=True)),
        color=_placement_colours(names, alt.Color, [NONE_COLOUR, *COLOURS]),
        shape=_placement_colours(names, alt.Shape, [NONE_MARK, *(m for m in MARKS if m != NONE_MARK)]),
        tooltip=tooltip,
    )
    worst = "loses most by leaving the first placement" if seen.others else "keeps most of its latency"
    how = (
        "From no expert cached (grey) to the placements; further left is better. "
        f"On top is who {worst}, relative to the latency with no expert cached."
        if seen.placements
        else "What each user adds to the latency per token with no expert cached."
    )
    shown = f"{MAX_USERS} of " if len(users) > MAX_USERS else ""
    return Chart(
        "placement_users",
        f"Who pays: {shown}{count_text(len(users), 'user')}, base latency not included",
        how,
        frame.drop(columns="latency_ms"),
        alt.layer(spans, points).properties(width=WIDTH, height=ROW_HEIGHT * len(order)),
        {USERS: drawn},
    )


def stored(seen: Inspection) -> Chart | None:
    """Bytes on every server by placement and model, and its capacity; None without a placement."""
    if not seen.placements:
        return None
    names = labels(seen.placements)
    servers = labels(seen.instance.server_names)
    table = inspection.storage(seen)
    models = labels(dict.fromkeys(table["model"]))
    frame = table.assign(
        placement=table["placement"].map(names),
        server=table["server"].map(servers),
        model=table["model"].map(models),
    )
    order = list(servers.values())[:MAX_SERVERS]
    base = alt.Chart(alt.NamedData(STORED)).encode(
        y=alt.Y("server:N", sort=order, axis=alt.Axis(title=None, ticks=False)),
        yOffset=alt.YOffset("placement:N", sort=list(names.values())),
    )
    bars = base.mark_bar(stroke="#ffffff", strokeWidth=0.5).encode(
        x=alt.X("used_bytes:Q", title="bytes", axis=alt.Axis(labelExpr=BYTES), stack="zero"),
        detail="model:N",
        color=_placement_colours(names, alt.Color, COLOURS, nothing=False),
        tooltip=["server:N", "placement:N", "model:N", "experts:Q", "used_bytes:Q", "capacity_bytes:Q"],
    )
    rooms = base.mark_tick(color=NONE_COLOUR, thickness=2).encode(
        x=alt.X("capacity_bytes:Q"), tooltip=["server:N", "capacity_bytes:Q"]
    )
    shown = f"{MAX_SERVERS} of " if len(servers) > MAX_SERVERS else ""
    apart = ", its models apart by a line" if len(models) > 1 else ""
    return Chart(
        "placement_storage",
        plain(f"Storage used: {shown}{count_text(len(servers), 'server')}"),
        f"A bar is what a server stores{apart}; the grey tick is its capacity.",
        frame,
        alt.layer(bars, rooms).properties(width=WIDTH, height=ROW_HEIGHT * (len(names) + 0.5) * len(order)),
        {STORED: frame[frame["server"].isin(order)]},
    )


def _placement_colours(
    names: dict[str, str],
    channel: type[alt.Color] | type[alt.Shape],
    looks: tuple[str, ...] | list[str],
    *,
    nothing: bool = True,
) -> alt.Color | alt.Shape:
    """One look for each placement, and before them for none if it is drawn as well."""
    domain = [*([NOTHING] if nothing else []), *names.values()]
    return channel(
        "placement:N",
        scale=alt.Scale(domain=domain, range=[looks[i % len(looks)] for i in range(len(domain))]),
        title=None,
    )
