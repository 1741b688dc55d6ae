"""Axes of maps, in metres."""

from __future__ import annotations

from typing import Final

import altair as alt
import numpy as np
import pandas as pd

MARGIN: Final = 0.05  # around all places, of the longer side
NARROWEST: Final = 0.25  # of the longer side in pixels: what is narrower, such as a road, is drawn wider


def metre_axes(places: pd.DataFrame, longest: int) -> tuple[alt.X, alt.Y, int, int]:
    """Both axes of ``x_m`` and ``y_m``, of one scale, and the size in pixels, ``longest`` the longer side.

    An axis that is drawn wider than its scale says so.
    """
    low = places[["x_m", "y_m"]].min().to_numpy(float)
    high = places[["x_m", "y_m"]].max().to_numpy(float)
    side_m = max(float(np.max(high - low)), 1.0)
    widened = np.ones(2)
    margins_m = np.full(2, MARGIN * side_m)
    for i in range(2):
        narrow_m = NARROWEST * side_m
        if 0 < high[i] - low[i] < narrow_m / 2:
            widened[i] = float(np.floor(narrow_m / (high[i] - low[i])))
            margins_m[i] /= widened[i]
    low, high = low - margins_m, high + margins_m
    pixels = longest * widened * (high - low) / ((1 + 2 * MARGIN) * side_m)
    width, height = (max(1, round(float(side))) for side in pixels)

    def scale(i: int) -> alt.Scale:
        return alt.Scale(domain=[float(low[i]), float(high[i])], nice=False, zero=False)

    def title(i: int) -> str:
        return "m" if widened[i] == 1 else f"m, drawn {widened[i]:g} times as wide"

    x = alt.X("x_m:Q", title=title(0), scale=scale(0), axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y("y_m:Q", title=title(1), scale=scale(1), axis=alt.Axis(tickCount=5, grid=False))
    return x, y, width, height
