import json
import os
from dataclasses import asdict, replace

import pytest

from mmdino.launch.owner import Held, Owner, lock

ME = Owner.me()
GONE_HERE = replace(ME, started=ME.started - 100)  # another process had this number before
ELSEWHERE = Owner("another-host", 4242, 1.0)
IN_A_JOB = replace(ELSEWHERE, job="12")


def silent(job):
    return None


def write(path, owner):
    path.write_text(json.dumps(asdict(owner)))


def test_it_is_there_while_held_names_its_owner_and_is_gone_after(tmp_path):
    path = tmp_path / "a" / "lock"
    with lock(path, "the run", silent):
        assert Owner(**json.loads(path.read_text())) == ME
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("owner", "job_alive"),
    [(GONE_HERE, silent), (IN_A_JOB, lambda job: False)],
)
def test_an_owner_that_is_provably_gone_is_replaced(tmp_path, owner, job_alive):
    path = tmp_path / "lock"
    write(path, owner)
    with lock(path, "the run", job_alive):
        assert Owner(**json.loads(path.read_text())) == ME
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("owner", "job_alive"),
    [(ME, silent), (ELSEWHERE, lambda job: False), (IN_A_JOB, lambda job: True), (IN_A_JOB, silent)],
)
def test_any_other_owner_is_left_alone_and_named(tmp_path, owner, job_alive):
    path = tmp_path / "lock"
    write(path, owner)
    with (
        pytest.raises(Held, match=f"the run belongs to process {owner.pid} on {owner.host}.*delete {path}"),
        lock(path, "the run", job_alive),
    ):
        raise AssertionError
    assert Owner(**json.loads(path.read_text())) == owner


def test_the_same_job_put_back_into_the_queue_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    path = tmp_path / "lock"
    write(path, IN_A_JOB)
    with lock(path, "the run", silent):
        assert Owner(**json.loads(path.read_text())).pid == os.getpid()


def test_a_lock_that_cannot_be_read_is_no_ones_to_break(tmp_path):
    path = tmp_path / "lock"
    path.write_text("")
    with pytest.raises(Held, match="cannot be read"), lock(path, "the run", silent):
        raise AssertionError
