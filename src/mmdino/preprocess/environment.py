"""What must be set before ANTs and PyTorch start, so that the same scans give the same bits."""

import os
import sys

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def one_thread(seed: int) -> None:
    """Pin every library to one thread and seed ANTs. Call it before the first import of ants or torch.

    ANTs is reproducible only with one thread and ``ANTS_RANDOM_SEED`` (its ``random_seed`` argument is ignored, and 0
    means the clock); two threads gain nothing at the resolution that is registered.
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ["ANTS_RANDOM_SEED"] = str(seed + 1)
    os.environ.update({"nnUNet_compile": "f", "nnUNet_def_n_proc": "1", "nnUNet_n_proc_DA": "1"})
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
