"""The notebook of docs runs from start to end and is stored without what it printed."""

import ast
import importlib
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "results.ipynb"


CELLS = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def test_it_is_stored_without_outputs():
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_what_it_imports_is_there():
    code = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code")
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert any(node.module == "slimbench.bench" for node in imports)
    for node in imports:
        module = importlib.import_module(node.module)
        assert all(hasattr(module, alias.name) for alias in node.names)


def texts(cell):
    return [out["data"]["text/plain"] for out in cell.outputs if out.output_type == "execute_result"]


def test_it_is_linked_from_the_page_on_results():
    assert "(results.ipynb)" in NOTEBOOK.with_name("RESULTS.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.timeout(400)  # two runs of a suite in a process of its own
def test_it_runs_and_shows_frames_ratios_a_figure_and_a_comparison(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    frames, references, ratios, figure, compared, origins, files = code[1:]
    assert "slim-dp" in texts(frames)[0]
    assert "True" in texts(references)[0]
    assert "min_low" in texts(ratios)[0]
    assert any("image/png" in out["data"] for out in figure.outputs)
    assert "verdict" in texts(compared)[0]
    assert "time_limit_s" in texts(origins)[0]
    assert "runs.parquet" in texts(files)[0]
    assert [out for cell in code for out in cell.outputs if out.output_type == "stream"] == []
