"""The command line, ``slimbench``: a command's module is imported when the command is used."""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

SECTIONS: Final = {
    "Run": {
        "run": "run", "report": "report", "verify": "report", "compare": "results", "merge": "results",
        "export": "results", "schema": "installed",
    },
    "One instance": {"solve": "solve", "evaluate": "evaluate", "inspect": "inspect"},
    "Plugins": {"solvers": "installed", "policies": "installed", "check": "installed"},
    "Instances": {"instance": "instances", "library": "library", "record": "record"},
    "Study": {"attack": "attack", "adapt": "adapt", "sys-info": "installed"},
}  # fmt: skip
"""Sections of the help: each command, and the module of this package that defines it."""
MODULES: Final = {name: module for section in SECTIONS.values() for name, module in section.items()}


def summary(name: str) -> str:
    """Return the first line of the docstring of a command's function, read from its text."""
    text = Path(__file__).with_name(f"{MODULES[name]}.py").read_text("utf-8")
    found = re.search(rf'^def {name.replace("-", "_")}\(.*?"""(.*?)("""|\n)', text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


class CommandGroup(TyperGroup):
    """The commands by name and summary; only a command that is called is imported."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name) for name in MODULES}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, whose summaries completion then shows."""
        for name, command in self.commands.items():
            command.help = summary(name)
        return super().list_commands(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that the arguments call."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and command else command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write plain text: rich takes longer to load than all of the rest."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands section by section."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, summary(name)) for name in names])


def loaded(name: str) -> Any:
    """Import a command or a group of commands; lines of its docstring that begin with ``$`` are examples."""
    module = import_module(f"slimbench.bench.cli.{MODULES[name]}")
    function = getattr(module, name.replace("-", "_"))
    text, *examples = (inspect.getdoc(function) or "").split("\n$ ")
    epilog = "\n\n".join(["Examples:", *examples]) if examples else None
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False)
        group.command(name, help=text, epilog=epilog)(function)
    else:
        group.callback(help=text, epilog=epilog)(function)
    made = typer.main.get_command(group)
    made.name = name
    gc.freeze()  # imported modules stay: no collection need look at them
    gc.enable()
    return made


app = typer.Typer(cls=CommandGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def slimbench() -> None:
    """Benchmark of Mixture-of-Experts placement: exact references, proven approximation ratios."""


def main() -> None:
    """Run the command line; bad input is one line and exit code 2."""
    gc.disable()  # until the command is imported: collections take a tenth of that
    # No command multiplies matrices; solvers run in processes that set their own number of threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app(prog_name="slimbench")
    except Exception as error:
        from slimbench.bench.cli.options import BAD_INPUT, FAILED
        from slimbench.bench.execution.errors import ExecutorError
        from slimbench.bench.plugins.plugin import PluginError
        from slimbench.bench.store.store import StoreError
        from slimbench.bench.suites.suite import SuiteError
        from slimbench.formulations import ContradictionError
        from slimbench.instances import InstanceError

        if isinstance(error, ContradictionError):
            print(f"slimbench: contradiction: {error}", file=sys.stderr)
            raise SystemExit(FAILED) from None
        if isinstance(error, InstanceError | SuiteError | PluginError | StoreError | ExecutorError):
            print(f"slimbench: {error}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from None
        raise


if __name__ == "__main__":
    main()
