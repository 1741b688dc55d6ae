"""One run inside its own process: load, say ready, solve, send the result."""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np

from slimbench.bench.isolation.cgroup import ControlGroup
from slimbench.bench.isolation.messages import (
    Finished,
    Guaranteed,
    Incumbent,
    Job,
    ObservationMessage,
    PackedPlacement,
    Ready,
    Status,
    WorkerMessage,
    encode,
)
from slimbench.bench.plugins.context import NoSolutionError, SolveContext
from slimbench.bench.plugins.plugin import PluginError, parse_call
from slimbench.bench.plugins.policy_plugin import Observation, parse_policy
from slimbench.bench.plugins.registry import find_policies, find_solvers
from slimbench.bench.plugins.warm_up import Shape, warm_up
from slimbench.formulations import SolverError
from slimbench.instances import InstanceError, Placement, read_instance
from slimbench.instances.problem.arrays import frozen

LARGEST_INTEGER: Final = 2**63 - 1  # of MessagePack and SQLite


@dataclass(frozen=True)
class _Prepared:
    """What a job is about, with everything loaded that is not to be measured.

    Attributes
    ----------
    work : the solver's call on its instance, or the policy's on what it sees
    guarantee : of the figures that the run records, or None
    """

    work: Callable[[SolveContext], Placement]
    guarantee: Callable[[Mapping[str, Any]], float | None] | None = None


def run_job(job: Job, channel: Connection) -> None:
    """Do one job and send what comes of it; every fault of the solver becomes a message."""
    faulthandler.enable(file=sys.stderr)
    if job.control_group:
        ControlGroup(Path(job.control_group)).join()
    if job.cores:
        os.sched_setaffinity(0, job.cores)

    def send(message: WorkerMessage) -> None:
        channel.send_bytes(encode(message))

    try:
        prepared = _prepared_decision(job, job.observation) if job.observation else _prepared_run(job)
    except (PluginError, InstanceError, SolverError) as error:
        send(failed("error", _joined(str(error))))
        return
    except Exception as error:  # of the plugin's ``prepare``
        traceback.print_exc()
        send(failed("error", f"before its start: {_one_line(error)}"))
        return

    def on_report(placement: Placement | None, bound: float | None) -> None:
        with clock.telling() as seconds:
            packed = PackedPlacement.pack(placement) if placement is not None else None
            send(Incumbent(seconds, packed, None if bound is None else float(bound)))

    context = SolveContext(
        np.random.default_rng(job.seed),
        threads=job.threads,
        log_file=Path(job.log_file),
        on_report=on_report,
    )
    send(Ready(time.monotonic(), cpu_seconds()))
    context.deadline = time.monotonic() + job.time_limit_s
    clock = SolverClock()
    status, message, placement = _done(prepared.work, context)
    runtime_s, cpu_s = clock.seconds(), clock.cpu_seconds()
    figures = {_joined(name): _plain(value) for name, value in context.figures.items()}
    guarantee = prepared.guarantee if status == "ok" else None
    with clock.telling():  # a thread that the solver has left behind may be telling something
        context.on_report = None
        send(
            Finished(
                status=status,
                message=message,
                placement=placement,
                optimal=context.proven_optimal,
                runtime_s=runtime_s,
                cpu_s=cpu_s,
                peak_memory_mb=_peak_memory_mb(),
                figures=figures,
                guarantee_follows=guarantee is not None,
            )
        )
        if guarantee is not None:
            send(_guaranteed(guarantee, figures))


def failed(status: Status, message: str) -> Finished:
    """How a job ended that never started."""
    return Finished(status, message, None, False, 0.0, 0.0, 0.0, {})


def _prepared_run(job: Job) -> _Prepared:
    call = parse_call(job.solver, find_solvers(Path(f) for f in job.plugin_files))
    instance = read_instance(job.instance_file)
    warm_up(call, Shape.of(instance))  # a plugin's: shipped ones were warm before the fork
    if call.solver.prepare is not None:
        call.solver.prepare(call.parameters)
    declared = call.solver.guarantee
    return _Prepared(
        lambda context: call.solver(instance, context, **call.parameters),
        None if declared is None else lambda figures: declared.of_run(instance, call.parameters, figures),
    )


def _prepared_decision(job: Job, message: ObservationMessage) -> _Prepared:
    call = parse_policy(job.solver, find_policies(Path(f) for f in job.plugin_files))
    seen = Observation(
        sees=message.sees,
        period=message.period,
        n_periods=message.n_periods,
        instances=tuple(map(read_instance, message.instance_files)),
        tokens=message.tokens,
        held=message.held.unpack(),
        capacities_bytes=frozen(message.capacities_bytes, np.int64),
        expert_bytes=frozen(message.expert_bytes, np.int64),
        cloud_s_per_byte=message.cloud_s_per_byte,
        neighbour_s_per_byte=message.neighbour_s_per_byte,
    )
    return _Prepared(lambda context: call.policy(seen, context, **call.parameters))


def _done(
    work: Callable[[SolveContext], Placement], context: SolveContext
) -> tuple[Status, str, PackedPlacement | None]:
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
    """The text as one line that can be sent: what is no text of Unicode becomes question marks."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def _guaranteed(
    guarantee: Callable[[Mapping[str, Any]], float | None], figures: Mapping[str, Any]
) -> Guaranteed:
    try:
        return Guaranteed(guarantee(figures))
    except PluginError as error:
        return Guaranteed(fault=_joined(str(error)))
    except BaseException as error:
        traceback.print_exc()
        return Guaranteed(fault=f"its guarantee raises {_one_line(error)}")


class SolverClock:
    """Wall and CPU seconds of the solver alone: the clock stands still while the worker sends messages."""

    def __init__(self) -> None:
        self._telling = threading.Lock()  # libraries report from threads of their own
        self._told_s = self._told_cpu_s = 0.0
        self._started, self._started_cpu_s = time.perf_counter(), cpu_seconds()

    def seconds(self) -> float:
        """Wall seconds of the solver so far."""
        return time.perf_counter() - self._started - self._told_s

    def cpu_seconds(self) -> float:
        """CPU seconds of the solver so far, all threads and programs it waited for."""
        return cpu_seconds() - self._started_cpu_s - self._told_cpu_s

    @contextlib.contextmanager
    def telling(self) -> Iterator[float]:
        """Stop the clock, for one thread at a time; gives the wall seconds at which it stopped."""
        with self._telling:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                yield wall - self._started - self._told_s
            finally:
                self._told_s += time.perf_counter() - wall
                self._told_cpu_s += time.thread_time() - cpu


def cpu_seconds() -> float:
    """Seconds of this process and of programs it waited for, such as CBC."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _plain(value: Any) -> float | int | str | bool:
    """A figure as JSON and MessagePack have it: without infinity, and with integers of 64 bits."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    whole = isinstance(value, int) and abs(value) <= LARGEST_INTEGER
    return value if whole or (isinstance(value, float) and math.isfinite(value)) else repr(value)


def _peak_memory_mb() -> float:
    """Largest resident size so far, of this process or a program it waited for."""
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kib / 1024 / (1024 if sys.platform == "darwin" else 1)
