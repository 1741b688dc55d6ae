"""The report of an adaptive suite: a page that works offline, Markdown, figures, and the data behind them."""

from __future__ import annotations

from pathlib import Path

from slimbench.bench.adaptive.results import AdaptiveResults
from slimbench.instances.files.files import naming_file
from slimbench.reports.charts.adaptive import adaptive_charts
from slimbench.reports.charts.chart import records
from slimbench.reports.pages.interactive import Interactive
from slimbench.reports.pages.page import write_pages
from slimbench.reports.pages.section import FIGURES, PROVENANCE, Part, Section
from slimbench.reports.pages.summary import Summary, Tile
from slimbench.reports.tables import adaptive_tables as tables
from slimbench.reports.tables.numbers import count_text, factor_text
from slimbench.reports.tables.tables import Cell, Table


def write_adaptive_report(results: AdaptiveResults, folder: Path) -> Path:
    """Write ``report.html``, ``report.md``, ``figures`` (SVG, PDF, PNG) and ``tables`` (CSV, LaTeX).

    Every file is replaced as a whole; equal results give equal bytes.

    Returns
    -------
    Path
        Of ``report.html``, which shows everything on its own, without a network.

    Raises
    ------
    InstanceError
        If a file cannot be written.
    """
    charts, parts = adaptive_charts(results), _sections(results)
    sources = {name: records(frame) for chart in charts for name, frame in chart.sources.items()}
    content = {
        "name": results.name,
        "summary": _summary(results),
        "sections": parts,
        "interactive": Interactive({chart.name: chart.specification for chart in charts}, sources, [], {}),
        "provenance": Table(
            ("", ""),
            [
                [Cell(key.replace("_", " "), "name"), Cell(text, "text")]
                for key, text in results.provenance.items()
            ],
        ),
    }
    data = {
        "overall": tables.overall(results),
        "policies": results.policies,
        "sequences": results.sequences,
        "periods": results.periods,
        "failed_periods": results.periods[results.periods["status"] != "ok"],
    }
    with naming_file(folder):
        return write_pages(folder, charts, data, parts, content)


def _sections(results: AdaptiveResults) -> list[Section]:
    """From top to bottom."""
    return [
        Section(
            "overall",
            "How close to hindsight",
            [
                Part(
                    "Policies over all sequences",
                    tables.over_sequences(results),
                    "Cost = seconds of latency, summed over all tokens of the horizon, plus the seconds "
                    "charged for bytes fetched, the first fill included. Regret is the cost above the "
                    "offline optimum, which knows the whole sequence beforehand; where that is open, "
                    "it lies in an interval. Sees: what a policy knows when it places: earlier "
                    "periods, the present one too, or all. Least worst ratio first.",
                )
            ],
        ),
        Section(
            "policies",
            "Policies on each sequence",
            [
                Part(
                    "Policies on each sequence",
                    tables.policies_in_short(results),
                    "Servers start empty: the first fill is what is fetched in period 0. After a period in "
                    "which a policy failed, servers keep what they hold and what fits.",
                )
            ],
        ),
        Section(FIGURES, "Figures"),
        Section(
            "sequences",
            "Sequences",
            [
                Part(
                    "Sequences",
                    tables.sequences(results),
                    "The offline optimum lies between the largest bound and the least verified cost "
                    "of any policy.",
                )
            ],
        ),
        Section(
            "failures",
            "Failed periods",
            [Part("Failed periods", tables.failures(results), empty="No decision has failed.")],
        ),
        Section(PROVENANCE, "Provenance"),
    ]


def _summary(results: AdaptiveResults) -> Summary:
    honest = tables.overall(results)
    honest = honest[honest["sees"] != "future"]
    closed, total = int(results.sequences["closed"].sum()), len(results.sequences)
    failed = int(results.policies["periods_failed"].sum())
    periods = int(results.policies["periods"].sum())
    headline = "No policy that could be run, only ones that see the future."
    if not honest.empty:
        best = honest.iloc[0]
        headline = (
            f"Best worst case: {best['policy']} costs at most "
            f"{factor_text(best['worst_low'], best['worst_high'])} times the offline optimum, on "
            f"{best['worst_sequence']}, and sees the {best['sees']}."
        )
    sentence = (
        f"The offline optimum is known on {closed:,} of {count_text(total, 'sequence')}, "
        "claimed by one code base."
    )
    return Summary(
        headline,
        [sentence],
        [
            Tile(
                f"{closed:,} of {total:,}",
                "offline optima claimed",
                "the others are intervals" if closed < total else "",
            ),
            Tile(
                f"{periods - failed:,} of {periods:,}",
                "decisions ok",
                f"{failed:,} failed",
                "bad" if failed else "",
            ),
        ],
    )
