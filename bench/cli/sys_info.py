"""``slimbench sys-info``: the machine."""

from __future__ import annotations

from slimbench.bench.cli.options import print_facts
from slimbench.bench.execution.machine import describe_machine


def sys_info() -> None:
    """Say what machine, interpreter and versions a run here would be made with."""
    print_facts(describe_machine())
