# From scans on disk to stripped, registered, segmented patients. A shard is a hash bucket, so the DAG never scans a disk.
rule phantom:
    output:
        truth=f"{RESULTS}/truth/{{cohort}}.parquet",
    log:
        f"{RESULTS}/logs/phantom/{{cohort}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        raw=f"{RESULTS}/raw/{{cohort}}",
        study=STUDY_FILE,
        settings=lambda w: as_text(STUDY.cohorts[w.cohort]),
    shell:
        'python -m mmdino phantom --study "{params.study}" --cohort {wildcards.cohort}'
        ' --out "{params.raw}" --truth "$(dirname "{output.truth}")" > "{log}" 2>&1'


# A cohort on disk has no file that says it has changed, and a stamp of it as a param would run every finished study again:
# `--forcerun manifest` says so (docs/own-data.md). Records then spare the patients whose files are the same.
rule manifest:
    input:
        scans,
    output:
        f"{RESULTS}/cohorts/{{cohort}}/manifest.tsv",
    log:
        f"{RESULTS}/logs/manifest/{{cohort}}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        root=root,
        settings=lambda w: as_text(STUDY.cohorts[w.cohort]),
        labels=as_text(STUDY.labels),
    shell:
        'python -m mmdino manifest --study "{params.study}" --cohort {wildcards.cohort}'
        ' --root "{params.root}" --out "{output}" > "{log}" 2>&1'


rule preprocess_shard:
    input:
        f"{RESULTS}/cohorts/{{cohort}}/manifest.tsv",
    output:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed/shard-{{shard}}.tsv",
    log:
        f"{RESULTS}/logs/preprocess/{{cohort}}-{{shard}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=growing(6000),
        runtime=1440,
    params:
        study=STUDY_FILE,
        derivatives=f"{RESULTS}/derivatives/{{cohort}}",
        settings=as_text(STUDY.preprocess),
    shell:
        'python -m mmdino preprocess --study "{params.study}" --cohort {wildcards.cohort} --manifest "{input}"'
        ' --shard {wildcards.shard} --derivatives "{params.derivatives}" --out "{output}" > "{log}" 2>&1'


# The manifest is no input: it is the shards' already, and one input more would run every finished study again.
rule gather:
    input:
        expand(
            f"{RESULTS}/cohorts/{{{{cohort}}}}/preprocessed/shard-{{shard}}.tsv",
            shard=range(STUDY.shards),
        ),
    output:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv",
    log:
        f"{RESULTS}/logs/gather/{{cohort}}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.qc),
        decisions=lambda w: decided(STUDY.qc.decisions, w.cohort, COHORTS),
    shell:
        'python -m mmdino gather --study "{params.study}" --cohort {wildcards.cohort} {input:q}'
        f' --manifest "{RESULTS}/cohorts/{{wildcards.cohort}}/manifest.tsv" --out "{{output}}" > "{{log}}" 2>&1'
