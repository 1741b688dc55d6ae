"""The columns of every table of the report, by the CSV file that holds the same numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from slimbench.reports.statistics.comparisons import DIFFERENT
from slimbench.reports.statistics.solver_pairs import FAST, SLOW
from slimbench.reports.tables.numbers import (
    NOTHING,
    amount_text,
    difference_text,
    estimate_text,
    factor_text,
    gap_text,
    memory_text,
    p_value_text,
    percent_text,
    ratio_text,
    share_text,
    signed_text,
    tally_text,
    times_text,
)
from slimbench.reports.tables.tables import Column, count, failed, interval, name, seconds, share_of, words

SAVING_DIGITS: Final = 6
FACTOR_DIGITS: Final = 4
MATTERS: Final = 1.1  # times as many or as long without a reduction
MOODS: Final = {"proven": "good", "claimed": "text", "open": "open"}  # of what an optimum is called
VERDICT_MOODS: Final = {"holds": "good", "violated": "bad", "undecided": "open", "not_applicable": "text"}
KIND_WORDS: Final = {
    "tokens": "tokens observed",
    "part": "part of a trace",
    "rate_noise": "noise of rates",
    "latency_noise": "noise of latencies",
}

_SOLVER: Final = name("solver")
_COUNTS: Final = (
    Column(
        "planned",
        ("n_planned", "n_not_run"),
        lambda n, waiting: f"{n} ({waiting} not run yet)" if waiting else f"{n}",
    ),
    count("n_ok", "ok"),
    failed(),
)
_OPTIMUM: Final = Column("optimum", ("optimum",), str, lambda optimum: MOODS[optimum])
_MINIMUM: Final = interval("min", "min")
_WORST: Final = Column(
    "worst instance", ("min_low", "worst_instance"), lambda low, of: NOTHING if low == 1 else of, "name"
)
_PLANNED_ON: Final = Column("planned on", ("planning_kind",), lambda kind: KIND_WORDS[kind], "text")


def _factor(key: str, title: str) -> Column:
    """Marked where it is far from 1 because the model is another one."""

    def mood(n_changed: int, factor: float) -> str:
        if n_changed and factor >= MATTERS:
            return "number good"
        return "number open" if n_changed and factor <= 1 / MATTERS else "number"

    return Column(title, ("n_changed", key), lambda _, factor: times_text(factor), mood)


def _spelled_out(reductions: str) -> str:
    """A parameter ``all-but-merge+symmetry`` in words."""
    names = reductions.removeprefix("all-but-")
    return ("" if names == reductions else "all but ") + names.replace("+", ", ")


def _confidence(low: float, high: float, of: str) -> str:
    """Said of the arithmetic mean where it is of that one."""
    text = ratio_text(low, high)
    return f"{text} (mean)" if of == "mean" and text != NOTHING else text


def _needed(value: float, kind: str, fewest: float, most: float) -> str:
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return f"> {amount_text(kind, most)}"
    return ("≤ " if value == fewest else "") + amount_text(kind, value)


COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "violations": (
        Column("kind", ("kind",), str, "bad"), _SOLVER, words("instance"), words("detail", "what was seen"),
    ),
    "worst_cases": (
        _SOLVER,
        Column(
            "lowest ratio", ("ratio_low", "ratio_high", "n_unplaced", "n_ended"),
            lambda low, high, none, ended: "no placement" if none == ended else ratio_text(low, high),
            lambda *of: "number bad" if of[2] == of[3] else "number",
        ),
        Column("instance", ("instance", "file"), lambda of, _: of, "name", lambda _, file: file),
        _OPTIMUM,
        Column("run", ("run_id",), href=lambda run: f"#run-{run}"),
        Column("status", ("status",), lambda status: status.replace("_", " "), "text"),
        Column(
            "failed runs", ("n_failed", "n_ended"), lambda n, of: f"{n} of {of}",
            lambda n, _: "number bad" if n else "number",
        ),
        words("command", "command that makes it again"),
    ),
    "ratios": (
        _SOLVER, *_COUNTS, share_of("n_placed", "n_instances"), _MINIMUM, _WORST,
        interval("gmean", "geo. mean"), interval("median", "median"), interval("max", "max"),
        interval("optimal", "optimal", share_text),
        interval("latency_max", "latency ÷ optimal, worst", factor_text),
    ),
    "aggregates": (
        words("mode", "over"), _SOLVER, count("n_planned", "planned"), count("n_ok", "ok"), failed(),
        share_of("n_instances", "n_all"), _MINIMUM, interval("gmean", "geo. mean"),
        Column("95 % interval", ("ci_low", "ci_high", "ci_of"), _confidence),
        interval("median", "median"), interval("max", "max"),
        interval("latency_max", "latency ÷ optimal, worst", factor_text),
        seconds("shifted_gmean_s", "shifted geo. mean of time"), count("n_timed", "instances timed"),
    ),
    "guarantee_audit": (
        _SOLVER,
        Column(
            "claim", ("claim", "expected"),
            lambda claim, mean: f"{claim} in the mean over seeds" if mean else claim, "text",
        ),
        Column(
            "verdict", ("verdict",),
            lambda verdict: verdict.replace("_", " "), lambda verdict: VERDICT_MOODS[verdict],
        ),
        share_of("n_applicable", "n_instances", "applies to"), interval("worst", "worst ratio"),
        Column("tightest instance", ("instance", "file"), lambda of, _: of, "name", lambda _, file: file),
        Column("guarantee there", ("guarantee",), lambda ratio: ratio_text(ratio, ratio)),
        interval("ratio", "ratio there"),
        Column(
            "margin", ("verdict", "margin_low", "margin_high"),
            lambda verdict, low, high: signed_text(high if verdict == "violated" else low),
        ),
        words("conditions"), words("source"),
    ),
    "runtimes": (
        _SOLVER, *_COUNTS, seconds("median_s", "median"), seconds("shifted_gmean_s", "shifted geo. mean"),
        seconds("max_s", "max"), seconds("total_s", "total"), seconds("cpu_median_s", "CPU median"),
        Column("peak memory", ("peak_memory_mb",), memory_text),
    ),
    "runtime_fits": (
        _SOLVER, count("n_instances", "instances"), failed("n_untimed", "without a time"),
        count("n_sizes", "sizes"), Column("fewest activations", ("activations_min",), tally_text),
        Column("most activations", ("activations_max",), tally_text),
        Column("exponent (95 % interval)", ("exponent", "exponent_low", "exponent_high"), estimate_text),
        seconds("seconds_at_max", "fitted time at the most"),
    ),
    "pareto_front": (
        _SOLVER, count("n_instances", "instances"), interval("ratio", "geo. mean of the ratio"),
        seconds("seconds", "shifted geo. mean of time"),
        Column(
            "Pareto front", ("on_front",), lambda front: "on the front" if front else "dominated",
            lambda front: "good" if front else "text",
        ),
    ),
    "by_top_k": (
        _SOLVER, count("top_k", "K"), share_of("n_placed", "n_instances"), _MINIMUM, _WORST,
        interval("gmean", "geo. mean"),
    ),
    "solver_pair_summary": (
        name("slow"), name("fast"), count("n_instances", "instances"), count("n_timed", "timed"),
        Column("times as fast, least", ("time_factor_min",), times_text),
        Column("geo. mean", ("time_factor_gmean",), times_text),
        Column("most", ("time_factor_max",), times_text),
        Column("saving lost, most", ("loss_max",), percent_text), name("worst_instance", "on"),
        Column("mean", ("loss_mean",), percent_text),
    ),
    "solver_pair": (
        name("instance"), Column("activations", ("activations",), lambda n: f"{n:,}"),
        seconds("slow_s", SLOW), seconds("fast_s", FAST),
        Column("times as fast", ("time_factor",), times_text), Column("saving lost", ("loss",), percent_text),
    ),
    "observations_needed": (
        name("instance"), _SOLVER, _PLANNED_ON, interval("itself", "ratio planned on all"),
        Column(
            "needed to be within 1 %", ("needed", "planning_kind", "fewest", "most"), _needed,
            lambda value, *_: "number" if math.isnan(value) else "open" if math.isinf(value) else "good",
        ),
        interval("fewest_gap", "gap at the least", difference_text),
        interval("most_gap", "gap at the most", difference_text),
        Column("the most", ("planning_kind", "most"), amount_text), failed(),
    ),
    "robustness_summary": (
        _PLANNED_ON, Column("amount", ("planning_kind", "planning_amount"), amount_text), _SOLVER,
        share_of("n_ok", "n_planned", "ok"), failed(), count("n_instances", "instances"),
        interval("ratio", "ratio, median"), interval("worst", "ratio, worst"),
        name("worst_instance", "worst instance"), interval("gap", "generalisation gap", difference_text),
        Column("saving kept", ("kept",), lambda share: ratio_text(share, share)),
    ),
    "pairwise": (
        name("first"), name("second"), count("n_instances", "instances"),
        count("n_only_first", "only first"), count("n_only_second", "only second"), count("wins"),
        count("ties"), count("losses"),
        Column(
            "saving of first ÷ second, median", ("median_factor",),
            lambda factor: times_text(factor, FACTOR_DIGITS),
        ),
        Column("p", ("p_value",), p_value_text), Column("p, corrected", ("p_holm",), p_value_text),
        Column(
            "verdict", ("verdict", "better"),
            lambda verdict, better: f"{better} is better" if verdict == DIFFERENT else verdict,
            lambda verdict, _: "good" if verdict == DIFFERENT else "text",
        ),
    ),
    "average_ranks": (
        _SOLVER, Column("average rank", ("average_rank",), lambda rank: f"{rank:.2f}"),
        count("n_blocks", "instances"), words("letters", "not shown to differ"),
    ),
    "exact_methods": (
        _SOLVER, name("dispatches", "dispatch"), count("n_instances", "instances"),
        count("n_claimed", "claimed"), count("n_open", "open"), count("n_time_limit", "time limit"), failed(),
        Column(
            "disagreements", ("n_disagreeing", "disagreeing"),
            lambda n, where: f"{n}: {where}" if n else "0", lambda n, _: "text bad" if n else "number",
        ),
        seconds("shifted_gmean_s", "time to claim"), Column("÷ fastest", ("factor",), times_text),
        Column("nodes", ("median_nodes",), tally_text),
        Column("root gap", ("median_root_gap",), percent_text),
        Column("rows", ("median_rows",), tally_text), Column("columns", ("median_columns",), tally_text),
    ),
    "reductions": (
        Column("reductions", ("reductions",), _spelled_out, "name"), name("call", "of"),
        share_of("n_changed", "n_instances", "models changed"), _factor("rows_factor", "rows"),
        _factor("columns_factor", "columns"), Column("root gap", ("mean_root_gap",), percent_text),
        _factor("nodes_factor", "nodes"), _factor("time_factor", "time"),
    ),
    "references": (
        name("instance"), seconds("saving_s", "best saving per token", SAVING_DIGITS),
        seconds("bound_saving_s", "upper bound", SAVING_DIGITS),
        Column(
            "gap", ("saving_s", "bound_saving_s", "closed"),
            lambda saving, bound, closed: gap_text(saving, bound, bool(closed)),
        ),
        _OPTIMUM, words("level"), Column("bound by", ("solver",), lambda by: by or NOTHING, "text"),
        Column("saving by", ("best_by",), lambda by: by or NOTHING, "text"),
        seconds("runtime_s", "time of the bound"),
    ),
    "instances": (
        name("instance"), words("dispatch"),
        *(
            Column(title, (key,), lambda size: f"{size:,}" if isinstance(size, int) else str(size))
            for key, title in (
                ("servers", "servers"), ("users", "users"), ("models", "models"), ("layers", "layers"),
                ("experts", "experts"), ("top_k", "K"), ("activations", "activations"),
            )
        ),
        words("note", "what is measured, what is drawn"),
        Column("sha256", ("instance_hash",), lambda sha256: sha256[:12], "text"),
    ),
    "runs": (  # that failed
        Column("run", ("run_id", "planning"), lambda run, _: f"{run}",
               href=lambda run, planning: "" if planning else f"#run-{run}"),
        _SOLVER,
        Column(
            "instance", ("instance", "planning"),
            lambda of, planning: f"{of}, planned on {planning}" if planning else of, "text",
        ),
        count("repeat"), count("seed"),
        Column("status", ("status",), lambda status: status.replace("_", " "), "bad"),
        Column("placement", ("saving_s",), lambda s: "none" if math.isnan(s) else "kept", "text"),
        seconds("time_limit_s", "time limit"), words("message"),
    ),
}  # fmt: skip
