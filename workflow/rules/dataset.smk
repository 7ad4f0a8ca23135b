# Who trains and who is tested, and the slice bank that training reads.
rule splits:
    input:
        manifests=expand(RESULTS + "/cohorts/{cohort}/manifest.tsv", cohort=COHORTS),
        preprocessed=expand(
            RESULTS + "/cohorts/{cohort}/preprocessed.tsv", cohort=COHORTS
        ),
    output:
        RESULTS + "/splits.tsv",
    log:
        RESULTS + "/logs/splits.log",
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.splits),
        manifests=lambda w, input: [f"--manifest={path}" for path in input.manifests],
        preprocessed=lambda w, input: [
            f"--preprocessed={path}" for path in input.preprocessed
        ],
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino splits --study "{params.study}" {params.manifests:q} {params.preprocessed:q}'
        ' --out "{output}" > "{log}" 2>&1'


rule slices:
    input:
        RESULTS + "/cohorts/{cohort}/preprocessed.tsv",
    output:
        directory(RESULTS + "/cohorts/{cohort}/slices"),
    log:
        RESULTS + "/logs/slices/{cohort}.log",
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.bank),
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
    shell:
        'mmdino slices --study "{params.study}" --preprocessed "{input}" --out "{output}" > "{log}" 2>&1'
