"""Policies over time: cumulative regret, latency by period, and what moving bytes gains."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from slimbench.bench.adaptive.results import AdaptiveResults
from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart, plain
from slimbench.reports.charts.style import solver_look
from slimbench.reports.tables.numbers import count_text

PANEL_HEIGHT = 180
PANEL_WIDTH = 220  # two and their axes fit half of a page
COLUMNS = 2
GIGABYTE = 1e9


def adaptive_charts(results: AdaptiveResults) -> list[Chart]:
    """All figures of an adaptive report."""
    names = labels(results.policies["policy"])
    policies = list(names.values())
    periods = results.periods.assign(
        solver=results.periods["policy"].map(names), sequence=results.periods["sequence"].map(plain)
    )
    totals = results.policies.assign(
        solver=results.policies["policy"].map(names), sequence=results.policies["sequence"].map(plain)
    )
    extent = (
        f"{count_text(len(results.sequences), 'sequence')}, {count_text(len(results.policies), 'course')} "
        f"of {len(policies)} policies, decisions failed: {int(results.policies['periods_failed'].sum())}"
    )
    return [
        _costs(periods, policies, extent),
        _latencies(periods, policies, extent),
        _trade_off(totals, policies, extent),
    ]


def _costs(periods: pd.DataFrame, policies: Sequence[str], extent: str) -> Chart:
    """What each policy has cost above the cheapest so far."""
    least = periods.groupby(["sequence", "period"])["cumulative_s"].transform("min")
    data = periods.assign(above_s=periods["cumulative_s"] - least)[
        ["sequence", "solver", "period", "cumulative_s", "above_s"]
    ]
    return Chart(
        "adaptive_costs",
        f"Cumulative cost over time: {extent}",
        "The lower, the better. Seconds of serving and fetching that a policy has cost up to the end of a "
        "period, above the policy that had cost least by then (0 is that one; it may change from period to "
        "period). A steep first step is the first fill, a later one a move or a server that is down. One "
        "panel a sequence, each with its own scale.",
        data,
        _panels(data, "adaptive_costs", policies, "above_s", "s above the cheapest so far"),
        {"adaptive_costs": data},
    )


def _latencies(periods: pd.DataFrame, policies: Sequence[str], extent: str) -> Chart:
    data = periods[["sequence", "solver", "period", "latency_s"]].assign(
        latency_ms=1000 * periods["latency_s"]
    )
    return Chart(
        "adaptive_latencies",
        f"Latency by period: {extent}",
        "The lower, the better. Latency per token (ms) under each policy's placement in each period, moving "
        "not included. One panel a sequence, each with its own scale.",
        data,
        _panels(data, "adaptive_latencies", policies, "latency_ms", "latency per token (ms)"),
        {"adaptive_latencies": data},
    )


def _panels(
    data: pd.DataFrame, source: str, policies: Sequence[str], column: str, title: str
) -> alt.TopLevelMixin:
    """A step line for each policy, a panel for each sequence."""
    look = solver_look(policies, lines=True)
    panels = [
        alt.Chart(alt.NamedData(source))
        .transform_filter(alt.FieldEqualPredicate(field="sequence", equal=sequence))
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X("period:Q", axis=alt.Axis(title="period", tickMinStep=1, format="d")),
            y=alt.Y(f"{column}:Q", axis=alt.Axis(title=title), scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip(f"{name}:N") for name in ("solver", "sequence", "period")]
            + [alt.Tooltip(f"{column}:Q", format=".4~g")],
            **look,
        )
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT, title=sequence)
        for sequence in data["sequence"].unique()
    ]
    drawing: alt.TopLevelMixin = alt.concat(*panels, columns=COLUMNS)
    return drawing


def _trade_off(totals: pd.DataFrame, policies: Sequence[str], extent: str) -> Chart:
    """What was moved, and what serving cost in the end."""
    least = totals.groupby("sequence")["serving_s"].transform("min")
    data = totals.assign(
        moved_gb=totals["moved_bytes"] / GIGABYTE, serving_ratio=totals["serving_s"] / least
    )[["sequence", "solver", "moved_gb", "serving_s", "fetching_s", "total_s", "serving_ratio"]]
    look = solver_look(policies, lines=False)
    panels = [
        alt.Chart(alt.NamedData("adaptive_trade_off"))
        .transform_filter(alt.FieldEqualPredicate(field="sequence", equal=sequence))
        .mark_point(filled=True, size=90, opacity=0.8)
        .encode(
            x=alt.X("moved_gb:Q", axis=alt.Axis(title="fetched (GB)", tickCount=6)),
            y=alt.Y(
                "serving_ratio:Q",
                axis=alt.Axis(title="serving ÷ the fastest"),
                scale=alt.Scale(zero=False),
            ),
            tooltip=[alt.Tooltip(f"{name}:N") for name in ("solver", "sequence")]
            + [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("moved_gb", "serving_s", "total_s")],
            **look,
        )
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT, title=sequence)
        for sequence in data["sequence"].unique()
    ]
    return Chart(
        "adaptive_trade_off",
        f"Bytes moved against latency gained: {extent}",
        "Down and to the left is better. Each mark is a policy: gigabytes (10^9 bytes) fetched over the "
        "whole horizon, the first fill included, and its cost of serving (latency times tokens, without what "
        "fetching costs) divided by the least of any policy. One panel a sequence, each with its own scale.",
        data,
        alt.concat(*panels, columns=COLUMNS),
        {"adaptive_trade_off": data},
    )
