"""Sections of the report; templates/sections.toml has their order and their texts."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Final

from slimbench.bench.results.results import Results
from slimbench.reports.pages.section import RUNS, Part, Section
from slimbench.reports.statistics.comparisons import friedman_test
from slimbench.reports.statistics.frames import statistics_of
from slimbench.reports.statistics.solver_pairs import FAST, SLOW
from slimbench.reports.statistics.sweeps import BASELINE, sweep_table
from slimbench.reports.tables import shown
from slimbench.reports.tables.columns import COLUMNS
from slimbench.reports.tables.tables import table_of

MIN_METHODS: Final = 2  # exact ones to compare
RANKS: Final = "average_ranks"
SWEEPS: Final = "sweep_latency"
TEXTS: Final = "sections.toml"  # beside the templates


def sections(results: Results) -> list[Section]:
    """All of them that have something to show."""
    frames = statistics_of(results)
    methods = frames["exact_methods"]
    displayed = {
        **frames,
        "worst_cases": shown.with_files(frames["worst_cases"], results),
        "guarantee_audit": shown.with_files(frames["guarantee_audit"], results),
        "references": shown.references(results),
        RANKS: shown.ranks(frames[RANKS], results),
        "exact_methods": methods if len(methods) >= MIN_METHODS else methods[:0],
        "runs": shown.failures(results),
    }

    names = {
        "slow": SLOW, "fast": FAST, "baseline": BASELINE,
        "friedman": shown.friedman_sentence(friedman_test(results)),
    }  # fmt: skip

    def part(data: str, caption: str, text: str = "", empty: str = "") -> Part:
        if data == SWEEPS:
            table = shown.against_greedy(sweep_table(results))
        else:
            table = table_of(displayed[data], COLUMNS[data], data)
        return Part(caption.format(**names), table, text.format(**names), empty)

    layout = tomllib.loads((resources.files("slimbench.reports") / "templates" / TEXTS).read_text("utf-8"))
    every = [
        Section(entry["id"], entry["title"], [part(**described) for described in entry.get("parts", ())])
        for entry in layout["sections"]
    ]
    return [
        section
        for section in every
        if section.shown or (not section.parts and (section.id != RUNS or len(results.runs)))
    ]
