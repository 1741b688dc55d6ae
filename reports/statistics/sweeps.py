"""Sweeps: latency, ratio and time against one parameter, with confidence intervals over seeds."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.once import once
from slimbench.reports.statistics.profiles import CLOCK_S
from slimbench.reports.statistics.ratios import per_instance

CONFIDENCE: Final = 0.95
MIN_SEEDS: Final = 3  # seeds that an interval needs: of two it is 12.7 times as wide as they are apart
BASELINE: Final = "slim-greedy"  # what latencies are compared with
PARAMETERS: Final = {
    "network.capacity_share": "capacity of a server ÷ all experts",
    "network.servers": "servers",
    "network.users": "users",
    "models": "models",
    "layers": "layers of each model",
    "routing.zipf_exponent": "Zipf exponent",
    "routing.user_taste": "user taste",
    "routing.tokens": "tokens of each user",
    "routing.device_experts": "experts on each device",
}
SAMPLED: Final = "seed"  # instances that differ in it alone are samples of the same thing

_KEY: Final = ["sweep", "parameter", "position", "value", "solver"]
_POINT_COLUMNS: Final = ("sweep", "parameter", "position", "value", "instance_hash")
_COLUMNS: Final = (
    *_KEY, "suite", "dispatch", "top_k", "n_instances", "n_placed", "n_timed", "latency_s", "latency_s_low",
    "latency_s_high", "ratio_low", "ratio_high", "ratio_least", "ratio_most", "runtime_s", "runtime_s_low",
    "runtime_s_high", "saved", "saved_low", "saved_high",
)  # fmt: skip


@once
def sweep_table(results: Results) -> pd.DataFrame:
    """One row for each sweep, value of what is swept, and solver, over the seeds.

    A sweep is an entry of the suite in which one field takes several values; where several do, one sweep for
    each of them and each combination of the others. Entries of one name are sweeps of their own. Repeats
    count by their median. Confidence limits (``_low``, ``_high``) are those of Student's t at 95 % over the
    instances that differ in their seed alone; NaN of fewer than ``MIN_SEEDS``.

    Columns
    -------
    sweep, parameter, position, value
        Name of the entry with what else is chosen of it; the key that varies; the number of its value in the
        order of the suite, and the value.
    n_instances, n_placed, n_timed
        Instances, those with a verified placement, and those whose runs ended ok.
    latency_s
        Mean latency per token.
    ratio_low, ratio_high, ratio_least, ratio_most
        Mean of the lower ends of the ratios, and of the possible ones; the lower confidence limit of the
        first, and the upper one of the second.
    runtime_s
        Geometric mean of the wall seconds, with limits of the logarithms' mean.
    saved
        Mean of 1 - latency ÷ latency by ``BASELINE`` on the same instance; negative where that is better.
    """
    instances = results.instances
    found = list(_points(instances)) if len(instances) else []
    points = pd.DataFrame(found, columns=pd.Index(_POINT_COLUMNS))
    if points.empty:
        return pd.DataFrame(columns=pd.Index(_COLUMNS))
    latencies = results.runs.groupby(["solver", "instance_hash"])["latency_s"].median()
    cells = per_instance(results).join(latencies, on=["solver", "instance_hash"])
    facts = instances[["instance_hash", "suite", "dispatch", "top_k"]]
    cells = cells.merge(facts, on="instance_hash", how="left")
    baseline = cells[cells["solver"] == BASELINE].set_index("instance_hash")["latency_s"]
    cells["runtime_s"] = cells["runtime_s"].clip(lower=CLOCK_S)
    cells["saved"] = 1 - cells["latency_s"] / cells["instance_hash"].map(baseline).astype(float)
    rows = [
        dict(zip(_KEY, key, strict=True)) | _summary(own)
        for key, own in points.merge(cells, on="instance_hash").groupby(_KEY, sort=False)
    ]
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS))


def _points(instances: pd.DataFrame) -> Iterator[tuple[str, str, int, str | int | float, str]]:
    """Instances as points of each sweep that they are in."""
    places = [
        ((row["suite"], row["entry_number"]), row["entry"], row["instance_hash"], json.loads(row["swept"]))
        for row in instances.to_dict("records")
    ]
    for parameter in PARAMETERS:
        sweeps: dict[tuple[Any, ...], dict[str | int | float, list[str]]] = {}
        for entry, name, instance_hash, swept in places:
            if parameter in swept:
                label = ", ".join([name, *_other_values(swept, parameter)])
                values = sweeps.setdefault((entry, label), {})
                values.setdefault(swept[parameter], []).append(instance_hash)
        taken: Counter[str] = Counter()
        for (_, label), values in sweeps.items():
            if len(values) < 2:
                continue
            taken[label] += 1
            sweep = label if taken[label] == 1 else f"{label} ({taken[label]})"
            for position, (value, hashes) in enumerate(values.items()):
                for instance_hash in hashes:
                    yield sweep, parameter, position, value, instance_hash


def _other_values(swept: Mapping[str, Any], parameter: str) -> Iterator[str]:
    """The other swept values of an instance, its seed left out."""
    for key, value in swept.items():
        if key not in (parameter, SAMPLED):
            word = "" if key in ("dispatch", "models") else key.rpartition(".")[2].replace("_", " ") + " "
            yield f"{word}{value}"


def _summary(own: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {name: own[name].iloc[0] for name in ("suite", "dispatch", "top_k")}
    row |= {"n_instances": len(own), "n_placed": int(own["latency_s"].notna().sum())}
    row["n_timed"] = int(own["runtime_s"].notna().sum())
    for name in ("latency_s", "saved"):
        row |= zip(_ends(name), _mean_and_limits(own[name]), strict=True)
    row["ratio_low"], least, _ = _mean_and_limits(own["ratio_low"])
    row["ratio_high"], _, most = _mean_and_limits(own["ratio_high"])
    row |= {"ratio_least": max(least, 0.0), "ratio_most": min(most, 1.0)}
    times = np.exp(_mean_and_limits(np.log(own["runtime_s"])))
    return row | dict(zip(_ends("runtime_s"), times, strict=True))


def _ends(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _mean_and_limits(values: pd.Series[float]) -> tuple[float, float, float]:
    """Mean of what is known, with its confidence limits."""
    known = values.dropna()
    if known.empty:
        return math.nan, math.nan, math.nan
    from scipy.stats import t as student_t  # noqa: PLC0415 - takes a second, and few commands need it

    n, mean = len(known), float(known.mean())
    if n < MIN_SEEDS:
        return mean, math.nan, math.nan
    half = float(student_t.ppf((1 + CONFIDENCE) / 2, n - 1) * known.std(ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half
