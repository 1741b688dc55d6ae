"""A reader in a process of its own: a crash or a hang costs one input, and is a fault like any other."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_longlong
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fuzz.reader import Reader
from fuzz.watch import LARGEST_BYTES, MEMORY, SLOWEST_S, Tally, watched

HANG_S = 3 * SLOWEST_S
_POLL_S = 0.5
_PART = 10_000  # inputs of one process: its peak memory is told for a part


def run_isolated(
    readers: Callable[[], Mapping[str, Reader]],
    name: str,
    seed: int,
    numbers: range,
    tell: Callable[[int, str], None],
    hang_s: float = HANG_S,
) -> Tally:
    """Give a reader its inputs, one process at a time; one that dies or hangs is started anew after it.

    Parameters
    ----------
    readers : function of nothing, known by its name
        Makes the readers, in the process.
    tell : function of a number and a fault
    """
    tally = Tally()
    pending = [numbers[i : i + _PART] for i in range(0, len(numbers), _PART)]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        while pending:
            part = pending.pop(0)
            for message in _messages(readers, name, seed, part, folder, hang_s):
                match message:
                    case Tally():
                        tally.add(message)
                    case (int(number), str(fault)):
                        tell(number, fault)
                    case (int(number), None):  # the process is gone
                        tally.inputs += number + 1 - part.start
                        pending.insert(0, range(number + 1, part.stop))
    return tally


def _messages(
    readers: Callable[[], Mapping[str, Reader]],
    name: str,
    seed: int,
    numbers: range,
    folder: str,
    hang_s: float,
) -> Iterator[Any]:
    """Faults of one process, then its tally, or the number at which it went."""
    if not numbers:
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    current = context.Value(c_longlong, -1, lock=False)
    process = context.Process(target=_work, args=(readers, name, seed, numbers, folder, current, there))
    process.start()
    there.close()
    seen, waited_s = -1, 0.0
    with stopped(process), here:
        while True:
            try:
                if here.poll(_POLL_S):
                    message = here.recv()
                    yield message
                    if isinstance(message, Tally):
                        return
                    continue
            except EOFError:
                process.join()
                if process.exitcode == 1:  # an exception of the harness itself, told already
                    raise RuntimeError(f"the process for {name} failed after input {current.value}") from None
                yield current.value, f"ends the process with exit code {process.exitcode}"
                yield current.value, None
                return
            waited_s = waited_s + _POLL_S if current.value == seen else 0.0
            seen = current.value
            if seen >= 0 and waited_s > hang_s:
                yield seen, f"hangs for more than {hang_s:g} s"
                yield seen, None
                return


@contextmanager
def stopped(process: Any) -> Iterator[None]:
    """Kill the process in the end."""
    try:
        yield
    finally:
        process.kill()
        process.join()


def _work(
    readers: Callable[[], Mapping[str, Reader]],
    name: str,
    seed: int,
    numbers: Iterable[int],
    folder: str,
    current: Any,
    there: Connection,
) -> None:
    reader = readers()[name]

    def begin(number: int) -> None:
        current.value = number

    # A single allocation beyond what is allowed fails, rather than taking the machine with it.
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * LARGEST_BYTES, resource.RLIM_INFINITY))
    tally = watched(reader, name, seed, numbers, Path(folder), begin, lambda *fault: there.send(fault))
    there.send(tally)
