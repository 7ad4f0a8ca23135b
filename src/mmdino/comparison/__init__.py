"""Two studies, or one at two commits, side by side: what changed in data, settings and results (``mmdino compare``)."""
