"""The report of a run: one HTML page that needs nothing else, Markdown, figures, and the data behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from slimbench.bench.export import spreadsheet_safe
from slimbench.bench.ratio_intervals import with_ratios
from slimbench.bench.results import Results
from slimbench.instances.files import write_atomically
from slimbench.reports import exact_tables, tables
from slimbench.reports.audit import guarantee_audit, violations
from slimbench.reports.drawing import FAINT, INK, PAPER
from slimbench.reports.exact_methods import exact_table
from slimbench.reports.figures import Chart, charts
from slimbench.reports.ratios import per_instance, ratio_table, runtime_table
from slimbench.reports.reductions import reduction_effects
from slimbench.reports.summary import summary

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~$&])")
_VARIABLES: Final = {
    INK: "var(--ink)",
    FAINT: "var(--line)",
    PAPER: "var(--page)",
}  # figures follow light and dark


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html``, ``report.md``, ``figures/*.svg`` and ``tables/*.csv`` into ``folder``.

    Every file is replaced as a whole; equal results give equal bytes.

    Returns
    -------
    Path
        Of ``report.html``, which shows everything on its own, without a network.
    """
    figures = charts(results)
    for inner in ("figures", "tables"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    for chart in figures:
        write_atomically(folder / "figures" / f"{chart.name}.svg", chart.svg)
    for name, frame in _data(results, figures).items():
        write_atomically(
            folder / "tables" / f"{name}.csv",
            _encoded(spreadsheet_safe(frame).to_csv(index=False, lineterminator="\n")),
        )
    for name, text in _pages(results, figures).items():
        write_atomically(folder / name, _encoded(text))
    return folder / "report.html"


def _data(results: Results, figures: list[Chart]) -> dict[str, pd.DataFrame]:
    return {
        "ratios": ratio_table(results),
        "runtimes": runtime_table(results),
        "guarantee_audit": guarantee_audit(results),
        "violations": violations(results),
        "per_instance": per_instance(results),
        "references": results.references,
        "instances": results.instances,
        "runs": with_ratios(results).drop(columns="figures", errors="ignore"),
        "exact_methods": exact_table(results),
        "reductions": reduction_effects(results),
        "trajectories": results.trajectories,
    } | {chart.name: chart.data for chart in figures}


def _pages(results: Results, figures: list[Chart]) -> dict[str, str]:
    environment = Environment(
        loader=PackageLoader("slimbench.reports", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = _markdown
    loader = environment.loader
    style = loader.get_source(environment, "report.css")[0] if loader else ""
    content = {
        "name": results.name,
        "summary": summary(results),
        "violations": tables.violations_table(results),
        "ratios": tables.ratios(results),
        "audit": tables.audit(results),
        "runtimes": tables.runtimes(results),
        "exact_methods": exact_tables.exact_methods(results),
        "reductions": exact_tables.reductions(results),
        "charts": [(chart, _inline(chart)) for chart in figures],
        "references": tables.references(results),
        "instances": tables.instances(results),
        "failures": tables.failures(results),
        "provenance": tables.provenance(results),
        "style": Markup(style),  # noqa: S704  # ours
    }
    return {
        name: environment.get_template(f"{name}.j2").render(content) for name in ("report.html", "report.md")
    }


def _inline(chart: Chart) -> Markup:
    """The figure as an element of the page: ids that no other figure has, colours that follow its theme."""
    svg = chart.svg.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{chart.name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    label = Markup('<svg role="img" aria-label="{}"').format(chart.title)
    return Markup(svg.replace("<svg", label, 1))  # noqa: S704  # matplotlib escapes the names in it


def _markdown(text: object) -> str:
    """Text that Markdown shows as it stands, also within a table."""
    escapes: Mapping[str, str] = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    flat = " ".join(str(text).split())
    return _MARKDOWN.sub(lambda match: escapes.get(match[1], f"\\{match[1]}"), flat)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
