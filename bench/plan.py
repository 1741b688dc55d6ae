"""From a suite to the planned runs of a run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slimbench.bench.machine import describe_machine
from slimbench.bench.plugin import Call, Solver, parse_call
from slimbench.bench.references import ENUMERATION
from slimbench.bench.store import Store, StoreError, refuse_results
from slimbench.bench.suite import NamedInstance, Suite, SuiteError, suite_instances
from slimbench.formulations.enumeration import placement_count
from slimbench.instances import write_instance

CERTIFY_PLACEMENTS = 20_000  # instances with so few are enumerated: a second or two


def plan_run(
    folder: Path,
    suite: Suite,
    suite_text: str,
    suite_folder: Path,
    solvers: Mapping[str, Solver],
    plugin_files: Sequence[Path],
    data: Path | None,
) -> Store:
    """Make every instance, write it to the run folder, and plan one row for every run.

    Nothing is written before the whole suite has been checked.

    Raises
    ------
    SuiteError, InstanceError, PluginError, StoreError
        If the suite, an instance or a solver is not what it must be, or the folder has results.
    """
    measured = [parse_call(text, solvers) for text in suite.solvers]
    if len({call.label for call in measured}) < len(measured):
        raise SuiteError(f"{suite.name}: solvers: one of them is named twice")
    judges = [parse_call(text, solvers) for text in (suite.reference.solver, *suite.reference.cross_check)]
    for call in judges:
        if not call.solver.exact:
            raise SuiteError(f"{suite.name}: reference: {call.label} is not an exact solver")
    instances = list(suite_instances(suite, suite_folder, data))
    known = {name for call in measured for name in (call.label, call.solver.name)}
    for named in instances:
        if unknown := named.without - known:
            raise SuiteError(
                f"{suite.name}: {named.instance.name}: without: {min(unknown)!r} is not in solvers"
            )
    refuse_results(folder)
    try:
        for subfolder in ("instances", "logs"):
            (folder / subfolder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made a run folder ({error.strerror})") from None
    for named in instances:
        write_instance(named.instance, folder / _file_of(named))
    store = Store.create(folder)  # the plan follows at once: a kill leaves a run that resumes, or none
    certifying = [parse_call(ENUMERATION, solvers)]
    store.plan(
        [_instance_row(named) for named in instances],
        (
            row
            for number, named in enumerate(instances)
            for row in _runs_of(suite, number, named, measured, judges, certifying)
        ),
        {
            "name": folder.name,
            "suite": suite.name,
            "suite_text": suite_text,
            "seed": str(suite.seed),
            "repeats": str(suite.repeats),
            "plugin_files": json.dumps([str(path.resolve()) for path in plugin_files]),
            **describe_machine(),
        },
    )
    return store


def _runs_of(
    suite: Suite,
    number: int,
    named: NamedInstance,
    measured: Sequence[Call],
    judges: Sequence[Call],
    certifying: Sequence[Call],
) -> Iterator[dict[str, Any]]:
    """References first, so that ratios are known while the others run."""
    countable = placement_count(named.instance, CERTIFY_PLACEMENTS) is not None
    roles = ["reference", *("cross-check" for _ in judges[1:])]
    for role, call in zip(roles, judges, strict=True):
        yield _run_row(suite, number, named, role, call, 0)
    for call in certifying if countable else ():
        yield _run_row(suite, number, named, "cross-check", call, 0)
    for repeat in range(suite.repeats):
        for call in measured:
            if {call.label, call.solver.name} & named.without:
                continue
            yield _run_row(suite, number, named, "measure", call, repeat)


def _run_row(
    suite: Suite, number: int, named: NamedInstance, role: str, call: Call, repeat: int
) -> dict[str, Any]:
    guarantee = call.solver.guarantee
    # Every solver sees the same seed in the same repeat of the same instance.
    seed = int(np.random.SeedSequence([suite.seed, number, repeat]).generate_state(1)[0])
    return {
        "role": role,
        "instance_hash": named.instance.sha256,
        "solver": call.label,
        "solver_name": call.solver.name,
        "parameters": json.dumps(dict(call.parameters), sort_keys=True),
        "library": call.solver.library(call.parameters),
        "exact": call.solver.exact,
        "repeat": repeat,
        "seed": seed,
        "time_limit_s": suite.limits.time_s if role == "measure" else suite.reference.time_s,
        "memory_limit_mb": suite.limits.memory_mb,
        "guarantee_claim": guarantee.claim if guarantee else "",
        "guarantee_conditions": guarantee.conditions if guarantee else "",
        "guarantee_source": guarantee.source if guarantee else "",
        "guarantee_expected": guarantee.expected if guarantee else False,
    }


def _file_of(named: NamedInstance) -> str:
    return f"instances/{named.instance.sha256[:16]}.npz"


def _instance_row(named: NamedInstance) -> dict[str, Any]:
    instance = named.instance
    models = instance.models
    return {
        "instance_hash": instance.sha256,
        "instance": instance.name,
        "file": _file_of(named),
        "dispatch": instance.dispatch,
        "servers": instance.n_servers,
        "users": instance.n_users,
        "models": ", ".join(model.name for model in models),
        "layers": instance.n_layers,
        "experts": ", ".join(sorted({str(model.experts_per_layer) for model in models})),
        "top_k": max(model.top_k for model in models),
        "activations": instance.n_activations,
        "note": named.note,
    }
