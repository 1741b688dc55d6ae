"""Audit of declared guarantees, claimed bounds and claimed optima."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from slimbench.bench.results.ratio_intervals import best_savings, disproved
from slimbench.bench.results.results import Results
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.reports.statistics.once import once, with_ratios
from slimbench.reports.statistics.ratios import ENDS

CONFIDENCE: Final = 0.95  # of a verdict on an expected guarantee
MIN_SEEDS: Final = 3
VERDICTS: Final = ("violated", "undecided", "holds", "not_applicable")  # the first that any case has counts

_COLUMNS: Final = (
    "solver", "claim", "expected", "conditions", "source", "verdict", "n_instances", "n_applicable",
    "n_cases", "n_undecided", "n_violated", "worst_low", "worst_high", "guarantee", "ratio_low", "ratio_high",
    "margin_low", "margin_high", "instance",
)  # fmt: skip


@once
def guarantee_audit(results: Results) -> pd.DataFrame:
    """One row for each solver and declared guarantee, violations first.

    A case is a run (or, for an expected guarantee, an instance over its seeds) in which the conditions hold
    and a placement was verified. It ``holds`` where the whole ratio interval is at least the guarantee,
    is ``violated`` where the whole interval is below, and ``undecided`` where the guarantee lies inside it,
    all to 1e-6. A claim is ``violated`` by one violated case, ``undecided`` by one undecided case or where
    nothing was measured, and ``not_applicable`` where its conditions held in no run.

    Columns
    -------
    n_instances, n_applicable, n_cases, n_undecided, n_violated
        Instances planned, instances in which the conditions hold, cases, and those without a good verdict.
    worst_low, worst_high
        Worst ratio of all cases.
    guarantee, ratio_low, ratio_high, margin_low, margin_high, instance
        The tightest case: the one with the least margin among those that decide the verdict. The margin is
        ratio - guarantee; for an expected guarantee ratios are means over seeds, and the margin runs between
        the confidence limits of its mean.
    """
    runs = with_ratios(results)
    runs = runs[runs["guarantee_claim"].ne("")]
    rows = [_audit_row(own) for _, own in runs.groupby(["solver", "guarantee_claim"], sort=False)]
    table = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    return table.sort_values(
        "verdict", key=lambda verdicts: verdicts.map(VERDICTS.index), kind="stable"
    ).reset_index(drop=True)


@once
def violations(results: Results) -> pd.DataFrame:
    """Every broken promise: ``kind`` (guarantee, bound, optimality), ``solver``, ``instance``, ``detail``."""
    audit = guarantee_audit(results)
    kinds = pd.Index(["kind", "solver", "instance", "detail"])
    rows = [
        (
            "guarantee",
            row["solver"],
            row["instance"],
            f"ratio of at most {row['ratio_high']:.9g} {'in the mean ' * row['expected']}"
            f"against the declared {row['claim']} = {row['guarantee']:.9g}"
            f" ({row['n_violated']} violations in {row['n_cases']} cases)",
        )
        for row in audit[audit["verdict"] == "violated"].to_dict("records")
    ]
    return pd.DataFrame([*rows, *_broken_claims(results)], columns=kinds)


def contradictions(broken: pd.DataFrame) -> pd.DataFrame:
    """Those of ``violations`` that make a reference doubtful: claimed bounds and optima that are none."""
    return broken[broken["kind"].ne("guarantee")]


def _broken_claims(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """Runs, also of references, whose own bound or claim of optimality a verified placement disproves."""
    if not results.reference_runs.empty:
        results = replace(results, runs=pd.concat([results.runs, results.reference_runs], ignore_index=True))
    best, runs = best_savings(results), results.runs
    none = runs["latency_none_s"].to_numpy(float)
    bound = runs["bound_saving_s"].to_numpy(float)
    below = disproved(best, bound, none)
    optimal = runs["termination"].eq("optimal").to_numpy(bool)
    beaten = optimal & ~below & disproved(best, runs["saving_s"].to_numpy(float), none)
    for i in np.flatnonzero(below | beaten):
        run = runs.iloc[i]
        kind, claim = "optimality", f"calls its saving of {run['saving_s']:.9g} s optimal"
        if below[i]:
            kind, claim = "bound", f"claims that no placement saves more than {bound[i]:.9g} s"
        detail = f"run {run['run_id']} {claim}, but a verified placement saves {best[i]:.9g} s"
        yield kind, run["solver"], run["instance"], detail


def _audit_row(runs: pd.DataFrame) -> dict[str, Any]:
    first = runs.iloc[0]
    applicable = runs[runs["guarantee_ratio"].notna()]
    expected = bool(first["guarantee_expected"])
    cases = (_expected_cases if expected else _single_cases)(applicable[applicable["ratio_low"].notna()])
    found = {verdict: [case for case in cases if case["verdict"] == verdict] for verdict in VERDICTS}
    row = {
        "solver": first["solver"],
        "claim": first["guarantee_claim"],
        "expected": expected,
        "conditions": first["guarantee_conditions"],
        "source": first["guarantee_source"],
        "n_instances": runs["instance_hash"].nunique(),
        "n_applicable": applicable["instance_hash"].nunique(),
        "n_cases": len(cases),
        "n_undecided": len(found["undecided"]),
        "n_violated": len(found["violated"]),
    }
    if not cases:
        inapplicable = applicable.empty and bool(runs["ratio_low"].notna().any())
        return row | {"verdict": "not_applicable" if inapplicable else "undecided", "instance": ""}
    verdict = next(verdict for verdict in VERDICTS if found[verdict])
    end = "margin_high" if verdict == "violated" else "margin_low"
    worst = {f"worst_{end}": min(case[f"ratio_{end}"] for case in cases) for end in ENDS}
    return row | worst | min(found[verdict], key=lambda case: float(case[end]))


def _single_cases(runs: pd.DataFrame) -> list[dict[str, Any]]:
    cases = []
    for run in runs.to_dict("records"):
        guarantee = run["guarantee_ratio"]
        ratios = {f"ratio_{end}": run[f"ratio_{end}"] for end in ENDS}
        margins = {f"margin_{end}": run[f"ratio_{end}"] - guarantee for end in ENDS}
        case = {"instance": run["instance"], **ratios, "guarantee": guarantee, **margins}
        cases.append(case | {"verdict": _verdict(margins["margin_low"], margins["margin_high"])})
    return cases


def _expected_cases(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """A case for each instance: the mean over its seeds, with one-sided t limits.

    That the claim holds must be shown on every instance, each at 95 % (an intersection-union test). One
    violated instance refutes it, so the limits for that share the 5 % among the instances (Bonferroni).
    """
    groups = [own.groupby("seed").first() for _, own in runs.groupby("instance_hash", sort=False)]
    errors = {"low": 1 - CONFIDENCE, "high": (1 - CONFIDENCE) / max(1, len(groups))}
    cases = []
    for own in groups:
        guarantee = float(own["guarantee_ratio"].mean())
        ratios = {end: float(own[f"ratio_{end}"].mean()) for end in ENDS}
        below, above = (
            _half_width(own[f"ratio_{end}"] - own["guarantee_ratio"], error) for end, error in errors.items()
        )
        low, high = ratios["low"] - guarantee - below, ratios["high"] - guarantee + above
        verdict = _verdict(low, high) if len(own) >= MIN_SEEDS else "undecided"
        case = {"instance": own["instance"].iloc[0], "guarantee": guarantee, "verdict": verdict}
        case |= {f"ratio_{end}": ratio for end, ratio in ratios.items()}
        cases.append(case | {"margin_low": low, "margin_high": high})
    return cases


def _half_width(samples: pd.Series[float], error: float) -> float:
    """Of the one-sided t interval of the mean; infinite for a single sample."""
    n = len(samples)
    if n < 2:
        return math.inf
    return float(student_t.ppf(1 - error, n - 1) * samples.std(ddof=1) / math.sqrt(n))


def _verdict(margin_low: float, margin_high: float) -> str:
    if margin_low >= -AGREEMENT:
        return "holds"
    return "violated" if margin_high < -AGREEMENT else "undecided"
