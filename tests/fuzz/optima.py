"""Every backend on experts of odd sizes: an optimum other than that of brute force is a fault."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from random import Random

from fuzz.reader import Reader
from fuzz.readers import READERS
from odd_sizes import odd_instance, solve_all

from slimbench.formulations.backends import BACKENDS
from slimbench.instances import read_instance
from slimbench.instances.files.json_format import encode_instance


def _made(rng: Random) -> bytes:
    return encode_instance(odd_instance(rng))


def _solve(backend: str, path: Path) -> None:
    instance = read_instance(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PuLP announces its next version
        solve_all(instance, backend)


OPTIMA: dict[str, Reader] = {
    f"milp-{backend}": Reader("odd-sizes.json", _made, functools.partial(_solve, backend))
    for backend in BACKENDS
}
"""Each in a process of its own, as no two solver libraries may share one."""


def everything() -> Mapping[str, Reader]:
    """All that is fuzzed; a process of its own asks for it by this function."""
    return READERS | OPTIMA
