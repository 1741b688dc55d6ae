"""Findings of an attack as files: instances, placements, and a table."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
from pathlib import Path
from typing import Any, Final

from slimbench.bench.attack.evaluator import AttackSettings
from slimbench.bench.attack.search import Attack, Candidate, Kind
from slimbench.bench.store.store import StoreError
from slimbench.instances import write_instance, write_placement
from slimbench.instances.files.files import write_atomically

FORMAT, VERSION = "slimbench.findings", 1
FILE_NAME: Final = "findings.json"


def refuse_findings(folder: Path) -> None:
    """Raise ``StoreError`` if the folder has anything in it, or cannot be made."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(f"{folder}: exists already, expected another folder")
        folder.resolve().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made a folder of findings ({error.strerror})") from None


def described(attack: Attack, folder: Path) -> dict[str, Any]:
    """Return the content of ``findings.json``; ``folder`` is where its files are to be written."""
    settings, guarantee = attack.settings, attack.settings.call.solver.guarantee
    return {
        "format": FORMAT,
        "version": VERSION,
        "solver": settings.call.label,
        "parameters": dict(settings.call.parameters),
        "dispatch": settings.dispatch,
        "seed": settings.seed,
        "rounds": attack.rounds,
        "ended": attack.ended,
        "time_limit_s": settings.time_limit_s,
        "limits": settings.limits.described(),
        **{name: attack.counts[name] for name in ("candidates", "rated", "open", "declined")},
        "guarantee": guarantee
        and {name: getattr(guarantee, name) for name in ("claim", "conditions", "source", "expected")},
        "broken": attack.broken,
        "findings": [_finding(kinds, candidate, settings, folder) for kinds, candidate in attack.findings()],
    }


def write_findings(attack: Attack, table: dict[str, Any], folder: Path) -> None:
    """Write the folder of findings, whole or not at all.

    Raises
    ------
    StoreError, InstanceError
        If the folder or a file in it cannot be written.
    """
    target = folder.resolve()
    draft = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    try:
        draft.mkdir()
        for kinds, candidate in attack.findings():
            verdict = candidate.verdict
            write_instance(verdict.instance, draft / f"{kinds[0]}.json")
            for name in ("placement", "optimum"):
                if (placement := getattr(verdict, name)) is not None:
                    write_placement(placement, verdict.instance, draft / f"{kinds[0]}.{name}.json")
        write_atomically(draft / FILE_NAME, json.dumps(table, indent=1).encode() + b"\n")
        draft.replace(target)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError):
            raise StoreError(f"{folder}: cannot write findings ({error.strerror})") from None
        raise


def _finding(
    kinds: list[Kind], candidate: Candidate, settings: AttackSettings, folder: Path
) -> dict[str, Any]:
    verdict, reference = candidate.verdict, candidate.verdict.reference
    file = folder / f"{kinds[0]}.json"
    command = [
        "slimbench", "solve", str(file), "--solver", settings.call.label, "--seed", str(settings.seed),
        "--time-limit", f"{settings.time_limit_s:g}", "--memory-limit", f"{settings.memory_limit_mb:g}",
        *(part for path in settings.plugin_files for part in ("--plugin", str(path))),
    ]  # fmt: skip
    return {
        "kinds": list(kinds),
        "file": str(file),
        "instance": verdict.instance.name,
        "instance_hash": verdict.instance.sha256,
        "status": verdict.row["status"],
        "fault": verdict.fault.detail if verdict.fault else None,
        "ratio": verdict.ratio,
        "saving_s": verdict.row["saving_s"],
        "optimum_s": reference.saving_s if reference.closed else None,
        "reference": verdict.reference_solver,
        "level": reference.level,
        "guarantee": verdict.guarantee,
        "margin": verdict.margin,
        "placement": None if verdict.placement is None else f"{kinds[0]}.placement.json",
        "optimum": None if verdict.optimum is None else f"{kinds[0]}.optimum.json",
        "round": candidate.round,
        "history": list(candidate.draft.history),
        "reproduce": shlex.join(command),
    }
