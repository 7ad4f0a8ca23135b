"""What can be told without looking at the image: the floor under every other arm."""
