"""Settings of hypothesis, and what most tests do without: figures that are drawn, programs of tests-all."""

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

NOT_INSTALLED = {"gurobi", "gurobipy"}  # by the extra test, but by test-all


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests slow whose parameters name what is not installed for the others."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if any(isinstance(value, str) and value in NOT_INSTALLED for value in parameters.values()):
            item.add_marker("slow")


@pytest.fixture
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figure files of reports empty but in tests marked ``drawn``: drawing takes seconds."""
    if not request.node.get_closest_marker("drawn"):
        empty = {"svg": b"", "pdf": b"", "png": b""}
        monkeypatch.setattr("slimbench.reports.pages.page.renderings", lambda _figure: empty)
