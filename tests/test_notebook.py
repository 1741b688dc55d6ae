"""The notebook of docs runs from start to end and is stored without what it printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "results.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell):
    return [out["data"]["text/plain"] for out in cell.outputs if out.output_type == "execute_result"]


def test_it_is_stored_without_outputs(notebook):
    nbformat.validate(notebook)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(notebook))


def test_it_is_linked_from_the_page_on_results():
    assert "(results.ipynb)" in NOTEBOOK.with_name("RESULTS.md").read_text("utf-8")


@pytest.mark.timeout(400)  # two runs of a suite in a process of its own
def test_it_runs_and_shows_frames_ratios_a_figure_and_a_comparison(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    frames, references, ratios, figure, compared, origins, files = code_cells(notebook)[1:]
    assert "slim-dp" in texts(frames)[0]
    assert "True" in texts(references)[0]
    assert "min_low" in texts(ratios)[0]
    assert any("image/png" in out["data"] for out in figure.outputs)
    assert "verdict" in texts(compared)[0]
    assert "time_limit_s" in texts(origins)[0]
    assert "runs.parquet" in texts(files)[0]
    assert [out for cell in code_cells(notebook) for out in cell.outputs if out.output_type == "stream"] == []
