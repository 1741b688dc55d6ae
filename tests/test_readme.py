"""The README's task and plugin work as pasted, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
FILES = {"toml": "mine.toml", "python": "busiest.py"}


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(900)  # a dozen programs one after another, with exact solves among them
def test_every_example_of_the_readme_runs_in_the_order_it_is_told(tmp_path):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    commands = []
    for kind, text in blocks():
        if kind in FILES:
            (tmp_path / FILES[kind]).write_text(text, "utf-8")
        elif kind == "bash":
            for command in text.strip().splitlines():
                done = subprocess.run(
                    ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path},
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                commands.append(command.split()[1])
    assert {
        "compare",
        "merge",
        "export",
        "instance",
        "inspect",
        "solve",
        "evaluate",
        "run",
        "report",
        "verify",
        "check",
    } <= set(commands)
    assert (tmp_path / "runs/mine/report.html").stat().st_size > 10_000


def test_the_plugin_of_the_readme_has_at_most_fifteen_lines():
    (plugin,) = [text for kind, text in blocks() if kind == "python"]
    assert len(plugin.strip().splitlines()) <= 15


def test_the_readme_names_the_commands_of_noxfile_and_ci():
    sessions = re.findall(r"nox -s ([\w-]+)", README.read_text("utf-8"))
    noxfile = (README.parent / "noxfile.py").read_text("utf-8")
    assert sessions
    assert all(f"def {name}(" in noxfile or f'name="{name}"' in noxfile for name in sessions)
    assert "nox -s tests" in (README.parent / ".ci/run").read_text("utf-8")
