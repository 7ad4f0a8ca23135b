# Who trains and who is tested, and the slice bank that training reads.
rule splits:
    input:
        manifest=expand(f"{RESULTS}/cohorts/{{cohort}}/manifest.tsv", cohort=COHORTS),
        preprocessed=expand(f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv", cohort=COHORTS),
    output:
        f"{RESULTS}/splits.tsv",
    log:
        f"{RESULTS}/logs/splits.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.splits),
        manifests=options("manifest"),
        preprocessed=options("preprocessed"),
    shell:
        'python -m mmdino splits --study "{params.study}" {params.manifests:q} {params.preprocessed:q}'
        ' --out "{output}" > "{log}" 2>&1'


rule slices:
    input:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv",
    output:
        directory(f"{RESULTS}/cohorts/{{cohort}}/slices"),
    log:
        f"{RESULTS}/logs/slices/{{cohort}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.bank),
    shell:
        'python -m mmdino slices --study "{params.study}" --preprocessed "{input}" --out "{output}" > "{log}" 2>&1'
