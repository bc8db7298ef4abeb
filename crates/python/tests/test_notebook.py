"""The example's notebook runs, from its first cell to its last."""

import json

from conftest import REPOSITORY, STEPS, require

NOTEBOOK = REPOSITORY / "examples" / "inspect.ipynb"


def test_it_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not it["outputs"] and it["execution_count"] is None for it in cells if it["cell_type"] == "code")


def test_it_runs_and_draws(data, tmp_path):
    for module in ["nbclient", "nbformat", "ipykernel"]:
        require(module)
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (tmp_path / "data").symlink_to(data)
    first = notebook.cells[1]
    assert "steps = 300" in first.source
    first.source = first.source.replace("steps = 300", f"steps = {STEPS}")
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in it.get("data", {}) for it in outputs) == 3
    printed = "".join(it.text for it in outputs if it.output_type == "stream" and it.name == "stdout")
    assert "AU-ROC of photos" in printed and printed.count("good parts rejected") == 3
    assert (tmp_path / "brick.model").exists()
