"""Figure of the demand: how often each expert is called."""

from __future__ import annotations

from typing import Final

import altair as alt

from slimbench.instances import Instance
from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart
from slimbench.reports.placement import inspection
from slimbench.reports.tables.numbers import count_text

SOURCE: Final = "placement_demand"
MAX_LAYERS: Final = 40
MAX_EXPERTS: Final = 128  # of a layer


def popularity(instance: Instance) -> Chart:
    """Calls of every expert, each layer's from the most called to the least."""
    frame = inspection.demand(instance)
    models = labels(dict.fromkeys(frame["model"]))
    frame["rank"] = frame.groupby(["model", "layer"])["calls"].rank(method="first", ascending=False)
    prefix = frame["model"].map(models) + ": " if len(models) > 1 else ""
    frame["row"] = prefix + "layer " + frame["layer"].astype(str)
    rows = list(dict.fromkeys(frame["row"]))[:MAX_LAYERS]
    drawn = frame[frame["row"].isin(rows) & (frame["rank"] <= MAX_EXPERTS)]
    squares = (
        alt.Chart(alt.NamedData(SOURCE))
        .mark_rect(stroke=None)
        .encode(
            x=alt.X(
                "rank:O", axis=alt.Axis(title="experts from the most called", labelOverlap=True, labelAngle=0)
            ),
            y=alt.Y("row:N", sort=rows, axis=alt.Axis(title=None, ticks=False)),
            color=alt.Color(
                "calls:Q",
                scale=alt.Scale(scheme="viridis", zero=True),
                legend=alt.Legend(title="calls a token", format="~g", type="symbol"),
            ),
            tooltip=["row:N", "expert:O", alt.Tooltip("calls:Q", title="calls a token", format=".4f")],
        )
        .properties(width=alt.Step(14), height=alt.Step(16))
    )
    left = len(frame) - len(drawn)
    rest = f" Not drawn: {count_text(left, 'expert')}." if left else ""
    return Chart(
        "placement_demand",
        f"Demand: {count_text(len(frame), 'expert')}, all users together",
        "A square is an expert, the lighter the more often it is called; a layer that is light on the left "
        f"alone calls few of its experts often.{rest}",
        frame.drop(columns="row"),
        squares,
        {SOURCE: drawn},
    )
