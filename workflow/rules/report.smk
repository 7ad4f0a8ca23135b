# What people read: estimates from the predictions, then tables, figures and the page from the estimates.
from mmdino.config.environment import code_key
from mmdino.reporting.captions import CAPTIONS
from mmdino.reporting.sections import section_of

PUBLISHED = "config/published.yaml"
ESTIMATES = ["evaluation"] + [
    f"reporting/{name}.py" for name in ("claims", "error_analysis", "estimates", "statistics")
]


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
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        truth=options("truth"),
        settings=STUDY.evaluation.bootstrap,
    shell:
        'python -m mmdino oracle --study "{params.study}" --splits "{input.splits}" {params.truth:q} --out "{output}" > "{log}" 2>&1'


# What the reference arm's network (first seed) sees. Where that fails, its file says why, and the report too.
INSIGHT = [f"{RESULTS}/insight/insight.json"] if STUDY.reference in LOADED.default else []
LOOKED_INTO = f"{RESULTS}/runs/{STUDY.reference}/seed-{LOADED.seeds(STUDY.reference)[0]}" if INSIGHT else ""


rule insight:
    input:
        splits=splits_of(STUDY.reference) if INSIGHT else f"{RESULTS}/splits.tsv",
        slices=banks_of(STUDY.reference) if INSIGHT else [],
        run=f"{LOOKED_INTO}/run.json",
        model=f"{LOOKED_INTO}/model.safetensors",
    output:
        numbers=f"{RESULTS}/insight/insight.json",
        map=f"{RESULTS}/insight/patients.parquet",
        tokens=f"{RESULTS}/insight/tokens.npz",
    log:
        f"{RESULTS}/logs/insight.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=8000,
        runtime=growing(120),
    params:
        study=STUDY_FILE,
        experiment=STUDY.reference,
        seed=LOADED.seeds(STUDY.reference)[0] if INSIGHT else 0,
        slices=options("slices"),
        code=code_key("insight"),
    shell:
        'python -m mmdino insight --forgiving --study "{params.study}" --experiment {params.experiment} --seed {params.seed}'
        ' {params.slices:q} --splits "{input.splits}" --run "$(dirname "{input.run}")" --out "$(dirname "{output.numbers}")"'
        ' > "{log}" 2>&1'


# Of the default arms, and of those on request that have been run or are named beside it (`snakemake all ablations`).
rule statistics:
    input:
        metrics=metrics_at_hand,
        preprocessed=expand(f"{RESULTS}/cohorts/{{cohort}}/preprocessed.tsv", cohort=COHORTS),
        oracle=[f"{RESULTS}/truth/oracle.json"] if PHANTOMS else [],
    output:
        f"{RESULTS}/statistics.json",
    log:
        f"{RESULTS}/logs/statistics.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        reference=STUDY.reference,
        settings=as_text(STUDY.evaluation),
        experiments={name: shown_as(name) for name in EXPERIMENTS},
        code=[code_key(part) for part in ESTIMATES],
    shell:
        'python -m mmdino statistics --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'


rule tables:
    input:
        statistics=f"{RESULTS}/statistics.json",
        published=PUBLISHED,
    output:
        report(
            directory(f"{RESULTS}/tables"),
            patterns=["{name}.tsv"],
            caption="../report/table.rst",
            category="Tables",
            subcategory=lambda w: section_of("tables", w.name),
            labels={"table": "{name}"},
        ),
    log:
        f"{RESULTS}/logs/tables.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        phantom=bool(PHANTOMS),
        code=code_key("reporting", leave_out="reporting/figures"),
    shell:
        'python -m mmdino tables --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'


rule figures:
    input:
        statistics=f"{RESULTS}/statistics.json",
        insight=INSIGHT,
    output:
        report(
            directory(f"{RESULTS}/figures"),
            patterns=["{name}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda w: section_of("figures", w.name),
            labels=lambda w: {"figure": w.name, "shows": CAPTIONS.get(w.name, "").partition(". ")[0]},
        ),
    log:
        f"{RESULTS}/logs/figures.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        phantom=bool(PHANTOMS),
        captions=CAPTIONS,
        code=code_key("reporting/figures"),
    shell:
        'python -m mmdino figures --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'


rule report:
    input:
        statistics=f"{RESULTS}/statistics.json",
        published=PUBLISHED,
        tables=f"{RESULTS}/tables",
        figures=f"{RESULTS}/figures",
        insight=INSIGHT,
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        study=STUDY_FILE,
        settings=as_text(STUDY),
        questions={name: LOADED.experiment(name).question for name in EXPERIMENTS},
        code=code_key("reporting", leave_out="reporting/figures"),
    shell:
        'python -m mmdino report --page --study "{params.study}" --results "$(dirname "{output}")" > "{log}" 2>&1'


# A failed arm stops no other (keep-going), and a report is built without it and says so: in a folder of its own, since
# Snakemake would take a report.html for the finished one and never make what is missing.
onerror:
    shell(
        f'python -m mmdino report --study "{STUDY_FILE}" --results "{RESULTS}" --out "{RESULTS}/unfinished" || true'
    )


onsuccess:
    shell(f'rm -rf "{RESULTS}/unfinished"')
