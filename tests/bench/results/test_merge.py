"""Several run folders as one: no run lost, none counted twice, and a contradiction between them is told."""

import contextlib
import os
import shutil

import pytest
from command_line import assert_bad_input
from run_folders import write_run

from slimbench.bench.execution.verification import verify_run
from slimbench.bench.results.merge import merge_runs
from slimbench.bench.results.results import load_results
from slimbench.bench.store.store import Store, StoreError
from slimbench.bench.suites.benchmark import Request, open_benchmark
from slimbench.formulations import ContradictionError

OTHER = {"machine_id": "m2", "machine": "Darwin", "python": "3.12"}
EARLY, LATE = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"


@pytest.fixture
def merged(tmp_path):
    """Return what merges hand-made folders, given by their rows, and returns the rows of the result."""

    def merge(*folders, keep="last", metas=None):
        paths = [
            write_run(
                tmp_path / f"run-{i}", rows, machine=OTHER if i else {"machine_id": "m1"},
                meta=metas[i] if metas else {"suite": "s"},
            )
            for i, rows in enumerate(folders)
        ]  # fmt: skip
        merge_runs(paths, tmp_path / "out", keep)
        with contextlib.closing(Store.open(tmp_path / "out")) as store:
            return store.runs()

    return merge


def of(rows, *columns):
    return [tuple(row[column] for column in columns) for row in rows]


def test_parts_of_a_suite_become_one_run(merged, tmp_path):
    rows = merged(
        [{"instance": "x", "saving_s": 1.0, "figures": '{"n": 1}'}, {"instance": "y", "saving_s": 2.0}],
        [{"instance": "z", "solver": "b", "saving_s": 3.0, "code_version": "sources 2"}],
    )
    assert of(rows, "run_id", "instance", "solver", "saving_s", "machine_id", "code_version") == [
        (1, "x", "a", 1.0, "m1", "sources 1"),
        (2, "y", "a", 2.0, "m1", "sources 1"),
        (3, "z", "b", 3.0, "m2", "sources 2"),
    ]
    assert rows[0]["figures"] == {"n": 1}
    assert sorted(path.stem for path in (tmp_path / "out" / "instances").iterdir()) == ["x", "y", "z"]
    assert load_results(tmp_path / "out").provenance["m2 python"] == "3.12"


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(EARLY, LATE, 2.0), (LATE, EARLY, 1.0), (LATE, LATE, 2.0)]
)
def test_of_a_cell_that_two_have_the_run_that_ended_last_counts(merged, tmp_path, first, second, kept):
    rows = merged([{"saving_s": 1.0, "finished_at": first}], [{"saving_s": 2.0, "finished_at": second}])
    assert of(rows, "saving_s", "repeat") == [(kept, 0)]
    with contextlib.closing(Store.open(tmp_path / "out")) as store:
        assert [row["n"] for row in store.stale_runs()] == [1]


def test_a_proof_of_an_optimum_is_not_lost_to_a_later_run_without_one(merged):
    reference = {"solver": "exact", "role": "reference", "exact": True, "bound_saving_s": 1.0}
    rows = merged(
        [reference | {"termination": "optimal", "finished_at": EARLY}, {}],
        [reference | {"bound_saving_s": 1.5, "finished_at": LATE}, {}],
    )
    assert of(rows, "solver", "bound_saving_s") == [("exact", 1.0), ("a", None)]


def test_all_runs_of_a_cell_are_kept_as_further_repeats(merged):
    first = [{"saving_s": 1.0}, {"repeat": 1, "saving_s": 2.0}, {"repeat": 2, "status": "planned"}]
    second = [{"saving_s": 3.0}, {"repeat": 1, "saving_s": 4.0}]
    rows = merged(first, second, keep="all")
    assert of(rows, "repeat", "saving_s", "status") == [
        (0, 1.0, "ok"), (1, 2.0, "ok"), (2, None, "planned"), (3, 3.0, "ok"), (4, 4.0, "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("keep", ["last", "all"])
def test_what_was_planned_stays_so_only_if_nobody_finished_it(merged, keep):
    plan = {"status": "planned"}
    rows = merged([plan, {"repeat": 1, **plan}], [{"repeat": 1, **plan}, {"saving_s": 3.0}], keep=keep)
    assert sorted(of(rows, "repeat", "status")) == [(0, "ok"), (1, "planned")]


@pytest.mark.parametrize("keep", ["last", "all"])
def test_a_run_that_two_folders_hold_is_one(merged, tmp_path, keep):
    merged([{"saving_s": 1.0}], [{"repeat": 1, "saving_s": 2.0}], keep=keep)
    merge_runs([tmp_path / "run-0", tmp_path / "out"], tmp_path / "again", keep)
    results = load_results(tmp_path / "again")
    assert results.runs["saving_s"].tolist() == [1.0, 2.0]
    assert not any(key.startswith("stale") for key in results.provenance)


def test_logs_follow_their_runs(tmp_path):
    first = write_run(tmp_path / "run-0", [{"finished_at": LATE}, {"solver": "b"}])
    second = write_run(tmp_path / "run-1", [{"finished_at": EARLY}, {"solver": "c"}])
    (first / "logs" / "2.log").write_text("b on 1")
    (second / "logs" / "1.log").write_text("a on 2, stale")
    (second / "logs" / "2.log").write_text("c on 2")
    merge_runs([first, second], tmp_path / "out")
    with contextlib.closing(Store.open(tmp_path / "out")) as store:
        ids = {row["solver"]: row["run_id"] for row in store.runs()}
    texts = {path.name: path.read_text() for path in (tmp_path / "out" / "logs").iterdir()}
    assert texts[f"{ids['b']}.log"] == "b on 1"
    assert texts[f"{ids['c']}.log"] == "c on 2"
    assert f"{ids['a']}.log" not in texts
    assert len(texts) == 3


def test_meta_says_what_all_say_and_both_where_they_differ(merged, tmp_path):
    metas = [
        {"suite": "s", "seed": "1", "planned": "2026-01-02", "finished": "2026-01-03", "data": "d"},
        {"suite": "s", "seed": "2", "planned": "2026-01-01", "finished": "2026-01-04", "data": "e"},
    ]
    merged([{}], [{"solver": "b"}], metas=metas)
    provenance = load_results(tmp_path / "out").provenance
    expected = {
        "suite": "s", "seed": "1, 2", "planned": "2026-01-01", "finished": "2026-01-04",
        "merged": "run-0, run-1", "keep": "last",
    }  # fmt: skip
    assert {key: provenance.get(key) for key in expected} == expected
    assert load_results(tmp_path / "out").name == "out"


def test_a_merged_run_with_plans_left_is_not_finished(merged, tmp_path):
    metas = [{"finished": "2026-01-03"}, {}]
    merged([{}], [{"solver": "b", "status": "planned"}], metas=metas)
    assert "finished" not in load_results(tmp_path / "out").provenance


def test_a_contradiction_between_folders_is_told_and_stays_on_disk(merged, tmp_path):
    liar = {"solver": "liar", "role": "reference", "exact": True, "saving_s": 0.5, "bound_saving_s": 0.5}
    with pytest.raises(ContradictionError, match="tiny: a has a verified saving of 1 s, above the bound of"):
        merged([liar], [{"saving_s": 1.0}])
    results = load_results(tmp_path / "out")
    assert results.provenance["contradiction"].endswith("liar claims")
    assert results.runs["saving_s"].tolist() == [1.0]


def test_two_references_of_one_cell_contradict_each_other_although_one_is_stale(merged, tmp_path):
    reference = {"solver": "exact", "role": "reference", "exact": True, "termination": "optimal"}
    with pytest.raises(ContradictionError):
        merged(
            [{}, reference | {"saving_s": 0.5, "bound_saving_s": 0.5, "finished_at": EARLY}],
            [{"saving_s": 0.25}, reference | {"saving_s": 0.75, "bound_saving_s": 0.75, "finished_at": LATE}],
        )
    assert "contradiction" in load_results(tmp_path / "out").provenance


def test_what_cannot_be_merged_is_refused_and_makes_no_results(tmp_path):
    one = write_run(tmp_path / "one", [{}])
    two = write_run(tmp_path / "two", [{}])
    out = tmp_path / "out"
    for folders, words in (
        ([one], "at least two"),
        ([one, one], "each named once"),
        ([one, tmp_path / "two" / ".." / "one"], "each named once"),
        ([one, tmp_path], "has no results.sqlite"),
    ):
        with pytest.raises(StoreError, match=words):
            merge_runs(folders, out)
    with pytest.raises(StoreError, match="keep: is 'best', expected one of last, all"):
        merge_runs([one, two], out, "best")
    with pytest.raises(StoreError, match="has results already"):
        merge_runs([one, two], two)
    (two / "instances" / "tiny.npz").unlink()
    (one / "instances" / "tiny.npz").unlink()
    with pytest.raises(StoreError, match="tiny"):
        merge_runs([one, two], out)
    with contextlib.closing(Store.open(two)) as store:
        store.set_meta({"schema_version": "1"})
    with pytest.raises(StoreError, match="schema_version: is 1"):
        merge_runs([one, two], out)
    assert not (out / "results.sqlite").exists()


def test_a_row_cannot_name_a_file_out_of_its_folder(tmp_path):
    first, second = write_run(tmp_path / "one", [{}]), write_run(tmp_path / "two", [{"instance": "other"}])
    (tmp_path / "outside.npz").write_text("outside")
    with contextlib.closing(Store.open(second)) as store:
        store._connection.execute("UPDATE instances SET file = '../outside.npz'")
    with pytest.raises(StoreError):
        merge_runs([first, second], tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("deep/**/outside.npz"))


# Real runs, and the command


def test_merged_runs_verify_report_and_resume(write_suite, run_suite, tmp_path, command):
    suite = write_suite(tmp_path, ["popularity"], more="[reference]\nsolver = 'brute-force'\n")
    one, two = tmp_path / "here" / "one", tmp_path / "there" / "two"  # that share no references
    run_suite(suite, one)
    both = write_suite(tmp_path, ["popularity", "random"], more="[reference]\nsolver = 'brute-force'\n")
    run_suite(both, two)
    out = tmp_path / "out"
    ended = command("merge", one, two, "--out", out)
    assert (ended.code, ended.out) == (0, f"{out}: 14 results of 2 runs, 6 of them stale\n")
    assert verify_run(out) == []
    shutil.rmtree(one)
    assert len(load_results(out).runs) == 4
    assert command("report", out).code == 0
    with open_benchmark(Request(str(both), out=out, resume=True)) as benchmark:
        assert all(row["status"] == "ok" for row in benchmark.store.runs())


def test_bad_merges_are_one_line(tmp_path, command):
    one = write_run(tmp_path / "one", [{}])
    assert_bad_input(command("merge", one, "--out", tmp_path / "out"), "at least two")
    two = write_run(tmp_path / "two", [{}])
    assert_bad_input(command("merge", one, two, "--out", two), two, "has results already")
    assert_bad_input(command("merge", one, two, "--out", tmp_path / "out", "--keep", "best"), "keep", "best")


def test_a_merged_instance_keeps_the_suite_that_planned_it(merged, tmp_path):
    merged(
        [{"instance": "x"}], [{"instance": "x", "solver": "b"}, {"instance": "y"}],
        metas=[{"suite": "first"}, {"suite": "second"}],
    )  # fmt: skip
    instances = load_results(tmp_path / "out").instances
    assert instances[["instance", "suite"]].to_numpy().tolist() == [["x", "first"], ["y", "second"]]
    assert instances["file"].tolist() == ["instances/x.npz", "instances/y.npz"]


@pytest.mark.parametrize(
    "link", ["instances/tiny.npz", "logs/1.log", "instances", "logs", "out/instances", "out/logs/1.log"]
)
def test_nothing_is_copied_through_a_link(link, tmp_path):
    """Neither from a file elsewhere, which would be given away, nor over one."""
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("tiny.npz", "1.log"):
        (secret / name).write_text("secret")
    one, two = write_run(tmp_path / "one", [{}]), write_run(tmp_path / "two", [{"solver": "b"}])
    for folder in (one, two):
        (folder / "logs" / "1.log").write_text("log")
    place = tmp_path / link if link.startswith("out/") else one / link
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        place.rename(tmp_path / "moved")
    place.unlink(missing_ok=True)
    place.symlink_to(secret if place.suffix == "" else secret / place.name)
    with pytest.raises(StoreError, match=f"^{place}: is a link, expected what is in the run folder itself$"):
        merge_runs([one, two], tmp_path / "out")
    assert {path.read_text() for path in secret.iterdir()} == {"secret"}
    assert not (tmp_path / "out" / "results.sqlite").exists()


def test_a_pipe_in_place_of_a_log_is_not_waited_for(tmp_path):
    one, two = write_run(tmp_path / "one", [{}]), write_run(tmp_path / "two", [{"solver": "b"}])
    os.mkfifo(one / "logs" / "1.log")
    with pytest.raises(StoreError, match=r"1.log: is no file$"):
        merge_runs([one, two], tmp_path / "out")
