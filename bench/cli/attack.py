"""``slimbench attack``: adversarial search for the instances on which a solver does worst."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from slimbench.bench.attack.draft import Limits
from slimbench.bench.attack.evaluator import AttackSettings
from slimbench.bench.attack.findings import FILE_NAME, described, refuse_findings, write_findings
from slimbench.bench.attack.search import AIMS, Attack
from slimbench.bench.cli.options import (
    CALL_HELP,
    FAILED,
    INTERRUPTED,
    NOTHING_MEASURED,
    Json,
    Plugins,
    print_facts,
    progress_bar,
)
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import Dispatch

Most = Annotated[int, typer.Option(min=1, help="Largest number.")]


def attack(
    solver: Annotated[str, typer.Argument(help=CALL_HELP)],
    dispatch: Dispatch = "single",
    rounds: Annotated[int, typer.Option(min=0, help="Number of rounds, of a dozen instances each.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal findings.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder; default attacks/SOLVER-DISPATCH-TIME.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.0, help="Seconds for each run of the solver.")] = 5.0,
    memory_limit: Annotated[float, typer.Option(min=1.0, help="MiB of resident memory.")] = 4096.0,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Seconds for the whole search.")] = None,
    servers: Most = Limits.servers,
    users: Most = Limits.users,
    models: Most = Limits.models,
    layers: Annotated[int, typer.Option(min=1, help="Largest number of each model.")] = Limits.layers,
    experts: Annotated[int, typer.Option(min=1, help="Largest number of each layer.")] = Limits.experts,
    top_k: Annotated[int, typer.Option(min=1, help="Largest group of experts.")] = Limits.top_k,
    activations: Most = Limits.activations,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Search small instances for a solver's lowest proven ratio and smallest margin over its guarantee.

    $ slimbench attack slim-dp --rounds 5 --out worst
    """
    call = parse_call(solver, find_solvers(plugin or []))
    settings = AttackSettings(
        call=call,
        plugin_files=tuple(plugin or []),
        dispatch=dispatch,
        limits=Limits(servers, users, models, layers, experts, top_k, activations),
        rounds=rounds,
        seed=seed,
        time_limit_s=time_limit,
        memory_limit_mb=memory_limit,
        timeout_s=timeout,
    )
    stamp = f"{call.solver.name}-{dispatch}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder = out or Path("attacks") / stamp
    refuse_findings(folder)
    search, interrupted = Attack(settings), False
    try:
        _search_with_progress(search)
    except KeyboardInterrupt:  # findings so far are kept
        interrupted = True
    table = described(search, folder)
    write_findings(search, table, folder)
    print_facts(table if as_json else _facts(table, folder), as_json)
    if interrupted:
        raise SystemExit(INTERRUPTED)
    if search.broken:
        raise SystemExit(FAILED)
    raise SystemExit(0 if search.counts["rated"] else NOTHING_MEASURED)


def _search_with_progress(search: Attack) -> None:
    with Workers() as workers, progress_bar() as progress:
        name, total = search.settings.call.solver.name, search.settings.rounds + 1
        task = progress.add_task(name, total=total, last="")

        def on_round(now: Attack) -> None:
            best = now.best.get("lowest-ratio")
            progress.update(task, advance=1, last=f"lowest ratio {best.verdict.ratio:.4f}" if best else "")

        search.run(workers, on_round)


def _facts(table: dict[str, Any], folder: Path) -> dict[str, str]:
    """Lines for the terminal, broken promises first."""
    by_kind = {kind: finding for finding in table["findings"] for kind in finding["kinds"]}
    lowest, closest = (by_kind.pop(aim, None) for aim in AIMS)
    facts = {f"BROKEN: {kind}": f"{found['fault']}, in {found['file']}" for kind, found in by_kind.items()}
    facts["lowest ratio"] = "none: no candidate had a verified placement and a known optimum"
    if lowest is not None:
        facts["lowest ratio"] = (
            f"{lowest['ratio']:.6f} ({lowest['saving_s']:.6g} s of {lowest['optimum_s']:.6g} s, "
            f"{lowest['level']} by {lowest['reference']}), in {lowest['file']}"
        )
    facts["guarantee"] = _guarantee_fact(table["guarantee"], closest)
    if closest is not None:
        facts["smallest margin"] = (
            f"{_margin(closest)} = {closest['ratio']:.6f} - {closest['guarantee']:.6f}, in {closest['file']}"
        )
    return {
        **facts,
        "candidates": f"{table['candidates']}, {table['rated']} with a ratio, "
        f"{table['open']} skipped as their optimum is open, {table['declined']} declined",
        "search": f"{table['dispatch']}, seed {table['seed']}, {table['rounds']} rounds: {table['ended']}",
        "limits": ", ".join(
            f"{name} {' to '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in table["limits"].items()
        ),
        "findings": str(folder / FILE_NAME),
        **{f"reproduce {f['kinds'][0]}": f["reproduce"] for f in table["findings"]},
    }


def _guarantee_fact(guarantee: dict[str, Any] | None, closest: dict[str, Any] | None) -> str:
    if guarantee is None:
        return "declares no guarantee"
    if guarantee["expected"]:
        return f"{guarantee['claim']} in the mean over seeds, not held against single runs"
    if closest is None:
        return f"{guarantee['claim']}, its conditions held nowhere: {guarantee['conditions']}"
    if "guarantee" in closest["kinds"]:
        return f"{guarantee['claim']}, broken"
    return f"{guarantee['claim']}, tight to {_margin(closest)}"


def _margin(finding: dict[str, Any]) -> str:
    return f"{round(finding['margin'], 6) + 0.0:.6f}"  # + 0.0: no negative zero
