"""What a report says first: the best heuristic, or what makes its numbers doubtful."""

from slimbench.reports.pages.summary import reasons_of_failures, summary

PROVEN = (1.0, 1.0, True)


def run(solver, instance, saving, **more):
    return {"solver": solver, "instance": instance, "saving_s": saving, **more}


def test_a_solver_that_reports_bounds_and_does_not_prove_is_a_heuristic(make_results):
    runs = [
        run("milp", "i", 1.0, exact=True, bound_saving_s=1.0),
        run("lagrangian", "i", 0.99, exact=False, bound_saving_s=1.1),
        run("random", "i", 0.2),
    ]
    said = summary(make_results(runs, {"i": PROVEN}))
    assert said.headline == "Best heuristic: lagrangian, at worst 0.9900 of the optimal saving, on i."
    assert said.sentences[0] == "No promise is broken."
    assert not any("random" in sentence for sentence in (said.headline, *said.sentences))


def test_the_best_heuristic_has_answered_where_others_were_not_planned(make_results, failed):
    runs = [run("spared", "i", 0.9), run("all", "i", 0.8), run("all", "j", 0.3)]
    references = {"i": PROVEN, "j": PROVEN}
    assert summary(make_results(runs, references)).headline.startswith("Best heuristic: all, at worst 0.3000")
    runs[2] |= failed
    assert summary(make_results(runs, references)).headline == (
        "Best heuristic: spared, at worst 0.9000 of the optimal saving, on i; "
        "it has no placement on 1 of 2 instances."
    )


def test_a_broken_guarantee_comes_after_the_best_heuristic(make_results):
    half = {"guarantee_claim": "1/2", "guarantee_ratio": 0.5}
    runs = [run("good", "i", 0.9), *(run("bad", name, 0.1, **half) for name in "ij")]
    said = summary(make_results([*runs, run("good", "j", 0.8)], {"i": PROVEN, "j": PROVEN}))
    assert said.headline.startswith("Best heuristic: good")
    assert said.sentences[0] == "Broken promises: guarantee of bad on i."


def test_a_contradicted_bound_comes_before_everything(make_results):
    runs = [run("milp", "i", 0.5, exact=True, bound_saving_s=0.5), run("dp", "i", 0.9)]
    said = summary(make_results(runs, {"i": (0.9, float("nan"), False)}))
    assert said.headline == (
        "Contradicted: milp on i: run 1 claims that no placement saves more than 0.5 s, "
        "but a verified placement saves 0.9 s."
    )
    assert said.sentences[:2] == [
        "Best heuristic: dp, at worst 0.0000–1.0000 of the optimal saving, on i.",  # noqa: RUF001
        "Broken promises: bound of milp on i.",
    ]


def test_nothing_placed_is_no_best_heuristic(make_results, failed):
    assert summary(make_results([run("s", "i", 0.0) | failed], {"i": PROVEN})).headline.startswith(
        "No verified"
    )


def test_each_reason_of_a_solver_is_told_once(make_results, failed):
    late = {**failed, "status": "time_limit", "message": ""}
    runs = [
        *(run("a", name, 0.0) | failed for name in "ij"),
        run("a", "k", 0.0) | late,
        run("b", "k", 0.5),
        run("b", "i", 0.0) | failed | {"status": "planned"},
    ]
    assert reasons_of_failures(make_results(runs)) == [
        "i: a: crashed: exit code -11 (2 runs)",
        "k: a: time_limit",
    ]
