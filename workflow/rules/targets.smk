# Targets that people name: `all` (the report), `preprocessed`, and each experiment by its own name.
localrules:
    all,
    preprocessed,


rule all:
    input:
        RESULTS + "/report.html",


rule preprocessed:
    input:
        RESULTS + "/splits.tsv",
        expand(RESULTS + "/cohorts/{cohort}/slices", cohort=COHORTS),


for experiment_name in EXPERIMENTS:

    rule:
        name:
            experiment_name
        localrule: True
        input:
            runs_of([experiment_name], "metrics.json"),
