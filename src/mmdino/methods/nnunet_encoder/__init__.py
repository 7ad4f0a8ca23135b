"""The features of a trained segmentation network: nnU-Net as a classification baseline."""
