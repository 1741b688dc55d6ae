"""Run a solver once on one instance, isolated and verified as in a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slimbench.bench.execution.verification import verified
from slimbench.bench.isolation.messages import Job
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import Call
from slimbench.bench.plugins.warm_up import Shape
from slimbench.instances import Instance, write_instance


def run_once(
    workers: Workers,
    folder: Path,
    instance: Instance,
    call: Call,
    *,
    time_limit_s: float,
    memory_limit_mb: float,
    seed: int = 0,
    plugin_files: Sequence[Path | str] = (),
    instance_file: Path | None = None,
) -> tuple[dict[str, Any], Outcome]:
    """Run a solver with one thread, and wait for it.

    Parameters
    ----------
    workers : Workers
        Without a run under way.
    folder : Path
        For the file of the instance and the ``log`` of the run.
    instance_file : Path, optional
        Where the instance lies already.

    Returns
    -------
    row : dict
        The result columns, as ``verified`` gives them.
    outcome : Outcome
    """
    if instance_file is None:
        instance_file = folder / "instance.npz"
        write_instance(instance, instance_file)
    workers.submit(
        Job(
            key=0,
            instance_file=str(instance_file),
            shape=Shape.of(instance),
            solver=call.label,
            plugin_files=tuple(map(str, plugin_files)),
            seed=seed,
            time_limit_s=time_limit_s,
            memory_limit_mb=memory_limit_mb,
            threads=1,
            log_file=str(folder / "log"),
        )
    )
    outcome = next(iter(workers.collect()))
    return verified(instance, outcome), outcome
