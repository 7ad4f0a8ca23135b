"""What the cohorts' adapters share: the walk, the names of files, the metadata tables, the rule of labels."""
