"""What a run's GPU took, by a library that answers as NVIDIA's does."""

import ctypes
import shutil
import subprocess
from types import SimpleNamespace

import pytest
import torch

from mmdino.training.energy import gpu_joules
from mmdino.training.record import Clock, record

NVML = """
#include <string.h>
static unsigned long long used = 5000000;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *name, void **handle) {
  *handle = &used;
  return strcmp(name, "GPU-11-22") ? 6 : 0; /* not found */
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
  *millijoules = (used += 2000000);
  return handle == &used ? 0 : 2;
}
"""
GPU = torch.device("cuda", 0)


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    """A driver whose counter has taken 2 kJ more each time it is asked; return a function that names the GPU."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler here, by which a library that answers as NVIDIA's is made")
    (tmp_path / "nvml.c").write_text(NVML)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "nvml.so", tmp_path / "nvml.c"], check=True)
    library = ctypes.CDLL(str(tmp_path / "nvml.so"))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)

    def named(uuid):
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuid))

    named("11-22")
    return named


def test_a_run_takes_what_the_counter_rose_by_and_what_it_took_before_it_was_interrupted(nvml):
    clock = Clock(GPU, joules_before=500.0)
    assert clock.joules == 500.0 + 2000.0
    assert clock.joules == 500.0 + 4000.0


def test_a_gpu_that_is_not_found_a_missing_driver_and_a_cpu_tell_nothing(nvml, monkeypatch):
    nvml("33-44")
    assert gpu_joules(GPU) is None
    assert Clock(GPU).joules == 0
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert gpu_joules(GPU) is None
    cpu = torch.device("cpu")
    assert gpu_joules(cpu) is None
    assert "gpu_joules" not in record({}, "key", cpu, Clock(cpu))
