"""Messages between coordinator, fork server and workers (MessagePack; nothing is unpickled)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np

from slimbench.bench.plugins.policy_plugin import Sees
from slimbench.bench.plugins.warm_up import Shape
from slimbench.instances import InstanceError, Placement

Status = Literal[
    "ok", "time_limit", "cpu_limit", "memory_limit", "crashed", "error", "invalid_placement", "no_solution",
]  # fmt: skip
TEMPORARY: Final = ".tmp"  # ending of the names of workers' folders


class PackedPlacement(msgspec.Struct, frozen=True):
    """A placement as bits."""

    shape: tuple[int, int]
    bits: bytes

    @classmethod
    def pack(cls, placement: Placement) -> PackedPlacement:
        """Eight experts a byte, row by row."""
        n, x = placement.holds.shape
        return cls((n, x), np.packbits(placement.holds).tobytes())

    def unpack(self) -> Placement:
        """The placement again.

        Raises
        ------
        InstanceError
            If the bits do not fill the shape.
        """
        count = self.shape[0] * self.shape[1]
        bits = np.frombuffer(self.bits, np.uint8)
        if min(self.shape) < 0 or len(bits) != -(-count // 8):
            raise InstanceError("placement", f"has {len(bits)} bytes, expected {self.shape} bits")
        return Placement(np.unpackbits(bits, count=count).reshape(self.shape).astype(np.bool_))


class ObservationMessage(msgspec.Struct, frozen=True):
    """An ``Observation`` for a worker: the instances of the periods that it may know, as files."""

    sees: Sees
    period: int
    n_periods: int
    instance_files: tuple[str, ...]
    tokens: tuple[float, ...]
    held: PackedPlacement
    capacities_bytes: tuple[int, ...]
    expert_bytes: tuple[int, ...]
    cloud_s_per_byte: float
    neighbour_s_per_byte: float


class Job(msgspec.Struct, frozen=True, tag=True):
    """One run of a solver on an instance, or one decision of a policy.

    Attributes
    ----------
    instance_file : str
        Empty for a decision.
    shape : Shape
        Of the instance, or of the present period.
    solver : str
        The call of the solver or the policy.
    cpu_limit_s : float or None
        Seconds of processor time of all its processes together.
    cores : tuple of int
        The processors it may run on; any where empty.
    control_group : str or None
        Folder of the control group it joins.
    observation : ObservationMessage or None
        For a decision.
    """

    key: int
    instance_file: str
    shape: Shape
    solver: str
    plugin_files: tuple[str, ...]
    seed: int
    time_limit_s: float
    memory_limit_mb: float
    threads: int
    log_file: str
    cpu_limit_s: float | None = None
    cores: tuple[int, ...] = ()
    control_group: str | None = None
    observation: ObservationMessage | None = None

    def temporary_folder(self, pid: int) -> Path:
        """Where the solver and its programs put temporary files, beside the log; removed with the worker."""
        log = Path(self.log_file).absolute()
        return log.with_name(f"{log.stem}-{pid}{TEMPORARY}")


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker has loaded everything, and the clock starts.

    ``started`` is on the clock of ``time.monotonic``, which all processes of a machine share; ``cpu_s`` is
    what loading took.
    """

    started: float
    cpu_s: float


class Incumbent(msgspec.Struct, frozen=True, tag=True):
    """A placement or a bound found on the way, ``seconds`` after the solver's start."""

    seconds: float
    placement: PackedPlacement | None
    bound_saving_s: float | None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """How the solver ended; ``placement`` only with status ``ok``, ``Guaranteed`` next if one follows."""

    status: Status
    message: str
    placement: PackedPlacement | None
    optimal: bool
    runtime_s: float
    cpu_s: float | None
    peak_memory_mb: float
    figures: dict[str, Any]
    guarantee_follows: bool = False


class Guaranteed(msgspec.Struct, frozen=True, tag=True):
    """The ratio that the solver guarantees for its run, or why its guarantee cannot be evaluated."""

    ratio: float | None = None
    fault: str = ""


class Forked(msgspec.Struct, frozen=True, tag=True):
    """A worker process has been made."""

    key: int
    pid: int


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A worker process has ended, at ``time`` (monotonic); ``exit_code`` is negative for a signal."""

    key: int
    exit_code: int
    time: float


WorkerMessage = Ready | Incumbent | Finished | Guaranteed
ServerMessage = Forked | Ended

_encoder = msgspec.msgpack.Encoder()


def encode(message: Job | WorkerMessage | ServerMessage) -> bytes:
    """Bytes of any message."""
    return _encoder.encode(message)


decode_job = msgspec.msgpack.Decoder(Job).decode
decode_worker = msgspec.msgpack.Decoder(WorkerMessage).decode
decode_server = msgspec.msgpack.Decoder(ServerMessage).decode
