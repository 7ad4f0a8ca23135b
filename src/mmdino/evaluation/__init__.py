"""From fitted methods to predictions, and from predictions to metrics, intervals and comparisons."""
