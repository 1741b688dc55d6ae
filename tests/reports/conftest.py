"""Results made by hand: only what a test is about is written down, everything else has a default."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest

from slimbench.bench.results.results import RUN_COLUMNS, TRAJECTORY_COLUMNS, TRANSFER_COLUMNS, Results
from slimbench.reports.pages.sections import sections
from slimbench.reports.tables.tables import Table

Row = dict[str, Any]
MakeResults = Callable[..., Results]

RUN: Row = {
    "dispatch": "single",
    "top_k": 2,
    "repeat": 0,
    "seed": 1,
    "status": "ok",
    "termination": "feasible",
    "message": "",
    "latency_none_s": 2.0,
    "saving_s": float("nan"),
    "bound_saving_s": float("nan"),
    "runtime_s": 0.01,
    "cpu_s": 0.01,
    "peak_memory_mb": 100.0,
    "time_limit_s": 10.0,
    "memory_limit_mb": 1000.0,
    "guarantee_ratio": float("nan"),
    "guarantee_claim": "",
    "guarantee_conditions": "",
    "guarantee_source": "",
    "guarantee_expected": False,
    "exact": False,
    "bounds": False,
    "figures": {},
}
FAILED: Row = {
    "status": "crashed",
    "termination": "none",
    "message": "exit code -11",
    "saving_s": float("nan"),
    "runtime_s": float("nan"),
    "cpu_s": float("nan"),
    "peak_memory_mb": float("nan"),
}
LIMIT_MS = 30_000  # for what a browser does
PROVENANCE = {"suite": "by-hand", "seed": "1", "slimbench": "0.1.0"}


@pytest.fixture(autouse=True)
def no_figure_files(undrawn):
    """Draw nothing; fixtures of a module are made before this."""


@pytest.fixture(scope="session")
def make_results() -> MakeResults:
    """Return a builder: ``make_results([run, ...], {instance: (best, bound, closed)})``.

    A closed reference is cross-checked, so proven.

    A run is ``{"solver": ..., "instance": ..., "saving_s": ...}`` with what else it needs; its ``steps``,
    (seconds, saving, bound), are its trajectory. One with a ``planning_kind``, and its ``planning_amount``
    and ``planning_seed``, was planned on another instance. The instance's hash is its name with a prefix.
    """
    return build


@pytest.fixture(scope="session")
def make_table() -> Callable[[Results, str], Table]:
    """Return a function that makes a table of the report, by the name of its CSV file."""
    return table_named


def table_named(results: Results, data: str) -> Table:
    parts = [part for section in sections(results) for part in section.parts]
    return next((part.table for part in parts if part.table.data == data), Table((), (), data))


@pytest.fixture(scope="session")
def failed() -> Row:
    """Return the columns of a run that crashed."""
    return dict(FAILED)


def build(
    runs: Sequence[Mapping[str, Any]],
    references: Mapping[str, tuple[float, float, bool]] = MappingProxyType({}),
    *,
    name: str = "by hand",
    provenance: Mapping[str, str] = PROVENANCE,
) -> Results:
    names = list(dict.fromkeys([*references, *(run["instance"] for run in runs)]))
    nothing = (float("nan"), float("nan"), False)
    rows = []
    for i, run in enumerate(runs):
        row = RUN | {"run_id": i + 1, "solver_name": run["solver"].partition("[")[0]} | dict(run)
        row["instance_hash"] = f"hash-{row['instance']}"
        row["latency_s"] = row["latency_none_s"] - row["saving_s"]
        rows.append(row)
    own = [row for row in rows if "planning_kind" not in row]
    moved = [_with_planning(row) for row in rows if "planning_kind" in row]
    steps = [
        (row["run_id"], row["instance"], row["solver"], row["repeat"], *step)
        for row in own
        for step in row.get("steps", ())
    ]
    return Results(
        name=name,
        runs=pd.DataFrame(own, columns=pd.Index(RUN_COLUMNS)),
        references=pd.DataFrame([_reference(n, *references.get(n, nothing)) for n in names]),
        instances=pd.DataFrame([_instance(n) for n in names]),
        provenance=dict(provenance),
        trajectories=pd.DataFrame(steps, columns=pd.Index(TRAJECTORY_COLUMNS)),
        transfers=pd.DataFrame(moved, columns=pd.Index(TRANSFER_COLUMNS)),
    )


def _with_planning(row: Row) -> Row:
    label = f"{row['planning_kind']}={row['planning_amount']:g},seed={row['planning_seed']}"
    return {"planning": label, "planning_hash": f"hash-{row['instance']}-{label}"} | row


def _reference(name: str, saving: float, bound: float, closed: bool) -> Row:
    has_bound = bound == bound
    return {
        "instance": name,
        "instance_hash": f"hash-{name}",
        "saving_s": saving,
        "bound_saving_s": bound,
        "closed": closed,
        "proven": closed,
        "level": "cross-checked" if closed else "claimed" if has_bound else "none",
        "solver": "milp" if has_bound else "",
        "best_by": "milp" if saving == saving else "",
        "runtime_s": 1.5 if has_bound else float("nan"),
        "time_limit_s": 60.0,
        "latency_none_s": 2.0,
    }


def _instance(name: str) -> Row:
    return {
        "instance": name,
        "instance_hash": f"hash-{name}",
        "file": f"instances/{name}.npz",
        "dispatch": "single",
        "servers": 3,
        "users": 10,
        "models": "toy",
        "layers": 4,
        "experts": "8",
        "top_k": 2,
        "activations": 120,
        "capacity_share": 0.1,
        "suite": "by-hand",
        "entry": "",
        "entry_number": 0,
        "swept": "{}",
        "note": "popularity drawn from Zipf 1.1; latencies from the radio model",
    }


@pytest.fixture(scope="session")
def browser():
    """Return a running Chromium."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Return a function that opens a page and draws its figures; the page may not complain or ask more."""
    complaints = []

    def asked(url):
        if not url.startswith(("file:", "blob:", "data:")):
            complaints.append(url)

    def open_page(path, scheme="light", width=1280):
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-tables=ready]", timeout=LIMIT_MS)
        for figure in page.locator("[data-figure]").all():
            figure.scroll_into_view_if_needed()
            figure.locator("svg.marks").wait_for(timeout=LIMIT_MS)
        return page

    yield open_page
    assert not complaints
