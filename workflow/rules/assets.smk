# What the project carries, made again from nothing: `snakemake starter`, `snakemake segmenter` (hours, minutes).
rule starter:
    output:
        "results/assets/starter.safetensors",
    log:
        "results/assets/starter.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=6000,
        runtime=1440,
    shell:
        'python -m mmdino starter --out "{output}" --work results/assets/starter > "{log}" 2>&1'


rule segmenter:
    output:
        directory("results/assets/segmenter"),
    log:
        "results/assets/segmenter.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=6000,
        runtime=240,
    shell:
        'python -m mmdino segmenter --out "{output}" --work results/assets/segmenter-cases > "{log}" 2>&1'
