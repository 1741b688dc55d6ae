"""Memory limits by control groups (version 2), one for each run, where the system permits.

Polling resident sizes is coarse and counts shared pages once a process; a control group is exact.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

MOUNTS: Final = Path("/proc/self/mounts")
OWN: Final = Path("/proc/self/cgroup")
COORDINATOR: Final = "slimbench-coordinator"


@dataclass(frozen=True)
class ControlGroup:
    """The group of one run."""

    folder: Path

    def join(self) -> None:
        """Put this process, and what it will start, into the group."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def was_stopped(self) -> bool:
        """Whether the kernel killed something in it for its memory."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self.folder / "memory.events").read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill" and int(count) > 0:
                    return True
        return False

    @property
    def peak_mb(self) -> float:
        """Most memory it ever held, MiB; 0 where the kernel does not tell."""
        try:
            return int((self.folder / "memory.peak").read_text()) / 2**20
        except (OSError, ValueError):
            return 0.0

    def remove(self) -> None:
        """Remove it, once it is empty."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


class ControlGroups:
    """Makes a group for each run below this process's own.

    That needs a subtree that was handed to us, such as ``systemd-run --user --scope -p Delegate=yes`` makes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def find(cls, mounts: Path = MOUNTS, own: Path = OWN) -> Self | None:
        """Those of this process; None where there are none, or they are not ours to divide."""
        try:
            mount = next(
                Path(fields[1])
                for fields in map(str.split, mounts.read_text().splitlines())
                if fields[2] == "cgroup2"
            )
            path = next(
                line.removeprefix("0::/") for line in own.read_text().splitlines() if line.startswith("0::/")
            )
            folder = mount / path
            if folder.name == COORDINATOR:  # this process, or one that started it, has been here before
                folder = folder.parent
            if "memory" not in (folder / "cgroup.controllers").read_text().split():
                return None
            # A group that divides its memory among others must hold no process itself.
            leaf = folder / COORDINATOR
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
            (folder / "cgroup.subtree_control").write_text("+memory")
        except (OSError, StopIteration):
            return None
        return cls(folder)

    def make(self, name: str, limit_mb: float) -> ControlGroup | None:
        """A group of so much memory, without swap; None where the system refuses."""
        folder = self._folder / name
        try:
            folder.mkdir()
            (folder / "memory.max").write_text(str(int(limit_mb * 2**20)))
            (folder / "memory.oom.group").write_text("1")
            with contextlib.suppress(OSError):  # a kernel without swap accounting has no such file
                (folder / "memory.swap.max").write_text("0")
        except OSError:
            return None
        return ControlGroup(folder)
