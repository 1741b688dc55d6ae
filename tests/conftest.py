"""Settings of hypothesis, and what most tests do without: figures that are drawn."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, max_examples=20, print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile(
    "random", settings.get_profile("same"), derandomize=False, max_examples=300, print_blob=True
)  # asked for by --hypothesis-profile; the blob repeats a failure
settings.load_profile("same")


@pytest.fixture
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figure files of reports empty but in tests marked ``drawn``: drawing takes seconds."""
    if not request.node.get_closest_marker("drawn"):
        empty = {"svg": b"", "pdf": b"", "png": b""}
        monkeypatch.setattr("slimbench.reports.page.renderings", lambda _figure: empty)
