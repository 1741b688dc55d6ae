"""A reader of files as the harness sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from slimbench.instances import InstanceError


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Parameters
    ----------
    file : str
        Name of the file that it is given.
    changed : function of a generator
        Bytes of a file that is more or less damaged.
    read : function of a path
        Reads it, and uses what it has read.
    errors : tuple of exception types
        With which it may refuse.
    """

    file: str
    changed: Callable[[Random], bytes]
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = (InstanceError,)
