"""Sentences follow the numbers, whichever arm wins."""

from dataclasses import replace

import pytest

from mmdino.reporting.claims import claims
from mmdino.reporting.data import gather
from mmdino.reporting.estimates import main_rows
from results_factory import ARMS, write_study

GOOD = replace(ARMS["mm-dinov2"], skill=2.0, robust=0.9)
POOR = replace(ARMS["mm-dinov2"], skill=0.1)


def answer(tmp_path, **changed) -> dict:
    study, results = write_study(tmp_path, ARMS | {name.replace("_", "-"): arm for name, arm in changed.items()})
    data = gather(study, results)
    return {claim.title: claim for claim in claims(data, main_rows(data))}


def test_a_clear_win_is_supported(tmp_path):
    found = answer(tmp_path, mm_dinov2=GOOD)
    start = found["MM-DINOv2 improves on the network it starts from"]
    assert start.verdict == "supported"
    assert "(difference +" in start.sentence
    assert "MM-DINOv2 has the highest MCC" in found["The best arm on the external test"].sentence


def test_a_clear_loss_is_called_the_opposite(tmp_path):
    found = answer(tmp_path, mm_dinov2=POOR, supervised_cnn=replace(ARMS["supervised-cnn"], skill=2.0))
    assert found["MM-DINOv2 improves on the network it starts from"].verdict == "the opposite"
    assert found["MM-DINOv2 beats supervised training, all sequences at hand"].verdict == "the opposite"
    assert "CNN with sequence dropout has the highest MCC" in found["The best arm on the external test"].sentence


def test_level_arms_are_not_shown_to_differ(tmp_path):
    even = replace(ARMS["mm-dinov2"], skill=0.75, robust=0.5)
    found = answer(tmp_path, mm_dinov2=even, mm_dinov2_no_full_modality_masking=even)
    assert found["Full-modality masking helps when one sequence is missing"].verdict == "not shown"


@pytest.mark.parametrize("name", ["starter_frozen", "mm_dinov2"])
def test_what_was_not_run_is_not_judged(tmp_path, name):
    missing = name.replace("_", "-")
    found = answer(tmp_path, **{name: replace(ARMS[missing], skill=None)})
    start = found["MM-DINOv2 improves on the network it starts from"]
    assert start.verdict == "not run"
    assert f"profiles/local {missing}`" in start.sentence
