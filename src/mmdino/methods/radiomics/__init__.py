"""Hand-made features (intensity, rings, texture) with logistic regression on top: what learning must beat."""
