"""The instances of a suite: what entries become, and what is said of a malformed one."""

import json

import pytest
from samples import TWO_CELLS, random_instance
from suite_text import ENTRY, RECIPE

from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.suites.plan import make_plan
from slimbench.bench.suites.suite import SuiteError
from slimbench.bench.suites.suite_instances import suite_instances
from slimbench.instances import Model, write_instance
from slimbench.instances.library.library import read_library
from slimbench.instances.traces.counts import count_trace


@pytest.fixture
def instances_of(suite_of):
    """Return what a suite's entries become."""

    def make(*entries, data=None):
        file = suite_of(*entries)
        return list(suite_instances(file.suite, file.folder, data))

    return make


def test_lists_of_dispatches_and_seeds_are_run_through(instances_of):
    made = instances_of(f'name = "a"\ndispatch = ["single", "serial"]\nseed = [3, 5]\n{RECIPE}')
    assert [named.instance.name for named in made] == [
        "a-single-s3", "a-single-s5", "a-serial-s3", "a-serial-s5",
    ]  # fmt: skip
    assert [named.instance.dispatch for named in made] == ["single", "single", "serial", "serial"]
    assert len({named.instance.edge_latency_s.tobytes() for named in made}) == 2  # one network a seed


def test_a_single_dispatch_and_seed_leave_the_name_alone(instances_of):
    (named,) = instances_of(f'name = "a"\ndispatch = "single"\nseed = 3\n{RECIPE}')
    assert named.instance.name == "a"
    assert named.note.startswith("all routing drawn")
    assert named.without == frozenset()


def test_a_sweep_of_one_value_is_named_by_it(instances_of):
    (named,) = instances_of(f'name = "a"\ndispatch = ["single"]\n{RECIPE}')
    assert named.instance.name == "a-single"


def test_without_is_kept_with_every_instance_of_its_entry(instances_of):
    made = instances_of(f'name = "a"\ndispatch = "single"\nseed = [1, 2]\nwithout = ["random"]\n{RECIPE}')
    assert [named.without for named in made] == [frozenset({"random"})] * 2


def test_instances_of_the_library_come_by_name_or_pattern_and_say_its_release(instances_of):
    (named,) = instances_of('library = "mixtral-n2-u4-l1-serial"')
    assert named.instance.name == "mixtral-n2-u4-l1-serial"
    assert named.note == f"library {read_library().index.release}"
    made = instances_of('library = "small/mixtral-n2-*"\nwithout = ["random"]')
    assert {m.instance.dispatch for m in made} == {"single", "parallel", "serial"}
    assert {m.without for m in made} == {frozenset({"random"})}


def test_a_file_that_is_nowhere_near_is_one_of_those_that_ship(instances_of):
    names = [named.instance.name for named in instances_of('file = "hard/*-n3-u10-*.json.gz"')]
    assert names == ["hard-parallel-n3-u10-l8-e8-k2", "hard-single-n3-u10-l8-e8-k2"]


def test_a_glob_takes_all_files_in_order_relative_to_the_suite_or_the_data(instances_of, tmp_path):
    for folder in (tmp_path, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        for seed in (2, 1):
            write_instance(random_instance(seed), folder / f"cell-{seed}.json.gz")
    write_instance(random_instance(3), tmp_path / "data" / "cell-3.npz")
    assert [n.note for n in instances_of('file = "cell-*"')] == ["file cell-1.json.gz", "file cell-2.json.gz"]
    assert len(instances_of('file = "cell-*"', data=tmp_path / "data")) == 3
    assert [n.instance.name for n in instances_of(f"file = '{tmp_path}/data/cell-3.npz'")] == ["random-3"]


SMALL = 'scenario = "metro-tree"\nlayers = 1\nnetwork = { servers = 3, users = 4 }\n'


def test_a_scenario_is_changed_by_its_entry_and_swept_like_a_recipe(instances_of):
    made = instances_of(
        f'{SMALL}name = "t"\ndispatch = ["single", "serial"]\nseed = [3, 5]\nwithout = ["random"]\n',
        f"{SMALL}routing = {{ tokens = 2 }}\n",
    )
    names = [named.instance.name for named in made]
    assert names == ["t-single-s3", "t-single-s5", "t-serial-s3", "t-serial-s5", "metro-tree"]
    assert {(n.instance.n_servers, n.instance.n_users, n.instance.n_layers) for n in made} == {(3, 4, 1)}
    assert [named.without for named in made] == [frozenset({"random"})] * 4 + [frozenset()]
    assert {named.instance.models[0].name for named in made} == {"mixtral-8x7b"}
    assert made[-1].instance.n_activations <= 4 * 2 < made[0].instance.n_activations


def test_every_instance_is_planned_on_what_its_entry_says_as_well(instances_of):
    planning = "planning = [{ tokens = [2, 4], seed = [1, 2] }, { latency_noise = 0.1 }]\n"
    made = instances_of(
        f'name = "a"\ndispatch = ["single", "parallel"]\n{planning}{RECIPE}', ENTRY + "seed = 1\n"
    )
    assert [len(named.plannings) for named in made] == [5, 5, 0]
    labels = [seen.name.removeprefix("a-parallel") for seen in made[1].plannings.values()]
    assert labels == [
        "[tokens=2,seed=1]", "[tokens=2,seed=2]", "[tokens=4,seed=1]", "[tokens=4,seed=2]",
        "[latency_noise=0.1,seed=0]",
    ]  # fmt: skip
    assert {seen.dispatch for seen in made[1].plannings.values()} == {"parallel"}


def test_a_trace_is_planned_on_one_part_and_evaluated_on_another(instances_of, tmp_path):
    rows = [
        {"user": user, "token": token, "model": "moe-llava-phi2-2.7b-4e", "layer": 0, "experts": [token % 4]}
        for user in ("ann", "bob")
        for token in range(40)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    routing = 'routing = { kind = "trace", path = "t.jsonl", part = [0.5, 1.0] }\n'
    (named,) = instances_of(f"{ENTRY}{routing}planning = [{{ part = [[0.0, 0.1], [0.0, 0.5]] }}]\n")
    models = [Model("moe-llava-phi2-2.7b-4e", 1, 4, 2, 1)]
    parts = {"a": (0.5, 1.0), "a[part=0-0.1]": (0.0, 0.1), "a[part=0-0.5]": (0.0, 0.5)}
    made = {instance.name: instance for instance in (named.instance, *named.plannings.values())}
    assert made.keys() == parts.keys()
    for name, (low, high) in parts.items():
        read = count_trace(tmp_path / "t.jsonl", models, part=(low, high))
        assert made[name].user_names == read.user_names == ("ann", "bob")
        assert made[name].rates.tolist() == pytest.approx(read.activations().rates.tolist())
        assert (made[name].edge_latency_s == named.instance.edge_latency_s).all()


def test_a_planning_that_is_wrong_is_told_with_its_line(suite_of):
    with pytest.raises(SuiteError, match=r"mine\.toml: line 9: instances\[0\]\.planning\[0\]\.tokens: "):
        make_plan(suite_of(f"{ENTRY}planning = [{{ tokens = 0 }}]\n"), find_solvers(), None)


# What is refused


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (f'dispatch = "single"\n{RECIPE}', "instances[0].name: is missing"),
        (f'name = 1\ndispatch = "single"\n{RECIPE}', "instances[0].name: "),
        (f'name = "a"\n{RECIPE}', "instances[0].dispatch: is missing"),
        (f'name = "a"\ndispatch = "both"\n{RECIPE}', "instances[0].dispatch: "),
        (f'name = "a"\ndispatch = ["single", "both"]\n{RECIPE}', "instances[0].dispatch: "),
        (f'name = "a"\ndispatch = []\n{RECIPE}', "instances[0].dispatch: is an empty list"),
        (f'name = "a"\ndispatch = "single"\nseed = []\n{RECIPE}', "instances[0].seed: is an empty list"),
        (f'name = "a"\ndispatch = "single"\nseed = ["x"]\n{RECIPE}', "instances[0].seed: "),
        (f'name = "a"\ndispatch = "single"\nseed = -1\n{RECIPE}', "instances[0].seed: "),
        ('name = "a"\ndispatch = "single"\n', "instances[0].models: is empty"),
        ('name = "a"\ndispatch = "single"\nmodels = ["gpt-9"]\n', "instances[0].models[0]: "),
        (f'{ENTRY}colour = "red"\n', "instances[0].colour: is not a field of this format"),
        (f'{ENTRY}routing = {{ kind = "guess" }}\n', "instances[0].routing.kind: is 'guess', "),
        ('file = "a.json"\nseed = 1\n', "instances[0].seed: does not go with file"),
        ('scenario = "moon"\n', "instances[0].scenario: is 'moon', expected one of heterogeneous, "),
        ("scenario = 3\n", "instances[0].scenario: is 3, expected one of heterogeneous, "),
        (
            f"{SMALL}seed = -1\n",
            "instances[0].seed: expected int >= 0 (scenario metro-tree)",
        ),
        (
            'scenario = "highway"\nnetwork = { layout = { spacing_m = 0 } }\n',
            "instances[0].network.layout.spacing_m: is 0.0, expected 0.1 to 1e+06 (scenario highway)",
        ),
        (
            'scenario = "multi-tenant"\nmodels = ["dbrx"]\n',
            "instances[0].routing.tenants[0].models: names 'mixtral-8x7b', expected one of dbrx (scenario",
        ),
        ('file = "a.json"\nlibrary = "*"\n', "instances[0].library: does not go with file"),
        ('library = "small/*"\nseed = 1\n', "instances[0].seed: does not go with library"),
        ('library = "none-*"\n', "instances[0].library: nothing matches 'none-*'"),
        ('library = 1\n', "instances[0].library: nothing matches '1'"),
        ('file = "none-*.json"\n', "instances[0].file: nothing matches 'none-*.json' in TMP"),
        ('file = ""\n', "instances[0].file: nothing matches '' in TMP"),
        (f'without = "random"\n{ENTRY}', "instances[0].without: Expected array, got str"),
        (f"without = [1]\n{ENTRY}", "instances[0].without: Expected str, got int"),
        (f"planning = 4\n{ENTRY}", "instances[0].planning: expected array, got int"),
        (f"planning = [{{ tokens = 4 }}, {{ tokens = 0 }}]\n{ENTRY}",
         "instances[0].planning[1].tokens: expected int >= 1"),
        (f"planning = [{{ noise = 0.1 }}]\n{ENTRY}", "instances[0].planning[0].noise: is not a field"),
        (f"planning = [{{ part = [0.0, 0.5] }}]\n{ENTRY}",
         'instances[0].planning.part: needs routing.kind = "trace"'),
        (f"planning = [{{ tokens = 60_000_000 }}]\n{ENTRY}", "instances[0].planning.tokens: would draw"),
        (f'without = ["milp"]\n{ENTRY}', "a: without: is 'milp', expected one of "),
    ],
)  # fmt: skip
def test_a_malformed_instance_is_one_line_that_names_suite_and_field(entry, problem, refusal):
    assert refusal(entry).startswith(f"TMP/mine.toml: {problem}")


def test_a_malformed_instance_file_is_named_itself(refusal, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(TWO_CELLS | {"dispatch": "both"}))
    assert refusal('file = "a.json"').startswith("TMP/a.json: dispatch: ")
    assert refusal(f"file = '{tmp_path}/b.json'") == "TMP/b.json: No such file or directory"


def test_two_instances_of_one_name_are_refused(refusal):
    assert refusal(ENTRY, ENTRY + "seed = 2\n") == "TMP/mine.toml: instances[1]: a second instance named 'a'"


def test_the_same_seed_twice_is_two_instances_of_one_name(refusal):
    assert "a second instance named 'a-s1'" in refusal(
        f'name = "a"\ndispatch = "single"\nseed = [1, 1]\n{RECIPE}'
    )
