"""``library verify``: what the index says is worked out anew."""

from libraries import OPTIMAL, WORSE, index_document, rewrite_index, set_bound

from slimbench.bench.library.verification import faults_of
from slimbench.instances.library.library import PLACEMENTS, read_library


def test_verify_tells_every_instance_that_does_not_verify(library, submit, tmp_path):
    submit(WORSE)
    assert "2 instances verify" in library("verify").out
    document = index_document(tmp_path / "own")
    document["instances"][0]["recipe"]["seed"] = 3
    document["instances"][1]["best"]["saving_s"] = 0.06
    rewrite_index(tmp_path / "own", document)
    ended = library("verify")
    assert ended.code == 1
    first, second = ended.out.splitlines()
    assert first.startswith("drawn: its content has the hash ")
    assert second.startswith("two-cells: best.saving_s is 0.06, its placement gives 0.045")
    assert library("verify", "two-cells").out == f"{second}\n"


def test_verify_finds_a_placement_that_is_gone_and_a_bound_that_is_too_low(library, submit, tmp_path):
    submit(OPTIMAL)
    set_bound(tmp_path / "own", 0.05)
    ended = library("verify", "two-cells")
    assert ended.code == 1
    assert "above the bound of 0.05 s that exact claims" in ended.out
    set_bound(tmp_path / "own", 0.06)
    assert library("verify", "two-cells").code == 0
    for file in (tmp_path / "own" / PLACEMENTS).iterdir():
        file.unlink()
    ended = library("verify", "two-cells")
    assert (ended.code, "No such file" in ended.out) == (1, True)


def test_verify_solves_small_instances_again_if_asked(library, submit):
    submit(WORSE)
    assert library("verify").code == 0
    ended = library("verify", "--solve")
    assert ended.code == 1
    assert "exact claims an optimum of 0.059 s, the best known saving is 0.045 s" in ended.out


def test_every_small_instance_that_ships_verifies():
    library = read_library()
    assert list(faults_of(library, library.matching("small/*"))) == []
