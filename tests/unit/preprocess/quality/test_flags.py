"""Each planted fault is flagged, by the check that is meant for it; unharmed patients are not."""

import numpy as np
import pandas as pd
import pytest

import prepared
from mmdino.config.quality import Quality
from mmdino.errors import UserError
from mmdino.nifti import Volume
from mmdino.preprocess.quality.flags import flags
from mmdino.preprocess.quality.judge import judge
from mmdino.preprocess.quality.measure import measure
from mmdino.tables import PREPROCESSED, conform


@pytest.fixture(scope="module")
def cohort():
    """Ten unharmed patients of one scanner, in atlas space."""
    return [prepared.prepare(f"q{number}") for number in range(10)]


@pytest.fixture(scope="module")
def rows(cohort):
    return [patient.row() | {"subject": f"q{number}"} for number, patient in enumerate(cohort)]


def table(rows):
    return conform(PREPROCESSED, pd.DataFrame(rows), "quality")


def with_fault(cohort, rows, fault, which=0):
    """Return the judged row of one patient whom a fault was planted in, beside nine unharmed ones."""
    spoilt = cohort[which].copy()
    fault(spoilt)
    mixed = [*rows]
    mixed[which] = spoilt.row() | {"subject": f"q{which}"}
    judged = judge(table(mixed), Quality(), {}, "c")
    assert not judged.drop(index=which)["flags"].any()
    return judged.loc[which, "flags"]


def test_unharmed_patients_pass(rows):
    judged = judge(table(rows), Quality(policy="exclude"), {}, "c")
    assert not judged["flags"].any()
    assert set(judged["status"]) == {"done"}
    assert judged["similarity_z"].notna().all()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (prepared.flipped, "left and right exchanged in t2"),
        (prepared.cut, "brain is cut"),
        (prepared.cut_sequence, "of the brain in every scan's field of view"),
        (prepared.mixed_up, "sequences mixed up: t2 looks like a flair, flair looks like a t2"),
        (prepared.one_scan_twice, "t1 and t1c are the same scan"),
        (prepared.unregistered, "registration: similarity"),
        (prepared.beside_the_atlas, "brain and atlas overlap by"),
        (prepared.brainless, "brain of 381 ml"),
        (prepared.tumour_outside, "of the tumour outside the brain"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_flagged(cohort, rows, fault, said):
    assert said in with_fault(cohort, rows, fault)


def test_t1_and_t1c_exchanged_are_told_by_a_strongly_enhancing_tumour(cohort, rows):
    which = int(np.argmax([row["enhancement"] for row in rows]))

    def exchange(patient):
        patient.scans["t1"], patient.scans["t1c"] = patient.scans["t1c"], patient.scans["t1"]

    assert "t1 and t1c exchanged" in with_fault(cohort, rows, exchange, which)


def test_masks_that_disagree_are_flagged(rows):
    assert flags({**rows[0], "rough_dice": 0.7}, Quality()) == ["brain mask and rough mask overlap by 0.70"]


def test_a_whole_flipped_patient_is_told_by_an_atlas_whose_halves_differ_and_by_no_other(cohort):
    patient = cohort[0]
    scans = {name: Volume(array, prepared.GRID.affine) for name, array in patient.scans.items()}
    asymmetric = Volume(np.where(patient.brain, patient.scans["t1"], 0), prepared.GRID.affine)
    mirrored = {name: Volume(volume.array[::-1], volume.affine) for name, volume in scans.items()}
    as_is = measure(scans, patient.brain, patient.tumour, asymmetric)
    turned = measure(mirrored, patient.brain[::-1], patient.tumour[::-1], asymmetric)
    assert as_is["flip_t1c"] < 0 < Quality().flip < turned["flip_t1c"]
    assert np.isnan(patient.row()["flip_t1c"])  # against the symmetric MNI152


def test_a_slab_is_judged_by_what_it_shows(cohort):
    patient = cohort[0].copy()
    for name in patient.scans:
        patient.scans[name] = patient.scans[name][:, :, 28:33]
    patient.brain, patient.tumour = patient.brain[:, :, 28:33], patient.tumour[:, :, 28:33]
    row = patient.row()
    assert np.isnan(row["flat_end"])
    assert row["brain_ml"] < 700
    assert [said for said in flags(row, Quality()) if "atlas" not in said] == []


def test_few_patients_have_no_usual_similarity(rows):
    assert judge(table(rows[:7]), Quality(), {}, "c")["similarity_z"].isna().all()


def test_a_bottle_in_a_brains_place_is_flagged_in_the_smallest_cohort(rows):
    bottle = {**rows[0], "similarity_t1c": 0.004, "similarity_t2": np.nan}
    assert "similarity of 0.004" in judge(table([bottle]), Quality(), {}, "c").loc[0, "flags"]


def test_similarity_is_judged_within_a_stage(rows):
    other = [{**row, "subject": f"n{row['subject']}", "stage": "native", "similarity_t1": 0.9} for row in rows]
    together = judge(table([*rows, *other]), Quality(), {}, "c")
    alone = judge(table(rows), Quality(), {}, "c")
    np.testing.assert_allclose(together["similarity_z"][:10], alone["similarity_z"])


def test_flagged_patients_are_left_out_where_the_study_says_so(rows):
    rows = [{**row, "in_view": 0.5} if row["subject"] == "q3" else row for row in rows]
    warned = judge(table(rows), Quality(), {}, "c").loc[3]
    assert (warned["status"], warned["flags"]) == ("done", "only 50% of the brain in every scan's field of view")
    excluded = judge(table(rows), Quality(policy="exclude"), {}, "c").loc[3]
    assert excluded["status"] == "excluded"
    assert excluded["reason"] == "quality control: only 50% of the brain in every scan's field of view"


def test_a_persons_decisions_win(rows):
    rows = [{**row, "in_view": 0.5} if row["subject"] == "q3" else row for row in rows]
    decisions = {"q3": ("keep", "seen by AB"), "q4": ("exclude", "moved")}
    judged = judge(table(rows), Quality(policy="exclude"), decisions, "c")
    assert (judged.loc[3, "status"], judged.loc[3, "decision"]) == ("done", "keep: seen by AB")
    assert "field of view" in judged.loc[3, "flags"]
    assert (judged.loc[4, "status"], judged.loc[4, "reason"]) == ("excluded", "config/qc.tsv: moved")


def test_a_decision_on_nobody_is_refused(rows):
    with pytest.raises(UserError, match="cohort c has no subject 'q33'; did you mean 'q3"):
        judge(table(rows), Quality(), {"q33": ("keep", "why")}, "c")
