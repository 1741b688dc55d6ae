"""Figures of average ranks with cliques, and of two solver calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import altair as alt

from slimbench.bench.results.results import Results
from slimbench.reports.charts.chart import Chart
from slimbench.reports.charts.style import HEIGHT, WIDTH
from slimbench.reports.statistics.comparisons import TOO_FEW, average_ranks, cliques, friedman_test, pairwise
from slimbench.reports.statistics.solver_pairs import FAST, SLOW, solver_pair
from slimbench.reports.tables.numbers import count_text, p_value_text

ROW: Final = 22  # height of a solver
LANE: Final = 0.5  # between two cliques, in ranks


def critical_differences(results: Results, names: Mapping[str, str]) -> Chart | None:
    """Demšar's diagram, on its side; None where there are too few instances for its tests."""
    test = friedman_test(results)
    if test.remark or pairwise(results)["verdict"].eq(TOO_FEW).any():
        return None  # without tests of pairs, no line between two would look like a difference
    ranks = average_ranks(results)
    order = [names[solver] for solver in ranks["solver"]]
    rows = ranks.assign(solver=order)[["solver", "average_rank"]]
    places = {solver: place for place, solver in enumerate(ranks["solver"])}
    groups = cliques(results)
    groups = groups.assign(
        solver=groups["solver"].map(names),
        place=groups["solver"].map(places),
        lane=len(order) + LANE * (1 + groups["clique"].rank(method="dense")),
    ).sort_values(["clique", "place"])[["clique", "solver", "lane"]]
    x = alt.X(
        "average_rank:Q",
        scale=alt.Scale(domain=[1, groups["lane"].max() + LANE if len(groups) else len(order)], nice=False),
        axis=alt.Axis(title="average rank (1 is best)", values=list(range(1, len(order) + 1))),
    )
    y = alt.Y("solver:N", scale=alt.Scale(domain=order), axis=alt.Axis(title=None, grid=True))
    marks = alt.Chart(alt.NamedData("ranks")).mark_point(filled=True, size=90, color="#0072b2", opacity=1)
    members = alt.Chart(alt.NamedData("cliques"))
    layers = (
        marks.encode(x=x, y=y, tooltip=["solver:N", alt.Tooltip("average_rank:Q", format=".2f")]),
        members.mark_line(strokeWidth=2, color="#d55e00").encode(x="lane:Q", y=y, detail="clique:N"),
        members.mark_point(filled=True, size=45, color="#d55e00", opacity=1).encode(x="lane:Q", y=y),
    )
    return Chart(
        "critical_differences",
        f"Average ranks: {count_text(test.n_solvers, 'solver')}, {count_text(test.n_blocks, 'instance')} on "
        f"which all have a placement, Friedman p = {p_value_text(test.p_value)}",
        "Further left is better. Solvers with a dot on one vertical line, on the right, are not shown to "
        "differ by Wilcoxon's signed-rank tests of pairs, corrected by Holm, at 5 %. Ranks depend on who "
        "takes part; the pairs do not.",
        ranks,
        alt.layer(*layers).properties(width=WIDTH, height=ROW * len(order)),
        {"ranks": rows, "cliques": groups},
    )


def against(results: Results, slow: str = SLOW, fast: str = FAST) -> Chart | None:
    """How many times as fast one call is and what saving that costs; None without a common instance."""
    data = solver_pair(results, slow, fast)
    rows = data[["instance", "activations", "time_factor", "loss"]].dropna()
    if rows.empty:
        return None
    drawing = (
        alt.Chart(alt.NamedData("pair"))
        .mark_point(filled=True, size=60, color="#0072b2", opacity=0.7)
        .encode(
            x=alt.X(
                "time_factor:Q",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(title=f"time of {slow} ÷ time of {fast} (log scale)", tickCount=6, format="~g"),
            ),
            y=alt.Y("loss:Q", axis=alt.Axis(title=f"share of the saving that {fast} loses", format=".2~%")),
            tooltip=["instance:N", "activations:Q", alt.Tooltip("time_factor:Q", format=".2f"),
                     alt.Tooltip("loss:Q", format=".4%")],
        )
    )  # fmt: skip
    return Chart(
        "time_against_loss",
        f"{slow} against {fast}: {count_text(len(rows), 'instance')}",
        f"Further right {fast} is the faster one; at 0 it loses nothing, below 0 it saves more. Each mark "
        "is an instance on which both have a placement (medians over repeats).",
        data,
        drawing.properties(width=WIDTH, height=HEIGHT),
        {"pair": rows.assign(instance=rows["instance"].astype(str))},
    )
