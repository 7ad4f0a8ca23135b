"""The report of studies in every state: whole, half done, with nothing, broken, hostile."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from htmltree import by_id, parse, words
from mmdino.config import load_study
from mmdino.config.chosen import command
from mmdino.insight.record import Insight, write_insight
from mmdino.reporting import drawing, report
from mmdino.reporting.captions import CAPTIONS
from mmdino.reporting.data import gather
from mmdino.reporting.report import build_report, folder_of_report, write_page
from mmdino.reporting.rerun import departure_table
from mmdino.reporting.sections import SECTIONS, section_of
from mmdino.reporting.statistics import read_statistics
from mmdino.reporting.study import cost_table
from results_factory import ARMS, MadeArm, predictions, write_study, written

ROOT = Path(__file__).parents[3]
HOSTILE = "sub-<script>alert(1)</script>&\"x'"


def page(study, results):
    return parse(build_report(study, results).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    study, results = write_study(root, seeds=(0, 1), subject=HOSTILE)
    return page(study, results), results


def test_a_report_before_the_end_does_not_lie_where_snakemake_would_take_it_for_the_last(tmp_path):
    study, results = write_study(tmp_path, seeds=(0, 1))
    runs = [results / f"runs/{name}/seed-{seed}" for name in study.default for seed in study.seeds(name)]
    for run in runs:
        run.mkdir(parents=True, exist_ok=True)
        (run / "predictions.parquet").touch()
    assert folder_of_report(study, results) == results
    (runs[-1] / "predictions.parquet").unlink()
    assert folder_of_report(study, results) == results / "unfinished"


def test_every_section_and_figure_is_there(whole):
    tree, results = whole
    names = (
        "external-mcc",
        "missing-sequences",
        "by-count",
        "one-missing",
        "random-missing",
        "confusion",
        "training",
        "cost",
    )
    for name in names:
        assert len(list(by_id(tree, f"figure-{name}").iter("svg"))) == 1
        assert {path.suffix for path in (results / "figures").glob(f"{name}.*")} == {".svg"}
    assert len(by_id(tree, "quality").findall(".//figure/img")) == 5
    links = [link.get("href").removeprefix("#") for link in tree.find(".//nav").iter("a")]
    assert links == [section.get("id") for section in tree.findall(".//main/section")]


def test_each_section_holds_its_tables_and_figures_with_their_files_and_what_makes_them_again(whole):
    tree, results = whole
    outputs = pd.read_csv(results / "tables/outputs.tsv", sep="\t").set_index("file")
    for section in SECTIONS:
        shown = by_id(tree, section.name)
        ids = {element.get("id") for element in shown.iter() if element.get("id")}
        assert {name for name in ids if name.startswith("table-")} <= {f"table-{name}" for name in section.tables}
        assert {name for name in ids if name.startswith("figure-")} <= {f"figure-{name}" for name in section.figures}
        assert command("made-up", section.target) in words(shown)
        for kind, name in [*(("table", n) for n in section.tables), *(("figure", n) for n in section.figures)]:
            path = f"tables/{name}.tsv" if kind == "table" else f"figures/{name}.svg"
            if f"{kind}-{name}" in ids:
                assert path.rpartition(".")[0] in words(shown)
                assert (results / path).is_file()
            if section.name != "rerun":
                assert outputs.loc[path, "command"] == command("made-up", section.target)
    tables = {path.stem for path in (results / "tables").glob("*.tsv")}
    assert tables == {name for section in SECTIONS for name in section.tables}
    figures = {path.stem for path in (results / "figures").glob("*.svg")}
    assert figures <= {name for section in SECTIONS for name in section.figures}


def test_each_section_is_made_again_by_targets_that_the_workflow_has():
    rules = (
        "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
        + (ROOT / "workflow/Snakefile").read_text()
    )
    known = set(re.findall(r'^rule (\w+):|^ +"([\w-]+)"\n +input:', rules, re.MULTILINE))
    for section in SECTIONS:
        for target in section.target.replace("--forcerun", "").split():
            assert target in {name for pair in known for name in pair}


def test_every_figure_has_a_caption_and_a_section():
    assert set(CAPTIONS) == {name for section in SECTIONS for name in section.figures}
    assert section_of("figures", "confusion") == "5 Errors"
    assert section_of("tables", "main") == "2 Main table"


def test_what_differs_from_the_paper_is_listed_with_who_chose_it(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    assert departure_table(gather(study, results)).frame.empty
    with study.path.open("a") as opened:
        opened.write("methods: {mm-dinov2: {steps: 9000, accumulate: 2}}\n")
    lines = departure_table(gather(load_study(study.path), results)).frame.to_dict("records")
    assert [(line["setting"], line["published"], line["here"]) for line in lines] == [("steps", "8400", "9000")]
    assert (lines[0]["said_by"], lines[0]["chosen_by"]) == ("paper", "this study")


def test_ids_are_unique_and_no_request_goes_out(whole):
    tree, results = whole
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        for reference in (element.get("src"), element.get("href"), element.get("xlink:href")):
            assert reference is None or reference.startswith(("data:", "#"))
    assert "@import" not in (results / "report.html").read_text()
    assert (results / "report.html").stat().st_size < 8e6


def test_a_hostile_name_is_text(whole):
    tree, results = whole
    assert HOSTILE in words(by_id(tree, "failures"))
    assert "<script>alert" not in (results / "report.html").read_text()
    run = [script for script in tree.iter("script") if script.get("type") != "application/json"]
    assert len(run) == 2  # Vega and ours


def test_phantom_stands_in_every_heading_and_figure_of_a_result(whole):
    tree, results = whole
    for section in tree.findall(".//main/section"):
        if section.get("id") not in ("rerun", "settings"):
            assert "(phantom)" in words(section.find("h2"))
    for figure in (results / "figures").glob("*.svg"):
        assert "(phantom)" in figure.read_text()


def test_numbers_on_the_page_are_those_of_the_tables(whole):
    tree, results = whole
    frame = pd.read_csv(results / "tables/main.tsv", sep="\t").set_index("arm")
    rows = {words(row.find("th")): row for row in by_id(tree, "table-main").findall("tbody/tr")}
    assert set(rows) == set(frame.index)
    for arm, row in rows.items():
        keys = [float(cell.get("data-key") or "nan") for cell in row.findall("td")[:5]]
        columns = ["mcc", "mcc_deviation", "balanced_accuracy", "auroc", "f1"]
        np.testing.assert_allclose(keys, frame.loc[arm, columns].astype(float), rtol=1e-5)
    text = words(rows["MM-DINOv2"])
    mcc = frame.loc["MM-DINOv2", "mcc"]
    assert f"{mcc:.2f}"[1:] in text


def test_every_row_has_a_head(whole):
    rows = [row for table in whole[0].iter("table") for row in table.findall("tbody/tr")]
    assert rows
    for row in rows:
        assert [(cell.tag, cell.get("scope")) for cell in row] == [("th", "row")] + [("td", None)] * (len(row) - 1)


def test_every_number_by_which_a_table_is_sorted_is_in_its_file(whole):
    tree, results = whole
    for table in (element for element in tree.iter("table") if (element.get("id") or "").startswith("table-")):
        frame = pd.read_csv(results / "tables" / f"{table.get('id').removeprefix('table-')}.tsv", sep="\t")
        rows = table.findall("tbody/tr")
        assert len(rows) == len(frame)
        for row, kept in zip(rows, frame.itertuples(index=False)):
            numbers = [value for value in kept if isinstance(value, int | float)]
            for cell in row:
                if cell.get("class") == "number" and re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell.get("data-key")):
                    assert np.isclose(numbers, float(cell.get("data-key")), rtol=1e-5).any(), words(row)


def test_the_energy_of_an_arms_gpus_is_told_where_it_is_known(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"], "radiomics": ARMS["radiomics"]}, (0, 1))
    for path in (results / "runs/mm-dinov2").glob("*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"device": "A card", "gpu_joules": 900_000}))
    costs = cost_table(gather(study, results)).frame.set_index("experiment")["detail"]
    assert costs["mm-dinov2"] == "A card, 0.5 kWh of its first GPU"
    assert "kWh" not in costs["radiomics"]


def test_the_table_is_ranked_between_ceiling_and_floor(whole):
    _, results = whole
    frame = pd.read_csv(results / "tables/main.tsv", sep="\t")
    arms = frame["arm"].tolist()
    assert arms[0] == "Sign oracle (ceiling)"
    assert arms[-1] == "Always glioblastoma (floor)"
    inner = frame["mcc"].to_numpy()[1:-2]
    assert (np.diff(inner) <= 0).all()
    assert frame["state"].tolist()[-2] == "not run"


def test_what_was_not_run_is_said_with_its_command(whole):
    tree, _ = whole
    text = words(by_id(tree, "main"))
    assert "Supervised ViT: not run. Run it with .venv/bin/snakemake --profile profiles/local supervised-vit" in text


def test_failures_and_missing_sequences_are_counted(whole):
    _, results = whole
    cohorts = pd.read_csv(results / "tables/cohorts.tsv", sep="\t").set_index("cohort")
    assert cohorts.loc["whole-heads", "failed"] == 1
    assert cohorts.loc["whole-heads", "missing"] == "flair 1"
    assert cohorts.loc["external", "test"] == 90
    failures = pd.read_csv(results / "tables/failures.tsv", sep="\t")
    assert failures.loc[failures["what"] == HOSTILE, "reason"].item().startswith("t1c is truncated")


def test_figures_for_print_are_the_same_bytes_again_and_go_with_the_numbers(tmp_path, monkeypatch):
    plans, names = drawing._plans, ("cost", "external-mcc", "confusion")  # few, since PDF takes long
    monkeypatch.setattr(drawing, "_plans", lambda *files: {name: plans(*files)[name] for name in names})
    monkeypatch.setattr(report, "sources", lambda *files: dict.fromkeys(CAPTIONS, "those files"))
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    tree, folder = page(study, results), results / "figures"
    assert "File: figures/cost.svg" in words(by_id(tree, "figure-cost"))
    assert folder.stat().st_mtime < (results / "statistics.json").stat().st_mtime  # Snakemake: figures are wanting
    data, found = gather(study, results), read_statistics(results)
    drawing.write_figures(data, found)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {f"{name}.{kind}" for name in names for kind in ("svg", "pdf", "png")}
    assert "For print: figures/confusion.pdf" in words(parse(write_page(data, found).read_text(encoding="utf-8")))
    (folder / "cost.png").unlink()
    (folder / "external-mcc.svg").write_text("of other numbers")
    kept = (folder / "confusion.pdf").stat().st_ino
    drawing.write_figures(data, found, kinds=("svg",))
    assert [path.suffix for path in folder.glob("external-mcc.*")] == [".svg"]  # none stays that shows other numbers
    drawing.write_figures(data, found, processes=2)
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (folder / "confusion.pdf").stat().st_ino == kept  # what has not changed is not drawn again


def test_a_study_with_no_file_at_all(tmp_path):
    study, _ = write_study(tmp_path)
    (tmp_path / "empty").mkdir()
    text = words(page(study, tmp_path / "empty"))
    assert "No arm has been tested yet; run .venv/bin/snakemake --profile profiles/local mm-dinov2" in text
    assert "No arm has predictions yet" in text
    assert "0 of 7" in text


def test_one_arm_one_seed_without_phantoms(tmp_path):
    arms = {"radiomics": MadeArm(0.7, "radiomics", title="Radiomics")}
    study, results = write_study(tmp_path, arms, phantom=False, subject=HOSTILE)
    tree = page(study, results)
    assert "--forcerun manifest --config study=made-up alone" in words(by_id(tree, "failures"))
    assert "phantom" not in words(by_id(tree, "main"))
    assert "The study has no arm to compare with" in words(tree)
    assert "Radiomics has the highest MCC" in words(tree)


def test_a_half_done_study(tmp_path):
    study, results = write_study(tmp_path, seeds=(0, 1))
    runs = results / "runs"
    (runs / "mm-dinov2/seed-1/predictions.parquet").unlink()
    (runs / "radiomics/seed-0/run.json").write_text("{broken")
    (runs / "radiomics/seed-0/log.jsonl").write_text('{"step": 1, "loss": NaN}\n{"st')
    bad = predictions(0.5, readouts=("cls",))
    bad.loc[3, "p_astrocytoma"] = 2.0
    written(runs / "starter-frozen/seed-0", bad)
    (results / "splits.tsv").write_text("patient\tnonsense\n")
    write_insight(Insight("mm-dinov2", 0, problem="no memory"), results / "insight")
    older = results / "cohorts/home/preprocessed.tsv"
    pd.read_csv(older, sep="\t").drop(columns=["flags", "decision"]).to_csv(older, sep="\t", index=False)
    (results / "statistics.json").write_text('{"main": []}')  # of an older version: estimated anew
    record = runs / "supervised-cnn/seed-0/run.json"
    record.write_text(re.sub(r'"cpu_seconds": [0-9.]+', '"cpu_seconds": NaN', record.read_text()))
    text = words(page(study, results))
    assert "of another version of this program: missing columns flags, decision" in text
    assert "MM-DINOv2 (1 of 2 seeds)" in text
    assert "seed 1: training stopped at step 300" in text
    assert "row 3 (subject sub-0003): probabilities" in text
    assert "is not a splits table" in text
    assert "Looking into mm-dinov2 failed: no memory" in text


def test_a_class_without_test_patients(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"], "starter-frozen": ARMS["starter-frozen"]})
    for name in ("mm-dinov2", "starter-frozen"):
        frame = predictions(0.6, readouts=("cls", "patch"))
        written(results / f"runs/{name}/seed-0", frame[(frame["label"] == "glioblastoma") | (frame["split"] == "val")])
    text = words(page(study, results))
    assert "has an MCC: MM-DINOv2 (too few classes) and Starter, frozen (too few classes)." in text
    assert "No arm has been tested yet" not in text


def test_titles_with_markup_and_mathematics_are_text(tmp_path):
    title = 'a < b & "c" $\\frac{1}{0}$ مرحبا'
    study, results = write_study(tmp_path, {"mm-dinov2": MadeArm(0.7, "mm-dinov2", title=title, steps=60)})
    tree = page(study, results)
    assert title in words(by_id(tree, "table-main"))
    assert title in words(by_id(tree, "figure-external-mcc"))


def test_a_studys_remarks_stand_below_its_answer(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    with study.path.open("a") as opened:
        opened.write("remarks: ['Tried: K < 3 & `docs/method.md`.']\n")
    tree = page(load_study(study.path), results)
    assert "Tried: K < 3 & docs/method.md." in words(by_id(tree, "answer"))


def test_a_broken_picture_is_left_out_and_scans_that_are_not_there_are_said(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    next((results / "cohorts/whole-heads/figures").iterdir()).write_bytes(b"no picture")
    quality = by_id(page(study, results), "quality")
    assert len(quality.findall(".//figure/img")) == 4
    assert "Nothing to scroll through: head-" in words(quality)
    assert "raw/t1.nii.gz: is not at hand" in words(quality)


def test_a_broken_oracle_is_said_and_left_out(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    (results / "truth/oracle.json").write_text("{")
    tree = page(study, results)
    assert "is not valid JSON" in words(tree)
    assert "Sign oracle" not in words(tree)


def test_reporting_needs_no_torch():
    code = "import sys, mmdino.reporting.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
