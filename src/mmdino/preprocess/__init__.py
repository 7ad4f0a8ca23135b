"""From a cohort's scans to stripped, registered and segmented volumes: see ``shard.run_shard``.

Nothing is imported here: a cohort that comes stripped needs neither ANTs nor PyTorch.
"""
