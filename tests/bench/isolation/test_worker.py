"""What a run is worth: incumbents and bounds that are credited, its course over time, and its clock."""

import json

import pytest

from slimbench.bench.isolation.run_under_way import hard_limit_s
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import Placement, evaluate

pytestmark = pytest.mark.usefixtures("later_runs_go_on")
INSTANCE = tiny_instance("single")
BEST = best_placement(INSTANCE, 1000)
OPTIMUM_S = evaluate(INSTANCE, BEST).saving_s
EMPTY = "return Placement.empty(instance)"
FULL = "np.ones((instance.n_servers, instance.n_experts), bool)"
GENEROUS_S = 60.0

# What is credited

REPORTS = """\
from slimbench.formulations.brute_force import best_placement
best = best_placement(instance, 1000)
context.report(Placement.empty(instance), 2.0)
context.report(best, 0.5)
context.report(None, 0.7)
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("while True: pass", "time_limit"), ("os._exit(3)", "crashed"), ("raise ValueError", "error")],
)
def test_a_run_cut_short_keeps_its_last_incumbent_and_its_least_bound(end, status, plugin, row_of):
    row = row_of(plugin("bad", REPORTS + end), time_limit_s=0.3)
    assert row["status"] == status
    assert row["saving_s"] == OPTIMUM_S > 0
    assert row["bound_saving_s"] == 0.5
    assert row["termination"] == "feasible"


def test_an_incumbent_that_does_not_fit_is_not_credited(plugin, row_of):
    row = row_of(plugin("bad", f"context.report(Placement({FULL}))\nos._exit(3)"))
    assert (row["status"], row["saving_s"], row["placement"]) == ("crashed", None, None)


def test_a_bound_of_zero_is_a_bound(plugin, row_of):
    row = row_of(plugin("bad", f"context.report(None, 0.0)\ncontext.report(None, 3.0)\n{EMPTY}"))
    assert (row["status"], row["bound_saving_s"]) == ("ok", 0.0)


@pytest.mark.parametrize("bound", ["inf", "nan", "-inf"])
def test_a_bound_that_is_no_number_is_none(bound, plugin, row_of):
    no_number = f"context.report(None, float({bound!r}))\n"
    row = row_of(plugin("bad", no_number + EMPTY))
    assert row["bound_saving_s"] is None
    assert json.loads(row["trajectory"], parse_constant=pytest.fail) == [[row["runtime_s"], 0.0, None]]
    row = row_of(plugin("bad", f"{no_number}context.report(None, 3.0)\n{EMPTY}"))
    assert row["bound_saving_s"] == 3.0


# Over time

STEPS = """\
from slimbench.formulations.brute_force import best_placement
best = best_placement(instance, 1000)
half = best.holds.copy()
half[1] = False
context.report(Placement.empty(instance), 2.0)
context.report(Placement(half))
context.report(Placement(np.ones_like(half)), 1.5)
context.report(Placement.empty(instance), 1.8)
context.report(best, 0.5)
"""
HALF = BEST.holds.copy()
HALF[1] = False
HALF_S = evaluate(INSTANCE, Placement(HALF)).saving_s


@pytest.mark.parametrize(
    ("end", "status"), [("return best", "ok"), ("os._exit(3)", "crashed"), ("while True: pass", "time_limit")]
)
def test_a_run_over_time_is_its_feasible_incumbents_evaluated_anew_and_its_bounds(
    end, status, plugin, row_of
):
    row = row_of(plugin("bad", STEPS + end), time_limit_s=0.3 if status == "time_limit" else GENEROUS_S)
    steps = json.loads(row["trajectory"])
    assert row["status"] == status
    assert [step[1:] for step in steps] == [[0.0, 2.0], [HALF_S, 2.0], [HALF_S, 1.5], [OPTIMUM_S, 0.5]]
    assert 0 < HALF_S < OPTIMUM_S == row["saving_s"]
    seconds = [step[0] for step in steps]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert seconds[-1] < row["runtime_s"]


def test_a_run_that_reports_nothing_is_its_end(plugin, row_of):
    row = row_of(plugin("bad", EMPTY))
    assert json.loads(row["trajectory"]) == [[row["runtime_s"], 0.0, None]]


def test_a_claim_of_optimality_ends_the_run_with_its_saving_as_bound(plugin, row_of):
    body = (
        f"{STEPS.splitlines()[0]}\ncontext.report(None, optimal=True)\nreturn best_placement(instance, 1000)"
    )
    row = row_of(plugin("bad", body))
    assert json.loads(row["trajectory"]) == [[row["runtime_s"], OPTIMUM_S, OPTIMUM_S]]


def test_a_returned_placement_that_does_not_fit_adds_nothing(plugin, row_of):
    row = row_of(plugin("bad", f"{STEPS}return Placement({FULL})"))
    assert row["status"] == "invalid_placement"
    assert json.loads(row["trajectory"])[-1][1:] == [OPTIMUM_S, 0.5]


def test_reports_from_several_threads_arrive_whole(plugin, row_of):
    body = (
        "import threading\n"
        "def report(k):\n    for i in range(300): context.report(None, 1.0 + 1 / (1 + i + 300 * k))\n"
        "threads = [threading.Thread(target=report, args=[k]) for k in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    row = row_of(plugin("bad", body + EMPTY))
    assert (row["status"], row["message"]) == ("ok", "")
    assert row["bound_saving_s"] == 1.0 + 1 / 1200


def test_figures_are_kept_as_plain_json(plugin, row_of):
    given = "nodes=np.int64(3), gap=float('inf'), note='a', odd=object, many=2**70, text='\\udcff'"
    row = row_of(plugin("bad", f"context.record({given})\n{EMPTY}"))
    figures = json.loads(row["figures"], parse_constant=pytest.fail)
    odd = {"odd": "<class 'object'>", "many": "1180591620717411303424", "text": "?"}
    assert figures == {"nodes": 3, "gap": "inf", "note": "a", **odd}


# What is guaranteed


def promising(code):
    return f"guarantee=Guarantee('1/2', 'always', 'none', {code})"


@pytest.mark.parametrize(
    ("value", "ratio"), [("0.25", 0.25), ("1", 1.0), ("np.float32(0.5)", 0.5), ("None", None)]
)
def test_a_guarantee_is_evaluated_with_the_runs_own_figures(value, ratio, plugin, row_of):
    body = f"context.record(alpha=3)\n{EMPTY}"
    row = row_of(
        plugin(
            "bad", body, options=promising(f"lambda i, p, figures: {value} if figures['alpha'] == 3 else 0")
        )
    )
    assert (row["status"], row["guarantee_ratio"]) == ("ok", ratio)


NO_GUARANTEES = {
    "float('inf')": "its guarantee is inf, expected a number from 0 to 1, or None",
    "float('nan')": "its guarantee is nan, expected a number from 0 to 1, or None",
    "-0.5": "its guarantee is -0.5, expected a number from 0 to 1, or None",
    "2": "its guarantee is 2.0, expected a number from 0 to 1, or None",
    "True": "its guarantee is True, expected a number from 0 to 1, or None",
    "'half'": "its guarantee is 'half', expected a number from 0 to 1, or None",
    "np.array([0.5])": "its guarantee is array([0.5]), expected a number from 0 to 1, or None",
    "figures['alpha']": "its guarantee raises KeyError: 'alpha'",
    "sys.exit('no\\n\\udcffway')": "its guarantee raises SystemExit: no ?way",
    "os._exit(3)": "its guarantee: exited with code 3 before it returned a number",
    "ctypes.string_at(0)": "its guarantee: killed by SIGSEGV (Segmentation fault)",
    "[1 for _ in iter(int, 1)]": f"its guarantee: not done {hard_limit_s(0.1):g} s after the run",
}


@pytest.mark.parametrize("value", NO_GUARANTEES)
def test_a_guarantee_that_is_none_makes_the_run_an_error_and_harms_nothing_else(value, plugin, row_of):
    file = plugin("bad", EMPTY, options=promising(f"lambda i, p, figures: {value}"))
    row = row_of(file, time_limit_s=0.1 if "iter" in value else GENEROUS_S)
    assert (row["status"], row["message"]) == ("error", NO_GUARANTEES[value])
    assert (row["guarantee_ratio"], row["saving_s"]) == (None, 0.0)


def test_a_guarantee_of_a_run_that_failed_is_not_asked_for(plugin, row_of):
    row = row_of(plugin("bad", "raise ValueError('mine')", options=promising("lambda *_: 1 / 0")))
    assert (row["status"], row["message"], row["guarantee_ratio"]) == ("error", "ValueError: mine", None)


# The clock


def test_the_clock_starts_after_import_and_prepare(plugin, row_of):
    spin = "def spin(s):\n    end = time.monotonic() + s\n    while time.monotonic() < end: pass\nspin(1)\n"
    file = plugin("bad", f"spin(0.2)\n{EMPTY}", before=spin, options="prepare=lambda parameters: spin(1)")
    row = row_of(file, time_limit_s=1.0)
    assert hard_limit_s(1.0) < 2  # import and prepare alone take longer than the run may
    assert row["status"] == "ok"
    assert 0.2 <= row["runtime_s"] < hard_limit_s(1.0)


def test_the_deadline_is_the_time_limit_from_the_start(plugin, row_of):
    body = f"assert 0 < context.time_left_s <= 40\nassert not context.expired()\n{EMPTY}"
    assert row_of(plugin("bad", body), time_limit_s=40.0)["message"] == ""


def test_a_prepare_that_fails_is_an_error_before_the_start(plugin, row_of):
    fail = "def fail(_):\n    raise ImportError('no\\nlicence')\n"
    row = row_of(plugin("bad", EMPTY, before=fail, options="prepare=fail"))
    assert (row["status"], row["message"]) == ("error", "before its start: ImportError: no licence")
    assert row["runtime_s"] == 0


def test_a_library_that_is_missing_is_one_line_without_a_traceback(plugin, row_of, tmp_path):
    fail = (
        "from slimbench.formulations import SolverError\n"
        "def fail(_):\n    raise SolverError('needs a\\nlibrary')\n"
    )
    row = row_of(plugin("bad", EMPTY, before=fail, options="prepare=fail"))
    assert (row["status"], row["message"]) == ("error", "needs a library")
    assert "Traceback" not in (tmp_path / "0.log").read_text()
