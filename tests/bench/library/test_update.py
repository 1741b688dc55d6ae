"""``library update``: solvers improve records, and their bounds are held against placements."""

import pytest
from libraries import OPTIMAL, OPTIMUM_S, WORSE, index_document, records_of


def test_update_keeps_what_is_better_and_several_solvers_check_each_other(library, submit, tmp_path):
    submit(WORSE)
    ended = library("update", "small/*", "-s", "exact", "-s", "milp[backend=scip]", "--time", "20")
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.splitlines()
    assert first.startswith("two-cells: exact ok in ")
    assert first.endswith(": better; gap 0 %, optimal, claimed")
    assert second.endswith(": better; gap 0 %, optimal, cross-checked")
    entry = records_of(tmp_path / "own")
    assert entry["best"]["by"] == "exact"
    assert entry["best"]["saving_s"] == pytest.approx(OPTIMUM_S)
    assert [bound["by"] for bound in entry["bounds"]] == ["exact", "milp[backend=scip]"]
    assert "best" not in index_document(tmp_path / "own")["instances"][0]
    again = library("update", "two-cells", "--time", "20")
    assert "no better; gap 0 %, optimal, cross-checked" in again.out
    assert records_of(tmp_path / "own") == entry


def test_a_bound_of_a_solver_that_a_placement_refutes_is_told(library, submit, plugin, tmp_path):
    submit(OPTIMAL)
    liar = plugin(
        "liar",
        """
        placement = Placement.empty(instance)
        context.report(placement, 0.01, optimal=False)
        return placement
        """,
        options="exact=True",
    )
    ended = library("update", "two-cells", "-s", "liar", "--plugin", liar, "--time", "20")
    assert ended.code == 1
    assert "contradiction: two-cells: a verified placement of A. Name saves 0.059 s" in ended.err
    assert [bound["by"] for bound in records_of(tmp_path / "own")["bounds"] if bound.get("refuted")] == [
        "liar"
    ]


@pytest.mark.parametrize(("end", "bounds"), [("time.sleep(60)", ["halfway"]), ("raise RuntimeError", [])])
def test_a_bound_counts_of_a_run_that_was_stopped_but_not_of_one_that_failed(
    end, bounds, library, plugin, tmp_path
):
    body = f"context.report(Placement.empty(instance), 0.07)\n{end}"
    file = plugin("halfway", body, options="exact=True")
    assert library("update", "two-cells", "-s", "halfway", "--plugin", file, "--time", "1").code == 0
    entry = records_of(tmp_path / "own")
    assert [bound["by"] for bound in entry.get("bounds", [])] == bounds
    assert entry["best"]["saving_s"] == 0  # the placement was verified, whoever reported it
