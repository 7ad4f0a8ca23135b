"""The graph of the miniature study: which target runs what, and what a change reruns.

Snakemake is the real one and its rules are ours; only the program that they call is hollow (``benchmarks/hollow.py``), so
that a whole study takes seconds.
"""

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from hollow import ROOT, hollow_clone, snakemake
from mmdino.reporting.captions import CAPTIONS

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the project in which the miniature study has been run."""
    folder = hollow_clone(tmp_path_factory.mktemp("targets") / "a clone")
    code, output = snakemake(folder)
    assert code == 0, output[-3000:]
    return folder


def planned(clone, *arguments) -> dict[str, int]:
    """Return how many jobs of each rule a dry run plans, without the targets themselves."""
    _, output = snakemake(clone, "-n", *arguments)
    found = dict(re.findall(r"^([\w-]+) +(\d+)$", output, flags=re.M))
    assert found or "Nothing to be done" in output, output[-3000:]
    return {rule: int(jobs) for rule, jobs in found.items() if rule not in ("total", "all")}


def test_the_slurm_profile_is_not_forgotten_where_the_command_line_names_a_study(clone):
    code, output = snakemake(clone, "--profile=profiles/slurm", "--executor=local", "-n", "-p", "--forceall")
    assert code == 0, output[-3000:]
    assert set(re.findall("submit --cluster ([a-z]+) --gpus ([0-9])", output)) == {("slurm", "1")}


@pytest.fixture
def edited(clone):
    """Change files of the clone, and have them back after the test."""
    before: dict[Path, str] = {}

    def edit(path, change):
        before.setdefault(clone / path, (clone / path).read_text())
        (clone / path).write_text(change((clone / path).read_text()))

    yield edit
    for path, text in before.items():
        path.write_text(text)


ONE_RUN = {"train": 1, "predict": 1, "evaluate": 1}
SHORT = "no-full-modality-masking"
READ = {"statistics": 1, "tables": 1, "figures": 1, "report": 1}


def test_a_finished_study_has_nothing_to_do(clone):
    assert planned(clone) == {}


@pytest.mark.parametrize("option", ["--forcerun", "-R"])
def test_forcing_an_experiments_training_touches_that_one_alone(clone, option):
    assert planned(clone, option, "train", "radiomics") == {**ONE_RUN, "radiomics": 1}
    assert planned(clone, "radiomics", option, "train") == {**ONE_RUN, "radiomics": 1}


@pytest.mark.parametrize("option", ["--forcerun=train", "-Rtrain"])
def test_what_is_forced_may_be_joined_to_its_option(clone, option):
    assert planned(clone, option, "radiomics") == {**ONE_RUN, "radiomics": 1}
    assert planned(clone, option).keys() >= {**ONE_RUN, **READ}.keys()  # no target is named: the study's


def test_forcing_by_a_short_name(clone):
    assert planned(clone, "--forcerun", "train", SHORT) == {**ONE_RUN, SHORT: 1}


def test_forcing_the_training_of_several_targets_or_of_a_group(clone):
    two, four = ({name: count * jobs for name, jobs in ONE_RUN.items()} for count in (2, 4))
    assert planned(clone, "--forcerun", "train", "radiomics", "mm-dinov2") == {**two, "radiomics": 1, "mm-dinov2": 1}
    assert planned(clone, "--forcerun", "train", "baselines") == {**four, "baselines": 1}
    assert planned(clone, "--forcerun", "train", "preprocess") == {"preprocess": 1}


def test_a_rule_keeps_its_name(clone, edited):
    named = (ROOT / "config/experiments/mm-dinov2-phantom.yaml").read_text().replace("mm-dinov2-phantom", "{}")
    for name in ("mm-dinov2-report", "gather"):
        (clone / f"config/experiments/{name}.yaml").write_text(named.format(name))
    more = "more_experiments: ["
    edited("config/studies/mini.yaml", lambda text: text.replace(more, f"{more}mm-dinov2-report, "))
    code, output = snakemake(clone, "help-targets")
    assert code == 0, output[-3000:]
    assert not re.search("^report +short for", output, flags=re.M)
    edited("config/studies/mini.yaml", lambda text: text.replace(more, f"{more}gather, "))
    code, output = snakemake(clone, "help-targets")
    assert code != 0
    assert "gather: an experiment's name, but a rule's already" in output


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml")))
def test_every_study_has_its_targets(clone, study):
    code, output = snakemake(clone, "help-targets", study=study)
    assert code == 0, output[-3000:]


def test_an_experiment_on_request_runs_alone(clone):
    assert planned(clone, "supervised-vit") == {**ONE_RUN, "supervised-vit": 1}


def test_who_asks_anothers_weights_trains_none(clone, edited):
    more = "more_experiments: ["
    edited("config/studies/mini.yaml", lambda text: text.replace(more, f"{more}missing-tokens, "))
    asked = "missing-tokens-mask"
    assert planned(clone, asked) == {"adopt": 1, "predict": 1, "evaluate": 1, asked: 1}
    without = f"{asked}-no-full-modality-masking"  # the run whose weights it asks was never trained here
    assert planned(clone, without) == {"adopt": 1, **ONE_RUN, without: 1}
    assert f"runs/{without}/" not in snakemake(clone, "-n", "mm-dinov2-no-full-modality-masking")[1]


def test_a_training_of_another_name_is_not_run_again(clone, edited):
    more = "more_experiments: ["
    edited("config/studies/mini.yaml", lambda text: text.replace(more, f"{more}unlabelled-fraction, "))
    whole = "unlabelled-fraction-100"
    assert planned(clone, whole) == {"adopt": 1, "predict": 1, "evaluate": 1, whole: 1}
    variants = planned(clone, "unlabelled-fraction")
    assert (variants["train"], variants["adopt"]) == (3, 1)


def test_a_changed_setting_reruns_its_experiment_alone_and_a_comment_none(clone, edited):
    path = "config/experiments/starter-frozen.yaml"
    edited(path, lambda text: f"# a comment\n{text}")
    assert planned(clone) == {}
    edited(path, lambda text: f"{text}  eval_size: 112\n")
    assert planned(clone) == {**ONE_RUN, **READ}
    assert "runs/starter-frozen/" in snakemake(clone, "-n")[1]


def test_an_experiment_with_the_leak_kept_has_splits_of_its_own_and_reruns_nothing_else(clone, edited):
    edited("config/studies/mini.yaml", lambda text: text.replace("more_experiments: [", "more_experiments: [leak, "))
    assert planned(clone, "leak-keep") == {**ONE_RUN, "leak-keep": 1, "splits": 1}
    assert "output: results/mini/splits-keep.tsv" in snakemake(clone, "-n", "leak-keep")[1]
    assert planned(clone, "leak-remove") == {
        "adopt": 1,
        "predict": 1,
        "evaluate": 1,
        "leak-remove": 1,
    }  # the study's own
    assert planned(clone).keys() <= {"statistics", "tables", "figures", "report"}


def test_banks_of_an_older_version_are_built_anew(clone, edited):
    edited("src/mmdino/config/preparation.py", lambda text: text.replace("ClassVar[int] = 1 ", "ClassVar[int] = 2 "))
    assert planned(clone)["slices"] == 4


def test_another_number_of_shards_comes_before_gather_which_looks_whether_all_are_there(clone, edited):
    edited("config/studies/mini.yaml", lambda text: text.replace("seeds:", "shards: 2\nseeds:"))
    plan = planned(clone, "results/mini/cohorts/mini-egd/preprocessed.tsv")
    assert plan == {"preprocess_shard": 1, "gather": 1}


def test_a_changed_title_reruns_no_training(clone, edited):
    edited("config/experiments/starter-frozen.yaml", lambda text: text.replace("title: Starter", "title: The starter"))
    assert planned(clone) == READ


def test_a_changed_plot_reruns_plots_alone(clone, edited):
    path = "src/mmdino/reporting/figures/main.py"
    edited(path, lambda text: f"# a comment\n{text}")
    assert planned(clone) == {}
    edited(path, lambda text: f"{text}\nWIDER = 8\n")
    assert planned(clone) == {"figures": 1, "report": 1}


def test_published_figures_rerun_tables_and_report(clone, edited):
    edited("config/published.yaml", lambda text: f"{text}\n")
    assert planned(clone) == {"tables": 1, "report": 1}


def test_groups_are_targets(clone):
    assert planned(clone, "baselines") == {
        "train": 2, "predict": 2, "evaluate": 2, "baselines": 1,
    }  # fmt: skip
    assert planned(clone, "missing-sequences") == {}
    assert planned(clone, "preprocess") == {}


def test_what_is_asked_for_beside_the_report_is_in_it(clone):
    both = {name: 2 * jobs for name, jobs in ONE_RUN.items()} | READ
    assert planned(clone, "all", "baselines") == {**both, "baselines": 1}


def test_every_target_is_listed_with_a_sentence(clone):
    code, output = snakemake(clone, "help-targets")
    assert code == 0
    for name in (
        "all",
        "preprocess",
        "tables",
        "figures",
        "report",
        "ablations",
        "baselines",
        "missing-sequences",
        "leakage",
    ):
        assert re.search(rf"^{name} +\w.*\w", output, flags=re.M), name
    assert re.search(rf"^{SHORT} +short for mm-dinov2-{SHORT}$", output, flags=re.M)
    assert re.search(r"^radiomics +What do hand-made .*\?$", output, flags=re.M)


def test_snakemakes_own_report_has_captions_categories_and_labels(clone):
    code, output = snakemake(clone, "--report", "archive.zip")
    assert code == 0, output[-2000:]
    page = zipfile.ZipFile(clone / "archive.zip").read("archive/report.html").decode()
    assert CAPTIONS["external-mcc"] in page
    assert "A phantom study: its patients are computer-made" in page
    for said in (
        '"Figures": {"2 Main table": ["results/mini/figures/external-mcc.svg"]',
        '"table": "main"',
        '"Report"',
    ):
        assert said in page


def test_a_broken_arm_stops_no_other_and_the_report_is_built(clone):
    results = clone / "results" / "mini"
    for name in ("mm-dinov2", "radiomics"):
        shutil.rmtree(results / "runs" / name)
    (results / "statistics.json").unlink()
    (results / "report.html").unlink()
    code, output = snakemake(clone, BROKEN="mm-dinov2")
    assert code != 0
    assert "Error: broken" in output
    assert (results / "runs/radiomics/seed-0/metrics.json").exists()
    assert not (results / "runs/mm-dinov2/seed-0/metrics.json").exists()
    assert (results / "unfinished" / "report.html").exists()
    assert not (results / "report.html").exists()  # Snakemake would take it for the finished one
    assert snakemake(clone)[0] == 0
    assert (results / "report.html").exists()
    assert not (results / "unfinished").exists()
    assert planned(clone) == {}
