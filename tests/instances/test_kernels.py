"""Kernels: compiled when they are called, cached where a folder can be written."""

import os
import stat
import subprocess
import sys

import pytest

from slimbench.instances import kernels
from slimbench.instances.kernels import compiled, on_first_compilation


@compiled
def doubled(x):
    return 2 * x


@compiled
def sum_of_doubled(n):
    total = 0
    for i in range(n):
        total += doubled(i)
    return total


def test_a_kernel_calls_another_one():
    assert sum_of_doubled(4) == 12
    assert sum_of_doubled.__name__ == "sum_of_doubled"


def test_compilation_is_announced_once_and_before_it_starts():
    told = []

    @compiled
    def one(x):
        return x + 1

    @compiled
    def two(x):
        return one(x) + 1

    with on_first_compilation(lambda: told.append("compiling")):
        assert two(1) == 3
        assert two(1.5) == 3.5
    with on_first_compilation(lambda: told.append("again")):
        assert two(2) == 4
    assert told == ["compiling"]


MODULE = """
from slimbench.instances.kernels import compiled
@compiled
def half(x):
    return x / 2
"""
PROGRAM = """
import sys, tempfile
sys.path.insert(0, sys.argv[1])
tempfile.tempdir = sys.argv[2]
import half
assert half.half(3.0) == 1.5
from numba.core import config
print(config.CACHE_DIR or "none")
"""


@pytest.mark.parametrize("writable", [True, False])
def test_a_kernel_runs_where_no_folder_of_the_user_can_be_written(tmp_path, writable):
    """As in a container without a home: numba finds no folder for its cache."""
    (tmp_path / "half.py").write_text(MODULE)
    (tmp_path / "__pycache__").touch()  # a file, in which no folder can be made, not even by root
    temporary = tmp_path / "temporary"
    (temporary.mkdir if writable else temporary.touch)()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(temporary)],
        capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        | dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(tmp_path / "__pycache__")),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    expected = str(temporary / f"slimbench-kernels-{os.getuid()}") if writable else "none"
    assert ended.stdout.strip() == expected


def test_machine_code_is_never_loaded_from_a_folder_that_others_can_write(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"slimbench-kernels-{os.getuid()}"
    assert kernels._temporary_cache() == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert kernels._temporary_cache() == ""
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert kernels._temporary_cache() == ""
