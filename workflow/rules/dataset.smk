# Who trains and who is tested, and the banks of slices and of volumes that training reads.
AUDIT = [f"{RESULTS}/leakage.tsv"] if STUDY.leakage.audit else []


rule fingerprint:
    input:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv",
    output:
        f"{RESULTS}/cohorts/{{cohort}}/fingerprints.npz",
    log:
        f"{RESULTS}/logs/fingerprint/{{cohort}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
    shell:
        'python -m mmdino fingerprint --preprocessed "{input}" --out "{output}" > "{log}" 2>&1'


rule leakage:
    input:
        manifest=expand(f"{RESULTS}/cohorts/{{cohort}}/manifest.tsv", cohort=COHORTS),
        preprocessed=expand(f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv", cohort=COHORTS),
        fingerprints=expand(f"{RESULTS}/cohorts/{{cohort}}/fingerprints.npz", cohort=COHORTS),
    output:
        table=f"{RESULTS}/leakage.tsv",
        page=f"{RESULTS}/leakage.html",
    log:
        f"{RESULTS}/logs/leakage.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.leakage),
        manifests=options("manifest"),
        preprocessed=options("preprocessed"),
        fingerprints=options("fingerprints"),
    shell:
        'python -m mmdino leakage --study "{params.study}" {params.manifests:q} {params.preprocessed:q}'
        ' {params.fingerprints:q} --out "{output.table}" --page "{output.page}" > "{log}" 2>&1'


# `splits.tsv` is the study's; an experiment with a `leak` of its own has another: splits-keep.tsv, splits-remove-from-train.tsv.
rule splits:
    input:
        manifest=expand(f"{RESULTS}/cohorts/{{cohort}}/manifest.tsv", cohort=COHORTS),
        preprocessed=expand(f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv", cohort=COHORTS),
        leakage=AUDIT,
    output:
        f"{RESULTS}/splits{{leak}}.tsv",
    log:
        f"{RESULTS}/logs/splits{{leak}}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.splits),
        policy=lambda w: w.leak[1:] or STUDY.leakage.policy,
        manifests=options("manifest"),
        preprocessed=options("preprocessed"),
        leakage=options("leakage"),
    shell:
        'python -m mmdino splits --study "{params.study}" {params.manifests:q} {params.preprocessed:q} {params.leakage:q}'
        ' --policy {params.policy} --out "{output}" > "{log}" 2>&1'


# Of a bank that is there, what has not changed is taken over: so it is not removed before.
rule slices:
    input:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv",
    output:
        update(directory(f"{RESULTS}/cohorts/{{cohort}}/slices")),
    log:
        f"{RESULTS}/logs/slices/{{cohort}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        study=STUDY_FILE,
        settings=of_bank(STUDY.bank),
    shell:
        'python -m mmdino slices --study "{params.study}" --preprocessed "{input}" --out "{output}" > "{log}" 2>&1'


# Made only where an experiment asks for it that reads volumes.
rule volumes:
    input:
        f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv",
    output:
        update(directory(f"{RESULTS}/cohorts/{{cohort}}/volumes")),
    log:
        f"{RESULTS}/logs/volumes/{{cohort}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        study=STUDY_FILE,
        settings=of_bank(STUDY.volumes),
    shell:
        'python -m mmdino volumes --study "{params.study}" --preprocessed "{input}" --out "{output}" > "{log}" 2>&1'
