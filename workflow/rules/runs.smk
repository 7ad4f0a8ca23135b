# One run is one experiment with one seed. Training and prediction go through `mmdino submit` (SLURM or this machine).
RUN_INPUT = {
    "splits": RESULTS + "/splits.tsv",
    "slices": expand(RESULTS + "/cohorts/{cohort}/slices", cohort=COHORTS),
}
SUBMIT = (
    'mmdino submit --name {wildcards.experiment}-{wildcards.seed} --jobs "{params.jobs}" --cluster {params.cluster}'
    " --gpus {params.gpus} --cpus {threads} --memory-gb {params.memory} --minutes {resources.runtime} {params.slurm:q} -- "
)
RUN_PARAMS = {
    "study": STUDY_FILE,
    "cluster": config["cluster"],
    "gpus": config["gpus"],
    "slurm": [f"--slurm={pair}" for pair in config["slurm"]],
    "slices": lambda w, input: [f"--slices={folder}" for folder in input.slices],
    "memory": lambda w, resources: -(-resources.mem_mb // 1000),
}


rule train:
    input:
        **RUN_INPUT,
    output:
        RUN + "/run.json",
        RUN + "/model.safetensors",
    log:
        RESULTS + "/logs/train/{experiment}-{seed}.log",
    params:
        **RUN_PARAMS,
        jobs=RUN + "/jobs/train",
        settings=lambda w: LOADED.resolved(w.experiment),
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=6000,
        runtime=720,
    shell:
        SUBMIT
        + 'train --study "{params.study}" --experiment {wildcards.experiment} --seed {wildcards.seed}'
        ' {params.slices:q} --splits "{input.splits}" --out "$(dirname "{output[0]}")" > "{log}" 2>&1'


rule predict:
    input:
        RUN + "/run.json",
        RUN + "/model.safetensors",
        **RUN_INPUT,
    output:
        RUN + "/predictions.parquet",
    log:
        RESULTS + "/logs/predict/{experiment}-{seed}.log",
    params:
        **RUN_PARAMS,
        jobs=RUN + "/jobs/predict",
        settings=lambda w: STUDY.evaluation.protocols,
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=6000,
        runtime=240,
    shell:
        SUBMIT
        + 'predict --study "{params.study}" --experiment {wildcards.experiment} --seed {wildcards.seed}'
        ' {params.slices:q} --splits "{input.splits}" --out "{output}" > "{log}" 2>&1'


rule evaluate:
    input:
        RUN + "/predictions.parquet",
    output:
        RUN + "/metrics.json",
    log:
        RESULTS + "/logs/evaluate/{experiment}-{seed}.log",
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY.evaluation),
    conda:
        "../../envs/environment.yaml"
    shell:
        'mmdino evaluate --study "{params.study}" --predictions "{input}" --out "{output}" > "{log}" 2>&1'
