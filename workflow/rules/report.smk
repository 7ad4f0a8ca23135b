# What people read.
rule oracle:
    input:
        splits=f"{RESULTS}/splits.tsv",
        truth=expand(f"{RESULTS}/truth/{{cohort}}.parquet", cohort=PHANTOMS),
    output:
        f"{RESULTS}/truth/oracle.json",
    log:
        f"{RESULTS}/logs/oracle.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=STUDY_FILE,
        truth=options("truth"),
        settings=as_text(STUDY.evaluation),
    shell:
        'python -m mmdino oracle --study "{params.study}" --splits "{input.splits}" {params.truth:q} --out "{output}" > "{log}" 2>&1'


rule report:
    input:
        metrics=runs_of(LOADED.default, "metrics.json"),
        preprocessed=expand(f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv", cohort=COHORTS),
        oracle=[f"{RESULTS}/truth/oracle.json"] if PHANTOMS else [],
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY),
        experiments={name: LOADED.experiment(name).model_dump() for name in EXPERIMENTS},
    shell:
        'python -m mmdino report --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'
