"""Describe the machine and the package versions that runs are made with."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from slimbench.bench.plugins.versions import package_version

PACKAGES: Final = ("slimbench", "numpy", "numba", "scipy", "highspy", "pulp", "ortools", "gurobipy")


@cache
def describe_machine() -> dict[str, str]:
    """Machine, interpreter and versions of this process; ``machine_id`` tells them apart."""
    facts = {
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "python": sys.version.split()[0],
        **{name: version for name in PACKAGES if (version := package_version(name))},
    }
    identity = repr((platform.node(), sorted(facts.items())))
    return {"machine_id": hashlib.sha256(identity.encode()).hexdigest()[:12], **facts}


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    """The processor's own name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
