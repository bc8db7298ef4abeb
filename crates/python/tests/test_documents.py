"""The script in the documentation runs, and the stubs are those of the module."""

import re
import subprocess
import sys

from conftest import REPOSITORY, STEPS


def test_the_script_of_the_documentation(data, tmp_path):
    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(script.splitlines()) <= 10
    assert "steps=300" in script and "examples/data" in script
    script = script.replace("steps=300", f"steps={STEPS}").replace("examples/data", data.as_posix())
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "heat.png").stat().st_size > 1000 and (tmp_path / "brick.model").exists()


def test_stubs_are_those_of_the_module(tmp_path):
    # What the module imports need have no stubs.
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\n")
    words = ["efficientad", "--ignore-missing-stub", "--concise", "--mypy-config-file", "mypy.ini"]
    run = subprocess.run([sys.executable, "-m", "mypy.stubtest", *words], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_stubs_find_mistakes(tmp_path):
    right = "import efficientad\nx: float = efficientad.Detector('m').inspect('p').score\n"
    wrong = "import efficientad\nefficientad.train('d', 'm', epochs=3)\n"
    for text, code in [(right, 0), (wrong, 1)]:
        (tmp_path / "script.py").write_text(text)
        words = [sys.executable, "-m", "mypy", "--strict", "script.py"]
        run = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == code, run.stdout
