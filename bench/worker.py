"""One run inside its own process: load, say ready, solve, send the result."""

from __future__ import annotations

import faulthandler
import math
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from slimbench.bench.cgroup import ControlGroup
from slimbench.bench.context import NoSolutionError, SolveContext
from slimbench.bench.messages import (
    Finished,
    Incumbent,
    Job,
    PackedPlacement,
    Ready,
    Sight,
    Status,
    WorkerMessage,
    encode,
)
from slimbench.bench.plugin import PluginError, parse_call
from slimbench.bench.policy_plugin import Observation, parse_policy
from slimbench.bench.registry import find_policies, find_solvers
from slimbench.bench.warm_up import warm_up
from slimbench.formulations import SolverError
from slimbench.instances import InstanceError, Placement, read_instance
from slimbench.instances.arrays import frozen

Work = Callable[[SolveContext], Placement]


def run_job(job: Job, channel: Connection) -> None:
    """Do one job and send what comes of it; every fault of the solver becomes a message."""
    faulthandler.enable(file=sys.stderr)
    if job.control_group:
        ControlGroup(Path(job.control_group)).join()
    if job.cores:
        os.sched_setaffinity(0, job.cores)
    sending = threading.Lock()  # libraries report from threads of their own

    def send(message: WorkerMessage) -> None:
        with sending:
            channel.send_bytes(encode(message))

    try:
        work = _prepared_decision(job, job.sight) if job.sight else _prepared_run(job)
    except (PluginError, InstanceError, SolverError) as error:
        send(_failed("error", _joined(str(error))))
        return
    except Exception as error:  # of the plugin's ``prepare``
        traceback.print_exc()
        send(_failed("error", f"before its start: {_one_line(error)}"))
        return

    def on_report(placement: Placement | None, bound: float | None) -> None:
        packed = PackedPlacement.pack(placement) if placement is not None else None
        send(Incumbent(time.perf_counter() - wall, packed, None if bound is None else float(bound)))

    context = SolveContext(
        np.random.default_rng(job.seed),
        threads=job.threads,
        log_file=Path(job.log_file),
        on_report=on_report,
    )
    cpu = _cpu_seconds()
    send(Ready(time.monotonic(), cpu))
    context.deadline = time.monotonic() + job.time_limit_s
    wall = time.perf_counter()
    status, message, placement = _done(work, context)
    runtime, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    send(
        Finished(
            status=status,
            message=message,
            placement=placement,
            optimal=context.proven_optimal,
            runtime_s=runtime,
            cpu_s=cpu,
            peak_memory_mb=_peak_memory_mb(),
            figures={name: _plain(value) for name, value in context.figures.items()},
        )
    )


def _prepared_run(job: Job) -> Work:
    """The solver's call on its instance, with everything loaded that is not to be measured."""
    call = parse_call(job.solver, find_solvers(Path(f) for f in job.plugin_files))
    instance = read_instance(job.instance_file)
    warm_up(call)  # a plugin's: shipped ones were warm before the fork
    if call.solver.prepare is not None:
        call.solver.prepare(call.parameters)
    return lambda context: call.solver(instance, context, **call.parameters)


def _prepared_decision(job: Job, sight: Sight) -> Work:
    """The policy's call on what it may see."""
    call = parse_policy(job.solver, find_policies(Path(f) for f in job.plugin_files))
    seen = Observation(
        sees=sight.sees,
        period=sight.period,
        n_periods=sight.n_periods,
        instances=tuple(map(read_instance, sight.instance_files)),
        tokens=sight.tokens,
        held=sight.held.unpack(),
        capacities_bytes=frozen(sight.capacities_bytes, np.int64),
        expert_bytes=frozen(sight.expert_bytes, np.int64),
        cloud_s_per_byte=sight.cloud_s_per_byte,
        neighbour_s_per_byte=sight.neighbour_s_per_byte,
    )
    return lambda context: call.policy(seen, context, **call.parameters)


def _done(work: Work, context: SolveContext) -> tuple[Status, str, PackedPlacement | None]:
    try:
        placement: Any = work(context)
    except NoSolutionError as error:
        return "no_solution", _joined(str(error)), None
    except (SolverError, PluginError) as error:
        return "error", _joined(str(error)), None
    except MemoryError as error:
        traceback.print_exc()
        return "memory_limit", _one_line(error), None
    except SystemExit as error:
        return "crashed", _joined(f"the solver called exit({error.code})"), None
    except BaseException as error:  # a plugin may raise anything; the run's row says what
        traceback.print_exc()
        return "error", _one_line(error), None
    if not isinstance(placement, Placement):
        return "invalid_placement", f"returned {type(placement).__name__}, expected Placement", None
    return "ok", "", PackedPlacement.pack(placement)


def _one_line(error: BaseException) -> str:
    return _joined(f"{type(error).__name__}: {error}")


def _joined(text: str) -> str:
    """The text as one line."""
    return " ".join(text.split())


def _failed(status: Status, message: str) -> Finished:
    return Finished(status, message, None, False, 0.0, 0.0, 0.0, {})


def _plain(value: Any) -> float | int | str | bool:
    if isinstance(value, np.generic):
        value = value.item()
    plain = isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else repr(value)  # JSON has no infinity


def _cpu_seconds() -> float:
    """Seconds of this process and of programs it waited for, such as CBC."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_memory_mb() -> float:
    """Largest resident size so far, of this process or a program it waited for."""
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kib / 1024 / (1024 if sys.platform == "darwin" else 1)
