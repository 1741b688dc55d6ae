"""A figure as a Vega-Lite specification, and the files made of it, of reproducible bytes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import altair as alt
import pandas as pd
import pikepdf
import vl_convert

PNG_SCALE: Final = 2.0  # pixels of a point

Config = Mapping[str, Any]
Specification = dict[str, Any]

INK: Final = "#1b1f24"
FAINT: Final = "#d4d8dd"
STATIC: Final[Config] = {
    "background": "#ffffff",
    "font": "Liberation Sans",
    "view": {"stroke": None},
    "axis": {
        "domainColor": INK, "tickColor": INK, "labelColor": INK, "titleColor": INK, "gridColor": FAINT,
        "titleFontWeight": "normal", "labelLimit": 320, "titleLimit": 500, "labelSeparation": 8,
    },
    "legend": {
        "orient": "bottom", "columns": 4, "labelLimit": 170, "labelColor": INK, "titleColor": INK,
        "titleFontWeight": "normal", "symbolStrokeWidth": 2, "symbolOpacity": 1,
    },
    "title": {"anchor": "start", "fontSize": 13, "color": INK, "fontWeight": "normal", "offset": 12},
    "header": {"labelColor": INK, "titleColor": INK, "labelLimit": 320},
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Attributes
    ----------
    name : str
        Of its files.
    title, how_to_read : str
    data : DataFrame
        What the CSV beside it holds.
    drawing : altair chart
        Without a title of its own.
    sources : dict of DataFrame
        What the drawing names as its data; a page holds a table that several figures draw only once.
    """

    name: str
    title: str
    how_to_read: str
    data: pd.DataFrame
    drawing: alt.TopLevelMixin
    sources: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def specification(self) -> Specification:
        """The Vega-Lite specification, without ``sources``."""
        drawn: Specification = self.drawing.to_dict(validate=False)  # what is wrong, Vega says
        return drawn


def renderings(chart: Chart) -> dict[str, bytes]:
    """The figure as ``svg``, ``pdf`` and ``png``."""
    drawn = svg(chart)
    text = drawn.decode()
    return {
        "svg": drawn,
        "pdf": _in_order(vl_convert.svg_to_pdf(text)),
        "png": bytes(vl_convert.svg_to_png(text, scale=PNG_SCALE)),
    }


def svg(chart: Chart) -> bytes:
    """The figure as SVG, with its title."""
    specification = chart.specification | {"title": plain(chart.title, 120), "config": STATIC}
    known = specification.get("datasets", {})
    specification["datasets"] = known | {name: records(frame) for name, frame in chart.sources.items()}
    return _numbered_anew(str(vl_convert.vegalite_to_svg(specification))).encode()


def _numbered_anew(drawn: str) -> str:
    """The SVG with its ids numbered from 0: the converter goes on counting from the last figure."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'((?:id="|url\(#)(?:clip|gradient_))(\d+)',
        lambda found: f"{found[1]}{numbers.setdefault(found[2], len(numbers))}",
        drawn,
    )


def _in_order(document: bytes) -> bytes:
    """The PDF with its keys in order: the converter's order is random."""
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(document)) as opened:
        opened.save(buffer, deterministic_id=True)
    return buffer.getvalue()


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON can hold them: null for NaN and infinities."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows


def plain(name: str, length: int = 60) -> str:
    """``name`` as SVG can hold it, without control characters, and cut to ``length``."""
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)
    return name if len(name) <= length else f"{name[: length - 1]}…"
