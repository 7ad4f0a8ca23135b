"""The same network as MM-DINOv2, trained with labels only."""
