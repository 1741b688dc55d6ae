"""Measuring in a process of its own, whose memory is that of what is measured."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Final, ParamSpec, TypeVar

PROCESS_STATUS: Final = Path("/proc/self/status")
MIB_PER_KIB: Final = 1 / 1024

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


def in_child(function: Callable[_Given, _Made], *args: _Given.args, **kwargs: _Given.kwargs) -> _Made:
    """Call it in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        result = pool.submit(function, *args, **kwargs).result()
    print(args, result, file=sys.stderr, flush=True)
    return result


def command_seconds(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh interpreter, with all that it starts and waits for.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    start, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    wall_s, after = time.perf_counter() - start, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return wall_s, cpu_s


def peak_mib() -> float:
    """Of this process alone; where the system does not tell, not below that of the one that started it."""
    if PROCESS_STATUS.exists():
        for line in PROCESS_STATUS.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * MIB_PER_KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_KIB
