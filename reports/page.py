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
from slimbench.reports.bundles import datatables, vega
from slimbench.reports.chart import Chart, renderings
from slimbench.reports.charts import charts
from slimbench.reports.exact_methods import exact_table
from slimbench.reports.interactive import interactive
from slimbench.reports.numbers import order_value
from slimbench.reports.ratios import per_instance, ratio_table, runtime_table
from slimbench.reports.reductions import reduction_effects
from slimbench.reports.summary import summary

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~$&])")


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html``, ``report.md``, ``figures`` (SVG, PDF, PNG) and ``tables`` (CSV, LaTeX).

    Every file is replaced as a whole; equal results give equal bytes.

    Returns
    -------
    Path
        Of ``report.html``, which shows everything on its own, without a network.
    """
    figures = charts(results)
    shown = _tables(results)
    for inner in ("figures", "tables"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    for figure in figures:
        for suffix, content in renderings(figure).items():
            write_atomically(folder / "figures" / f"{figure.name}.{suffix}", content)
    for name, frame in _data(results, figures).items():
        write_atomically(
            folder / "tables" / f"{name}.csv",
            _encoded(spreadsheet_safe(frame).to_csv(index=False, lineterminator="\n")),
        )
    for name, text in _pages(results, figures, shown, folder).items():
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


def _tables(results: Results) -> dict[str, tables.Table]:
    return {
        "violations": tables.violations_table(results),
        "ratios": tables.ratios(results),
        "audit": tables.audit(results),
        "runtimes": tables.runtimes(results),
        "exact_methods": exact_tables.exact_methods(results),
        "reductions": exact_tables.reductions(results),
        "references": tables.references(results),
        "instances": tables.instances(results),
        "failures": tables.failures(results),
        "provenance": tables.provenance(results),
    }


def _pages(
    results: Results, figures: list[Chart], shown: Mapping[str, tables.Table], folder: Path
) -> dict[str, str]:
    environment = Environment(
        loader=PackageLoader("slimbench.reports", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = _markdown
    environment.filters["order"] = order_value
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    content = {
        "name": results.name,
        "summary": summary(results),
        "charts": figures,
        "interactive": interactive(results, figures, folder),
        "asset": lambda name: _asset(environment, name),
        **shown,
    }
    return {
        name: environment.get_template(f"{name}.j2").render(content) for name in ("report.html", "report.md")
    }


def _asset(environment: Environment, name: str) -> Markup:
    """A style sheet or script of ours, or of the libraries that a page carries."""
    if name == "vega.js":
        return Markup(vega())  # noqa: S704
    if name in ("datatables.js", "datatables.css"):
        return Markup(datatables()[name.endswith("css")])  # noqa: S704
    loader = environment.loader
    return Markup(loader.get_source(environment, name)[0] if loader else "")  # noqa: S704


def _markdown(text: object) -> str:
    """Text that Markdown shows as it stands, also within a table."""
    escapes: Mapping[str, str] = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    flat = " ".join(str(text).split())
    return _MARKDOWN.sub(lambda match: escapes.get(match[1], f"\\{match[1]}"), flat)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
