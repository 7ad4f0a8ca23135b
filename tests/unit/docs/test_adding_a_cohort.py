"""The example of docs/adding-a-cohort.md is copied out of the page and reads a cohort."""

import re
from pathlib import Path

import pytest
import yaml

import mmdino.cohorts
from mmdino.cohorts import build_manifest, load_adapter
from mmdino.cohorts.common.check import check_folders
from mmdino.config import Cohort, Study
from mmdino.config.experiment import load_experiments, method_settings
from mmdino.config.strict import parse

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-cohort.md"
ADAPTER = re.search(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
STUDY = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])


@pytest.fixture
def adapter(tmp_path, monkeypatch):
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / Path(ADAPTER[1]).name).write_text(ADAPTER[2])
    monkeypatch.setattr(mmdino.cohorts, "__path__", [*mmdino.cohorts.__path__, str(tmp_path / "adapters")])
    known = mmdino.cohorts.adapters()
    monkeypatch.setattr(mmdino.cohorts, "adapters", lambda: [*known, "glioma-bank"])
    return load_adapter("glioma-bank")


def write_bank(root):
    for subject, days in {"GB-0001": ("2019-03-01", "2020-01-05"), "GB-0002": ("2018-07-30",)}.items():
        for day in days:
            for kind in ("T1", "T1Gd", "T2", "FLAIR", "tumour"):
                path = root / subject / day / f"{subject}_{day}_{kind}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
    return root


def test_the_check_names_what_a_study_would_refuse_of_the_example(adapter, tmp_path):
    root = write_bank(tmp_path / "bank")
    (root / "gliomabank_v2.csv").write_text("Case,Diagnosis\nGB-1,Astrocytom\n")
    told = check_folders([root])[0]
    assert told.startswith(f"{root}: Glioma bank (adapter: glioma-bank")
    assert (
        "cannot be used: gliomabank_v2.csv, row 2: Diagnosis=Astrocytom: the label of 'GB-0001' is 'astrocytom'" in told
    )


def test_the_example_reads_a_cohort(adapter, tmp_path, caplog):
    root = write_bank(tmp_path / "bank")
    (root / "gliomabank_v2.csv").write_text("Case,Diagnosis\nGB-1,Astrocytoma\nGB-0003,Glioblastoma\n")
    manifest = build_manifest("glioma-bank", Cohort(**STUDY["cohorts"]["glioma-bank"]), root)
    used = manifest[manifest["excluded"] == ""].set_index("subject")
    assert list(used.index) == ["GB-0001", "GB-0002"]
    assert used.loc["GB-0001", "t1c"].endswith("GB-0001_2019-03-01_T1Gd.nii.gz")
    assert used["label"].tolist() == ["astrocytoma", ""]
    assert "row 2" in used.loc["GB-0001", "label_source"]
    assert manifest["excluded"].str.contains("not the pre-operative one").sum() == 1
    table = root / "gliomabank_v2.csv"
    assert [record.message for record in caplog.records] == [
        f"{table}: has no row for 1 of 2 patients: GB-0002",
        f"{table}: 1 rows are of nobody on disk: gliomabank_v2.csv, row 3",
    ]


def test_the_study_of_the_own_data_page_is_one():
    text = re.search(r"```yaml\n(.*?)```", PAGE.with_name("own-data.md").read_text(), re.DOTALL)[1]
    study = parse(Study, yaml.safe_load(text), PAGE)
    assert {cohort.adapter for cohort in study.cohorts.values()} == {"folder"}
    experiments = PAGE.parents[1] / "config" / "experiments"
    for name in study.experiments:
        for experiment in load_experiments(experiments / f"{name}.yaml"):
            method_settings(experiment, study.methods.get(experiment.method, {}), "own-data.md")
