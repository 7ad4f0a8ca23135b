"""The energy that a run's GPU took, by the counter of NVIDIA's driver (NVML).

A processor's counters are open to root alone on most clusters, and wrap round within the hour: its energy is not told.
"""

import ctypes

import torch


def gpu_joules(device: torch.device) -> float | None:
    """Return the joules that a GPU has taken since its driver was loaded; None of a CPU, or where NVML does not tell."""
    if device.type != "cuda":
        return None
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    failed = (
        nvml.nvmlInit_v2()
        or nvml.nvmlDeviceGetHandleByUUID(name, ctypes.byref(handle))
        or nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))  # Volta and later
    )
    return None if failed else millijoules.value / 1000
