"""What the run says at a glance: the worst certified ratio first, then what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from slimbench.bench.references import standing
from slimbench.bench.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.audit import guarantee_audit, violations
from slimbench.reports.numbers import count_text, ratio_text, time_text
from slimbench.reports.ratios import ratio_table, runtime_table


@dataclass(frozen=True)
class Tile:
    """One figure of the header: a number, what it counts, a remark, and ``good``, ``bad`` or no mood."""

    value: str
    label: str
    remark: str
    mood: str = ""


@dataclass(frozen=True)
class Summary:
    """The headline sentence, further sentences, and the tiles below."""

    headline: str
    sentences: list[str]
    tiles: list[Tile]


def summary(results: Results) -> Summary:
    """Say which solver's worst case is best, which is the worst of all, and how sure that is."""
    sentences = [*_runs_sentences(results), _references_sentence(results)]
    ratios = ratio_table(results)
    placed = ratios[ratios["n_placed"] > 0]
    if placed.empty:
        return Summary("No verified placement yet, so no ratio.", sentences, _tiles(results))
    return Summary(_worst_case(placed), [_best_sentence(results, placed), *sentences], _tiles(results))


def _worst_case(placed: pd.DataFrame) -> str:
    row = placed.iloc[-1]
    return (
        f"Worst certified ratio: {_ratio(row, 'min')} of the optimal saving, by {row['solver']} "
        f"on {row['worst_instance']}."
    )


def _best_sentence(results: Results, placed: pd.DataFrame) -> str:
    best, kind = best_worst_case(placed)
    if best is None:
        return ""
    times = runtime_table(results).set_index("solver")
    return (
        f"The {kind} with the best worst case is {best['solver']}: {_ratio(best, 'min')} on "
        f"{best['worst_instance']}, {_ratio(best, 'gmean')} in the geometric mean of "
        f"{best['n_placed']} of {count_text(int(best['n_instances']), 'instance')}, "
        f"in a median time of {time_text(float(times.loc[best['solver'], 'median_s']))}."
    )


def best_worst_case(placed: pd.DataFrame) -> tuple[pd.Series[Any] | None, str]:
    """The row of the heuristic that answered everywhere (else of any, else of any solver), and its kind.

    Parameters
    ----------
    placed : DataFrame
        Rows of ``ratio_table`` with a placement, the best worst case first.
    """
    heuristics = placed[~placed["exact"].astype(bool)]
    everywhere = heuristics[heuristics["n_placed"] == heuristics["n_instances"]]
    for candidates, kind in ((everywhere, "heuristic"), (heuristics, "heuristic"), (placed, "solver")):
        if not candidates.empty:
            return candidates.iloc[0], kind
    return None, "solver"


def _ratio(row: pd.Series[float], statistic: str) -> str:
    return ratio_text(float(row[f"{statistic}_low"]), float(row[f"{statistic}_high"]))


def _runs_sentences(results: Results) -> Iterator[str]:
    """Of the runs, and of those that were given another instance, which count for robustness alone."""
    for runs, what in ((results.runs, "planned"), (results.transfers, "more, given another instance")):
        planned, ok, failed, waiting = _counts(runs)
        unfinished = f", {waiting:,} not run yet: this report is not complete" if waiting else ""
        if planned or runs is results.runs:
            yield f"{count_text(planned, 'run')} {what}: {ok:,} ok, {failed:,} failed{unfinished}."


def _references_sentence(results: Results) -> str:
    total, optima = len(results.instances), _optima(results)
    claimed = f", claimed by one code base on {optima['claimed']:,}" if optima["claimed"] else ""
    rest = "so every ratio is a point" if not optima["open"] else "on the others a ratio is an interval"
    known = f"The optimum is proven on {optima['proven']:,} of {count_text(total, 'instance')}{claimed}"
    return f"{known}; {rest}."


def _tiles(results: Results) -> list[Tile]:
    planned, ok, failed, waiting = _counts(results.runs)
    total, optima = len(results.instances), _optima(results)
    others = [f"{optima[name]:,} {name}" for name in ("claimed", "open") if optima[name]]
    verdicts = guarantee_audit(results)["verdict"]
    held, undecided = int((verdicts == "holds").sum()), int((verdicts == "undecided").sum())
    broken = len(violations(results))
    remark = f"{failed:,} failed" + (f", {waiting:,} not run yet" if waiting else "")
    return [
        Tile(f"{ok:,} of {planned:,}", "runs ok", remark, "bad" if failed else ""),
        Tile(f"{optima['proven']:,} of {total:,}", "optima proven", ", ".join(others)),
        Tile(f"{held:,} of {len(verdicts):,}", "guarantees hold", f"{undecided:,} undecided"),
        Tile(f"{broken:,}", "broken promises", "bounds and guarantees", "bad" if broken else "good"),
    ]


def _counts(runs: pd.DataFrame) -> tuple[int, int, int, int]:
    status = runs["status"]
    ok, waiting = int(status.eq(FINISHED_WELL).sum()), int(status.eq(NOT_RUN).sum())
    return len(status), ok, len(status) - ok - waiting, waiting


def _optima(results: Results) -> Counter[str]:
    """How many optima are ``proven``, ``claimed`` and ``open``."""
    return Counter(standing(row) for row in results.references.to_dict("records"))
