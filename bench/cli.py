"""The command line, ``slimbench``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import typer

from slimbench.bench.cli_adapt import adapt, policies
from slimbench.bench.cli_attack import attack
from slimbench.bench.cli_inspect import inspect
from slimbench.bench.cli_instances import instance_app
from slimbench.bench.cli_library import library_app
from slimbench.bench.cli_record import record
from slimbench.bench.cli_report import report, sys_info, verify
from slimbench.bench.cli_results import compare, export, merge
from slimbench.bench.cli_run import run, schema
from slimbench.bench.cli_solvers import check, evaluate_placement, solve, solvers
from slimbench.bench.errors import ExecutorError
from slimbench.bench.exit_codes import BAD_INPUT, FAILED
from slimbench.bench.plugin import PluginError
from slimbench.bench.store import StoreError
from slimbench.bench.suite import SuiteError
from slimbench.formulations import ContradictionError
from slimbench.instances import InstanceError

app = typer.Typer(
    help="Benchmark of Mixture-of-Experts placement: exact references, certified approximation ratios.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; bad input is one line and exit code 2."""
    try:
        app()
    except (InstanceError, SuiteError, PluginError, StoreError, ExecutorError) as error:
        print(f"slimbench: {error}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    except ContradictionError as error:
        print(f"slimbench: contradiction: {error}", file=sys.stderr)
        raise SystemExit(FAILED) from None


EXAMPLES: Final[dict[Callable[..., None], tuple[str, ...]]] = {
    run: (
        'slimbench run quick -k "single and not k4" -r 3',
        "slimbench run mine.toml -s slim-dp --timeout 10m --dry-run",
        "slimbench run mine.toml --out runs/mine --resume -f slim-dp",
    ),
    report: ("slimbench report runs/mine",),
    verify: ("slimbench verify runs/mine",),
    compare: ("slimbench compare runs/before runs/after --factor 1.1",),
    merge: ("slimbench merge runs/laptop runs/server --out runs/both",),
    export: ("slimbench export runs/mine --out tables",),
    solve: ("slimbench solve cells.json.gz --solver exact --json",),
    evaluate_placement: ("slimbench evaluate cells.json.gz placement.json",),
    inspect: (
        "slimbench inspect cells.json.gz optimum.json placement.json --html inside.html",
        "slimbench inspect runs/mine --instance cells -s slim-dp",
    ),
    solvers: ("slimbench solvers --plugin busiest.py",),
    check: ("slimbench check busiest-first --plugin busiest.py",),
    attack: ("slimbench attack slim-dp --rounds 5 --out worst",),
    adapt: (
        "slimbench adapt adaptive",
        'slimbench adapt adaptive -d "drift-*" -p static -p "pay-off[lookahead=5]" --out drift',
    ),
    policies: ("slimbench policies --plugin mine.py",),
    record: ("slimbench record models/olmoe ann.txt bob.txt --out trace.parquet",),
    schema: ("slimbench schema > suite.schema.json",),
    sys_info: ("slimbench sys-info",),
}

for command, examples in EXAMPLES.items():
    name = "evaluate" if command is evaluate_placement else None
    app.command(name=name, epilog="Examples:\n\n" + "\n\n".join(examples))(command)
app.add_typer(instance_app, name="instance")
app.add_typer(library_app, name="library")


if __name__ == "__main__":
    main()
