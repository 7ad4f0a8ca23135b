"""Two whole optimisation steps against the authors' code: losses, centres, gradients, weights, teacher."""

import re

import numpy as np
import torch

from mmdino.methods.common.network import HeadedViT
from mmdino.methods.common.optimise import adamw, clip, set_rates
from mmdino.methods.mm_dinov2.masking import Masks
from mmdino.methods.mm_dinov2.model import Batch, StudentTeacher
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.models import from_reference
from mmdino.models.head import ProjectionHead

from .fixtures import each, heads_of, sequences_of

LR, LAST_LAYER_LR, WEIGHT_DECAY, TEMPERATURE, EMA, CLIP = 1e-3, 5e-4, 0.04, 0.05, 0.99, 3.0


def close(ours, theirs, name, atol=1e-5):
    np.testing.assert_allclose(np.asarray(ours), theirs, atol=atol, rtol=1e-5, err_msg=name)


def network(data, who, sequences, imgwise, heads):
    state = {name.split(".", 1)[1]: torch.from_numpy(data[name]) for name in data.files if name.startswith(f"{who}.")}
    parts = {
        part: {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}
        for part in ("backbone", "dino_head")
    }
    embedding = "mri_seq_embed.weight" in parts["backbone"]
    backbone = from_reference(parts["backbone"], sequences, imgwise, embedding, heads)
    sizes = parts["dino_head"]
    hidden, bottleneck = sizes["mlp.0.bias"].shape[0], sizes["mlp.4.bias"].shape[0]
    head = ProjectionHead(backbone.shape.dim, len(sizes["last_layer.weight_v"]), hidden, bottleneck)
    head.load_state_dict(sizes)
    return HeadedViT(backbone, head)


def the_batch(data, sequences):
    masks = torch.from_numpy(data["in.collated_masks"])
    labels = torch.from_numpy(data["in.collate_cls_labels"])
    return Batch(
        [f"patient {number}" for number in range(len(labels))],
        torch.from_numpy(data["in.collated_global_crops"]),
        torch.from_numpy(data["in.collated_local_crops"]),
        Masks(
            masks,
            torch.zeros_like(masks),
            torch.from_numpy(data["in.mask_indices_list"]),
            torch.from_numpy(data["in.masks_weight"]),
        ),
        torch.zeros(len(labels), len(sequences), dtype=torch.bool),
        labels,
    )


def start(path, data, sequences):
    """Return student and teacher before the first step; the teacher's centre after it tells how many heads they have."""

    def networks(heads):
        return [network(data, who, sequences, "imgwise0" not in path.stem, heads) for who in ("student0", "teacher0")]

    @torch.no_grad()
    def error(heads):
        teacher, crops = networks(heads)[1], torch.from_numpy(data["in.collated_global_crops"])
        scores = teacher.scores(teacher.look(crops, sequences).cls)
        return np.abs(0.1 * scores.mean(0).numpy() - data["dino_center2"]).max()

    return networks(heads_of(data, data["student0.backbone.cls_token"].shape[-1], error))


@each("step_*.npz")
def test_two_steps_match(path):
    data = np.load(path)
    named = re.search(r"_dp(\d+)", path.stem)
    drop_path = int(named[1]) / 10 if named else 0.0
    sequences = sequences_of(path, data, data["in.collated_global_crops"].shape[1])
    student, teacher = start(path, data, sequences)
    batch = the_batch(data, sequences)
    settings = Settings(
        sequences=list(sequences),
        full_modality="one" if len(sequences) > 1 else "none",
        prototypes=len(student.head.last_layer.weight_v),
        local_crops=len(batch.local_crops) // len(batch.labels),
    )
    model = StudentTeacher(student, settings, class_weight=None)
    model.teacher.load_state_dict(teacher.state_dict())
    optimizer = adamw(
        student.named_parameters(), student.backbone.shape.depth, settings.layer_decay, settings.patch_embed_lr
    )
    compared = set()
    for step in (0, 1):
        losses = model.losses(batch, TEMPERATURE)
        close(
            model.dino_target.centre, data[f"dino_center{step + 2}" if step == 0 else "dino_center_final"][0], "centre"
        )
        close(model.ibot_target.centre, data["ibot_center2" if step == 0 else "ibot_center_final"][0, 0], "iBOT centre")
        if drop_path:
            return  # the student's random draws differ
        reported = {  # their log halves two losses and scales KoLeo: it is not what they optimise
            "dino_local_crops_loss": losses.get("dino_local", torch.zeros(())),
            "dino_global_crops_loss": losses["dino_global"],
            "koleo_loss": settings.koleo_weight * losses["koleo"] / 2,
            "ibot_loss": losses["ibot"] / 2,
            "labeled_loss": losses["supervised"],
            "labeled_ratio": (batch.labels >= 0).float().mean(),
        }
        for name, ours in reported.items():
            if f"loss{step}.{name}" in data:  # without local crops their loss is not logged
                close(ours.detach(), data[f"loss{step}.{name}"], name)
        optimizer.zero_grad()
        losses["loss"].backward()
        for name, parameter in student.named_parameters():
            theirs = f"grad{step}.{reference_name(name)}"
            if theirs in data:
                close(parameter.grad, data[theirs], theirs)
                compared.add(theirs)
        close(clip(student.children(), CLIP), data[f"gradnorm{step}"], "gradient norms")
        set_rates(optimizer, LR, WEIGHT_DECAY, LAST_LAYER_LR)
        optimizer.step()
        model.follow(EMA)
        for who, ours in {"student": student, "teacher": model.teacher}.items():
            for name, parameter in ours.named_parameters():
                theirs = f"{who}{step + 1}.{reference_name(name)}"
                if theirs in data:
                    close(parameter.detach(), data[theirs], theirs)
                    compared.add(theirs)
    kinds = tuple(
        f"{kind}{step}."
        for kind, steps in {"grad": (0, 1), "student": (1, 2), "teacher": (1, 2)}.items()
        for step in steps
    )
    assert compared == {name for name in data.files if name.startswith(kinds)}


def reference_name(name):
    return name.replace("head.", "dino_head.", 1) if name.startswith("head.") else name
