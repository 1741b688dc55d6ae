"""The figures of the report, each with a line that says how to read it and the data that it draws."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from slimbench.bench.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports import anytime, heat_map
from slimbench.reports.drawing import INK, STYLE, frame, legend, ratio_axis, share_axis, styles, svg
from slimbench.reports.numbers import count_text, time_text
from slimbench.reports.profiles import CLOCK_S, ratio_profile, time_profile
from slimbench.reports.ratios import per_instance, ratio_table, runtime_table


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Attributes
    ----------
    name : str
        Of its files.
    title, how_to_read : str
    svg : bytes
    data : DataFrame
        What is drawn.
    """

    name: str
    title: str
    how_to_read: str
    svg: bytes
    data: pd.DataFrame


def charts(results: Results) -> list[Chart]:
    """All figures; none of a plan in which no run has ended yet."""
    if results.runs.empty or results.runs["status"].eq(NOT_RUN).all():
        return []
    with mpl.rc_context(STYLE):
        every = (_scatter, _ratio_profile, _time_profile, _anytime, _heat_map)
        return [chart for draw in every if (chart := draw(results)) is not None]


def _ratio_profile(results: Results) -> Chart:
    data = ratio_profile(results)
    title = f"Ratio profile: {_extent(results)}"
    figure, axes = frame(title)
    looks = styles(results.runs["solver"].unique())
    ratio_axis(axes, "x", per_instance(results)["reached_low"].to_numpy(float))
    axes.invert_xaxis()
    axes.set_xlabel("at least this share of the optimal saving, τ (axis stretched towards 1)")
    share_axis(axes)
    for solver, style in looks.items():
        own = data[data["solver"] == solver]
        tau, low, high = (own[c].to_numpy(float) for c in ("tau", "share_low", "share_high"))
        axes.step(tau, low, where="post", color=style.color, linestyle=style.dashes, linewidth=1.8)
        if np.any(high > low):
            axes.fill_between(tau, low, high, step="post", color=style.color, alpha=0.15, linewidth=0)
    legend(figure, looks, lines=True)
    return Chart(
        "ratio_profile",
        title,
        "Higher is better. The curve at τ gives the share of instances on which the solver reached at least "
        "τ of the optimum: its start on the left is the share solved to optimality. The line is what is "
        "proven, the band above it what is possible where the optimum is not proven; a run without a "
        "placement never counts.",
        svg(figure),
        data,
    )


def _time_profile(results: Results) -> Chart:
    data = time_profile(results)
    title = f"Time profile: {_extent(results)}"
    figure, axes = frame(title)
    looks = styles(results.runs["solver"].unique())
    axes.set_xscale("log")
    axes.set_xlabel("time at most τ times that of the fastest solver (wall clock, log scale)")
    share_axis(axes)
    last = float(data["tau"].max()) * 1.3
    axes.set_xlim(1, max(last, 2))
    for solver, style in looks.items():
        own = data[data["solver"] == solver]
        tau = np.append(own["tau"].to_numpy(float), last)
        share = np.append(own["share"].to_numpy(float), own["share"].iloc[-1])
        axes.step(tau, share, where="post", color=style.color, linestyle=style.dashes, linewidth=1.8)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}\N{MULTIPLICATION SIGN}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    legend(figure, looks, lines=True)
    return Chart(
        "time_profile",
        title,
        "Higher and further left is faster. The curve at τ gives the share of instances that the solver "
        "finished within τ times the time of the fastest solver there; its start on the left is the share on "
        "which it was the fastest itself. A run that failed is never finished. Speed says nothing about the "
        "ratio.",
        svg(figure),
        data,
    )


def _scatter(results: Results) -> Chart:
    instances = per_instance(results)
    data = instances[instances["runtime_s"].notna() & instances["ratio_low"].notna()]
    data = data[["solver", "instance", "runtime_s", "ratio_low", "ratio_high"]]
    title = f"Ratio against time: {_extent(results)}"
    figure, axes = frame(title)
    looks = styles(results.runs["solver"].unique())
    axes.set_xscale("log")
    axes.set_xlabel("wall time of the solver (log scale)")
    axes.set_ylabel("ratio (axis stretched towards 1)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: time_text(x, 1)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    ratio_axis(axes, "y", data["ratio_low"].to_numpy(float))
    times = np.maximum(data["runtime_s"].to_numpy(float), CLOCK_S)
    if len(times):
        axes.set_xlim(times.min() / 2, times.max() * 2)
    tables = ratio_table(results).merge(runtime_table(results), on="solver")
    wholes = {whole["solver"]: whole for whole in tables.to_dict("records")}
    for solver, style in looks.items():
        own = data[data["solver"] == solver]
        if own.empty:
            continue
        x, low, high = (own[c].to_numpy(float) for c in ("runtime_s", "ratio_low", "ratio_high"))
        x = np.maximum(x, CLOCK_S)
        axes.vlines(x, low, high, color=style.color, alpha=0.45, linewidth=1)
        axes.plot(
            x, low, style.marker, color=style.color, alpha=0.4, markersize=4, markeredgewidth=0, clip_on=False
        )
        whole = wholes[solver]
        centre = max(whole["median_s"], CLOCK_S)
        axes.vlines(centre, whole["gmean_low"], whole["gmean_high"], color=style.color)
        axes.plot(centre, whole["gmean_low"], style.marker, color=style.color, markersize=10,
                  markeredgecolor=INK, markeredgewidth=0.8, zorder=3, clip_on=False)  # fmt: skip
    legend(figure, looks, lines=False)
    return Chart(
        "ratio_against_time",
        title,
        "Up and to the left is better. Each small mark is a solver on one instance (medians over repeats), "
        "each large one its geometric mean of the ratio and its median time. Marks show the proven end of a "
        "ratio; a bar reaches up to what is possible where the optimum is not proven.",
        svg(figure),
        data,
    )


def _anytime(results: Results) -> Chart | None:
    """None where nobody told of a bound, or of a second incumbent."""
    data = anytime.anytime_curves(results)
    if data.empty:
        return None
    looks = {
        s: style for s, style in styles(results.runs["solver"].unique()).items() if s in set(data["solver"])
    }
    title = f"Gap over time: {count_text(len(looks), 'solver')}"
    figure = anytime.draw(data, looks)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    legend(figure, looks, lines=True)
    return Chart(
        "anytime",
        title,
        "The sooner both curves of a solver meet the middle line, the better. The upper one is its bound, "
        "the lower one its incumbent, both relative to the best known saving, as medians over the instances "
        "of one dispatch on which the solver ran; at the bottom, -100 %, it has no placement yet. The axis "
        "is linear within 0.01 % of the line. Drawn are solvers that told of a bound or of two incumbents, "
        "but no call that differs from another one in its reductions alone.",
        svg(figure),
        data,
    )


def _heat_map(results: Results) -> Chart:
    data = per_instance(results)
    worst_first = [*ratio_table(results)["solver"][::-1]]
    figure, shown, total = heat_map.draw(data, worst_first)
    limited = f"the {shown} worst of {total} instances" if shown < total else count_text(total, "instance")
    title = f"Ratio by instance: {limited}, {count_text(len(worst_first), 'solver')}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return Chart(
        "ratio_by_instance",
        title,
        "Worst first: the instance with the lowest ratio of any solver is on top, the solver with the lowest "
        "worst case is on the left. A cell shows the median over repeats; the darker, the further from the "
        "optimum. Two numbers are an interval; a cell with a cross is a solver without any placement there.",
        svg(figure),
        data.drop(columns="instance_hash"),
    )


def _extent(results: Results) -> str:
    runs = results.runs
    ended = int(runs["status"].ne(NOT_RUN).sum())
    failed = ended - int(runs["status"].eq(FINISHED_WELL).sum())
    return (
        f"{count_text(runs['instance_hash'].nunique(), 'instance')}, "
        f"{count_text(runs['solver'].nunique(), 'solver')}, {count_text(ended, 'run')} ({failed:,} failed)"
    )
