import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdino.cohorts.common.labels import who2021
from mmdino.config import Labels
from mmdino.tables import CLASSES

ASTRO, GBM, OLIGO = CLASSES
NOTHING = ("", "NA", "Not Available", "Not Applicable", "indeterminate", "unknown", "-1", "-1.0", "NOS/NEC", "na")


@pytest.mark.parametrize(
    ("idh", "codeletion", "diagnosis", "label"),
    [
        ("WT", "", "", GBM),
        ("IDH1 p.R132H", "intact", "", ASTRO),
        ("Mutant", "codel", "", OLIGO),
        ("Mutant", "non-codel", "Glioblastoma", ASTRO),
        ("wildtype", "codel", "", ""),
        ("mutated (NOS)", "unknown", "", ""),
        ("mutated (NOS)", "unknown", "Astrocytoma, IDH-mutant", ASTRO),
        ("IDH1 p.R132C", "relative co-deletion", "Astrocytoma, IDH-mutant", ASTRO),
        ("IDH1 p.R132C", "relative co-deletion", "", ""),
        ("R132H mut", "", "", ""),
        ("", "", "Glioblastoma, IDH-wildtype", GBM),
        ("", "", "Glioblastoma", ""),
        ("NA", "NA", "IDHmut-codel", OLIGO),
        ("IDH1 neg, Sequencing required", "", "Glioblastoma, IDH-wildtype", ""),
        ("Mutant", "codel", "Astrocytoma, IDH-mutant", OLIGO),
    ],
)
def test_the_rule(idh, codeletion, diagnosis, label):
    verdict = who2021({"idh": idh, "1p19q": codeletion, "diagnosis": diagnosis}, Labels())
    assert verdict.label == label
    assert verdict.reason


@given(st.sampled_from(NOTHING), st.sampled_from(NOTHING), st.sampled_from(["", "2", "3", "4", "-1"]))
def test_unknown_is_never_a_class(idh, codeletion, grade):
    assert who2021({"idh": idh, "1p19q": codeletion, "grade": grade}, Labels()).label == ""


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_any_text_gets_a_class_or_a_reason(idh, codeletion, diagnosis):
    verdict = who2021({"idh": idh, "1p19q": codeletion, "diagnosis": diagnosis}, Labels())
    assert verdict.label in ("", *CLASSES)
    assert verdict.reason


def test_an_unknown_value_is_quoted():
    assert "'IDH9'" in who2021({"idh": "IDH9"}, Labels()).reason
    assert (
        "'perhaps'" in who2021({"idh": "Mutant", "1p19q": "perhaps"}, Labels(mutant_unknown_1p19q="astrocytoma")).reason
    )
