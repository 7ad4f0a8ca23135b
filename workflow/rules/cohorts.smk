# From scans on disk to stripped, registered, segmented patients. A shard is a hash bucket, so the DAG never scans a disk.
rule phantom:
    output:
        labels=RESULTS + "/raw/{cohort}/labels.tsv",
        truth=RESULTS + "/truth/{cohort}.parquet",
    log:
        RESULTS + "/logs/phantom/{cohort}.log",
    params:
        study=STUDY_FILE,
        settings=lambda w: as_text(STUDY.cohorts[w.cohort]),
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        'mmdino phantom --study "{params.study}" --cohort {wildcards.cohort}'
        ' --out "$(dirname "{output.labels}")" --truth "$(dirname "{output.truth}")" > "{log}" 2>&1'


rule manifest:
    input:
        scans,
    output:
        RESULTS + "/cohorts/{cohort}/manifest.tsv",
    log:
        RESULTS + "/logs/manifest/{cohort}.log",
    params:
        study=STUDY_FILE,
        root=root,
        settings=lambda w: as_text(STUDY.cohorts[w.cohort]),
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino manifest --study "{params.study}" --cohort {wildcards.cohort}'
        ' --root "{params.root}" --out "{output}" > "{log}" 2>&1'


rule preprocess:
    input:
        RESULTS + "/cohorts/{cohort}/manifest.tsv",
    output:
        RESULTS + "/cohorts/{cohort}/preprocessed/shard-{shard}.tsv",
    log:
        RESULTS + "/logs/preprocess/{cohort}-{shard}.log",
    params:
        study=STUDY_FILE,
        derivatives=RESULTS + "/derivatives/{cohort}",
        settings=as_text(STUDY.preprocess),
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=6000,
        runtime=1440,
    shell:
        'mmdino preprocess --study "{params.study}" --cohort {wildcards.cohort} --manifest "{input}"'
        ' --shard {wildcards.shard} --derivatives "{params.derivatives}" --out "{output}" > "{log}" 2>&1'


rule gather:
    input:
        expand(
            RESULTS + "/cohorts/{{cohort}}/preprocessed/shard-{shard}.tsv",
            shard=range(STUDY.shards),
        ),
    output:
        RESULTS + "/cohorts/{cohort}/preprocessed.tsv",
    log:
        RESULTS + "/logs/gather/{cohort}.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino gather {input:q} --out "{output}" > "{log}" 2>&1'
