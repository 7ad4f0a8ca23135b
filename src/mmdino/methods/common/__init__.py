"""What several methods share: drawing batches, augmenting them, optimising, and asking a ViT for features."""
