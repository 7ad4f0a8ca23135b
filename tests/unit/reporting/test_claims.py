"""Sentences follow the numbers, whichever arm wins."""

from dataclasses import replace

import pytest

from mmdino.config.study import load_study
from mmdino.reporting.claims import claims
from mmdino.reporting.data import gather
from mmdino.reporting.estimates import main_rows
from results_factory import ARMS, write_study

GOOD = replace(ARMS["mm-dinov2"], skill=2.0, robust=0.9)
POOR = replace(ARMS["mm-dinov2"], skill=0.1)
CNN = replace(ARMS["supervised-cnn"], skill=0.5)
VIT = replace(ARMS["supervised-vit"], skill=0.4, readout="cls")


MET = "MM-DINOv2 improves on the network it starts from"
GAIN, ROBUST, UNLABELLED = "11.1\u00a0% more MCC", "robust to missing sequences", "patients without a label help"


def answer(tmp_path, phantom=True, seeds=(0,), gone=(), reference="", **changed) -> dict:
    """Return the claims of a study of ``ARMS``, some ``changed``, by title; ``gone`` are runs without predictions."""
    arms = ARMS | {name.replace("_", "-"): arm for name, arm in changed.items()}
    study, results = write_study(tmp_path, arms, seeds, phantom=phantom)
    for run in gone:
        (results / "runs" / run / "predictions.parquet").unlink()
    if reference:
        with study.path.open("a") as opened:
            opened.write(f"reference: {reference}\n")
        study = load_study(study.path)
    data = gather(study, results)
    return {claim.title: claim for claim in claims(data, main_rows(data, data.shown("main", "baseline")))}


def about(found: dict, words: str):
    return next(claim for title, claim in found.items() if words in title)


def test_a_clear_win_is_supported(tmp_path):
    found = answer(tmp_path, mm_dinov2=GOOD, supervised_cnn=CNN, supervised_vit=VIT)
    assert found[MET].verdict == "supported"
    assert "n = 90; one seed." in found[MET].sentence
    assert "(difference +" in found[MET].sentence
    assert "MM-DINOv2 has the highest MCC" in found["The best arm on the external test"].sentence
    assert about(found, GAIN).verdict == "supported"
    assert about(found, ROBUST).verdict == "supported"


def test_a_clear_loss_is_not_supported_and_called_the_opposite(tmp_path):
    found = answer(tmp_path, mm_dinov2=POOR, supervised_cnn=replace(ARMS["supervised-cnn"], skill=2.0))
    assert found[MET].verdict == "not supported"
    assert "The opposite holds." in found[MET].sentence
    assert about(found, GAIN).verdict == "not supported"
    assert about(found, GAIN).sentence.startswith("−")
    assert "CNN with sequence dropout has the highest MCC" in found["The best arm on the external test"].sentence


def test_level_arms_are_not_shown_to_differ(tmp_path):
    even = replace(ARMS["mm-dinov2"], skill=0.75, robust=0.5)
    found = answer(tmp_path, mm_dinov2=even, mm_dinov2_no_full_modality_masking=even)
    masking = found["Full-modality masking helps when one sequence is missing"]
    assert masking.verdict == "not supported"
    assert "opposite" not in masking.sentence


@pytest.mark.parametrize("name", ["starter_frozen", "mm_dinov2"])
def test_what_was_not_run_is_not_judged(tmp_path, name):
    missing = name.replace("_", "-")
    found = answer(tmp_path, **{name: replace(ARMS[missing], skill=None)})
    assert found[MET].verdict == "not testable"
    assert f"profiles/local {missing} --config study=made-up`" in found[MET].sentence


@pytest.mark.parametrize(("skill", "verdict"), [(2.0, "supported"), (0.1, "not supported")])
def test_an_absolute_figure_is_judged_on_people_alone(tmp_path, skill, verdict):
    arm = replace(GOOD, skill=skill)
    assert about(answer(tmp_path / "people", phantom=False, mm_dinov2=arm), "external MCC").verdict == verdict
    phantoms = about(answer(tmp_path / "phantoms", mm_dinov2=arm), "external MCC")
    assert phantoms.verdict == "not testable"
    assert "says nothing about an MCC on people" in phantoms.sentence


def test_unlabelled_patients_are_judged_by_the_arm_without_them(tmp_path):
    poor = replace(POOR, title="Without the unlabelled")
    found = about(answer(tmp_path, mm_dinov2=GOOD, mm_dinov2_no_unlabelled=poor), UNLABELLED)
    assert found.verdict == "supported"
    assert "Without the unlabelled" in found.sentence


@pytest.mark.parametrize("name", ["starter-frozen", "mm-dinov2"])
def test_a_claim_waits_for_every_seed(tmp_path, name):
    gone = [f"{name}/seed-1", f"{name}/seed-2"]
    found = answer(tmp_path, seeds=(0, 1, 2), gone=gone, mm_dinov2=GOOD)
    assert found[MET].verdict == "not testable"
    assert found[MET].sentence.startswith(f"Without seeds 1 and 2: {ARMS[name].title} (`")
    assert f"{name} --config study=made-up`" in found[MET].sentence


def test_a_figure_of_the_paper_waits_for_every_seed(tmp_path):
    found = answer(tmp_path, phantom=False, seeds=(0, 1), gone=["mm-dinov2/seed-1"], mm_dinov2=GOOD)
    assert about(found, "external MCC").verdict == "not testable"
    assert "Without seed 1: MM-DINOv2" in about(found, "external MCC").sentence


def test_better_than_each_is_not_said_while_one_was_not_run(tmp_path):
    found = answer(tmp_path, mm_dinov2=GOOD, supervised_cnn=CNN)
    for words in (GAIN, ROBUST):
        assert about(found, words).verdict == "not testable"
        assert "for CNN with sequence dropout" in about(found, words).sentence
        assert "Not run: Supervised ViT (`" in about(found, words).sentence


def test_one_arm_that_is_not_worse_refutes_whatever_was_not_run(tmp_path):
    found = answer(tmp_path, mm_dinov2=POOR)
    for words in (GAIN, ROBUST):
        assert about(found, words).verdict == "not supported"
        assert "Not run: Supervised ViT (`" in about(found, words).sentence


def test_a_published_figure_faces_the_interval(tmp_path):
    near = about(answer(tmp_path, phantom=False, mm_dinov2=replace(GOOD, skill=0.5)), "external MCC")
    assert "MM-DINOv2 has .61" in near.sentence
    assert near.verdict == "not supported"
    assert near.sentence.endswith("The interval reaches below and above .60.")


def test_arms_that_exist_and_were_not_asked_are_said_to_be_so(tmp_path):
    found = answer(tmp_path, mm_dinov2=replace(GOOD, readout="head"))
    assert found[MET].sentence.startswith("Without answers by read-out head: MM-DINOv2 (`")
    masking = found["Full-modality masking helps when one sequence is missing"]
    assert "read-out head with a sequence missing, under `transfer`: MM-DINOv2" in masking.sentence


def test_the_best_arm_is_not_said_to_be_above_an_ablation_that_has_more(tmp_path):
    better = replace(GOOD, group="ablation", title="Something less")
    found = answer(tmp_path, mm_dinov2_something_less=better)["The best arm on the external test"].sentence
    assert "has the highest MCC of the main comparison and the baselines" in found
    assert "One ablation has more: Something less, " in found


def test_an_arm_without_a_figure_is_named_with_the_true_reason(tmp_path):
    head = replace(ARMS["radiomics"], readout="head")  # which hand-made features have none of
    stopped = replace(ARMS["random-frozen"], steps=9)
    found = answer(tmp_path, radiomics=head, random_frozen=stopped, gone=["random-frozen/seed-0"])
    sentence = found["The best arm on the external test"].sentence
    assert "Radiomics (no head)" in sentence
    assert "Random network, frozen (unfinished)" in sentence
    assert "Supervised ViT (not run)" in sentence


def test_arms_with_the_same_answers_are_one_rival(tmp_path):
    copy = replace(ARMS["supervised-cnn"], title="The same CNN", trained_as="supervised-cnn", skill=CNN.skill)
    cnn = replace(CNN, trained_as="supervised-cnn")
    found = answer(tmp_path, mm_dinov2=GOOD, supervised_cnn=cnn, supervised_copy=copy, supervised_vit=VIT)
    assert about(found, ROBUST).verdict == "supported"
    assert "The same CNN" not in about(found, ROBUST).sentence


def test_the_next_best_is_no_copy_of_the_best(tmp_path):
    copy = replace(GOOD, title="The same again", trained_as="mm-dinov2")
    sentence = answer(tmp_path, mm_dinov2=GOOD, copy=copy)["The best arm on the external test"].sentence
    assert sentence.startswith("MM-DINOv2 has the highest MCC")
    assert "The same again" not in sentence


def test_the_start_is_the_frozen_arm_of_the_same_weights_whatever_it_is_called(tmp_path):
    weights = {"backbone": "dinov2"}
    frozen = replace(ARMS["starter-frozen"], title="DINOv2, frozen", settings=weights)
    found = answer(tmp_path, mm_dinov2=replace(GOOD, settings=weights), dinov2_frozen=frozen)
    assert found[MET].verdict == "supported"
    assert "for DINOv2, frozen (difference" in found[MET].sentence
    assert "Starter" not in found[MET].sentence


def test_the_reference_is_not_compared_with_itself(tmp_path):
    found = answer(tmp_path, reference="supervised-cnn")
    for claim in found.values():
        assert "against CNN with sequence dropout" not in claim.sentence
    assert about(found, ROBUST).sentence.startswith("Not run: Supervised ViT")
    assert about(found, "improves on the network it starts from").sentence == "The study has no arm to compare with."
