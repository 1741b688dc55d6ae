"""The command line, ``slimbench``: a command's module is imported when the command is used."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """A command of the table below, as the help shows it.

    Attributes
    ----------
    module : str
        In ``slimbench.bench``.
    function : str
        The command's function there, or an app of several commands.
    summary : str
        The first line of the function's docstring, which the help shows without importing it.
    """

    module: str
    function: str
    summary: str
    examples: tuple[str, ...] = ()


SECTIONS: Final[dict[str, dict[str, Command]]] = {
    "Run": {
        "run": Command(
            "run", "run", "Run a suite, write its report, and print the ratio table.",
            (
                'slimbench run quick -k "single and not k4" -r 3',
                "slimbench run mine.toml -s slim-dp --timeout 10m --dry-run",
                "slimbench run mine.toml --out runs/mine --resume -f slim-dp",
            ),
        ),
        "report": Command(
            "report", "report",
            "Write the report of a run, finished or not; exit 1 if a promise is broken.",
            ("slimbench report runs/mine",),
        ),
        "verify": Command(
            "report", "verify", "Check every stored placement and reference of a run once more.",
            ("slimbench verify runs/mine",),
        ),
        "compare": Command(
            "results", "compare",
            "Say what is better or worse in AFTER than in BEFORE; code 3 if anything is worse.",
            ("slimbench compare runs/before runs/after --factor 1.1",),
        ),
        "merge": Command(
            "results", "merge", "Make one run folder of several, of other machines or parts of a suite.",
            ("slimbench merge runs/laptop runs/server --out runs/both",),
        ),
        "export": Command(
            "results", "export",
            "Write a run's tables as Parquet and CSV; docs/RESULTS.md lists their columns.",
            ("slimbench export runs/mine --out tables",),
        ),
        "schema": Command(
            "installed", "schema", "Print the JSON schema of suites, for editors.",
            ("slimbench schema > suite.schema.json",),
        ),
    },
    "One instance": {
        "solve": Command(
            "solve", "solve", "Run one solver on one instance, isolated and verified as in a suite.",
            ("slimbench solve cells.json.gz --solver exact --json",),
        ),
        "evaluate": Command(
            "evaluate", "evaluate", "Say what a placement is worth and whether it fits.",
            ("slimbench evaluate cells.json.gz placement.json",),
        ),
        "inspect": Command(
            "inspect", "inspect",
            "Look inside placements: who pays, what lies where, where two differ; without any, at the "
            "demand.",
            (
                "slimbench inspect cells.json.gz optimum.json placement.json --html inside.html",
                "slimbench inspect runs/mine --instance cells -s slim-dp",
            ),
        ),
    },
    "Plugins": {
        "solvers": Command(
            "installed", "solvers", "List the solvers with their parameters and declared guarantees.",
            ("slimbench solvers --plugin busiest.py",),
        ),
        "policies": Command(
            "adapt", "policies",
            "List the policies of ``slimbench adapt`` with what they see and their parameters.",
            ("slimbench policies --plugin mine.py",),
        ),
        "check": Command(
            "installed", "check", "Run a plugin against the conformance kit and say what fails.",
            ("slimbench check busiest-first --plugin busiest.py", "slimbench check pay-off --policy"),
        ),
    },
    "Instances": {
        "instance": Command("instances", "instance_app", "Make and look at instances."),
        "library": Command(
            "library", "library_app",
            "Named instances with their best known placements and bounds.",
        ),
        "record": Command(
            "record", "record",
            "Record which experts a Hugging Face Mixture-of-Experts model calls while it reads texts.",
            ("slimbench record models/olmoe ann.txt bob.txt --out trace.parquet",),
        ),
    },
    "Study": {
        "attack": Command(
            "attack", "attack",
            "Search small instances for a solver's lowest certified ratio and smallest margin over its "
            "guarantee.",
            ("slimbench attack slim-dp --rounds 5 --out worst",),
        ),
        "adapt": Command(
            "adapt", "adapt",
            "Send policies through sequences of instances, against the offline optimum, and write a report.",
            (
                "slimbench adapt adaptive",
                'slimbench adapt adaptive -d "drift-*" -p static -p "pay-off[lookahead=5]" --out drift',
            ),
        ),
        "sys-info": Command(
            "installed", "sys_info",
            "Say what machine, interpreter and versions a run here would be made with.",
            ("slimbench sys-info",),
        ),
    },
}  # fmt: skip
COMMANDS: Final = {name: command for section in SECTIONS.values() for name, command in section.items()}


class CommandGroup(TyperGroup):
    """The commands, known by name and summary until one is called: ``--help`` imports none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=c.summary) for name, c in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that the arguments call."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and command else command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Plain text: rich takes longer to load than all of the rest."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Section by section."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, command.summary) for name, command in commands.items()])


def loaded(name: str) -> Any:
    """The command of this name, imported, as click takes it."""
    command = COMMANDS[name]
    found = getattr(import_module(f"slimbench.bench.cli.{command.module}"), command.function)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name, epilog="Examples:\n\n" + "\n\n".join(command.examples))(function)
    made = typer.main.get_command(found)
    made.name = name
    gc.freeze()  # what is imported stays: no collection looks at it
    gc.enable()
    return made


app = typer.Typer(cls=CommandGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def slimbench() -> None:
    """Benchmark of Mixture-of-Experts placement: exact references, certified approximation ratios."""


def main() -> None:
    """Run the command line; bad input is one line and exit code 2."""
    gc.disable()  # until the command is imported: collections take a tenth of that
    # No command multiplies matrices; solvers run in processes that set their own number of threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app(prog_name="slimbench")
    except Exception as error:
        message, code = _refusal(error)
        if code == 0:
            raise
        print(f"slimbench: {message}", file=sys.stderr)
        raise SystemExit(code) from None


def _refusal(error: Exception) -> tuple[str, int]:
    """What to say of an error that is the user's to mend, and the exit code; 0 for a fault of ours."""
    from slimbench.bench.cli.options import BAD_INPUT, FAILED
    from slimbench.bench.execution.errors import ExecutorError
    from slimbench.bench.plugins.plugin import PluginError
    from slimbench.bench.store.store import StoreError
    from slimbench.bench.suites.suite import SuiteError
    from slimbench.formulations import ContradictionError
    from slimbench.instances import InstanceError

    if isinstance(error, InstanceError | SuiteError | PluginError | StoreError | ExecutorError):
        return str(error), BAD_INPUT
    if isinstance(error, ContradictionError):
        return f"contradiction: {error}", FAILED
    return "", 0


if __name__ == "__main__":
    main()
