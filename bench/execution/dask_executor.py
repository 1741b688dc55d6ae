"""Run jobs on a Dask cluster, isolated as on this machine; files travel with the job, none are shared."""

from __future__ import annotations

import dataclasses
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from distributed import Client, Future, as_completed

from slimbench.bench.execution.errors import ExecutorError
from slimbench.bench.execution.machine import describe_machine
from slimbench.bench.isolation.messages import Guaranteed, Job, Status
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.trajectory import IncumbentLog
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.versions import neighbours, own_sources

CONNECT_S: Final = 20.0
FIRST_WORKER_S: Final = 120.0


class PluginFiles(msgspec.Struct, frozen=True):
    """A plugin file and what it imports from beside it; contents by names in their folder."""

    name: str
    contents: dict[str, bytes]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Those of a plugin file."""
        file = file.resolve()
        files = [file, *neighbours(file)]
        return cls(file.name, {str(path.relative_to(file.parent)): path.read_bytes() for path in files})

    def write(self, folder: Path) -> Path:
        """Write them to a new folder; returns the plugin file there."""
        for name, content in self.contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.name


class Parcel(msgspec.Struct, frozen=True):
    """A job with the files that it reads, and the sources that it is to be done by."""

    job: Job
    instance: bytes
    plugins: tuple[PluginFiles, ...]
    sources: str


class Returned(msgspec.Struct, frozen=True):
    """How a job ended, and the log that it wrote."""

    outcome: Outcome
    log: bytes


class DaskExecutor:
    """Hands jobs to the workers of a Dask cluster, one for each of their threads at a time.

    A job whose Dask worker dies is done again by another one, as Dask does; after some such deaths it counts
    as crashed.

    Parameters
    ----------
    scheduler : str
        Its address, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ExecutorError
        If no scheduler or no worker is there.
    """

    def __init__(self, scheduler: str) -> None:
        try:
            self._client: Any = Client(scheduler, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            problem = " ".join(str(error).split())
            raise ExecutorError(f"--scheduler {scheduler}: no Dask scheduler there ({problem})") from None
        self._address = scheduler
        self._jobs: dict[Future[bytes], Job] = {}
        self._done: Any = as_completed()
        self._plugin = cache(lambda file: PluginFiles.read(Path(file)))

    def __enter__(self) -> Self:
        try:
            self._client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError:
            self._client.close()
            raise ExecutorError(
                f"--scheduler {self._address}: has no worker after {FIRST_WORKER_S:g} s"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._client.cancel(list(self._jobs))
        self._client.close()

    @property
    def slots(self) -> int:
        """Threads of all workers that are there now."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def submit(self, job: Job) -> None:
        """Send a job with its files."""
        parcel = Parcel(
            job,
            Path(job.instance_file).read_bytes(),
            tuple(map(self._plugin, job.plugin_files)),
            own_sources(),
        )
        future = self._client.submit(do_parcel, msgspec.msgpack.encode(parcel), pure=False)
        self._jobs[future] = job
        self._done.add(future)

    def collect(self) -> Iterator[Outcome]:
        """Wait until at least one job has ended; yields all that have.

        Raises
        ------
        ExecutorError
            If a worker has other sources than this process.
        """
        for future in self._done.next_batch(block=True):
            job = self._jobs.pop(future)
            if future.status != "finished":
                problem = future.exception() if future.status == "error" else future.status
                if isinstance(problem, ExecutorError):
                    raise problem
                yield _lost(job, " ".join(f"{type(problem).__name__}: {problem}".split()))
                continue
            returned = msgspec.msgpack.decode(future.result(), type=Returned)
            if returned.log:
                Path(job.log_file).write_bytes(returned.log)
            yield dataclasses.replace(returned.outcome, job=job)


def _lost(job: Job, message: str) -> Outcome:
    status: Status = "crashed"
    nothing: tuple[Any, ...] = (None, None, False, 0.0, None, 0.0, {}, Guaranteed(), IncumbentLog(), 0.0)
    return Outcome(job, status, message, *nothing)


_here = threading.local()


def do_parcel(packed: bytes) -> bytes:
    """Do one job on the machine of a Dask worker; each of its threads keeps a fork server.

    Raises
    ------
    ExecutorError
        If this machine has other sources than the one that sent the job.
    """
    parcel = msgspec.msgpack.decode(packed, type=Parcel)
    if parcel.sources != own_sources():
        raise ExecutorError("the Dask worker has another version of slimbench than the coordinator")
    workers: Any = getattr(_here, "workers", None)
    if workers is None or workers.threads != parcel.job.threads:
        _here.workers = workers = Workers(1, parcel.job.threads).__enter__()
    with tempfile.TemporaryDirectory() as folder:
        instance_file, log_file = Path(folder, Path(parcel.job.instance_file).name), Path(folder, "log")
        instance_file.write_bytes(parcel.instance)
        plugin_files = [
            str(plugin.write(Path(folder, f"plugin-{number}")))  # their names may be the same
            for number, plugin in enumerate(parcel.plugins)
        ]
        job = msgspec.structs.replace(
            parcel.job,
            instance_file=str(instance_file),
            plugin_files=tuple(plugin_files),
            log_file=str(log_file),
        )
        workers.submit(job)
        outcome = dataclasses.replace(next(iter(workers.collect())), machine=describe_machine())
        log = log_file.read_bytes() if log_file.exists() else b""
    return msgspec.msgpack.encode(Returned(outcome, log))
