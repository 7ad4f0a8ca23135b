"""A 3-D convolutional network on the volume round the tumour, trained on labelled patients."""
