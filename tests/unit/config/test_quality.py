import logging

import pytest

from mmdino.config.quality import Quality, decided, read_decisions, require_known
from mmdino.errors import UserError

HEAD = "cohort\tsubject\tdecision\treason\n"


def test_a_word_is_a_policy():
    assert Quality.model_validate("exclude") == Quality(policy="exclude")


def test_decisions_are_read_by_cohort(tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_text(f"{HEAD}egd\tE1\texclude\tmotion\nucsf\tU1\tkeep\tlooks right\n")
    assert read_decisions(path, "egd") == {"E1": ("exclude", "motion")}
    assert read_decisions(path, "lumiere") == {}


def test_no_file_is_no_decision(tmp_path):
    assert read_decisions(tmp_path / "qc.tsv", "egd") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cohort\tsubject\n", "has no column decision, reason"),
        (f"{HEAD}egd\tE1\tdrop\tmotion\n", "line 2: decision is 'drop'; write exclude or keep"),
        (f"{HEAD}\tE1\tkeep\ta\n", "line 2: no cohort is given for 'E1'"),
        (f"{HEAD}egd\tE1\tkeep\n", "line 2: no reason is given for 'E1'"),
        (f"{HEAD}egd\tE1\tkeep\ta\negd\tE1\texclude\tb\n", "line 3: 'E1' of egd is decided on twice"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, said):
    path = tmp_path / "qc.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_decisions(path, "egd")


def test_what_is_no_text_is_named(tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(UserError, match="save it as tab-separated UTF-8 text"):
        read_decisions(path, "egd")


def test_what_excel_makes_of_it_is_read(tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_bytes(f"\ufeff{HEAD}EGD\tE1\texclude\tmotion\n".replace("\n", "\r\n").encode())
    assert read_decisions(path, "egd") == {"E1": ("exclude", "motion")}, "case does not count in a cohort's name"


STUDY = ["egd", "ucsf-pdgm", "tcga"]


def test_a_decision_under_a_misspelt_cohort_is_refused(tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_text(f"{HEAD}tcga\tT1\tkeep\tfine\n\nucsf\tU1\texclude\tmotion\n")
    with pytest.raises(
        UserError, match="line 4: this study has no cohort 'ucsf', and 'U1' is one of 'ucsf-pdgm'; did you"
    ):
        require_known(path, "ucsf-pdgm", {"U1", "U2"}, STUDY)
    require_known(path, "egd", {"E1"}, STUDY)
    require_known(path, "tcga", {"T1"}, STUDY)
    assert decided(path, "ucsf-pdgm", STUDY) != "{}", "the rule that would refuse it runs"
    assert decided(path, "egd", STUDY) == "{}"
    assert decided(path, "tcga", STUDY) == str(read_decisions(path, "tcga"))


def test_a_decision_of_another_study_is_let_be_and_told_where_it_names_one_of_ours(tmp_path, caplog):
    path = tmp_path / "qc.tsv"
    path.write_text(f"{HEAD}hospital\tH1\texclude\tmotion\n")
    with caplog.at_level(logging.WARNING):
        require_known(path, "egd", {"E1"}, STUDY)
        assert caplog.text == ""
        require_known(path, "egd", {"H1"}, STUDY)
    assert "'H1' is one of 'egd'; the decision does not count here" in caplog.text
    require_known(tmp_path / "none.tsv", "egd", {"H1"}, STUDY)
