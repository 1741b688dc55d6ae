"""Style of all figures: colours, marks and dashes of solvers, axes, filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import altair as alt

PALETTE: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195", "#8c8c8c", "#6b4423",
)  # fmt: skip
MARKS: Final = ("circle", "square", "diamond", "cross", "triangle-up", "triangle-down", "triangle-right",
                "triangle-left")  # fmt: skip
DASHES: Final = ([1, 0], [5, 2], [1.5, 1.5], [5, 2, 1.5, 2])
WIDTH: Final = 620
HEIGHT: Final = 320
STRETCH: Final = 0.001  # ratios nearer to 1 than this are drawn close together
GAP_TICKS: Final = (0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1)
SHOWN: Final = {
    "shown_solvers": "solver",
    "shown_suites": "suite",
    "shown_dispatches": "dispatch",
    "shown_top_k": "top_k",
}  # parameters of every live figure, and the columns that they select by; null shows everything


def solver_look(solvers: Sequence[str], *, lines: bool) -> dict[str, Any]:
    """Encodings that give each solver the same look in every figure.

    Of the first 36 no two lines are alike, of the first 72 no two marks.
    """
    n, numbers, domain = len(PALETTE), range(len(solvers)), list(solvers)
    colours = [PALETTE[i % n] for i in numbers]
    look: dict[str, Any] = {
        "color": alt.Color("solver:N", scale=alt.Scale(domain=domain, range=colours), title=None)
    }
    if lines:
        dashes = alt.Scale(domain=domain, range=[DASHES[(i % n + i // n) % len(DASHES)] for i in numbers])
        look["strokeDash"] = alt.StrokeDash("solver:N", scale=dashes, title=None)
    else:
        marks = alt.Scale(domain=domain, range=[MARKS[i % len(MARKS)] for i in numbers])
        look["shape"] = alt.Shape("solver:N", scale=marks, title=None)
    return look


def live(source: str, by: Iterable[str] = SHOWN) -> alt.Chart:
    """A figure of the rows of ``source`` that the page's filters let through, those of ``by``."""
    shown = (f"({name} == null || indexof({name}, datum.{SHOWN[name]}) >= 0)" for name in by)
    return alt.Chart(alt.NamedData(source)).transform_filter(" && ".join(shown))


def solver_lines(
    rows: alt.Chart,
    x: alt.X,
    y: alt.Y,
    limits: tuple[str, str],
    solvers: Sequence[str],
    tooltip: Sequence[alt.Tooltip | str],
) -> list[alt.Chart]:
    """A line and marks for each solver, with bars from one limit to the other where there are limits."""
    look = solver_look(solvers, lines=True)
    bars = rows.transform_filter(f"isValid(datum.{limits[0]})").mark_rule(strokeWidth=1.2, opacity=0.8)
    return [
        rows.mark_line(strokeWidth=1.8).encode(x=x, y=y, **look),
        bars.encode(x=x, y=f"{limits[0]}:Q", y2=f"{limits[1]}:Q", color=look["color"]),
        rows.mark_point(filled=True, size=45).encode(
            x=x, y=y, tooltip=["solver:N", *tooltip], **solver_look(solvers, lines=False)
        ),
    ]


def panels(plots: Sequence[Any], columns: int, scale_of_y: Any = "shared") -> alt.TopLevelMixin:
    """Plots one beside another, with the parameters of the page's filters."""
    return filtered(alt.concat(*plots, columns=columns).resolve_scale(y=scale_of_y))


def filtered(drawing: Any) -> alt.TopLevelMixin:
    """The drawing with the parameters of the page's filters, which show everything."""
    with_params: alt.TopLevelMixin = drawing.add_params(*(alt.param(name=name, value=None) for name in SHOWN))
    return with_params


def gap_scale(worst: float, *, upwards: bool = False) -> alt.Scale:
    """Of 1 - ratio, from the optimum to at least the worst: logarithmic but for what is next to 0.

    ``upwards`` puts the optimum on top of a vertical axis.
    """
    end = next((tick for tick in GAP_TICKS[2:] if tick >= worst), 1)
    return alt.Scale(type="symlog", constant=STRETCH, domain=[0, end], clamp=True, reverse=upwards)


def gap_axis(title: str) -> alt.Axis:
    """Labels of the ratio on an axis of 1 - ratio."""
    return alt.Axis(title=title, values=list(GAP_TICKS), labelExpr="format(1 - datum.value, '.4~f')")


def share_axis(title: str = "share of instances") -> alt.Axis:
    """Labels in percent."""
    return alt.Axis(title=title, format=".0%")


def seconds_axis(title: str, values: Sequence[float] = ()) -> alt.Axis:
    """Labels such as 10 ms or 1 s, at ``values`` if there are any."""
    label = (
        "datum.value >= 1 ? format(datum.value, ',~g') + ' s' : datum.value >= 0.001 ? "
        "format(1000 * datum.value, '~g') + ' ms' : format(1000000 * datum.value, '~g') + ' µs'"
    )
    return alt.Axis(
        title=title, labelExpr=label, **({"values": list(values)} if values else {"tickCount": 6})
    )
