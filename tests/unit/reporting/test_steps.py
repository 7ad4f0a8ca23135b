"""Statistics are computed once; tables and page are made from the file."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from htmltree import by_id, parse, words
from mmdino.errors import UserError
from mmdino.files import write_json
from mmdino.reporting.data import gather
from mmdino.reporting.figures.fractions import curves
from mmdino.reporting.report import build_page, write_page, write_tables
from mmdino.reporting.statistics import NAME, estimate, read_statistics, write_statistics
from results_factory import ARMS, write_study

PUBLISHED = Path(__file__).parents[3] / "config" / "published.yaml"
SOME = ("mm-dinov2", "supervised-cnn", "radiomics", "starter-frozen", "supervised-vit")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("steps")
    ablation = replace(ARMS["mm-dinov2"], skill=0.5, title="Ablated", group="ablation")
    study, results = write_study(root, {name: ARMS[name] for name in SOME} | {"mm-dinov2-x": ablation}, seeds=(0, 1))
    shutil.copy(PUBLISHED, root / "config")
    best = {"trial": 3, "mcc": 0.8, "settings": {"lr": 0.5}}
    tuned = {"trials": 20, "budget": 20, "readout": "head", "first_mcc": 0.7, "best": best}
    write_json(results / "tuning/supervised-cnn/best.json", tuned)
    data = gather(study, results)
    write_statistics(estimate(data), results)
    write_tables(data, read_statistics(results))
    return data, results


def table(results, name):
    return pd.read_csv(results / f"tables/{name}.tsv", sep="\t")


def test_statistics_come_back_from_their_file_as_they_were(made):
    data, results = made
    assert read_statistics(results) == estimate(data, processes=2)


def test_an_estimate_that_is_no_number_comes_back_as_none(made, tmp_path):
    found = read_statistics(made[1])
    row = found.main[0]
    blurred = replace(row, metrics={**row.metrics, "mcc": replace(row.metrics["mcc"], low=float("nan"))})
    write_statistics(replace(found, main=[blurred, *found.main[1:]]), tmp_path)
    assert np.isnan(read_statistics(tmp_path).main[0].metrics["mcc"].low)


def test_statistics_of_another_program_are_refused(made, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_statistics(tmp_path)
    (tmp_path / NAME).write_text('{"main": []}')
    with pytest.raises(UserError, match=r"of another version of this program \(ablations"):
        read_statistics(tmp_path)


def test_a_page_of_another_program_s_statistics_is_made_anew_and_says_so(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]})
    (results / NAME).write_text('{"main": []}')
    (results / "figures").mkdir()
    (results / "figures/cost.svg").write_text("<svg of other numbers>")
    tree = parse(build_page(study, results).read_text(encoding="utf-8"))
    assert "1 of the study's files could not be used as it is" in words(tree.find(".//header"))
    said = words(by_id(tree, "failures"))
    assert "--forcerun manifest" not in said  # phantoms are made, and nothing of theirs is mended by hand
    assert "is of another version of this program (ablations" in said
    assert "all estimates were made anew" in said
    assert "svg of other numbers" not in words(tree)
    assert read_statistics(results).main[0].mcc
    tree = parse(build_page(study, results).read_text(encoding="utf-8"))
    assert "could not be used" not in words(tree)


def test_ablations_stand_in_a_table_of_their_own_with_their_own_correction(made):
    _, results = made
    main, ablations = table(results, "main"), table(results, "ablations")
    assert "Ablated" not in set(main["arm"])
    assert ablations["arm"].tolist() == ["Ablated"]
    assert ablations["p_holm"].tolist() == ablations["p"].tolist()
    compared = main.dropna(subset=["p"])
    assert len(compared) == 3
    assert (compared["p_holm"] >= compared["p"]).all()
    assert compared["p_holm"].max() > compared["p"].min()


def test_every_metric_has_its_intervals_over_patients_and_over_both(made):
    _, results = made
    frame = table(results, "metrics")
    assert set(frame["metric"]) >= {"mcc", "auroc_ovo", "brier", "log_loss", "ece", "sensitivity_glioblastoma"}
    assert (frame["value_low"] <= frame["value_high"]).all()
    for row in read_statistics(results).main:
        if row.mcc:
            assert row.mcc.total_high - row.mcc.total_low > 2 * 1.95 * row.mcc.patient_error
    assert frame.loc[~frame["metric"].isin(["mcc", "brier", "log_loss"]), "total_high"].max() <= 1


def test_a_table_is_also_markdown_and_latex_with_the_same_cells(made):
    _, results = made
    markdown = (results / "tables/main.md").read_text().splitlines()
    latex = (results / "tables/main.tex").read_text()
    assert len(markdown) == len(table(results, "main")) + 2
    assert r"\toprule" in latex
    assert "−" not in latex
    assert "MM-DINOv2" in latex
    assert any(line.startswith("| MM-DINOv2") for line in markdown)


def test_published_figures_stand_beside_ours_with_their_standing(made):
    _, results = made
    frame = table(results, "published")
    assert frame.loc[0, ["published", "standing", "experiment"]].tolist() == [0.6, "firm", "mm-dinov2"]
    assert frame.loc[0, "test"] == pytest.approx(table(results, "main").set_index("experiment").loc["mm-dinov2", "mcc"])
    assert set(frame["standing"]) == {"firm", "derived", "secondary"}
    assert frame["source"].notna().all()


def test_trials_are_counted_and_said_to_be_unused(made):
    _, results = made
    trials = table(results, "main").set_index("experiment")["trials"]
    assert (trials["supervised-cnn"], trials["radiomics"]) == (20, 0)
    assert table(results, "tuning").set_index("experiment").loc["supervised-cnn", "in_use"] == "no"


def test_the_page_is_made_from_the_file_without_figures(made):
    data, results = made
    tree = parse(write_page(data, read_statistics(results)).read_text(encoding="utf-8"))
    assert "Ablated" in words(by_id(tree, "table-ablations"))
    assert "Supervised ViT: not run" in words(by_id(tree, "main"))
    assert "evaluation.margin" in words(by_id(tree, "main"))


def test_shares_of_labels_are_a_curve_that_ends_at_the_plain_arm(tmp_path):
    fewer = replace(
        ARMS["mm-dinov2"], skill=0.4, title="A tenth of the labels", group="ablation", data={"labelled_fraction": 0.1}
    )
    data = gather(*write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"], "mm-dinov2-tenth": fewer}))
    found = estimate(data)
    by_arm = curves(data, [*found.main, *found.ablations], "labelled_fraction")
    assert [share for share, _ in by_arm["mm-dinov2"]] == [0.1, 1.0]
    assert by_arm["mm-dinov2"][1][1] == found.main[0].mcc
    assert curves(data, [*found.main, *found.ablations], "unlabelled_fraction") == {}


def test_by_number_of_sequences_is_the_mean_over_their_sets(made):
    found = read_statistics(made[1])
    cells = [c for c in found.missing if (c.arm, c.protocol) == ("radiomics", "transfer")]
    pairs = [cell.mcc.value for cell in cells if len(cell.sequences.split("+")) == 2]
    two = next(c for c in found.by_count if (c.arm, c.protocol, c.count) == ("radiomics", "transfer", 2))
    assert len(pairs) == 6
    assert two.mcc.value == pytest.approx(sum(pairs) / 6)
