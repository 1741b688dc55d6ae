"""What a refusal of a file may cost."""

import resource

import pytest

LITTLE_BYTES = 2**27  # what may be spent on a refusal; the bombs stand for gigabytes


@pytest.fixture
def little_memory():
    """Fail if a test takes more memory than a refusal may."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < LITTLE_BYTES
