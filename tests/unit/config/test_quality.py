import pytest

from mmdino.config.quality import Quality, read_decisions
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
