"""Long work shows a bar where somebody watches, and nothing where nobody does."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "mmdino"
LONG = {  # the verbs that may take longer than some seconds, and where they count
    "phantom": "phantom/cohort.py",
    "preprocess": "preprocess/shard.py",
    "qc": "preprocess/quality/again.py",
    "fingerprint": "leakage/fingerprint.py",
    "leakage": "leakage/similarity.py",
    "slices, volumes": "dataset/build.py",
    "export": "exchange/export.py",
    "import": "exchange/taken_in.py",
    "train": "training/log.py",
    "tune": "training/tune.py",
    "predict, insight": "evaluation/looking.py",
    "statistics": "reporting/statistics.py",
    "figures, report": "reporting/drawing.py",
    "starter": "starter/train.py",
    "starter's phantoms": "starter/planes.py",
    "segmenter": "preprocess/train_segmenter.py",
    "segmenter's phantoms": "phantom/segmenter_cases.py",
}


def calls(path: Path, *names: str) -> list[ast.Call]:
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [call for call in found if isinstance(call.func, ast.Name) and call.func.id in names]


def bars(path: Path) -> list[ast.Call]:
    return calls(path, "tqdm", "track")


@pytest.mark.parametrize("verb", LONG)
def test_every_long_verb_has_a_bar(verb):
    assert bars(SOURCE / LONG[verb]) or calls(SOURCE / LONG[verb], "forked")


def test_shared_out_work_has_a_bar():
    assert bars(SOURCE / "forked.py")


def test_no_bar_is_shown_where_nobody_watches():
    """``disable=None`` is tqdm's for "unless a terminal"; a name is what was found out about the terminal."""
    for path in SOURCE.rglob("*.py"):
        for call in bars(path):
            disabled = [word.value for word in call.keywords if word.arg == "disable"]
            assert disabled, f"{path}:{call.lineno}"
            assert not (isinstance(disabled[0], ast.Constant) and disabled[0].value is False), f"{path}:{call.lineno}"
