"""Head of the report: headline, sentences and tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from slimbench.bench.results.references import standing
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.statistics.audit import contradictions, guarantee_audit, violations
from slimbench.reports.statistics.ratios import is_heuristic, ratio_table, runtime_table, status_counts
from slimbench.reports.tables.numbers import count_text, ratio_text, time_text

MAX_NAMED: Final = 3  # broken promises in a sentence


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
    """Say how good the best heuristic is at worst, which promises are broken, and what that rests on.

    A bound or an optimum that a verified placement disproves comes before everything: ratios are measured
    against them.
    """
    broken = violations(results)
    best, *more = _best_sentences(results)
    sentences = [
        *broken_promises(contradictions(broken))[:1],
        best,
        _broken_sentence(broken),
        *more,
        *_runs_sentences(results),
        _references_sentence(results),
    ]
    return Summary(sentences[0], sentences[1:], _tiles(results))


def broken_promises(broken: pd.DataFrame) -> list[str]:
    """A sentence for each row of ``violations``; those that make ratios doubtful first."""
    doubtful = contradictions(broken)
    return [
        f"{word}: {row.solver} on {row.instance}: {row.detail}."
        for word, rows in (("Contradicted", doubtful), ("Broken guarantee", broken.drop(doubtful.index)))
        for row in rows.itertuples(index=False)
    ]


def reasons_of_failures(results: Results) -> list[str]:
    """Why runs failed, those of references too: each reason of a solver once, after its first instance."""
    measured = pd.concat([results.runs, results.transfers], ignore_index=True).assign(role="")
    runs = pd.concat([measured, results.reference_runs], ignore_index=True)
    failed = runs[~runs["status"].isin([FINISHED_WELL, NOT_RUN])]
    reasons = []
    for (role, solver, status, message), own in failed.groupby(
        ["role", "solver", "status", "message"], sort=False
    ):
        who = " ".join(filter(None, (str(role), str(solver))))
        reason = ": ".join(filter(None, (str(own["instance"].iloc[0]), who, str(status), str(message))))
        reasons.append(f"{reason} ({len(own)} runs)" if len(own) > 1 else reason)
    return reasons


def _broken_sentence(broken: pd.DataFrame) -> str:
    if broken.empty:
        return "No promise is broken."
    cases = [f"{row.kind} of {row.solver} on {row.instance}" for row in broken.itertuples(index=False)]
    more = f" and {len(cases) - MAX_NAMED} more" if len(cases) > MAX_NAMED else ""
    return f"Broken promises: {', '.join(cases[:MAX_NAMED])}{more}."


def _best_sentences(results: Results) -> Iterator[str]:
    """The best heuristic and its worst case; then what else there is to say of it."""
    best, kind = best_worst_case(results)
    if best is None:
        yield "No verified placement yet, so no ratio."
        return
    solver, placed, total = best["solver"], int(best["n_placed"]), _n_instances(results)
    where = str(best["worst_instance"])
    if placed < total:
        where += f"; it has no placement on {total - placed} of {total} instances"
    yield f"Best {kind}: {solver}, at worst {_ratio(best, 'min')} of the optimal saving, on {where}."
    median_s = float(runtime_table(results).set_index("solver").loc[solver, "median_s"])
    yield (
        f"{solver} reaches {_ratio(best, 'gmean')} in the geometric mean of {placed} of "
        f"{count_text(total, 'instance')}, in a median time of {time_text(median_s)}."
    )


def best_worst_case(results: Results) -> tuple[pd.Series[Any] | None, str]:
    """The row of ``ratio_table`` with the best worst case, and whether it is of a heuristic or any solver.

    Of the heuristics with a placement on every instance of the run, else of any one, else of any solver.
    """
    ratios = ratio_table(results)
    placed = ratios[ratios["n_placed"] > 0]
    heuristics = placed[is_heuristic(placed)]
    everywhere = heuristics[heuristics["n_placed"] == _n_instances(results)]
    for candidates, kind in ((everywhere, "heuristic"), (heuristics, "heuristic"), (placed, "solver")):
        if not candidates.empty:
            return candidates.iloc[0], kind
    return None, "solver"


def _n_instances(results: Results) -> int:
    return int(results.runs["instance_hash"].nunique())


def _ratio(row: pd.Series[float], statistic: str) -> str:
    return ratio_text(float(row[f"{statistic}_low"]), float(row[f"{statistic}_high"]))


def _runs_sentences(results: Results) -> Iterator[str]:
    """Of the runs, and of those that were given another instance, which count for robustness alone."""
    for runs, what in ((results.runs, "planned"), (results.transfers, "more, given another instance")):
        planned, ok, failed, waiting = status_counts(runs["status"]).values()
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
    planned, ok, failed, waiting = status_counts(results.runs["status"]).values()
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


def _optima(results: Results) -> Counter[str]:
    """How many optima are ``proven``, ``claimed`` and ``open``."""
    return Counter(standing(row) for row in results.references.to_dict("records"))
