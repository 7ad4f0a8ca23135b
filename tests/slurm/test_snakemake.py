"""What happens to jobs when Snakemake itself is stopped, killed, or started twice."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from jobs import JOB, Run
from waiting import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]

SNAKEFILE = """
rule train:  # as workflow/rules/runs.smk has it
    output:
        update("model"),
    localrule: True
    shell:
        {command!r}
"""


@pytest.fixture
def run(cluster, tmp_path):
    run = Run(tmp_path / "a run", steps=150, seconds=0.1, cluster="slurm", slurm={"partition": "gpu", "account": "lab"})
    command = f"{shlex.join(run.submitter())} 2>> submitter.txt"
    (run.folder / "Snakefile").write_text(SNAKEFILE.format(command=re.sub(r"([{}])", r"\1\1", command)))
    return run


def start(run):
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores=1", "--rerun-incomplete"],
        cwd=run.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(snakemake):
    said, _ = snakemake.communicate(timeout=300)
    return snakemake.returncode, said


def unlock(run):
    subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], cwd=run.folder, check=True, capture_output=True)


def submissions(run):
    return (run.folder / "submitter.txt").read_text().count("was submitted;")


def training(run):
    wait_until(lambda: (run.folder / "checkpoint.json").exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_cancels_its_jobs(cluster, run, number):
    first = start(run)
    training(run)
    os.killpg(first.pid, number)
    assert finish(first)[0] != 0
    wait_until(lambda: not cluster.queue(), 30)
    code, said = finish(start(run))
    assert code == 0, said
    assert run.starts()[1][1] > 0
    run.assert_as_undisturbed()


@pytest.mark.brief
def test_killed_it_leaves_its_jobs_and_the_next_one_waits_for_them(cluster, run):
    first = start(run)
    training(run)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert len(cluster.queue()) == 1
    unlock(run)
    code, said = finish(start(run))
    assert code == 0, said
    assert submissions(run) == 1
    assert len(run.starts()) == 1
    run.assert_as_undisturbed()


def test_a_job_that_ends_while_no_snakemake_runs_is_not_repeated(cluster, run):
    first = start(run)
    training(run)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: not cluster.queue())
    unlock(run)
    code, said = finish(start(run))
    assert code == 0, said
    assert submissions(run) == 1
    assert len(run.starts()) == 1
    run.assert_as_undisturbed()


def test_a_second_one_is_refused_and_harms_nothing(cluster, run):
    first = start(run)
    training(run)
    code, said = finish(start(run))
    assert code != 0
    assert "lock" in said.lower()
    assert finish(first)[0] == 0
    assert submissions(run) == 1
    assert cluster.ask("squeue", "--noheader", f"--name={JOB}") == ""
    run.assert_as_undisturbed()
