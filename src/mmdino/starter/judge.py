"""How good frozen features are: the regression of the study's own protocol, on phantoms of the training sites only."""

from functools import cache

import numpy as np
import torch
from sklearn.metrics import matthews_corrcoef

from mmdino.dataset.slices import crop, crop_start, scale
from mmdino.methods.common.augment import Draws
from mmdino.methods.common.augment import render as render_views
from mmdino.models.logistic import fit_sweep
from mmdino.models.vit import MultiModalViT
from mmdino.phantom.patient import draw_patient, render, slab_grid
from mmdino.phantom.sites import TRAINING_SITES
from mmdino.tables import CLASSES, SEQUENCES

TRAIN, DEV = 140, 400


@cache
def judging_set() -> tuple[torch.Tensor, np.ndarray]:
    """Return crops (TRAIN + DEV, 4, 98, 98) of patients of their own seeds, and their classes."""
    images, labels = [], []
    for number in range(TRAIN + DEV):
        patient = draw_patient(f"judge-{number}", "default", TRAINING_SITES[number % 3], "judge")
        plane = render(patient, slab_grid(patient, 1))
        start = crop_start(plane.seg[:, :, 0] > 0, 96)
        images.append(scale(crop(plane.images[..., 0], start, 96)))
        labels.append(CLASSES.index(patient.label))
    crops = torch.from_numpy(np.stack(images))
    return render_views(crops, Draws.whole(len(crops), 96), 98), np.array(labels)


def judge(vit: MultiModalViT) -> dict[str, float]:
    """Return the MCC of a regression on 140 labelled patients' frozen features, on 400 others (no external site)."""
    views, labels = judging_set()
    vit.eval()
    with torch.no_grad():
        tokens = [vit(part, SEQUENCES) for part in views.split(64)]
    found = {"cls": torch.cat([t.cls for t in tokens]), "patch": torch.cat([t.patches.mean(1) for t in tokens])}
    scores = {}
    for name, features in found.items():
        fitted = fit_sweep(features.numpy()[:TRAIN], labels[:TRAIN], seed=0)
        decided = fitted.predict_proba(features.numpy()[TRAIN:]).argmax(1)
        scores[f"mcc_{name}"] = float(matthews_corrcoef(labels[TRAIN:], decided))
    return scores
