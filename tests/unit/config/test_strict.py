from pathlib import Path

import pytest

from mmdino.config.strict import read_yaml
from mmdino.errors import UserError

CONFIG = Path(__file__).parents[3] / "config"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", r"line 3: 'a' stands twice, in line 1 already; keep one"),
        ("cohorts:\n  ours: {path: x}\n  ours: {path: y}\n", r"line 3: 'ours' stands twice, in line 2 already"),
        ("list:\n  - {lr: 1, 'lr': 2}\n", r"line 2: 'lr' stands twice"),
        ("base: &base\n  lr: 1\n  lr: 2\nother:\n  <<: *base\n", r"line 3: 'lr' stands twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path, text, said):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"study\.yaml, {said}"):
        read_yaml(path)


def test_anchors_and_merges_may_be_written_over(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {lr: 1, steps: 2}\nb: &b {<<: *a, lr: 3}\nc: {<<: *b, steps: 4}\nd: *b\ne: &e [*a, *e]\n")
    found = read_yaml(path)
    assert (found["b"], found["c"]) == ({"lr": 3, "steps": 2}, {"lr": 3, "steps": 4})
    assert found["d"] is found["b"]


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_of_the_configuration_is_read(path):
    assert read_yaml(path)
