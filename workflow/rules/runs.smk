# One run is one experiment with one seed. Training and prediction go through `mmdino submit` (SLURM or this machine).
RUN_INPUT = {
    "splits": lambda wildcards: splits_of(wildcards.experiment),
    "slices": banks,
}


# What a job asks for is declared by its method (`needs` in its settings.py); `set-resources` in a profile overrides it.
# `submit` itself sees to jobs that were killed, hence no retries. `max_jobs` counts those in the queue for profiles/slurm.
# `update`: Snakemake leaves outputs alone before a rule starts, since a job may have ended well after Snakemake was killed.
SUBMIT = submission("{wildcards.experiment}-{wildcards.seed}")
TRAIN = submission("{wildcards.experiment}-{wildcards.seed}", CHOSEN.nodes)
SEARCH = submission("{wildcards.experiment}-tune")


rule train:
    input:
        **RUN_INPUT,
    output:
        record=update(f"{RUN}/run.json"),
        model=update(f"{RUN}/model.safetensors"),
    log:
        f"{RESULTS}/logs/train/{{experiment}}-{{seed}}.log",
    wildcard_constraints:
        experiment=among(name for name in EXPERIMENTS if name not in TRAINED_AS),
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory("train"),
        runtime=minutes("train"),
        max_jobs=1,
    params:
        study=STUDY_FILE,
        jobs=f"{RUN}/jobs/train",
        slices=options("slices"),
        settings=lambda w: LOADED.resolved(w.experiment),
    shell:
        f"{TRAIN} train --workers {CHOSEN.workers} --processes {max(1, CHOSEN.gpus)}"
        ' --study "{params.study}" --experiment {wildcards.experiment} --seed {wildcards.seed}'
        ' {params.slices:q} --splits "{input.splits}" --out "$(dirname "{output.record}")" > "{log}" 2>&1'


# An experiment that is trained as another one asks that one's weights in its own way.
rule adopt:
    input:
        record=lambda w: f"{RESULTS}/runs/{TRAINED_AS[w.experiment]}/seed-{w.seed}/run.json",
        model=lambda w: f"{RESULTS}/runs/{TRAINED_AS[w.experiment]}/seed-{w.seed}/model.safetensors",
    output:
        record=f"{RUN}/run.json",
        model=f"{RUN}/model.safetensors",
    log:
        f"{RESULTS}/logs/adopt/{{experiment}}-{{seed}}.log",
    wildcard_constraints:
        experiment=among(TRAINED_AS),
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=lambda w: {**LOADED.resolved(w.experiment), "trained_as": TRAINED_AS[w.experiment]},
    shell:
        'python -m mmdino adopt --study "{params.study}" --experiment {wildcards.experiment}'
        ' --trained "$(dirname "{input.record}")" --out "$(dirname "{output.record}")" > "{log}" 2>&1'


rule predict:
    input:
        f"{RUN}/run.json",
        f"{RUN}/model.safetensors",
        **RUN_INPUT,
    output:
        update(f"{RUN}/predictions.parquet"),
    log:
        f"{RESULTS}/logs/predict/{{experiment}}-{{seed}}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        max_jobs=1,
    params:
        study=STUDY_FILE,
        jobs=f"{RUN}/jobs/predict",
        slices=options("slices"),
        settings=lambda w: STUDY.evaluation.protocols,
    shell:
        f"{SUBMIT}"
        ' predict --study "{params.study}" --experiment {wildcards.experiment} --seed {wildcards.seed}'
        ' {params.slices:q} --splits "{input.splits}" --out "{output}" > "{log}" 2>&1'


rule evaluate:
    input:
        f"{RUN}/predictions.parquet",
    output:
        f"{RUN}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate/{{experiment}}-{{seed}}.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=STUDY.evaluation.bootstrap,
    shell:
        'python -m mmdino evaluate --study "{params.study}" --predictions "{input}" --out "{output}" > "{log}" 2>&1'


rule tune_experiment:
    input:
        **RUN_INPUT,
    output:
        f"{RESULTS}/tuning/{{experiment}}/best.json",
    log:
        f"{RESULTS}/logs/tune/{{experiment}}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory("train"),
        runtime=minutes("train", times=4),
        max_jobs=1,
    params:
        study=STUDY_FILE,
        jobs=f"{RESULTS}/tuning/{{experiment}}/jobs",
        slices=options("slices"),
        settings=lambda w: LOADED.searched(w.experiment),
    shell:
        f"{SEARCH}"
        ' tune --study "{params.study}" --experiment {wildcards.experiment}'
        ' {params.slices:q} --splits "{input.splits}" --out "$(dirname "{output}")" > "{log}" 2>&1'
