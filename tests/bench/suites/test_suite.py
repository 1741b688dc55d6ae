"""Suite files: what they say, and what is said of a malformed one."""

import codecs

import msgspec
import pytest
from suite_text import ENTRY, HEAD

from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.suites.suite import SuiteError, read_suite, shipped_suites
from slimbench.bench.suites.suite_instances import suite_instances

SOLVERS = find_solvers()


# What ships


SHIPPED = [
    "formulations",
    "hard",
    "known-optima",
    "library",
    "paper-k1",
    "paper-k2",
    "paper-small",
    "quick",
    "real-routing",
    "robustness",
    "textbook",
]


SUITES = ["adaptive", *SHIPPED]  # the first one is of sequences


def test_these_suites_ship():
    assert shipped_suites() == SUITES


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suite_parses_under_its_name_and_names_solvers_that_exist(name):
    file = read_suite(name)
    suite = file.suite
    assert suite.name == name
    assert f'name = "{name}"' in file.text
    assert suite.description
    for call in (*suite.solvers, suite.reference.solver, *suite.reference.cross_check):
        assert call.partition("[")[0] in SOLVERS


WITHOUT_DATA = sorted({*SHIPPED} - {"real-routing"})


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_entries_of_a_shipped_suite_make_instances(name, tmp_path):
    suite = read_suite(name).suite
    for entry in (suite.instances[0], suite.instances[-1]):
        one = next(iter(suite_instances(msgspec.structs.replace(suite, instances=(entry,)), tmp_path, None)))
        assert one.instance.n_activations > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_shipped_suite_without_data_makes_instances_of_different_names(name, tmp_path):
    suite = read_suite(name).suite
    made = list(suite_instances(suite, tmp_path, None))
    assert len({named.instance.name for named in made}) == len(made) >= len(suite.instances)


# A small one


def test_defaults_are_filled_in(suite_of, tmp_path):
    file = suite_of('file = "a.json"')
    suite = file.suite
    assert file.text.startswith(HEAD)
    assert file.folder == tmp_path.resolve()
    assert (suite.seed, suite.repeats, suite.description) == (0, 1, "")
    assert (suite.limits.time_s, suite.limits.memory_mb) == (60.0, 8192.0)
    assert (suite.reference.solver, suite.reference.cross_check) == ("exact", ())


def test_what_is_written_is_read(suite_of):
    head = HEAD + (
        'seed = 7\nrepeats = 3\n[limits]\ntime_s = 2\nmemory_mb = 512\n'
        '[reference]\nsolver = "brute-force"\ncross_check = ["milp"]\ntime_s = 4.5\n'
    )  # fmt: skip
    suite = suite_of('file = "a.json"', head=head).suite
    assert (suite.solvers, suite.seed, suite.repeats) == (("popularity", "random"), 7, 3)
    assert (suite.limits.time_s, suite.limits.memory_mb) == (2.0, 512.0)
    assert (suite.reference.solver, suite.reference.cross_check) == ("brute-force", ("milp",))
    assert suite.reference.time_s == 4.5


# What is refused

REFERENCE = 'solvers = ["random"]\n[reference]\n'


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("name = ", "is not TOML: "),
        ('name = "a"\nname = "b"\n', "is not TOML: "),
        ('solvers = ["random"]\n', "Object missing required field name"),
        ('name = "mine"\n', "Object missing required field solvers"),
        ('name = "two words"\nsolvers = ["random"]\n', "name: Expected str matching regex"),
        ('name = "../up"\nsolvers = ["random"]\n', "name: Expected str matching regex"),
        ('name = "mine"\nsolvers = []\n', "solvers: Expected array of length >= 1"),
        ('name = "mine"\nsolvers = "random"\n', "solvers: Expected array, got str"),
        ('name = "mine"\nsolvers = [1]\n', "solvers[0]: Expected str, got int"),
        (HEAD + "repeat = 3\n", "Object contains unknown field repeat"),
        (HEAD + "repeats = 0\n", "repeats: Expected int >= 1"),
        (HEAD + "repeats = 1.5\n", "repeats: Expected int, got float"),
        (HEAD + "seed = -1\n", "seed: Expected int >= 0"),
        (HEAD + "[limits]\ntime_s = 0\n", "limits.time_s: Expected float > 0.0"),
        (HEAD + "[limits]\ntime_s = nan\n", "limits.time_s: Expected float > 0.0"),
        (HEAD + '[limits]\nmemory_mb = "1 GB"\n', "limits.memory_mb: Expected float, got str"),
        (HEAD + "[limits]\ncpu = 1\n", "limits: Object contains unknown field cpu"),
        (HEAD + "[reference]\ntime_s = -1\n", "reference.time_s: Expected float > 0.0"),
        (HEAD + "[reference]\nsolver = 3\n", "reference.solver: Expected str, got int"),
    ],
)
def test_a_malformed_suite_is_one_line_that_names_file_and_field(head, problem, refusal):
    assert refusal(ENTRY, head=head).startswith(f"TMP/mine.toml: {problem}")


def test_a_byte_order_mark_is_no_part_of_a_suite(suite_of, tmp_path):
    text = suite_of('file = "a.json"').text
    (tmp_path / "marked.toml").write_bytes(codecs.BOM_UTF8 + text.encode())
    marked = read_suite(str(tmp_path / "marked.toml"))
    assert marked.text == text


def test_a_suite_without_instances_is_refused(refusal):
    assert refusal() == "TMP/mine.toml: Object missing required field instances"
    assert refusal(head=HEAD + "instances = []\n").startswith(
        "TMP/mine.toml: instances: Expected array of length"
    )


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ('solvers = ["nobody"]\n', "solver 'nobody': unknown"),
        ('solvers = ["milp[speed=1]"]\n', "solver milp: parameter 'speed': unknown"),
        ('solvers = ["random", "random[]"]\n', "solvers: name random 2 times, expected each once"),
        (f'{REFERENCE}solver = "popularity"\n', "reference: popularity is not an exact solver"),
        (f'{REFERENCE}cross_check = ["random"]\n', "reference: random is not an exact solver"),
        (f'{REFERENCE}solver = "milp[backend=xpress]"\n', "solver milp: parameter backend: is 'xpress'"),
    ],
)
def test_solvers_of_a_suite_are_checked_before_anything_is_written(head, problem, refusal):
    assert refusal(ENTRY, head='name = "mine"\n' + head).partition("toml: ")[2].partition(problem)[0] in {
        "",
        "solvers: ",
        "reference.solver: ",
    }


@pytest.mark.parametrize("name", ["no-such-suite", "quick.toml"])
def test_a_suite_that_does_not_exist_is_told_with_those_that_do(name):
    with pytest.raises(SuiteError) as error:
        read_suite(name)
    assert str(error.value) == (
        f"{name}: No such file or directory, expected a TOML file or one of {', '.join(SUITES)}"
    )


def test_a_suite_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match=r"binary\.toml: is not UTF-8 text, expected a TOML file"):
        read_suite(str(path))
    with pytest.raises(SuiteError, match="Is a directory"):
        read_suite(str(tmp_path))
