# What people read.
rule oracle:
    input:
        splits=RESULTS + "/splits.tsv",
        truth=expand(RESULTS + "/truth/{cohort}.parquet", cohort=PHANTOMS),
    output:
        RESULTS + "/truth/oracle.json",
    log:
        RESULTS + "/logs/oracle.log",
    params:
        study=STUDY_FILE,
        truth=lambda w, input: [f"--truth={path}" for path in input.truth],
        settings=as_text(STUDY.evaluation),
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino oracle --study "{params.study}" --splits "{input.splits}" {params.truth:q} --out "{output}" > "{log}" 2>&1'


rule report:
    input:
        metrics=runs_of(STUDY.experiments, "metrics.json"),
        preprocessed=expand(
            RESULTS + "/cohorts/{cohort}/preprocessed.tsv", cohort=COHORTS
        ),
        oracle=[RESULTS + "/truth/oracle.json"] if PHANTOMS else [],
    output:
        report(
            RESULTS + "/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        RESULTS + "/logs/report.log",
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY),
        experiments={name: LOADED.experiment(name).model_dump() for name in EXPERIMENTS},
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino report --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'
