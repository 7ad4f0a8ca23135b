"""Made-up studies compared: what changed is found, and nothing else; patients are paired only where they are the same."""

import json
import shutil
import subprocess

import pandas as pd
import pytest

from htmltree import parse, words
from mmdino.comparison import show
from mmdino.comparison.differences import Section, compare
from mmdino.comparison.sides import read_side
from mmdino.errors import UserError
from mmdino.evaluation.compare import arm_mcc
from mmdino.evaluation.predictions import group, read_predictions, select
from mmdino.reporting.text import with_span
from mmdino.tables import MANIFEST, TRUTH, read_table, write_table
from results_factory import MadeArm, write_study

REPLICATES = 200
TRUTHS = dict.fromkeys(("necrosis", "oedema", "mismatch", "heterogeneity", "specks", "cortical", "indistinct"), False)
ARMS = {
    "mm-dinov2": MadeArm(0.3, "mm-dinov2"),
    "radiomics": MadeArm(0.7, "radiomics"),
    "starter-frozen": MadeArm(None),
}


def write_truth(results, enhancement):
    rows = [
        {"subject": f"sub-{n:04d}", "cohort": "external", "site": "x", "label": "", **TRUTHS} for n in range(40, 130)
    ]
    table = pd.DataFrame([{**row, "enhancement": enhancement, "folder": str(results)} for row in rows])
    write_table(TRUTH, table, results / "truth" / "external.parquet")


def edit_records(results, arm, **changed):
    for path in results.glob(f"runs/{arm}/*/run.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.fixture
def before(tmp_path):
    """A study of two arms with two seeds each."""
    _, results = write_study(tmp_path / "before", ARMS, seeds=(0, 1))
    write_truth(results, "rim")
    return results


@pytest.fixture
def after(tmp_path):
    """The same again, in which MM-DINOv2 is far better."""
    _, results = write_study(tmp_path / "after", {**ARMS, "mm-dinov2": MadeArm(0.9, "mm-dinov2")}, seeds=(0, 1))
    write_truth(results, "rim")
    return results


def compared(a, b, **options) -> dict[str, Section]:
    sides = [read_side(str(given), options.get("study", ""), options.get("results")) for given in (a, b)]
    return {section.title: section for section in compare(*sides, REPLICATES)}


def row(section, first):
    return next(row for row in section.rows if row[0] == first)


def test_a_study_and_its_copy_differ_in_nothing(before, tmp_path):
    shutil.copytree(before.parents[1], tmp_path / "copy")
    found = compared(before, tmp_path / "copy/results/made-up")
    assert found["Data"].said == "The runs of both saw the same images, splits and labels."
    assert found["Settings"].rows == []
    for line in found["Results"].rows:
        assert line[2] == line[3]
        assert line[4:] == ["–", "–", "the same predictions"]


def test_a_better_arm_is_seen_on_the_same_patients(before, after):
    line = row(compared(before, after)["Results"], "mm-dinov2")
    assert line[1] == "90"
    assert line[4].startswith("+.")
    assert "[+." in line[4]  # the interval lies above 0
    assert line[5] in ("< .001", ".005", ".006", ".007", ".008", ".009", ".01")
    assert line[6] == "paired"


def test_phantoms_made_anew_under_the_same_names_are_not_paired(before, after):
    write_truth(after, "none")
    found = compared(before, after)
    assert row(found["Data"], "external: made anew")[2] == "the same names, other patients"
    line = row(found["Results"], "mm-dinov2")
    assert line[6] == "unpaired: other patients"
    assert "[+." in line[4]


def test_a_changed_setting_version_label_and_patient_are_named(before, after):
    edit_records(after, "mm-dinov2", settings={"prototypes": 128, "crops": {"local": 2}}, data="fedcba9876543210")
    edit_records(after, "radiomics", versions={"python": "3.11.7", "torch": "2.15.0"})
    path = after / "cohorts/home/manifest.tsv"
    people = read_table(MANIFEST, path)
    people.loc[1, "label"] = "glioblastoma" if people.loc[1, "label"] != "glioblastoma" else "astrocytoma"
    write_table(MANIFEST, people.iloc[:-2], path)
    found = compared(before, after)
    assert found["Settings"].rows == [
        ["mm-dinov2", "settings.prototypes", "3", "128"],
        ["mm-dinov2", "settings.crops.local", "(none)", "2"],
    ]
    assert row(found["What is compared"], "version of torch")[1:] == ["2.14.1", "2.14.1, 2.15.0"]
    assert row(found["Data"], "home: patients found")[1:] == ["40", "38"]
    assert row(found["Data"], "home: in one only")[1:] == ["2", "0"]
    assert row(found["Data"], "home: another 'label'")[2] == "1 patients"
    assert found["Data"].said == "The runs did not all see the same data."


def test_a_setting_in_which_one_seed_differs_is_named_and_so_is_another_policy_on_leaks(before, after):
    edit_records(after, "mm-dinov2", leak="keep")
    path = after / "runs/mm-dinov2/seed-1/run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "settings": {**record["settings"], "prototypes": 128}}))
    assert compared(before, after)["Settings"].rows == [
        ["mm-dinov2", "settings.prototypes", "3", "3; 128"],
        ["mm-dinov2", "leak", "(none)", "keep"],
    ]


def test_an_arm_is_judged_by_the_read_out_that_its_experiment_names(before, after):
    changed = next((after.parents[1] / "config/experiments").glob("mm-dinov2.yaml"))
    before_it = changed.read_text()
    changed.write_text(before_it.replace("readout: cls", "readout: patch"))
    assert changed.read_text() != before_it
    found = compared(before, after)
    assert ["mm-dinov2", "readout", "cls", "patch"] in found["Settings"].rows
    line = row(found["Results"], "mm-dinov2")
    patch = [read_predictions(path) for path in sorted(after.glob("runs/mm-dinov2/*/predictions.parquet"))]
    expected = arm_mcc([[select(group(frame), "test", "patch")] for frame in patch], REPLICATES)
    assert line[3] == with_span(expected)


def test_a_run_of_a_changed_tree_stays_known_as_one(before, after):
    edit_records(after, "mm-dinov2", git_commit="0123456789abcdef-dirty")
    assert "0123456789ab-dirty" in row(compared(before, after)["What is compared"], "commits of the runs")[2]


def test_what_is_missing_is_said(before, after):
    shutil.rmtree(after / "runs/radiomics")
    (after / "runs/mm-dinov2/seed-1/predictions.parquet").unlink()
    found = compared(before, after)
    assert row(found["Results"], "radiomics")[6] == "no predictions in B"
    assert row(found["Results"], "mm-dinov2")[6] == "paired"
    shutil.rmtree(after / "runs")
    assert f"{after} has no run at hand" in compared(before, after)["What is compared"].said


def test_a_commit_is_read_by_its_own_program_and_has_the_runs_that_it_made(before, tmp_path, project):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], cwd=project, check=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    settings = project / "src/mmdino/methods/radiomics/settings.py"
    settings.write_text(settings.read_text() + "\n    added: int = 3\n")
    git("commit", "-qam", "second")
    first = subprocess.check_output(["git", "rev-parse", "HEAD~1"], cwd=project, text=True).strip()
    edit_records(before, "mm-dinov2", git_commit=f"{first}-dirty")
    found = compared("HEAD~1", "HEAD", study=project / "config/studies/made-up.yaml", results=before)
    assert ["radiomics", "settings.added", "(none)", "3"] in found["Settings"].rows
    assert row(found["What is compared"], "runs")[1:] == ["2", "0"]
    assert row(found["Results"], "mm-dinov2")[6] == "no predictions in B"
    assert row(found["Data"], "home: patients found")[1:] == ["40", "0"]


@pytest.fixture
def project(before):
    """The project's light rooms and the made-up study, as a folder that git can take in."""
    root = before.parents[1]
    package = (pytest.importorskip("mmdino").__file__).removesuffix("/__init__.py")
    shutil.copytree(package, root / "src/mmdino", ignore=shutil.ignore_patterns("assets", "__pycache__"))
    return root


@pytest.mark.parametrize("given", ["results/phantm", "no-such-commit", "no.yaml"])
def test_what_cannot_be_compared_is_one_sentence(before, given, tmp_path):
    with pytest.raises(UserError, match=r"no folder of results|there is no such file"):
        read_side(given, tmp_path / "x.yaml", None)


def test_names_are_text_in_html_and_in_markdown(tmp_path):
    hostile = '<script>alert(1)</script>&"x|y'
    sections = [Section("Data", hostile, ["", hostile], [[hostile, "1"]])]
    show.write(sections, hostile, tmp_path / "c.html")
    tree = parse((tmp_path / "c.html").read_text())
    assert list(tree.iter("script")) == []
    assert words(tree).count(hostile) >= 4
    show.write(sections, hostile, tmp_path / "c.md")
    assert "x\\|y" in (tmp_path / "c.md").read_text()
    with pytest.raises(UserError, match=r"\.html or \.md"):
        show.require_known(tmp_path / "c.docx")
