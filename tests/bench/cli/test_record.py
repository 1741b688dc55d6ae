"""``record``: a model's routers on texts, from the command line."""

import pytest
from command_line import assert_bad_input

from slimbench.bench.cli import record as cli_record
from slimbench.instances import read_instance


def test_without_the_extra_it_says_what_to_install(tmp_path, command, monkeypatch):
    monkeypatch.setattr(cli_record, "NEEDED", ("no_such_library",))
    ended = command("record", "model", tmp_path / "ann.txt", "--out", tmp_path / "t.parquet")
    assert_bad_input(ended, 'needs no_such_library, expected it by pip install "slimbench[record]"')


@pytest.mark.slow
def test_a_model_in_a_folder_is_recorded_and_its_trace_used(tmp_path, command):
    from tiny_moe.byte_tokens import byte_tokenizer
    from tiny_routers import FAMILIES, made

    folder, texts = tmp_path / "tiny-switch", [tmp_path / "ann.txt", tmp_path / "bob.txt"]
    made(next(family for family in FAMILIES if family.name == "switch")).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    for text in texts:
        text.write_text("a line of text and another\n" * 4)
    trace = tmp_path / "t.parquet"
    ended = command("record", folder, *texts, "--out", trace, "--window", 32, "--tokens", 50)
    assert ended.code == 0
    assert "tiny-switch (recorded from SwitchTransformersModel)" in ended.out
    assert "ann 50, bob 50" in ended.out
    assert command("instance", "from-trace", trace, tmp_path / "traced.json").code == 0
    assert read_instance(tmp_path / "traced.json").user_names == ("ann", "bob")

    twice = command("record", folder, texts[0], texts[0], "--out", trace)
    assert_bad_input(twice, "names 'ann' twice")
    assert_bad_input(command("record", folder, texts[0], "--out", tmp_path / "t.csv"), "t.csv", ".parquet")
    assert_bad_input(command("record", tmp_path / "none", texts[0], "--out", trace), "cannot be loaded")
    assert_bad_input(
        command("record", folder, texts[0], "--out", trace, "--device", "abacus"), "cannot be loaded"
    )
