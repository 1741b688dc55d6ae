"""Map of servers and users, coloured by latency."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart
from slimbench.reports.placement import inspection
from slimbench.reports.placement.inspection import NOTHING, Inspection
from slimbench.reports.placement.metres import metre_axes
from slimbench.reports.placement.who_pays import BYTES
from slimbench.reports.tables.numbers import count_text

SOURCE: Final = "placement_places"
MAX_USERS: Final = 2000
MAX_SERVERS: Final = 1000
SIDE: Final = 320  # of a map's longer side, pixels
SERVER_COLOUR: Final = "#2f8fcf"  # on light and dark


def place_map(seen: Inspection) -> Chart | None:
    """Servers as squares, users as points in the colour of their latency; None where no place is known."""
    places = inspection.places(seen.instance)
    if places.empty:
        return None
    names = labels(seen.placements)
    servers = places[places["kind"] == "server"]
    latencies = inspection.by_user(seen)
    listed = places[places["kind"] == "user"]
    users = listed.rename(columns={"name": "user"}).drop(columns="capacity_bytes")
    users = latencies.merge(users, on="user", how="inner")  # in the order of the worst off
    known = users["user"].drop_duplicates()
    users = users[users["user"].isin(known[:MAX_USERS])]
    users = users.assign(
        placement=users["placement"].map(names) if seen.placements else NOTHING,
        latency_s=users["latency_s"] if seen.placements else users["latency_none_s"],
    )
    panels = list(names.values()) or [NOTHING]
    frame = pd.concat(
        [
            *(servers[:MAX_SERVERS].assign(placement=panel) for panel in panels),
            users.rename(columns={"user": "name"}),
        ],
        ignore_index=True,
    )
    frame["name"] = frame["name"].map(labels(dict.fromkeys(frame["name"])))
    x, y, width, height = metre_axes(places, SIDE)
    base = alt.Chart(alt.NamedData(SOURCE)).encode(x=x, y=y)
    where = ["name:N", alt.Tooltip("x_m:Q", format=",.1f"), alt.Tooltip("y_m:Q", format=",.1f")]
    colour, latencies_shown = _user_colours(seen)
    squares = (
        base.transform_filter("datum.kind == 'server'")
        .mark_square(filled=False, opacity=1, strokeWidth=2, color=SERVER_COLOUR)
        .encode(
            size=alt.Size(
                "capacity_bytes:Q",
                scale=alt.Scale(range=[60, 500], zero=True),
                legend=alt.Legend(title="capacity, bytes", labelExpr=BYTES, symbolType="square", tickCount=3),
            ),
            tooltip=[*where, alt.Tooltip("capacity_bytes:Q", format=",")],
        )
    )
    points = (
        base.transform_filter("datum.kind == 'user'")
        .mark_circle(size=60, opacity=1, stroke="#8c8c8c", strokeWidth=0.5)
        .encode(color=colour, tooltip=[*where, *latencies_shown])
    )
    panel = alt.layer(squares, points).properties(width=width, height=height)
    column = alt.Column("placement:N", sort=panels, header=alt.Header(title=None, labelAnchor="start"))
    left = [
        count_text(count - most, noun)
        for count, most, noun in (
            (len(servers), MAX_SERVERS, "server"),
            (len(known), MAX_USERS, "best-off user"),
        )
        if count > most
    ]
    how = (
        "A blue square is a server, the larger the more it holds; a point is a user, the lighter the more of "
        "the latency with no expert cached it keeps."
        if seen.placements
        else "A blue square is a server, the larger the more it holds; a point is a user, the lighter the "
        "longer it waits with no expert cached."
    )
    return Chart(
        "placement_map",
        f"Map: {count_text(len(servers), 'server')}, {count_text(len(listed), 'user')}",
        f"{how} Not drawn: {', '.join(left)}." if left else how,
        frame,
        panel.facet(column=column),
        {SOURCE: frame},
    )


def _user_colours(seen: Inspection) -> tuple[alt.Color, list[alt.Tooltip]]:
    """Colours of users by latency, and their tooltips."""
    none = alt.Tooltip("latency_none_s:Q", title="latency with no expert cached, s", format=".6f")
    if not seen.placements:
        legend = alt.Legend(title="latency, s", format="~s", type="symbol")
        return alt.Color("latency_none_s:Q", scale=alt.Scale(scheme="viridis"), legend=legend), [none]
    colour = alt.Color(
        "kept_share:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(title="latency kept", format=".0%", type="symbol"),
    )
    return colour, [
        none,
        alt.Tooltip("latency_s:Q", title="latency, s", format=".6f"),
        alt.Tooltip("kept_share:Q", title="latency kept", format=".1%"),
    ]
