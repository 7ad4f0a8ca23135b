import pytest
import yaml

from mmdino.config import load_study
from mmdino.launch.doctor import examine

SINFO = """#!/bin/sh
case "$*" in
  --version) echo "slurm 23.02" ;;
  *%R*) echo gpu ;;
  *) {answer} ;;
esac
"""
UP = "echo 'gpu*: 2 nodes idle, 64 CPUs, 500000 MB, GPUs gpu:a100:4, at most 2-00:00:00'"


@pytest.fixture
def loaded():
    return load_study("config/studies/mini.yaml")


@pytest.fixture
def bin(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("sacct", "sacctmgr", "quota", "nvidia-smi", "sinfo"):
        write(folder / name, "#!/bin/sh\nexit 1\n")
    return folder


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)


def profile(tmp_path, partition="gpu", account="lab"):
    folder = tmp_path / "profile"
    folder.mkdir(exist_ok=True)
    snakemakes, ours = {"default-resources": [f"slurm_partition={partition}"]}, [f"account={account}", "partition=gpu"]
    (folder / "config.yaml").write_text(yaml.safe_dump(snakemakes))
    (folder / "jobs.yaml").write_text(yaml.safe_dump({"slurm": ours}))
    return folder


def stops(found):
    return {finding.what: finding.said for finding in found if finding.level == "STOP"}


def test_a_cluster_that_is_up_stops_nothing(loaded, tmp_path, bin):
    write(bin / "sinfo", SINFO.format(answer=UP))
    found = examine(loaded, tmp_path / "results", "slurm", profile(tmp_path))
    assert stops(found) == {}
    said = {finding.what: finding.said for finding in found}
    assert said["SLURM"] == "slurm 23.02"
    assert "gpu:a100:4" in said["partition"]
    assert "no GPU hours" in said["accounting"]
    assert said["backbone"] == "starter (carried by the project)"


@pytest.mark.parametrize(
    ("answer", "partition", "what", "said"),
    [
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "gpu", "SLURM", "does not answer: Unable to contact"),
        (UP, "gpuu", "profile", "no partition 'gpuu'; you may use gpu"),
        (UP, "CHANGE_ME", "profile", "in the place of CHANGE_ME"),
    ],
)
def test_what_would_stop_a_study_on_slurm_is_said(loaded, tmp_path, bin, answer, partition, what, said):
    write(bin / "sinfo", SINFO.format(answer=answer))
    assert said in stops(examine(loaded, tmp_path, "slurm", profile(tmp_path, partition)))[what]


def test_an_account_that_is_not_mine_is_said(loaded, tmp_path, bin):
    write(bin / "sinfo", SINFO.format(answer=UP))
    write(bin / "sacctmgr", "#!/bin/sh\ncase $* in *maxsubmitjobs*) ;; *) echo lab ;; esac\n")
    assert stops(examine(loaded, tmp_path, "slurm", profile(tmp_path))) == {}
    said = stops(examine(loaded, tmp_path, "slurm", profile(tmp_path, account="theirs")))["profile"]
    assert "there is no account 'theirs'; you may use lab" in said


def test_a_profile_of_which_slurm_did_not_answer_is_not_called_good(loaded, tmp_path, bin):
    write(bin / "sinfo", SINFO.format(answer=UP))
    write(bin / "sacctmgr", "#!/bin/sh\necho 'sacctmgr: error: slurmdbd is down' >&2\nexit 1\n")
    [finding] = [found for found in examine(loaded, tmp_path, "slurm", profile(tmp_path)) if found.what == "profile"]
    assert finding.level == "note"
    assert "did not say whether there is account 'lab' (sacctmgr: error: slurmdbd is down)" in finding.said


def test_the_partition_of_jobs_without_a_gpu_is_looked_at_too(loaded, tmp_path, bin):
    write(bin / "sinfo", SINFO.format(answer=UP))
    folder = profile(tmp_path)
    (folder / "jobs.yaml").write_text(yaml.safe_dump({"slurm": ["partition=gpu"], "slurm_cpu": ["partition=cpus"]}))
    assert "no partition 'cpus'; you may use gpu" in stops(examine(loaded, tmp_path, "slurm", folder))["profile"]


def test_no_slurm_stops_the_slurm_profile_alone(loaded, tmp_path, bin):
    (bin / "sinfo").unlink()
    assert "no `sinfo` on PATH" in stops(examine(loaded, tmp_path, "slurm", profile(tmp_path)))["SLURM"]
    assert stops(examine(loaded, tmp_path, "local", profile(tmp_path))) == {}


def test_paths_that_the_study_names_must_be_there(tmp_path, bin):
    found = stops(examine(load_study("config/studies/paper.yaml"), tmp_path, "local", tmp_path))
    assert {"cohort brats2021", "atlas", "segmenter"} <= found.keys()
    assert found["atlas"].startswith(
        "data/sri24/t1_brain.nii.gz: there is no such path; mend it in config/studies/paper.yaml"
    )
