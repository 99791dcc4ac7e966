"""The notebook: short cells, no stored outputs, and it runs from the first cell to the last."""

import re

import pytest
from paths import EXAMPLES, ROOT

NOTEBOOK = EXAMPLES / "quickstart.ipynb"
MOST_LINES = 15  # of a cell
MOST_S = 300  # of a cell on a busy machine


@pytest.fixture(scope="module")
def notebook():
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with nbclient: pip install '.[tests]'")
    return nbformat.read(NOTEBOOK, as_version=4)


def test_cells_are_short_explained_and_without_outputs(notebook):
    assert NOTEBOOK.stat().st_size < 20_000
    for before, cell in zip([None, *notebook.cells], notebook.cells, strict=False):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, "clear the outputs before you save it"
            assert all(len(line) <= 120 for line in cell.source.splitlines()) and before is not None


def test_links_of_the_notebook_lead_somewhere(notebook):
    targets = re.findall(r"\]\(([^)#]+)", "".join(c.source for c in notebook.cells if c.cell_type == "markdown"))
    assert len(targets) >= 4 and all((EXAMPLES / t).resolve().is_file() for t in targets), targets


@pytest.mark.slow
def test_the_notebook_runs(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[tests]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install '.[tests]'")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = nbclient.NotebookClient(
        notebook.copy(), timeout=MOST_S, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    said = "".join(o.get("text", "") for c in done.cells if c.cell_type == "code" for o in c.outputs)
    assert "Don't forget" in said and "text+audio+vision" in said and "300 utterances" in said
    assert not [o for c in done.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "error"]
    errors = dict(re.findall(r"^\| ([\w+]+) \| (\d\.\d+) \| -?\d\.\d+ \| \d\.\d+ \|$", said, re.M))
    constant = float(re.search(r"constant guess: MAE (\d\.\d+)", said)[1])
    assert len(errors) == 7 and float(errors["text+audio+vision"]) < 0.7 * constant
    assert float(errors["text+audio+vision"]) < float(errors["vision"])
