"""Plugins that misbehave: each becomes a row with a status and one line, and nothing is left running."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slimbench.bench.isolation.messages import encode
from slimbench.bench.isolation.run_under_way import hard_limit_s
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import evaluate

pytestmark = pytest.mark.usefixtures("later_runs_go_on")
INSTANCE = tiny_instance("single")
BEST = best_placement(INSTANCE, 1000)
OPTIMUM_S = evaluate(INSTANCE, BEST).saving_s
EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"
SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(600)']"
KILLED = f"killed {hard_limit_s(0.3):g} s after its start, limit 0.3 s"
KILLED_02 = f"killed {hard_limit_s(0.2):g} s after its start, limit 0.2 s"
GENEROUS_S = 60.0


# How a run may end

ENDINGS = {
    "a hang in Python": ("while True: pass", "time_limit", KILLED),
    "a hang in native code that holds the interpreter's lock and ignores every signal it can": (
        "for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "ctypes.PyDLL(None).pause()",
        "time_limit",
        KILLED,
    ),
    "a process that stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "time_limit", KILLED),
    "sys.exit": ("sys.exit(0)", "crashed", "the solver called exit(0)"),
    "sys.exit with words": ("sys.exit('two\\nlines')", "crashed", "the solver called exit(two lines)"),
    "os._exit": ("os._exit(0)", "crashed", "exited with code 0 before it returned a placement"),
    "a segmentation fault": ("ctypes.string_at(0)", "crashed", "killed by SIGSEGV (Segmentation fault)"),
    "an abort": ("os.abort()", "crashed", "killed by SIGABRT (Aborted)"),
    "closed descriptors": (
        "os.closerange(0, 1024)\n" + EMPTY,
        "crashed",
        "exited with code 1 before it returned a placement",
    ),
    "nothing returned": ("pass", "invalid_placement", "returned NoneType, expected Placement"),
    "an array instead of a placement": (
        f"return {FULL}",
        "invalid_placement",
        "returned ndarray, expected Placement",
    ),
    "more than fits": (
        f"return Placement({FULL})",
        "invalid_placement",
        "server edge-0 holds 6 bytes, expected at most 2",
    ),
    "a placement of another shape": (
        "return Placement(np.zeros((1, 5), bool))",
        "invalid_placement",
        "placement has shape (1, 5), expected (2, 6) (servers, experts)",
    ),
    "an exception": ("raise ValueError('first\\n   second')", "error", "ValueError: first second"),
    "an interrupt": ("raise KeyboardInterrupt", "error", "KeyboardInterrupt:"),
    "endless recursion": (
        "def deeper(): deeper()\ndeeper()",
        "error",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "out of memory": ("raise MemoryError('no room')", "memory_limit", "MemoryError: no room"),
    "no solution": ("raise NoSolutionError('none\\nfound')", "no_solution", "none found"),
    "a report of something else than a placement": (
        f"context.report('best')\n{EMPTY}",
        "error",
        "AttributeError: 'str' object has no attribute 'holds'",
    ),
    "a bound below its own placement": (
        "context.report(None, 0.001)\nfrom slimbench.bench.solvers.brute_force import best_placement\n"
        "return best_placement(instance, 1000)",
        "error",
        f"claims the bound 0.001 s, its placement saves {OPTIMUM_S:.9g} s",
    ),
    "optimality claimed below its own bound": (
        f"context.report(Placement.empty(instance), 1.0, optimal=True)\n{EMPTY}",
        "error",
        "claims an optimum of 1 s, its placement saves 0 s",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_goes_wrong_is_a_row_with_its_status_and_one_line(ending, plugin, row_of):
    body, status, message = ENDINGS[ending]
    limits = {"time_limit_s": 0.3} if status == "time_limit" else {}
    row = row_of(plugin("bad", body), **limits)
    assert (row["status"], row["message"]) == (status, message)
    assert row["termination"] == ("feasible" if "claims" in message else "none")


def test_a_memory_hog_is_killed_at_its_limit(plugin, row_of):
    hog = "kept = []\nfor _ in range(100): kept.append(np.ones(5 * 2**20))\nwhile True: pass"
    row = row_of(plugin("bad", hog), memory_limit_mb=700.0)
    assert row["status"] == "memory_limit"
    assert row["message"].startswith("killed at ")
    assert row["message"].endswith(" MB, limit 700 MB")
    assert row["peak_memory_mb"] > 700


def test_memory_of_a_solvers_own_processes_counts(plugin, row_of):
    hog = "'import numpy as np; kept = np.ones(120 * 2**20); input()'"
    body = f"subprocess.Popen([sys.executable, '-c', {hog}], stdin=subprocess.PIPE).wait()"
    assert row_of(plugin("bad", body), memory_limit_mb=700.0)["status"] == "memory_limit"


def test_what_a_plugin_prints_goes_to_its_log_and_harms_nothing(plugin, row_of, tmp_path):
    row = row_of(plugin("bad", f"print('x' * 10**7)\nprint('oh', file=sys.stderr)\n{EMPTY}"))
    assert row["status"] == "ok"
    log = (tmp_path / "0.log").read_text()
    assert log.count("x") == 10**7
    assert "oh\n" in log


def test_the_log_of_a_crash_says_where_it_was(plugin, row_of, tmp_path):
    row_of(plugin("bad", "ctypes.string_at(0)"))
    assert "Segmentation fault" in (tmp_path / "0.log").read_text()
    assert "plugin_bad.py" in (tmp_path / "0.log").read_text()


def test_a_plugin_that_reads_its_input_finds_none(plugin, row_of):
    assert row_of(plugin("bad", f"assert sys.stdin.read() == ''\n{EMPTY}"))["status"] == "ok"


# What a run leaves behind

LEFT_BEHIND = {
    "a process of its own": f"child = subprocess.Popen({SLEEPER}).pid",
    "a process in a session of its own": f"child = subprocess.Popen({SLEEPER}, start_new_session=True).pid",
    "a fork that keeps every descriptor open": (
        "child = os.fork()\nif child == 0:\n    os.setsid()\n    signal.pause()"
    ),
    "a grandchild whose parent has ended": (
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    child = os.fork()\n"
        "    if child == 0: signal.pause()\n"
        "    os.write(write, str(child).encode())\n"
        "    os._exit(0)\n"
        "child = int(os.read(read, 100))"
    ),
}
WAYS_OUT = {
    "returns": (EMPTY, "ok"),
    "exits": ("os._exit(0)", "crashed"),
    "hangs": ("signal.pause()", "time_limit"),
}


@pytest.mark.parametrize("way_out", WAYS_OUT)
@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_nothing_that_a_plugin_starts_outlives_its_run(
    left, way_out, plugin, row_of, tmp_path, wait_until, is_gone
):
    body, status = WAYS_OUT[way_out]
    note = tmp_path / "child"
    text = f"{LEFT_BEHIND[left]}\nPath({str(note)!r}).write_text(str(child))\n{body}"
    row = row_of(plugin("bad", text), time_limit_s=0.3 if way_out == "hangs" else GENEROUS_S)
    assert row["status"] == status
    wait_until(lambda: is_gone(int(note.read_text())))


def test_a_plugin_that_kills_the_process_that_starts_workers_crashes_alone(plugin, row_of):
    row = row_of(plugin("bad", "os.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()"))
    assert (row["status"], row["message"]) == ("crashed", "the process that starts workers died")


def test_a_plugin_that_hangs_on_its_way_out_keeps_its_result(plugin, row_of):
    stuck = "class Stuck:\n    def write(self, text): pass\n    def flush(self): signal.pause()\n"
    row = row_of(plugin("bad", f"{stuck}sys.stdout = Stuck()\n{EMPTY}"), time_limit_s=0.3)
    assert (row["status"], row["saving_s"]) == ("ok", 0.0)


# Temporary files


def test_temporary_files_lie_beside_the_log_and_go_with_the_run(plugin, row_of, tmp_path):
    body = (
        "import tempfile\n"
        "kept = [tempfile.mkdtemp(), tempfile.mkstemp()[1]]\n"
        "kept.append(subprocess.run(['mktemp'], capture_output=True, text=True).stdout.strip())\n"
        f"context.record(kept=' '.join(kept))\n{EMPTY}"
    )
    row = row_of(plugin("bad", body))
    kept = [Path(name) for name in json.loads(row["figures"])["kept"].split()]
    assert len(kept) == 3
    for path in kept:
        assert path.parent.parent == tmp_path
        assert re.fullmatch(r"0-\d+\.tmp", path.parent.name)
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("end", ["signal.pause()", "os._exit(3)", "os.kill(os.getppid(), signal.SIGKILL)"])
def test_a_run_cut_short_leaves_no_temporary_file(end, plugin, row_of, tmp_path):
    row = row_of(
        plugin("bad", f"import tempfile\ntempfile.mkstemp()\n{end}\nsignal.pause()"), time_limit_s=0.2
    )
    assert row["status"] in {"time_limit", "crashed"}
    assert not list(tmp_path.glob("*.tmp"))


def test_cbc_works_where_paths_have_odd_characters_and_leaves_nothing_when_killed(
    plugin, workers, job, tmp_path
):
    """CBC is started by one that waits for ever, as a model that takes long would."""
    folder = tmp_path / "runs of 'mine' & co"
    folder.mkdir()
    workers.submit(job("milp[backend=cbc]", log_file=str(folder / "1.log")))
    (outcome,) = workers.collect()
    assert (outcome.status, outcome.message, outcome.optimal) == ("ok", "", True)
    body = (
        "from slimbench.formulations.backends import cbc\n"
        "from slimbench.formulations.milp.build import build_milp\n"
        "from slimbench.formulations.backends import solve_milp\n"
        "cbc.subprocess.run = lambda *_, **more: (Path(more['cwd'], 'model.sol').touch(), signal.pause())\n"
        "solve_milp(build_milp(instance), 'cbc')"
    )
    workers.submit(job("bad", plugin("bad", body), log_file=str(folder / "2.log"), time_limit_s=0.2))
    (outcome,) = workers.collect()
    assert (outcome.status, outcome.message) == ("time_limit", KILLED_02)
    assert {path.name for path in folder.iterdir()} <= {"1.log", "2.log"}


# Several at once


def test_a_hang_does_not_touch_the_run_beside_it(plugin, workers, job):
    workers.submit(job("bad", plugin("bad", "while True: pass"), key=1, time_limit_s=0.3))
    workers.submit(job("popularity", key=2))
    ended = {}
    while len(ended) < 2:
        ended |= {outcome.job.key: outcome.status for outcome in workers.collect()}
    assert ended == {1: "time_limit", 2: "ok"}


ORPHAN = """\
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if (child := os.fork()) == 0: signal.pause()
    os.write(write, str(child).encode())
    os._exit(0)
child = int(os.read(read, 100))
os.wait()
"""


def test_orphans_of_a_live_run_live_on_when_another_run_ends(plugin, workers, job, tmp_path, wait_until):
    """A process that it has started in a session of its own, and whose parent has ended."""
    ready, gate = tmp_path / "ready", tmp_path / "gate"
    body = (
        f"{ORPHAN}Path({str(ready)!r}).touch()\n"
        f"while not Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "os.kill(child, 0)\n"
        f"context.record(state=Path(f'/proc/{{child}}/stat').read_text().split()[2])\n{EMPTY}"
    )
    workers.submit(job("bad", plugin("bad", body), key=1))
    wait_until(ready.exists)
    workers.submit(job("popularity", key=2))
    (other,) = workers.collect()
    gate.touch()
    (outcome,) = workers.collect()
    assert (other.job.key, other.status, outcome.status, outcome.message) == (2, "ok", "ok", "")
    assert outcome.figures["state"] == "S"  # waits; neither gone nor a zombie


def test_the_seed_decides_what_the_generator_draws(plugin, workers, job):
    file = plugin("bad", f"context.record(drawn=context.rng.random())\n{EMPTY}")
    drawn = []
    for _ in range(2):
        workers.submit(job("bad", file))
        drawn += [outcome.figures["drawn"] for outcome in workers.collect()]
    assert drawn[0] == drawn[1]


# The coordinator


def test_nothing_survives_a_coordinator_that_is_killed(plugin, job, tmp_path, wait_until, is_gone):
    note = tmp_path / "pids"
    body = f"child = subprocess.Popen({SLEEPER}, start_new_session=True).pid\n" + (
        f"Path({str(note)!r} + '.new').write_text(f'{{os.getpid()}} {{os.getppid()}} {{child}}')\n"
        f"os.rename({str(note)!r} + '.new', {str(note)!r})\nsignal.pause()"
    )
    hanging = job("bad", plugin("bad", body))
    script = tmp_path / "coordinator.py"
    script.write_text(
        "import sys, msgspec\nfrom slimbench.bench.isolation.messages import decode_job\n"
        "from slimbench.bench.isolation.workers import Workers\n"
        "with Workers(forked=True) as workers:\n"
        "    workers.submit(decode_job(bytes.fromhex(sys.argv[1])))\n"
        "    next(workers.collect())\n"
    )
    with subprocess.Popen([sys.executable, script, encode(hanging).hex()]) as coordinator:
        wait_until(note.exists)
        os.kill(coordinator.pid, signal.SIGKILL)
    pids = [int(pid) for pid in Path(note).read_text().split()]
    assert len(pids) == 3
    wait_until(lambda: all(map(is_gone, pids)))


def test_leaving_the_block_ends_runs_under_way(plugin, job, tmp_path, wait_until, is_gone):
    note = tmp_path / "pid"
    with Workers() as short:
        short.submit(
            job("bad", plugin("bad", f"Path({str(note)!r}).write_text(str(os.getpid()))\nsignal.pause()"))
        )
        wait_until(lambda: note.exists() and note.read_text() != "")
    wait_until(lambda: is_gone(int(note.read_text())))
