"""A convolutional network on the four sequences as channels, trained on labelled patients: the usual baseline."""
