"""What cannot go well is refused at the start or at submission, in SLURM's own words and with what to change."""

import re
import subprocess
import sys

import pytest

from clone import filled_in, snakemake
from jobs import JOB, Run
from waiting import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]
SLURM = {"partition": "gpu", "account": "lab"}


def said_by(submitter, code=2):
    _, said = submitter.communicate(timeout=120)
    assert submitter.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.mark.brief
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slurm": {"partition": "gpuu"}}, r"refused the job: invalid partition.*sinfo --summarize"),
        ({"slurm": {"account": "nobody"}}, r"refused the job: .*account.*sacctmgr show associations"),
        ({"gpus": 3}, r"refused the job: .*node configuration is not available.*ask for what a node has"),
        ({"minutes": 60 * 24 * 3}, r"(PartitionTimeLimit|time limit).*fewer minutes|lower `runtime`"),
        ({"slurm": {"nonsense": "1"}}, r"refused the job: .*nonsense.*long options"),
    ],
)
def test_a_wrong_resource(cluster, tmp_path, options, said):
    slurm = {**SLURM, **options.pop("slurm", {})}
    answer = said_by(Run(tmp_path / "run", cluster="slurm", slurm=slurm, **options).submit())
    assert re.search(said, answer, flags=re.DOTALL), answer
    wait_until(lambda: not cluster.queue(), 20)


def test_a_log_path_with_spaces_is_none_the_worse(cluster, tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('Error: no patient of the val split has a label')"]
    run = Run(tmp_path / "a run  with 'spaces'", command=command, cluster="slurm", slurm=SLURM)
    said = said_by(run.submit())
    assert said.endswith("Error: no patient of the val split has a label\n")
    [log] = run.jobs.glob("*_0_log.err")
    assert "no patient" in log.read_text()


def test_a_read_only_place(cluster, tmp_path):
    (tmp_path / "disk").mkdir()
    run = Run(tmp_path / "disk" / "run", cluster="slurm", slurm=SLURM)
    subprocess.run(["mount", "--bind", tmp_path / "disk", tmp_path / "disk"], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path / "disk"], check=True)
        assert "cannot be written (Read-only file system); give yourself write permission" in said_by(run.submit())
        code, said = snakemake(filled_in(tmp_path / "clone"), "--dry-run", f"results={tmp_path / 'disk'}")
        assert code != 0
        assert "disk cannot be written; give yourself write permission or point results" in said
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)
    assert not cluster.queue()


def test_a_place_that_is_not_there(cluster, tmp_path):
    code, said = snakemake(filled_in(tmp_path / "clone"), "--dry-run", "results=/nowhere/there")
    assert code != 0
    assert "there is no folder /nowhere; make it, mount its file system, or point results" in said
    assert "Traceback" not in said


def test_a_place_that_the_nodes_do_not_see(cluster, tmp_path):
    run = Run(tmp_path / "run", cluster="slurm", slurm=SLURM)
    alone = f"mount -t tmpfs tmpfs {run.folder} && exec " + '"$@"'
    command = ["unshare", "--mount", "sh", "-c", alone, "sh", *run.submitter()]
    said = said_by(subprocess.Popen(command, text=True, stderr=subprocess.PIPE))
    assert "it wrote no log: do the nodes see" in said


@pytest.mark.brief
@pytest.mark.parametrize("wrong", ["account", "partition"])
def test_a_wrong_account_or_partition_of_snakemakes_own_jobs(cluster, tmp_path, wrong):
    clone = filled_in(tmp_path / "clone", **{wrong: "nobodys"})
    code, said = snakemake(clone, "results/mini/truth/mini-ucsf.parquet", "--retries=0")
    assert code != 0
    assert re.search(rf"(?i)invalid {wrong}|{wrong}.*nobodys", said), said[-3000:]
    doctor = [sys.executable, "-m", "mmdino", "doctor", "--study=config/studies/mini.yaml"]
    answer = subprocess.run(doctor, cwd=clone, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert re.search(rf"STOP +profile .*{wrong} 'nobodys'", answer.stdout), answer.stdout
    assert cluster.ask("squeue", "--noheader", f"--name={JOB}") == ""
