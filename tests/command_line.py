"""What tests of the command line expect of what was printed."""

import json

import pytest


def one_object(text):
    """The one JSON object that a command printed, read strictly, and nothing else."""
    value, end = json.JSONDecoder(parse_constant=pytest.fail).raw_decode(text)
    assert text[end:] == "\n"
    return value


def assert_bad_input(ended, *words):
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("slimbench: ")
    assert ended.err.count("\n") == 1
    for word in words:
        assert str(word) in ended.err
