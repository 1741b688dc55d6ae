"""Generalisation ratio against how much was observed, or how noisy what was planned on is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import altair as alt
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.charts import style
from slimbench.reports.charts.cells import instance_labels
from slimbench.reports.charts.chart import Chart
from slimbench.reports.statistics.robustness import OBSERVED, robustness
from slimbench.reports.tables.numbers import amount_text, count_text

PANEL: Final = 230
MAX_PANELS: Final = 12
ITSELF: Final = {"tokens": "all", "part": "itself", "rate_noise": "0", "latency_noise": "0"}
AXES: Final = {
    "tokens": "tokens observed of each user and model",
    "part": "share of the trace's tokens planned on",
    "rate_noise": "standard deviation of log rates",
    "latency_noise": "standard deviation of log latencies",
}
_ENDS: Final = ("ratio_low", "ratio_high", "least_low", "most_high")
_COLUMNS: Final = ("solver", "instance", "instance_hash", "dispatch", "top_k", "amount", "order", "n_placed")


def generalisation(results: Results, names: Mapping[str, str]) -> Iterator[Chart]:
    """A figure for each kind of planning in the run: a panel an instance, a line a solver."""
    table = robustness(results)
    table = table[table["n_placed"] > 0]
    for kind, own in table.groupby("planning_kind", sort=False):
        yield _chart(str(kind), own, results, names)


def _chart(kind: str, table: pd.DataFrame, results: Results, names: Mapping[str, str]) -> Chart:
    data = _with_itself(kind, table)
    instances = instance_labels(results)
    suites = results.instances.set_index("instance_hash")["suite"]
    rows = pd.DataFrame(
        {
            "solver": data["solver"].map(names),
            "instance": data["instance_hash"].map(instances),
            "suite": data["instance_hash"].map(suites),
            **{column: data[column] for column in ("dispatch", "top_k", "order", "amount", "n_placed")},
            **{f"gap_{end}": 1 - data[end] for end in _ENDS},
        }
    )
    drawn = list(dict.fromkeys(rows["instance"]))[:MAX_PANELS]
    rows = rows[rows["instance"].isin(drawn)]
    amounts = list(dict.fromkeys(rows.sort_values("order", kind="stable")["amount"]))
    left_out = data["instance_hash"].nunique() - len(drawn)
    more = (
        f" The first {len(drawn)} instances are drawn, {left_out} are in the CSV alone." if left_out else ""
    )
    seeds = results.transfers.loc[results.transfers["planning_kind"].eq(kind), "planning_seed"].nunique()
    extent = (
        f"{count_text(table['instance_hash'].nunique(), 'instance')}, {count_text(seeds, 'seed')}, "
        f"{count_text(int(table['n_planned'].sum()), 'run')} ({int(table['n_failed'].sum()):,} failed)"
    )
    worst = float(rows["gap_least_low"].max())
    return Chart(
        f"robustness_{kind}",
        f"Generalisation ratio by {AXES[kind]}: {extent}",
        "Higher is better. The solver planned on what the axis says, and its placement is evaluated on the "
        "instance: saving ÷ the instance's optimal saving, the median over seeds and repeats of the ratio's "
        "lower end. A bar reaches up to what is possible where the optimum is open; the band runs from the "
        f"least to the greatest over the seeds. “{ITSELF[kind]}”: planned on the instance itself.{more}",
        data.drop(columns=["order"]),
        _panels(f"robustness_{kind}", drawn, amounts, AXES[kind], list(names.values()), worst),
        {f"robustness_{kind}": rows},
    )


def _with_itself(kind: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a kind in the order of their amounts, and what planning on the instance itself gives."""
    ordered = table.assign(
        amount=[amount_text(kind, amount) for amount in table["planning_amount"]],
        order=table["planning_amount"],
    )
    itself = ordered.groupby(["solver", "instance_hash"], sort=False).head(1)
    itself = itself.assign(
        amount=ITSELF[kind],
        order=float("inf") if kind in OBSERVED else 0.0,
        n_placed=float("nan"),
        ratio_low=itself["itself_low"],
        ratio_high=itself["itself_high"],
        least_low=itself["itself_low"],
        most_high=itself["itself_high"],
    )
    both = pd.concat([ordered, itself[itself["itself_low"].notna()]])[[*_COLUMNS, *_ENDS]]
    return both.sort_values("order", kind="stable", ignore_index=True)


def _panels(
    source: str,
    instances: Sequence[str],
    amounts: Sequence[str],
    title: str,
    solvers: Sequence[str],
    worst: float,
) -> alt.TopLevelMixin:
    x = alt.X("amount:O", sort=list(amounts), axis=alt.Axis(title=title, labelAngle=0))
    scale = style.gap_scale(worst, upwards=True)
    y = alt.Y("gap_ratio_low:Q", scale=scale, axis=style.gap_axis("generalisation ratio"))
    colour = style.solver_look(solvers, lines=True)["color"]
    tooltip = [
        alt.Tooltip("amount:N", title=title),
        alt.Tooltip("gap_ratio_low:Q", title="1 - ratio", format=".4f"),
        alt.Tooltip("gap_least_low:Q", title="largest over seeds", format=".4f"),
        alt.Tooltip("n_placed:Q", title="runs"),
    ]
    plots = []
    for instance in instances:
        own = style.live(source).transform_filter(alt.FieldEqualPredicate(field="instance", equal=instance))
        bands = own.mark_area(opacity=0.12).encode(
            x=x, y=alt.Y("gap_least_low:Q", scale=scale), y2="gap_most_high:Q", color=colour
        )
        lines = style.solver_lines(own, x, y, ("gap_ratio_low", "gap_ratio_high"), solvers, tooltip)
        plots.append(alt.layer(bands, *lines).properties(width=PANEL, height=PANEL, title=instance))
    return style.panels(plots, 3)
