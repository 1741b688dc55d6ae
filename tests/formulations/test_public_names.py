"""The names that plugin authors may rely on, and that none of them is loaded before it is asked for."""

import subprocess
import sys

import pytest

import slimbench.formulations


def test_the_public_names_of_formulations():
    assert sorted(slimbench.formulations.__all__) == [
        "AndTerms", "ContradictionError", "MilpModel", "MilpResult", "PrimalDualSearch", "ServerCache",
        "SolveOptions", "SolverError", "Start", "and_terms", "best_cache", "build_milp", "fill_servers",
        "solve_milp", "sweep_servers",
    ]  # fmt: skip
    for name in slimbench.formulations.__all__:
        assert name in slimbench.formulations.__doc__
        assert getattr(slimbench.formulations, name).__module__.startswith("slimbench.formulations")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = slimbench.formulations.nothing


def test_importing_the_package_loads_no_solver():
    code = "import sys, slimbench.formulations; print([m for m in sys.modules if 'formulations.' in m])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['slimbench.formulations.errors']"
