"""The starter: a small ViT trained without labels on phantoms of no study, in the place that DINOv2's weights have in the paper.

Its patients come from seeds of their own and from the training sites' scanner styles only; the external style is never seen.
"""
