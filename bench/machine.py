"""On what and with what the runs were made: the provenance of every number."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

import slimbench.bench
import slimbench.formulations
import slimbench.instances

LIBRARIES = ("numpy", "numba", "scipy", "highspy", "pulp", "ortools", "gurobipy")


def describe_machine() -> dict[str, str]:
    """Machine, interpreter, versions, and a hash of our own sources."""
    return {
        "started": now(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "python": sys.version.split()[0],
        "slimbench": f"{metadata.version('slimbench')} (sources {source_hash()})",
        **{name: version for name in LIBRARIES if (version := _version(name))},
    }


def _version(name: str) -> str | None:
    """Of an installed package; extras may be missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def source_hash() -> str:
    """First 12 hex digits of a hash over the sources that numbers depend on."""
    digest = hashlib.sha256()
    for package in (slimbench.instances, slimbench.formulations, slimbench.bench):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _processor() -> str:
    """The processor's own name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
