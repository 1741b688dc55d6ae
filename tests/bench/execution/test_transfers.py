"""Runs planned on one instance and evaluated on another: what counts where, and what is left out."""

import dataclasses
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from run_folders import runs_of, write_run
from samples import build, two_cells, with_fields

from slimbench.bench.execution.verification import transferred, verified, verify_run
from slimbench.bench.isolation.messages import Guaranteed, Job, PackedPlacement
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.trajectory import IncumbentLog
from slimbench.bench.plugins.warm_up import Shape
from slimbench.bench.results.compare import compare_runs
from slimbench.bench.results.merge import merge_runs
from slimbench.bench.results.ratio_intervals import transfers_with_ratios, with_ratios
from slimbench.bench.results.results import load_results
from slimbench.bench.results.stored_placements import stored_placements
from slimbench.bench.store.store import Store, StoreError
from slimbench.instances import Model, Placement, evaluate, read_instance, write_instance

TOKENS, NOISE = '{"tokens":2,"seed":1}', '{"rate_noise":0.1}'
PLANNED = {"planned_on": "seen", "planning": TOKENS}
REFERENCE = {"solver": "judge", "role": "reference", "exact": True, "saving_s": 1.0, "bound_saving_s": 1.0}


def three_experts(rates):
    """One user, two servers with room for one expert each: 0.10 s and 0.09 s below the cloud."""
    return build(
        dispatch="single",
        capacities=(1, 1),
        models=[Model("toy", layers=1, experts_per_layer=3, top_k=1, expert_bytes=1)],
        edge=[[[0.01], [0.02]]],
        cloud=[[0.11]],
        activations=[(0, 0, 0, (e,), rate) for e, rate in enumerate(rates) if rate],
    )


def test_planning_on_the_wrong_part_loses_what_it_must():
    truth, seen = three_experts([0.6, 0.3, 0.1]), three_experts([0.0, 0.3, 0.7])
    placement = Placement.of(seen, {0: [(0, 0, 2)], 1: [(0, 0, 1)]})
    job = Job(0, "", Shape("single", 1), "exact", (), 1, 1.0, 1.0, 1, "")
    outcome = Outcome(
        job=job, status="ok", message="", placement=PackedPlacement.pack(placement), bound_saving_s=0.097,
        optimal=True, runtime_s=0.1, cpu_s=0.1, peak_memory_mb=1.0, figures={}, load_before=0.0, machine={},
        guarantee=Guaranteed(),
        incumbents=IncumbentLog(bounds=[(0.05, 0.097)], placements=[(0.05, PackedPlacement.pack(placement))]),
    )  # fmt: skip
    own = verified(seen, outcome)
    assert own["termination"] == "optimal"  # 0.7 * 0.10 + 0.3 * 0.09 of the instance that was seen
    assert own["saving_s"] == pytest.approx(0.097)
    elsewhere = transferred(own, truth)
    assert elsewhere["saving_s"] == pytest.approx(0.1 * 0.10 + 0.3 * 0.09)  # of at most 0.6 * 0.10 + 0.027
    assert elsewhere["latency_none_s"] == pytest.approx(0.11)
    assert (elsewhere["termination"], elsewhere["bound_saving_s"]) == ("feasible", None)
    assert (elsewhere["guarantee_ratio"], elsewhere["trajectory"]) == (None, "[]")
    assert (elsewhere["status"], elsewhere["runtime_s"]) == ("ok", 0.1)
    lie = transferred(verified(seen, dataclasses.replace(outcome, bound_saving_s=0.05)), truth)
    assert (lie["status"], lie["bound_saving_s"]) == ("error", None)
    lost = transferred(verified(seen, dataclasses.replace(outcome, placement=None)), truth)
    assert (lost["status"], lost["saving_s"], lost["termination"]) == ("invalid_placement", None, "none")


# In a suite


@pytest.fixture(scope="module")
def suite_text():
    def text(planning):
        return (
            'name = "moved"\nsolvers = ["slim-dp", "popularity"]\nrepeats = 1\n'
            "[reference]\nsolver = 'brute-force'\ntime_s = 30\n"
            f'[[instances]]\nfile = "a.json"\nplanning = {planning}\n'
        )

    return text


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, suite_text, run_suite):
    """Return a suite and its run folder."""
    home = tmp_path_factory.mktemp("moved")
    write_instance(two_cells(), home / "a.json")
    suite = home / "moved.toml"
    suite.write_text(suite_text("[{ tokens = 1, seed = [1, 2] }, { latency_noise = 0.5 }]"))
    run_suite(suite, home / "run")
    return suite, home / "run"


def test_placements_are_evaluated_on_the_instance_and_not_on_what_was_planned_on(run_folder):
    _, folder = run_folder
    rows = runs_of(folder)
    moved = [row for row in rows if row["planning"]]
    assert [(row["solver"], json.loads(row["planning"])) for row in moved[:2]] == [
        ("slim-dp", {"tokens": 1, "seed": 1}), ("popularity", {"tokens": 1, "seed": 1}),
    ]  # fmt: skip
    assert len(moved) == 6
    with closing(Store.open(folder)) as store:
        files = {row["instance_hash"]: folder / row["file"] for row in store.instances(planned_on=True)}
    assert set(files) == {row["planning_hash"] for row in moved}
    truth = two_cells()
    for row in moved:
        seen = read_instance(files[row["planning_hash"]])
        placement = PackedPlacement((2, 3), row["placement"]).unpack()
        assert seen.sha256 == row["planning_hash"] != truth.sha256 == row["instance_hash"]
        assert row["saving_s"] == pytest.approx(evaluate(truth, placement).saving_s)
        assert (row["bound_saving_s"], row["guarantee_ratio"], row["trajectory"]) == (None, None, "[]")
    assert verify_run(folder) == []


def test_they_are_a_frame_of_their_own_and_change_nothing_else(run_folder):
    results = load_results(run_folder[1])
    assert len(results.runs) == 2
    assert len(results.transfers) == 6
    assert list(results.instances["instance"]) == list(results.references["instance"]) == ["two-cells"]
    assert not results.transfers["run_id"].isin(results.trajectories["run_id"]).any()
    without = dataclasses.replace(results, transfers=results.transfers[:0])
    assert with_ratios(results).equals(with_ratios(without))
    optimum = results.references["saving_s"].iloc[0]
    moved = transfers_with_ratios(results)
    assert moved["ratio_low"].tolist() == pytest.approx((moved["saving_s"] / optimum).tolist())


def test_resume_after_an_edit_plans_on_what_is_new_and_leaves_out_what_is_gone(
    run_folder, suite_text, command, tmp_path
):
    suite, folder = run_folder
    before = {(row["solver"], row["planning"]): row for row in runs_of(folder)}
    edited = suite.parent / "edited.toml"
    edited.write_text(suite_text("[{ tokens = 1, seed = [2, 3] }, { latency_noise = 0.5 }]"))
    ended = command("run", edited, "--out", folder, "--resume")
    assert ended.code == 0
    assert "2 results are stale" in ended.err
    after = {(row["solver"], row["planning"]): row for row in runs_of(folder)}
    assert len(after) == len(before)
    new = after.keys() - before.keys()
    assert {planning for _, planning in new} == {'{"tokens":1,"seed":3}'}
    assert all(after[cell] == before[cell] for cell in after.keys() & before.keys())
    text = (folder / "report.md").read_text()
    assert "2 runs planned: 2 ok, 0 failed." in text
    assert "6 runs more, given another instance: 6 ok, 0 failed." in text
    assert "## Robustness" in text


def test_verify_looks_at_what_was_planned_on_and_finds_a_bound_of_it(run_folder, tmp_path):
    folder = shutil.copytree(run_folder[1], tmp_path / "run")
    with closing(Store.open(folder)) as store:
        (file, *_) = (folder / row["file"] for row in store.instances(planned_on=True))
        (run_id, *_) = (row["run_id"] for row in store.runs() if row["planning"])
    write_instance(with_fields(two_cells(), name="other"), file)
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET bound_saving_s = 1.0 WHERE run_id = ?", [run_id])
    faults = verify_run(folder)
    assert len(faults) == 2
    assert f"run {run_id} (slim-dp): has the bound 1 s of another instance" in faults[0]
    assert f"{file.name} is not the instance that was run" in faults[1]


def test_inspect_shows_what_a_solver_planned_on_the_instance_itself(run_folder):
    instance, placements = stored_placements(run_folder[1], None, ["popularity"])
    own = load_results(run_folder[1]).runs.set_index("solver").loc["popularity", "saving_s"]
    assert evaluate(instance, placements["popularity"]).saving_s == pytest.approx(own)


# Rows by hand


def test_a_better_placement_planned_elsewhere_improves_the_reference(tmp_path):
    rows = [{"saving_s": 0.5}, {"saving_s": 0.8, **PLANNED}]
    results = load_results(write_run(tmp_path / "run", rows))
    assert results.references["saving_s"].tolist() == [0.8]
    assert with_ratios(results)["ratio_high"].tolist() == [0.625]
    assert transfers_with_ratios(results)["ratio_high"].tolist() == [1.0]


def test_different_plannings_are_different_cells_of_a_merge(tmp_path):
    first = write_run(tmp_path / "a", [{"saving_s": 1.0}, {"saving_s": 0.7, **PLANNED}])
    other = {"saving_s": 0.6, "planned_on": "noisy", "planning": NOISE}
    second = write_run(tmp_path / "b", [{"saving_s": 0.9, **PLANNED}, other])
    merge_runs([first, second], tmp_path / "out")
    rows = runs_of(tmp_path / "out")
    assert sorted((row["planning"] or "", row["saving_s"]) for row in rows) == [
        ("", 1.0), (NOISE, 0.6), (TOKENS, 0.9),
    ]  # fmt: skip
    assert {path.stem for path in (tmp_path / "out" / "instances").iterdir()} == {"tiny", "seen", "noisy"}


def test_what_was_planned_elsewhere_is_not_compared(tmp_path):
    sides = [
        load_results(
            write_run(tmp_path / name, [REFERENCE, {"saving_s": 0.9}, {"saving_s": moved, **PLANNED}])
        )
        for name, moved in (("old", 0.9), ("new", 0.1))
    ]
    comparison = compare_runs(*sides)
    assert not comparison.is_regression
    assert comparison.cells["solver"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"planned_on": "seen"}, "row 1: planning: is missing in a run that is planned on another"),
        ({"planning": TOKENS}, "row 1: planning_hash: is missing in a run that is planned on another"),
        (PLANNED | {"planning": "{}"}, "row 1: planning: is '{}', expected JSON of this column"),
        (PLANNED | {"planning": '{"tokens":0}'}, "expected JSON of this column"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_say_what_it_was_planned_on_is_refused(row, problem, tmp_path):
    with pytest.raises(StoreError) as error:
        load_results(write_run(tmp_path / "run", [row]))
    assert problem in str(error.value)


def test_results_without_any_have_the_columns_all_the_same(tmp_path):
    results = load_results(write_run(tmp_path / "run", [{"saving_s": 1.0}]))
    assert results.transfers.empty
    assert "planning_kind" in transfers_with_ratios(results)
