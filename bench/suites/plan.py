"""Plan the runs of a suite, and write the plan to a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from slimbench.bench.execution.machine import now
from slimbench.bench.plugins.plugin import Call, Solver, parse_call
from slimbench.bench.plugins.versions import code_version
from slimbench.bench.results.references import ENUMERATION
from slimbench.bench.store.store import Store, StoreError, refuse_results
from slimbench.bench.suites.seeds import drawn_seed
from slimbench.bench.suites.selection import EVERYTHING, Selection
from slimbench.bench.suites.suite import Suite, SuiteError, SuiteFile, parse_calls, refuse_repeated
from slimbench.bench.suites.suite_instances import NamedInstance, suite_instances
from slimbench.formulations.brute_force import placement_count
from slimbench.instances import Instance, write_instance
from slimbench.instances.generators.planning import Planning

CERTIFY_PLACEMENTS = 20_000  # instances with so few are enumerated: a second or two


@dataclass(frozen=True)
class Plan:
    """All runs of a suite.

    Attributes
    ----------
    instances : sequence of NamedInstance
    runs : sequence of dict
        The planned columns of a row each, references first.
    wanted : callable
        True for selected rows; other rows of the run folder are left unchanged.
    """

    suite: Suite
    instances: Sequence[NamedInstance]
    runs: Sequence[dict[str, Any]]
    wanted: Callable[[Mapping[str, Any]], bool]


def make_plan(
    file: SuiteFile[Suite],
    solvers: Mapping[str, Solver],
    data: Path | None,
    selection: Selection = EVERYTHING,
) -> Plan:
    """Make every instance of a suite and check every call in it.

    Raises
    ------
    SuiteError, InstanceError, PluginError
        If the suite, an instance or a solver is not what it must be, or nothing is selected.
    """
    with file.locating():
        suite = selection.changed(file.suite)
        if selection.solvers:
            measured = [parse_call(text, solvers) for text in selection.solvers]
        else:
            measured = parse_calls("solvers", suite.solvers, solvers, parse_call)
        refuse_repeated("solvers", (call.label for call in measured))
        solver, others = suite.reference.solver, suite.reference.cross_check
        reference_calls = parse_calls("reference.solver", [solver], solvers, parse_call)
        reference_calls += parse_calls("reference.cross_check", others, solvers, parse_call)
        for call in reference_calls:
            if not call.solver.proves:
                problem = f"{call.label} is not an exact solver, nor does it prove bounds"
                raise SuiteError(problem, "reference")
        enumeration = parse_call(ENUMERATION, solvers)
        is_meant = selection.cell_filter()
        instances: list[NamedInstance] = []
        runs: list[dict[str, Any]] = []
        known = {name for call in measured for name in (call.label, call.solver.name)}
        versions = {call.label: code_version(call) for call in (*measured, *reference_calls, enumeration)}
        for named in suite_instances(suite, file.folder, data):
            if not selection.solvers and (unknown := named.without - known):
                problem = f"is {min(unknown)!r}, expected one of {', '.join(sorted(known))}"
                raise SuiteError(f"{named.instance.name}: without: {problem}")
            if not selection.has(named):
                continue
            names = {"instance": named.instance.name, "dispatch": named.instance.dispatch}
            own = [
                row
                for row in _runs_of(suite, named, measured, reference_calls, enumeration, versions)
                if row["role"] != "measure" or is_meant(row | names)
            ]
            if any(row["role"] == "measure" for row in own):
                instances.append(named)
                runs += own
        if not runs:
            raise SuiteError("nothing is selected")
        hashes = {named.instance.sha256 for named in instances}
        everything = not selection.datasets and not selection.keyword

        def wanted(row: Mapping[str, Any]) -> bool:
            is_selected = row["instance_hash"] in hashes and (row["role"] != "measure" or is_meant(row))
            return everything or is_selected

        return Plan(suite, instances, runs, wanted)


def create_run(folder: Path, plan: Plan, facts: Mapping[str, str]) -> Store:
    """Make a run folder of a plan: instance files, and a row for every run.

    Raises
    ------
    StoreError
        If the folder has results, or cannot be written.
    """
    refuse_results(folder)
    _write_instances(folder, plan)
    store = Store.create(folder)  # the plan follows at once: a kill leaves a run that resumes, or none
    update_plan(folder, store, plan, facts)
    return store


def update_plan(
    folder: Path,
    store: Store,
    plan: Plan,
    facts: Mapping[str, str],
    anew: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> int:
    """Bring a run folder's plan up to date; returns how many results are stale by it.

    A result counts as long as its instance, what it is planned on, solver, parameters, seed, limits and the
    version of its code are those of the plan, and ``anew`` does not ask for it.
    """
    _write_instances(folder, plan)
    meta = {
        "name": folder.name,
        "suite": plan.suite.name,
        "seed": str(plan.suite.seed),
        "repeats": str(plan.suite.repeats),
        "planned": now(),
        **facts,
    }
    instances = [row for named in plan.instances for row in _instance_rows(named, plan.suite)]
    return store.plan(instances, plan.runs, meta, concerns=plan.wanted, anew=anew)


def _write_instances(folder: Path, plan: Plan) -> None:
    try:
        for subfolder in ("instances", "logs"):
            (folder / subfolder).mkdir(parents=True, exist_ok=True)
        for named in plan.instances:
            for instance in (named.instance, *named.plannings.values()):
                if not (folder / _file_of(instance)).exists():
                    write_instance(instance, folder / _file_of(instance))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made a run folder ({error.strerror})") from None


def _runs_of(
    suite: Suite,
    named: NamedInstance,
    measured: Sequence[Call],
    reference_calls: Sequence[Call],
    enumeration: Call,
    versions: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """Runs on one instance: references first, so that ratios are known early; transfers last."""
    roles = ["reference", *("cross-check" for _ in reference_calls[1:])]
    for role, call in zip(roles, reference_calls, strict=True):
        yield _run_row(suite, named, role, call, versions, 0)
    if placement_count(named.instance, CERTIFY_PLACEMENTS) is not None:
        yield _run_row(suite, named, "cross-check", enumeration, versions, 0)
    own = [call for call in measured if not {call.label, call.solver.name} & named.without]
    for planning in (None, *named.plannings):
        for repeat in range(suite.repeats):
            for call in own:
                yield _run_row(suite, named, "measure", call, versions, repeat, planning)


def _run_row(
    suite: Suite,
    named: NamedInstance,
    role: str,
    call: Call,
    versions: Mapping[str, str],
    repeat: int,
    planning: Planning | None = None,
) -> dict[str, Any]:
    guarantee = call.solver.guarantee
    return {
        "role": role,
        "instance_hash": named.instance.sha256,
        "planning": msgspec.json.encode(planning).decode() if planning else None,
        "planning_hash": named.plannings[planning].sha256 if planning else None,
        "solver": call.label,
        "solver_name": call.solver.name,
        "parameters": json.dumps(dict(call.parameters), sort_keys=True),
        "library": call.solver.library(call.parameters),
        "exact": call.solver.exact,
        "bounds": call.solver.bounds,
        "repeat": repeat,
        "seed": drawn_seed(suite.seed, named.instance.sha256, repeat),
        "time_limit_s": suite.limits.time_s if role == "measure" else suite.reference.time_s,
        "cpu_limit_s": suite.limits.cpu_s if role == "measure" else None,
        "memory_limit_mb": suite.limits.memory_mb,
        "threads": suite.limits.threads,
        "code_version": versions[call.label],
        "guarantee_claim": guarantee.claim if guarantee else "",
        "guarantee_conditions": guarantee.conditions if guarantee else "",
        "guarantee_source": guarantee.source if guarantee else "",
        "guarantee_expected": guarantee.expected if guarantee else False,
    }


def _file_of(instance: Instance) -> str:
    return f"instances/{instance.sha256[:16]}.npz"


def _instance_rows(named: NamedInstance, suite: Suite) -> Iterator[dict[str, Any]]:
    """That of the instance, and those of what is planned on as well."""
    entry = {"entry": named.entry, "entry_number": named.entry_number}
    swept = json.dumps(dict(named.swept))
    yield _instance_row(named.instance, suite) | entry | {"swept": swept, "note": named.note}
    for planning, seen in named.plannings.items():
        note = f"{named.instance.name} as planned on: {planning.label}"
        yield _instance_row(seen, suite) | entry | {"swept": "{}", "note": note}


def _instance_row(instance: Instance, suite: Suite) -> dict[str, Any]:
    models = instance.models
    return {
        "instance_hash": instance.sha256,
        "instance": instance.name,
        "file": _file_of(instance),
        "dispatch": instance.dispatch,
        "servers": instance.n_servers,
        "users": instance.n_users,
        "models": ", ".join(model.name for model in models),
        "layers": instance.n_layers,
        "experts": ", ".join(sorted({str(model.experts_per_layer) for model in models})),
        "top_k": max(model.top_k for model in models),
        "activations": instance.n_activations,
        "capacity_share": float(instance.capacities_bytes.mean() / instance.expert_bytes.sum()),
        "suite": suite.name,
    }
