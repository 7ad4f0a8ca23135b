"""MM-DINOv2 Bench: from raw glioma MRI cohorts to a report that a reviewer can trust."""

__version__ = "0.1.0"
