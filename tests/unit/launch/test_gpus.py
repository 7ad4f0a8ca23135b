import multiprocessing
import os
import signal
import threading

import pytest

from mmdino.launch import gpus


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Three GPUs, and leases in a folder of the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(gpus, "_all_of_this_machine", lambda: ["0", "1", "2"])
    monkeypatch.setattr(gpus, "SECONDS", 0.01)


def test_each_run_has_gpus_of_its_own():
    with gpus.leased(1, None) as first, gpus.leased(2, None) as second:
        assert (first, second) == ("0", "1,2")
    with gpus.leased(1, None) as again:
        assert again == "0"


def test_it_waits_until_enough_are_free():
    had = []

    def second():
        with gpus.leased(2, None) as devices:
            had.append(devices)

    with gpus.leased(2, None):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        assert had == []
    thread.join(10)
    [devices] = had
    assert len(set(devices.split(","))) == 2  # which, depends on where it looked when the others were given back


@pytest.mark.parametrize(
    ("count", "among", "devices"),
    [(1, "2", "2"), (1, "GPU-ab,1", "GPU-ab"), (5, None, "0,1,2"), (0, None, ""), (1, "", "")],
)
def test_only_those_that_one_may_see_and_no_more_than_there_are(count, among, devices):
    with gpus.leased(count, among) as found:
        assert found == devices


def hold(ready):
    with gpus.leased(3, None):
        ready.set()
        signal.pause()


def test_a_killed_run_gives_its_gpus_back():
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(ready,))
    process.start()
    assert ready.wait(10)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with gpus.leased(3, None) as devices:
        assert devices == "0,1,2"
