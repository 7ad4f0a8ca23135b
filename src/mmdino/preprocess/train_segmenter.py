"""Train the segmenter that we ship: nnU-Net v2, planned and trained by itself on phantoms, at a size for a CPU."""

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmdino.errors import UserError
from mmdino.files import atomic, read_json, write_json
from mmdino.models.nnunet import quiet
from mmdino.nifti import read_labels, read_volume
from mmdino.preprocess.environment import one_thread
from mmdino.tables import SEQUENCES

DATASET = "Dataset001_Phantom"
CONFIGURATION = "2d_micro"
LABELS = {"background": 0, "core": 1, "oedema": 2, "enhancing": 3}
PATCH = (192, 160)  # a whole axial slice of a brain at 1 mm, so that one tile predicts it
FEATURES = (8, 16, 32, 48, 48, 48)


def train_segmenter(cases: Path, out: Path, iterations: int = 1000, seed: int = 0) -> None:
    """Train on a folder of patients and write the model that :mod:`mmdino.preprocess.segment` reads.

    nnU-Net makes its fingerprint, plan and preprocessing; the plan is then given a network of 8–48 features, since its
    own (32–512, batch 105) is too large for a CPU. A fifth of the cases validate. Equal cases and seed give equal
    weights. It starts processes: call it from a console command, not from a bare script.

    Args:
        cases: ``<patient>/<patient>_{t1,t1c,t2,flair,seg}.nii.gz``, stripped whole brains on the atlas's grid, labels
            1 (core), 2 (oedema), 3 (enhancing); at least five patients.
        out: the model folder: ``dataset.json``, ``plans.json``, ``fold_0/checkpoint_final.pth``.
        iterations: training steps, in epochs of 50; below 400 the core is not learnt.
        seed: of weights, patches and augmentation.

    Raises:
        UserError: a file is missing or bad, or there are fewer than five patients.
    """
    one_thread(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".segmenter-") as scratch, _folders(Path(scratch)) as home:
        _arrange(cases, home / "raw" / DATASET)
        plans = _plan(home)
        checkpoint = _train(home, plans, iterations, seed)
        reduce_checkpoint(checkpoint, out / "fold_0" / "checkpoint_final.pth")
        plans["configurations"] = {name: plans["configurations"][name] for name in ("2d", CONFIGURATION)}
        write_json(out / "plans.json", plans)
        dataset = read_json(home / "raw" / DATASET / "dataset.json")
        write_json(out / "dataset.json", dataset | {"single_lesion": True})  # a phantom has one tumour


def reduce_checkpoint(full: Path, reduced: Path) -> None:
    """Keep of an nnU-Net checkpoint what prediction needs, as plain half-precision tensors.

    nnU-Net's own files are pickles that run code when they are read; so this reads ``full`` only if you trust it.
    """
    import torch

    checkpoint = torch.load(full, map_location="cpu", weights_only=False)
    kept = {
        "network_weights": {name: weight.half() for name, weight in checkpoint["network_weights"].items()},
        "trainer_name": "nnUNetTrainer",  # the custom one is not needed to predict
        "init_args": {name: checkpoint["init_args"][name] for name in ("configuration", "fold")},
        "inference_allowed_mirroring_axes": tuple(checkpoint["inference_allowed_mirroring_axes"] or ()),
    }
    content = io.BytesIO()  # torch.save writes a file's name into it: this way equal weights are equal bytes
    torch.save(kept, content)
    with atomic(reduced) as temporary:
        temporary.write_bytes(content.getvalue())


def _arrange(cases: Path, dataset: Path) -> None:
    """Lay the patients out as nnU-Net's raw dataset, by links."""
    patients = sorted(found.name for found in cases.iterdir() if found.is_dir()) if cases.is_dir() else []
    if len(patients) < 5:
        raise UserError(f"{cases}: holds {len(patients)} patients, and at least 5 are needed; make more phantoms")
    for folder in ("imagesTr", "labelsTr"):
        (dataset / folder).mkdir(parents=True)
    for patient in patients:
        files = {name: cases / patient / f"{patient}_{name}.nii.gz" for name in (*SEQUENCES, "seg")}
        read_labels(files["seg"])
        for channel, name in enumerate(SEQUENCES):
            read_volume(files[name])
            (dataset / "imagesTr" / f"{patient}_{channel:04d}.nii.gz").symlink_to(files[name].resolve())
        (dataset / "labelsTr" / f"{patient}.nii.gz").symlink_to(files["seg"].resolve())
    channels = {str(index): name for index, name in enumerate(SEQUENCES)}
    description = {"channel_names": channels, "labels": LABELS, "numTraining": len(patients), "file_ending": ".nii.gz"}
    write_json(dataset / "dataset.json", description)


def _plan(home: Path) -> dict[str, Any]:
    """Let nnU-Net fingerprint, plan and preprocess; add the small configuration to its plan."""
    with quiet():
        from nnunetv2.experiment_planning import plan_and_preprocess_api as nnunet

        nnunet.extract_fingerprints([1], num_processes=1, check_dataset_integrity=True, show_progress_bar=False)
        nnunet.plan_experiments([1])
        nnunet.preprocess([1], configurations=["2d"], num_processes=[1], verbose=False, show_progress_bar=False)
    path = home / "preprocessed" / DATASET / "nnUNetPlans.json"
    plans = read_json(path)
    plans["configurations"][CONFIGURATION] = _micro(plans["configurations"]["2d"])
    write_json(path, plans)
    return plans


def _micro(stock: dict[str, Any]) -> dict[str, Any]:
    """Return the stock 2-D configuration with fewer features and one slice-sized patch."""
    architecture = json.loads(json.dumps(stock["architecture"]))
    stages = len(FEATURES)
    architecture["arch_kwargs"].update(
        n_stages=stages,
        features_per_stage=list(FEATURES),
        kernel_sizes=[[3, 3]] * stages,
        strides=[[1, 1]] + [[2, 2]] * (stages - 1),
        n_conv_per_stage=[2] * stages,
        n_conv_per_stage_decoder=[2] * (stages - 1),
    )
    return {"inherits_from": "2d", "batch_size": 6, "patch_size": list(PATCH), "architecture": architecture}


def _train(home: Path, plans: dict[str, Any], iterations: int, seed: int) -> Path:
    import torch

    os.environ.update(nnUNet_n_proc_DA="0")  # augment in this process: the order of batches is then fixed
    with quiet():
        from mmdino.preprocess.trainer import SegmenterTrainer

        dataset = read_json(home / "raw" / DATASET / "dataset.json")
        given = json.loads(json.dumps(plans)) | {"continue_training": False}
        with tqdm(total=iterations, desc="train segmenter", unit="step", disable=None) as bar:
            trainer = SegmenterTrainer(given, CONFIGURATION, 0, dataset, torch.device("cpu"))
            trainer.set_up(iterations, seed, bar)
            trainer.run_training()
    return Path(trainer.output_folder) / "checkpoint_final.pth"


@contextlib.contextmanager
def _folders(scratch: Path) -> Iterator[Path]:
    """Give nnU-Net the three folders that it looks up in the environment."""
    before = dict(os.environ)
    for name in ("raw", "preprocessed", "results"):
        (scratch / name).mkdir()
        os.environ[f"nnUNet_{name}"] = str(scratch / name)
    try:
        yield scratch
    finally:
        os.environ.clear()
        os.environ.update(before)
