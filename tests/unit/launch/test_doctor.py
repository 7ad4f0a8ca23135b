import re
import shutil

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from factories import write_cohort
from mmdino.cli import app
from mmdino.config import load_study
from mmdino.errors import UserError
from mmdino.launch import doctor as launch_doctor
from mmdino.launch.doctor import examine
from mmdino.models.nnunet import CARRIED
from mmdino.nifti import write_volume

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


def test_a_misspelt_key_of_the_profiles_jobs_is_said(loaded, tmp_path, bin):
    write(bin / "sinfo", SINFO.format(answer=UP))
    folder = profile(tmp_path)
    (folder / "jobs.yaml").write_text(yaml.safe_dump({"slurm": ["partition=gpu"], "gpu": 1}))
    said = stops(examine(loaded, tmp_path, "slurm", folder))["profile"]
    assert said == f"{folder / 'jobs.yaml'}: unknown key 'gpu'; did you mean 'gpus'?"
    (folder / "config.yaml").write_text("executor: [slurm\n")
    broken = stops(examine(loaded, tmp_path, "slurm", folder))["profile"]
    assert broken.startswith(f"{folder / 'config.yaml'}: is not valid YAML")


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


def test_empty_folders_and_a_text_file_are_no_cohorts_atlas_and_segmenter(tmp_path, bin, monkeypatch):
    loaded = load_study("config/studies/paper.yaml")
    monkeypatch.chdir(tmp_path)
    for folder in [*(cohort.path for cohort in loaded.study.cohorts.values()), "data/segmenter", "data/sri24"]:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/sri24/t1_brain.nii.gz").write_text("hello")
    found = stops(examine(loaded, tmp_path, "local", tmp_path))
    assert set(found) == {"atlas", "segmenter", *(f"cohort {name}" for name in loaded.study.cohorts)}
    assert found["cohort egd"].startswith("data/egd: holds no patient of the cohort 'egd' in the layout 'egd'")
    assert "t1_brain.nii.gz: is not a readable NIfTI file" in found["atlas"]
    assert found["segmenter"] == "data/segmenter: holds no dataset.json; give a trained nnU-Net v2 model folder"


def on_disk(tmp_path, preprocess):
    """Return a study of three patients in a folder, with these settings of preprocessing."""
    shutil.copytree("config", tmp_path / "config")
    write_cohort(tmp_path / "data" / "ours", 3)
    ours = {"ours": {"stage": "native", "path": str(tmp_path / "data" / "ours")}}
    study = {"name": "ours", "title": "Ours", "cohorts": ours, "experiments": ["radiomics"], "preprocess": preprocess}
    path = tmp_path / "config" / "studies" / "ours.yaml"
    path.write_text(yaml.safe_dump(study))
    return load_study(path)


def test_what_is_there_and_of_use_is_told_with_its_patients(tmp_path, bin):
    brain = np.zeros((12, 12, 12), np.uint8)
    brain[1:-1, 1:-1, 1:-1] = 1  # voxels of 1 ml
    write_volume(brain, np.diag([10.0, 10.0, 10.0, 1.0]), tmp_path / "atlas.nii.gz")
    loaded = on_disk(tmp_path, {"atlas": str(tmp_path / "atlas.nii.gz"), "segmenter": str(CARRIED)})
    found = examine(loaded, tmp_path, "local", tmp_path)
    assert stops(found) == {}
    said = {finding.what: finding.said for finding in found}
    assert said["cohort ours"] == f"{tmp_path / 'data' / 'ours'}: 3 patients"
    assert said["atlas"] == str(tmp_path / "atlas.nii.gz")
    assert said["segmenter"] == str(CARRIED)


def test_a_cohort_of_which_nobody_can_be_used_is_said(tmp_path, bin):
    loaded = on_disk(tmp_path, {"segmenter": "none"})
    for scan in (tmp_path / "data" / "ours").rglob("*.nii.gz"):
        scan.unlink()
    said = stops(examine(loaded, tmp_path, "local", tmp_path))["cohort ours"]
    assert "none of its 3 sessions can be used" in said
    assert "p000: holds no sequence" in said


def test_a_study_of_people_without_a_segmenter_is_told_what_becomes_of_the_unsegmented(tmp_path, bin):
    found = examine(on_disk(tmp_path, {}), tmp_path, "local", tmp_path)
    [finding] = [finding for finding in found if finding.what == "segmenter"]
    assert finding.level == "note"
    assert "no segmenter is named: patients without a segmentation will fail" in finding.said


def test_snakemakes_executor_for_slurm_must_be_installed(loaded, tmp_path, bin, monkeypatch):
    write(bin / "sinfo", SINFO.format(answer=UP))
    folder = profile(tmp_path)
    with open(folder / "config.yaml", "a") as opened:
        opened.write("executor: slurm\n")
    for there in (None, "a plugin"):
        monkeypatch.setattr(launch_doctor, "find_spec", lambda name, there=there: there)
        found = stops(examine(loaded, tmp_path, "slurm", folder))
        assert ("run `make setup-slurm`" in found.get("executor", "")) == (there is None)


def study_of(tmp_path, methods, experiments=("mm-dinov2",), on_request=(), **more):
    """Return the miniature study with other experiments, in a copy of the configuration."""
    shutil.copytree("config", tmp_path / "config")
    path = tmp_path / "config" / "studies" / "mini.yaml"
    chosen = {"experiments": list(experiments), "more_experiments": list(on_request), "methods": methods} | more
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | chosen))
    return load_study(path)


def said_of(found, what):
    return {(finding.level, finding.said.partition(": ")[0].split()[0]) for finding in found if finding.what == what}


def test_an_atlas_and_a_segmenter_may_lie_in_the_home_folder(tmp_path, bin, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").symlink_to(CARRIED)
    loaded = study_of(tmp_path, {}, preprocess={"atlas": "~/gone", "segmenter": "~/there"})
    found = stops(examine(loaded, tmp_path, "local", tmp_path))
    assert "segmenter" not in found
    assert "there is no such path" in found["atlas"]


def test_weights_by_a_timm_name_are_fetched_and_stop_nothing(tmp_path, bin):
    found = examine(load_study("config/studies/paper.yaml"), tmp_path, "local", tmp_path)
    assert ("note", "vit_base_patch14_dinov2.lvd142m") in said_of(found, "backbone")
    assert "backbone" not in stops(found)


@pytest.mark.parametrize("name", ["weights/dinov2_vitb14", "dinov2_vitb14_pretrain.pth", "mine.pt", "mine.safetensors"])
def test_weights_by_a_path_must_be_there(tmp_path, bin, name):
    loaded = study_of(tmp_path, {"mm-dinov2": {"backbone": name}})
    assert stops(examine(loaded, tmp_path, "local", tmp_path))["backbone"].startswith(f"{name}: there is no such path")


def test_other_networks_that_experiments_begin_with_are_looked_at(tmp_path, bin):
    methods = {"supervised-cnn": {"weights": "cnn.pth"}, "nnunet-encoder": {"model": "data/segmenter-2d"}}
    loaded = study_of(tmp_path, methods, ["mm-dinov2", *methods])
    assert {"weights", "model"} <= stops(examine(loaded, tmp_path, "local", tmp_path)).keys()


def test_weights_of_an_experiment_on_request_stop_nothing(tmp_path, bin):
    loaded = study_of(tmp_path, {"supervised-cnn": {"weights": "cnn.pth"}}, on_request=["supervised-cnn"])
    found = examine(loaded, tmp_path, "local", tmp_path)
    assert "weights" not in stops(found)
    [finding] = [finding for finding in found if finding.what == "weights"]
    assert finding.said.endswith("mend it in " + str(loaded.path) + ", for supervised-cnn (on request)")


def doctor(tmp_path, *options):
    study = study_of(tmp_path, {"mm-dinov2": {"backbone": "starter"}}).path
    return CliRunner().invoke(app, ["doctor", "--study", str(study), *options])


def test_where_there_is_no_sbatch_the_study_runs_on_this_machine(tmp_path, bin):
    (bin / "sinfo").unlink()
    answer = doctor(tmp_path, "--results", str(tmp_path / "results"))
    assert answer.exit_code == 0, answer.output
    assert "run on this machine" in answer.output


def test_where_there_is_an_sbatch_the_cluster_is_looked_at(tmp_path, bin):
    write(bin / "sbatch", "#!/bin/sh\n")
    answer = doctor(tmp_path, "--results", str(tmp_path / "results"), "--profile", str(profile(tmp_path)))
    assert isinstance(answer.exception, UserError)
    assert "SLURM" in str(answer.exception)


def test_results_are_where_the_configuration_has_them(tmp_path, bin, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    study = study_of(tmp_path, {"mm-dinov2": {"backbone": "starter"}}).path
    (tmp_path / "config" / "config.yaml").write_text(f"study: mini\nresults: {tmp_path / 'elsewhere'}\n")
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["doctor", "--study", str(study)])
    assert re.search(rf"results +{tmp_path / 'elsewhere'}: \d+ GB free", answer.output)
