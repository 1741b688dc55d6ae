"""Greedy fill: experts in a given order while they fit."""

from __future__ import annotations

from slimbench.instances import Instance
from slimbench.instances.problem.arrays import BoolArray, IntArray


def fill_in_order(instance: Instance, cached: BoolArray, order: IntArray, room: int) -> None:
    """Mark the experts of ``order`` in ``cached`` (X,), each if it still fits ``room`` bytes."""
    for e, size in zip(order.tolist(), instance.expert_bytes[order].tolist(), strict=True):
        if size <= room:
            cached[e] = True
            room -= size
