"""benchopt on a benchmark of its own whose only solver does nothing, in a process of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from perf.child import command_seconds

FILES: Final = {
    "objective.py": """
import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "saving"
    sampling_strategy = "run_once"

    def set_data(self, capacities):
        self.capacities = capacities

    def get_objective(self):
        return {"capacities": self.capacities}

    def evaluate_result(self, holds):
        return {"value": float(holds.sum())}

    def get_one_result(self):
        return {"holds": np.zeros(12, bool)}
""",
    "datasets/tiny.py": """
import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "tiny"

    def get_data(self):
        return {"capacities": np.array([2, 1])}
""",
    "solvers/nothing.py": """
import numpy as np
from benchopt import BaseSolver


class Solver(BaseSolver):
    name = "nothing"
    sampling_strategy = "run_once"

    def set_objective(self, capacities):
        self.capacities = capacities

    def run(self, _):
        self.holds = np.zeros(12, bool)

    def get_result(self):
        return {"holds": self.holds}
""",
}

SCRIPT: Final = (
    "import json, sys; from benchopt import run_benchmark; "
    "run_benchmark('.', plot_result=False, show_progress=False, **json.loads(sys.argv[1]))"
)


def write_benchmark(folder: Path) -> None:
    """Write the benchmark into a folder."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.lstrip(), encoding="utf-8")


def benchopt_seconds(repetitions: int, options: Mapping[str, Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh interpreter that runs it in a fresh folder; nothing is plotted.

    Parameters
    ----------
    repetitions : int
        Of the one solver on the one dataset.
    options : mapping
        Further arguments of ``benchopt.run_benchmark``.

    Raises
    ------
    subprocess.CalledProcessError
        If benchopt fails.
    """
    arguments = json.dumps({"n_repetitions": repetitions, **options})
    with tempfile.TemporaryDirectory() as folder:
        write_benchmark(Path(folder))
        return command_seconds(["-c", SCRIPT, arguments], Path(folder))
