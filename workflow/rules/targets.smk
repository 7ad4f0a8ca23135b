# Targets that gather several files, and the list of all targets: snakemake --profile profiles/local help-targets
GROUPS = {
    group: [name for name in EXPERIMENTS if LOADED.experiment(name).group == group]
    for group in ("baseline", "ablation")
}
# Those whose rules make nothing themselves.
GATHERING = ("preprocess", "baselines", "ablations", "missing-sequences", "tune")
HELP = {
    "all": "the study's report, and all that it needs (the default)",
    "preprocess": "every cohort preprocessed, split and cut into slices; nothing trained",
    "leakage": "who occurs twice among all cohorts' patients, with a page of doubtful pairs",
    "baselines": "every baseline of the study, also those on request",
    "ablations": "every ablation of the study, also those on request",
    "missing-sequences": "the table and figures of the 15 sets of sequences and of sequences missing at random",
    "statistics": "all intervals, tests and claims, from the predictions",
    "tables": "every table as TSV, Markdown and LaTeX",
    "figures": "every figure as PDF, SVG and PNG",
    "report": "the report, of the default arms and of all others that were run",
    "tune": "a search of each experiment that names a search space (hours)",
    "starter": "the starter network, made again (hours)",
    "segmenter": "the phantom segmenter, made again (minutes)",
}


rule preprocess:
    input:
        f"{RESULTS}/splits.tsv",
        expand(f"{RESULTS}/cohorts/{{cohort}}/slices", cohort=COHORTS),
    localrule: True


rule baselines:
    input:
        runs_of(GROUPS["baseline"], "metrics.json"),
    localrule: True


rule ablations:
    input:
        runs_of(GROUPS["ablation"], "metrics.json"),
    localrule: True


rule tune:
    input:
        [f"{RESULTS}/tuning/{name}/best.json" for name in EXPERIMENTS if LOADED.experiment(name).tune],
    localrule: True


rule:
    name:
        "missing-sequences"
    input:
        runs_of(LOADED.default, "metrics.json"),
        f"{RESULTS}/tables",
        f"{RESULTS}/figures",
    localrule: True


# A rule keeps its name: a short name that is a rule's is not given, and an experiment may not bear one.
for name in [name for name in TARGETS if name in HELP or workflow.is_rule(name)]:
    if name in EXPERIMENTS or name in LOADED.families:
        raise WorkflowError(
            f"{name}: an experiment's name, but a rule's already; give the experiment another"
        )
    del TARGETS[name]

HELP |= {name: said_of(name) for name in TARGETS}


rule:
    name:
        "help-targets"
    log:
        f"{RESULTS}/logs/help-targets.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        login=1,
    params:
        text="\n".join(f"{name:36} {said}" for name, said in HELP.items()),
    shell:
        'echo {params.text:q} | tee "{log}"'
