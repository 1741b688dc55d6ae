"""Export the tables of a run as Parquet and CSV, under benchopt's names (docs/RESULTS.md)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import transfers_with_ratios, with_ratios
from slimbench.bench.results.results import Results, load_results
from slimbench.bench.store.store import StoreError
from slimbench.formulations.tolerances import ZERO_SAVING
from slimbench.instances.files.files import write_atomically

INSTANCE_NAMES: Final = {
    "instance": "dataset_name", "instance_hash": "instance_hash", "dispatch": "p_dataset_dispatch",
    "servers": "p_dataset_servers", "users": "p_dataset_users", "models": "p_dataset_models",
    "layers": "p_dataset_layers", "experts": "p_dataset_experts", "top_k": "p_dataset_top_k",
    "activations": "p_dataset_activations", "capacity_share": "p_dataset_capacity_share", "suite": "suite",
    "entry": "entry", "entry_number": "entry_number", "swept": "swept_json", "note": "note",
}  # fmt: skip
REFERENCE_NAMES: Final = {
    "instance": "dataset_name", "instance_hash": "instance_hash", "saving_s": "ref_primal",
    "bound_saving_s": "ref_dual", "gap": "ref_gap", "closed": "ref_closed", "proven": "ref_proven",
    "level": "ref_level",
    "solver": "ref_solver", "best_by": "ref_primal_solver", "runtime_s": "ref_time",
    "time_limit_s": "ref_time_limit_s", "latency_none_s": "latency_none_s",
}  # fmt: skip
TRAJECTORY_NAMES: Final = {
    "run_id": "run_id", "instance": "dataset_name", "solver": "solver_name", "repeat": "idx_rep",
    "seconds": "time", "saving_s": "objective_verified", "bound_saving_s": "bound_reported",
}  # fmt: skip
RUN_NAMES: Final = {
    "run_id": "run_id", "instance": "dataset_name", "instance_hash": "instance_hash",
    "dispatch": "p_dataset_dispatch", "top_k": "p_dataset_top_k", "solver": "solver_name",
    "solver_name": "plugin", "exact": "exact", "bounds": "bounds", "parameters": "options_json",
    "repeat": "idx_rep",
    "seed": "seed", "status": "status", "termination": "termination_reason", "message": "message",
    "saving_s": "objective_verified", "bound_saving_s": "bound_reported", "latency_s": "latency_s",
    "latency_none_s": "latency_none_s", "ratio_low": "ratio_lo", "ratio_high": "ratio_hi",
    "latency_ratio_low": "latency_ratio_lo", "latency_ratio_high": "latency_ratio_hi",
    "guarantee_ratio": "guarantee_alpha", "guarantee_claim": "guarantee_claim",
    "guarantee_conditions": "guarantee_conditions", "guarantee_source": "guarantee_source",
    "guarantee_expected": "guarantee_expected", "primal_integral_s": "primal_integral_s",
    "gap_integral_s": "gap_integral_s", "runtime_s": "time", "cpu_s": "time_cpu",
    "peak_memory_mb": "peak_rss_mb", "time_limit_s": "time_limit_s", "cpu_limit_s": "cpu_limit_s",
    "memory_limit_mb": "memory_limit_mb", "threads": "threads", "figures": "figures_json",
    "code_version": "code_version", "machine_id": "machine_id", "load_before": "load_before",
    "finished_at": "run_date",
}  # fmt: skip
_PLANNED_ON_ITSELF: Final = (  # what a run is only asked where it is planned on what it is evaluated on
    "termination", "bound_saving_s", "guarantee_ratio", "guarantee_claim", "guarantee_conditions",
    "guarantee_source", "guarantee_expected", "primal_integral_s", "gap_integral_s",
)  # fmt: skip
TRANSFER_NAMES: Final = {key: RUN_NAMES[key] for key in RUN_NAMES if key not in _PLANNED_ON_ITSELF} | {
    "planning": "planning", "planning_kind": "planning_kind", "planning_amount": "planning_amount",
    "planning_seed": "planning_seed", "planning_hash": "planning_hash",
}  # fmt: skip
_OF_REFERENCE: Final = (
    "ref_solver", "ref_primal", "ref_dual", "ref_gap", "ref_closed", "ref_proven", "ref_level",
)  # fmt: skip
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_INT64: Final = 2**63


def export_run(folder: Path, out: Path | None = None) -> list[Path]:
    """Write the tables of a run, each as Parquet and CSV.

    Parameters
    ----------
    folder : Path
        Of a run, finished or not.
    out : Path, optional
        Folder to write to, ``export`` in the run's by default. Files of an earlier export are replaced.

    Returns
    -------
    list of Path
        The files, with ``provenance.json`` as the last.

    Raises
    ------
    StoreError
        If ``folder`` is not one of a run, or ``out`` cannot be written.
    """
    results = load_results(folder)
    out = out or folder / "export"
    contents: dict[str, bytes] = {}
    for name, table in export_tables(results).items():
        parquet = io.BytesIO()
        table.to_parquet(parquet, index=False)
        contents[f"{name}.parquet"] = parquet.getvalue()
        contents[f"{name}.csv"] = csv_of(table).encode("utf-8")
    contents["provenance.json"] = json.dumps(results.provenance, indent=2).encode("utf-8")
    write_files(out, contents)
    return [out / name for name in contents]


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files, each atomically, to a folder that is made if need be.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror})") from None


def export_tables(results: Results) -> dict[str, pd.DataFrame]:
    """The tables as they are exported.

    ``runs``, ``transfers``, ``references``, ``instances``, ``trajectories``; their columns and units are in
    docs/RESULTS.md.
    """
    references = _references(results)
    return {
        "runs": _runs(with_ratios(results), references, RUN_NAMES),
        "transfers": _runs(transfers_with_ratios(results), references, TRANSFER_NAMES),
        "references": references,
        "instances": _renamed(results.instances, INSTANCE_NAMES),
        "trajectories": _renamed(results.trajectories, TRAJECTORY_NAMES),
    }


def csv_of(table: pd.DataFrame) -> str:
    """The table as CSV, with an apostrophe before texts that a spreadsheet would take for a formula."""

    def safe(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value

    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    columns = {str(name): table[name].astype(object).map(safe) for name in texts}
    return table.assign(**columns).to_csv(index=False, lineterminator="\n")


def _runs(runs: pd.DataFrame, references: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    runs["figures"] = runs["figures"].map(lambda figures: json.dumps(figures, sort_keys=True))
    table = _renamed(runs, names)
    reference = references.set_index("instance_hash").reindex(table["instance_hash"])
    for name in _OF_REFERENCE:
        table[name] = reference[name].to_numpy()
    parameters = [json.loads(text) for text in table["options_json"]]
    for key in sorted({key for own in parameters for key in own}):
        table[f"p_solver_{key}"] = _column([own.get(key) for own in parameters], table.index)
    return table


def _references(results: Results) -> pd.DataFrame:
    references = results.references
    saving, bound = references["saving_s"], references["bound_saving_s"]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = ((bound - saving) / bound).mask(bound <= ZERO_SAVING * references["latency_none_s"], 0.0)
    return _renamed(references.assign(gap=gap), REFERENCE_NAMES)


def _renamed(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The named columns alone, in that order."""
    return table[list(names)].rename(columns=names).reset_index(drop=True)


def _column(values: Iterable[Any], index: pd.Index) -> pd.Series:
    """Values of one type as that type; of several, as JSON text. ``None`` is missing."""
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    large = any(isinstance(value, int) and abs(value) >= _INT64 for value in values)
    types = {frozenset({bool}): "boolean", frozenset({int}): "Int64", frozenset({str}): "string"}
    if kinds <= {int, float} and float in kinds:
        return pd.Series(values, index, dtype="Float64")
    if frozenset(kinds) in types and not large:
        return pd.Series(values, index, dtype=types[frozenset(kinds)])
    texts = [None if value is None else json.dumps(value, sort_keys=True) for value in values]
    return pd.Series(texts, index, dtype="string")
