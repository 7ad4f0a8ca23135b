"""What a trained network sees: attention, patch tokens and features, computed once from its weights and the slice bank."""
