"""Sentences follow the numbers, whichever arm wins."""

from dataclasses import replace

import pytest

from mmdino.reporting.claims import claims
from mmdino.reporting.data import gather
from mmdino.reporting.estimates import main_rows
from results_factory import ARMS, write_study

GOOD = replace(ARMS["mm-dinov2"], skill=2.0, robust=0.9)
POOR = replace(ARMS["mm-dinov2"], skill=0.1)


MET = "MM-DINOv2 improves on the network it starts from"
GAIN, ROBUST, UNLABELLED = "11.1\u00a0% more MCC", "robust to missing sequences", "patients without a label help"


def answer(tmp_path, phantom=True, **changed) -> dict:
    arms = ARMS | {name.replace("_", "-"): arm for name, arm in changed.items()}
    study, results = write_study(tmp_path, arms, phantom=phantom)
    data = gather(study, results)
    return {claim.title: claim for claim in claims(data, main_rows(data, data.shown("main", "baseline")))}


def about(found: dict, words: str):
    return next(claim for title, claim in found.items() if words in title)


def test_a_clear_win_is_supported(tmp_path):
    found = answer(tmp_path, mm_dinov2=GOOD)
    assert found[MET].verdict == "supported"
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
