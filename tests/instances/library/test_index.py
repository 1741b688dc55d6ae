"""A malformed index of a library is refused in one line that names file and field."""

import pytest
from libraries import index_document, rewrite_index, small_library
from refusals import refusal

from slimbench.instances.library.index import INDEX_NAME
from slimbench.instances.library.library import read_library

HASH = "0" * 64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "slimbench.instance"}, "format: is 'slimbench.instance'"),
        ({"version": 2}, "version: is 2, expected 1"),
        ({"extra": 1}, "extra: is not a field"),
        ({"release": "../up"}, "release: "),
        ({"date": "today"}, "date: "),
    ],
)
def test_a_malformed_index_is_one_line_that_names_file_and_field(change, words, tmp_path):
    small_library(tmp_path)
    rewrite_index(tmp_path, index_document(tmp_path) | change)
    assert refusal(lambda: read_library(tmp_path)).startswith(f"{tmp_path / INDEX_NAME}: {words}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../up"}, "instances[1].name"),
        ({"name": "a/b"}, "instances[1].name"),
        ({"name": ".hidden"}, "instances[1].name"),
        ({"name": "Drawn"}, "instances[1].name: is a second 'Drawn'"),
        ({"size": "huge"}, "instances[1].size"),
        ({"sha256": "0" * 63}, "instances[1].sha256"),
        ({"sha256": HASH + "\n"}, "instances[1].sha256"),
        ({"file": "../two-cells.json"}, "instances[1].file"),
        ({"file": "/etc/passwd"}, "instances[1].file"),
        ({"file": "a/b/c.json"}, "instances[1].file"),
        ({"recipe": {"dispatch": "single"}}, "two-cells: has a recipe and a file or neither"),
        ({"bounds": [{"saving_s": -1.0}]}, "instances[1].bounds[0].saving_s"),
        ({"best": {"saving_s": "0.1"}}, "instances[1].best.saving_s"),
        (
            {"history": [{"saving_s": 1, "by": "a\nb", "version": "", "date": "2026-01-01"}]},
            "cannot be shown",
        ),
    ],
)
def test_a_malformed_entry_is_one_line_that_names_it(change, words, tmp_path):
    small_library(tmp_path)
    document = index_document(tmp_path)
    document["instances"][1] |= change
    rewrite_index(tmp_path, document)
    assert words in refusal(lambda: read_library(tmp_path))


def test_what_is_no_index_is_refused(tmp_path):
    assert "No such file" in refusal(lambda: read_library(tmp_path))
    for content in (b"", b"[]", b"\xff\xfe", b'{"format": "slimbench.library"'):
        (tmp_path / INDEX_NAME).write_bytes(content)
        assert str(tmp_path / INDEX_NAME) in refusal(lambda: read_library(tmp_path))
