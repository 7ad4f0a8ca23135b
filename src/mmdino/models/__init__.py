"""Networks and classifiers: the multi-modal ViT, its weights, the projection head, the regression on features."""
