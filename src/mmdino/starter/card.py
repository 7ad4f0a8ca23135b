"""The starter's card: what it is, how it was made, and how it grew with training."""

from pathlib import Path
from typing import Any

from mmdino.files import file_digest, write_text

TEXT = """# The starter

A small ViT (dim 128, depth 4, 4 heads, patch 14, in-patch convolutional stem, 1.06 M parameters, half precision) that
plays the part which DINOv2's weights
play in the paper. Trained **without class labels**, on phantoms of no study: seeds of their own, the training sites'
scanner styles only; the external
site's style was never seen. It is a phantom network and knows nothing about people.

- **Images:** {patients} phantom patients × 3 axial planes (namespace `starter`, variant `default`), cropped as the
  slice bank crops.
- **Objective:** two planes of one patient find each other (InfoNCE, temperature .15, weight .3, on CLS and mean patch
  token); each plane tells 96 principal
  components of its clean ring and band-pass statistics round the tumour's outline (MaskFeat-like, weight 3, on both
  tokens); each token tells the mean and
  spread of its patch in all four clean sequences, and how much tumour lies round it. Half of the tokens are shown;
  0–2 whole sequences are hidden. Noise,
  gamma and blur disturb each sequence on its own. The targets use the tumour's outline, and are close kin to hand-
  made features.
- **Training:** AdamW {lr:g}, batch {batch} patients (2 planes each), {warmup} steps of warm-up, a constant rate, then
  annealed to 0 over a further {share:.0%}
  of the steps; bf16 autocast; seed {seed}; one CPU thread. Each row below is its own annealed branch of one run.
  The shorter ones lie in `starter-growth/`, named by the step at which they branched off.
- **SHA-256:** `{digest}`
- **Made again by** `snakemake starter` (resumable; more marks train it longer).

MCC of the study's own regression on frozen features: 140 labelled phantom patients, judged on 400 others, both of the
training sites (seeds of their own).

| steps | images | CPU minutes | MCC, CLS | MCC, mean patch token |
|---|---|---|---|---|
{rows}

What was tried before: the spread of .02 that DINOv2 initialises with, and 48 patients a step (500 steps: the statistics
were not learnt at all); the spread kept in proportion to the width, 24 patients (600 steps: hardly); equal weight for all
principal components and no local term (likewise). Only with the local term and the weights above did the statistics come
down. The losses were still falling when the last row was annealed: more hours would still help.

DINO's own objective from random weights (MM-DINOv2 without labels, Sinkhorn–Knopp, iBOT, KoLeo) was tried as well. With
K = 256 on the study's training patients, and K = 1024 and teacher temperature .04 on 2,000 of this starter's, the teacher
stayed flat for the 100 and 150 steps that they were given (entropy 5.4 of 5.55, 6.8 of 6.93). With K = 64, temperature .015
and 32 patients a step it sharpened (entropy 3.48 → 3.21 of 4.16, usage still even at 4.14) and its losses fell, but after
312 steps, 20,000 global crops and 14 CPU minutes its features had MCC .27 (CLS, from .29 untrained) and .24 (mean patch
token, from .16), where the objective above has .52 and .46 after 12 minutes. It may catch up in hours; that was not tried.

What the study's arms reached from it, where MM-DINOv2 stayed short of it, and what was tried for that:
docs/results-phantom.md.
"""


def write_card(starter: Path, growth: list[dict[str, Any]], recipe: Any) -> None:
    """Write ``<starter>.md`` from the judged lengths of its training."""
    rows = "\n".join(
        f"| {row['steps']:,} | {row['images']:,} | {row['cpu_minutes']:.0f} | {row['mcc_cls']:.2f} | {row['mcc_patch']:.2f} |"
        for row in growth
    )
    text = TEXT.format(
        patients=f"{recipe.patients:,}",
        lr=recipe.lr,
        batch=recipe.batch,
        warmup=recipe.warmup,
        share=recipe.anneal,
        seed=recipe.seed,
        digest=file_digest(starter),
        rows=rows,
    )
    write_text(starter.with_suffix(".md"), text)
