"""Check that parameters are within their ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slimbench.instances.problem.errors import InstanceError

WEIGHT: Final = (1e-9, 1e9)  # of shares that are relative to each other


def check_ranges(parameters: object, place: str, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse what is not within its range, both ends included; None is left to defaults.

    Raises
    ------
    InstanceError
        Naming ``place.NAME``.
    """
    for name, (low, high) in ranges.items():
        value = getattr(parameters, name)
        if value is not None and not low <= value <= high:  # NaN too
            raise InstanceError(f"{place}.{name}", f"is {value}, expected {low:g} to {high:g}")
