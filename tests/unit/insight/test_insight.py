"""What the model sees, of a tiny network that was never trained, and what the report makes of its absence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmdino.errors import UserError
from mmdino.insight.look import failed, insight
from mmdino.insight.record import read_insight, write_insight
from mmdino.insight.summaries import flat_map, readable
from mmdino.insight.tokens import cls_attention
from mmdino.methods.base import Run, method
from mmdino.methods.frozen_vit.settings import Settings
from mmdino.models.layers import Attention
from tiny import TINY

MINI = Path(__file__).parents[3] / "config/studies/mini.yaml"


@pytest.fixture(scope="module")
def found(tiny_patients, tmp_path_factory):
    run = Run(Settings(**TINY), 0, tmp_path_factory.mktemp("runs") / "frozen" / "seed-0", tiny_patients)
    tensors, metadata = method("frozen-vit").build(run).exported()
    run.folder.mkdir(parents=True)
    save_file(tensors, run.folder / "model.safetensors", metadata)
    return insight(run, "frozen-vit", "cls")


def test_features_of_one_number_have_a_map_too():
    drawn = flat_map(np.linspace(0, 1, 12, dtype=np.float32)[:, None])
    assert drawn.shape == (12, 2)
    assert np.isfinite(drawn).all()


def test_shares_of_attention_sum_to_one_in_every_block(found):
    for split in ("val", "test"):
        for block in (1, 2):
            rows = [row for row in found.attention if (row["split"], row["block"]) == (split, block)]
            assert len(rows) == 4
            assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-5)
            assert all(row["low"] <= row["share"] <= row["high"] for row in rows)


def test_everybody_is_on_the_map_and_maps_lie_on_the_patch_grid(found, tiny_patients):
    assert set(found.patients["subject"]) == set(tiny_patients.splits["subject"])
    assert np.isfinite(found.patients[["x", "y"]].to_numpy()).all()
    assert found.tokens.attention.shape[1:] == (4, 3, 3)
    assert found.tokens.colours.shape[1:] == (4, 3, 3, 3)
    assert (found.tokens.attention.astype(float).sum(axis=(1, 2, 3)) < 1).all()


def test_it_comes_back_from_its_files_and_damage_is_one_sentence(found, tmp_path):
    write_insight(found, tmp_path)
    again = read_insight(tmp_path)
    assert again.attention == found.attention
    assert (again.tokens.colours == found.tokens.colours).all()
    assert again.tokens.of(str(found.tokens.subjects[0])) == 0
    (tmp_path / "tokens.npz").write_bytes(b"broken")
    with pytest.raises(UserError, match="mmdino insight"):
        read_insight(tmp_path)


def test_a_failure_is_written_and_read(tmp_path):
    write_insight(failed("mm-dinov2", 0, ValueError("no\nmemory")), tmp_path)
    assert read_insight(tmp_path).problem == "no memory"
    assert read_insight(tmp_path).tokens is None


def test_attention_of_cls_is_that_of_the_block():
    torch.manual_seed(0)
    block, x = Attention(16, 2), torch.randn(3, 5, 16)
    shares = cls_attention(block, x)
    v = block.qkv(x).reshape(3, 5, 3, 2, 8).permute(2, 0, 3, 1, 4)[2]
    mixed = block.proj(torch.einsum("bht,bhtd->bhd", shares, v).reshape(3, 16))
    torch.testing.assert_close(mixed, block(x)[:, 0])


def test_a_site_that_shows_is_read_and_one_that_does_not_is_not():
    rng = np.random.default_rng(0)
    places = np.repeat(np.array(["a", "b", "c", "few"], object), [40, 40, 40, 3])
    noise = rng.normal(size=(123, 8)).astype(np.float32)
    blind = readable(noise, places)
    assert (blind["classes"], blind["n"]) == (3, 120)
    assert blind["balanced_accuracy"] < 0.5
    noise[:, 0] += 9 * (places == "a") - 9 * (places == "b")
    assert readable(noise, places)["balanced_accuracy"] > 0.9
    assert readable(noise[:40], places[:40]) is None


def test_the_verb_forgives_only_where_it_is_asked_to(tmp_path):
    from mmdino.cli.results import insight as verb

    missing = {"slices": [tmp_path / "none"], "splits": tmp_path / "none.tsv", "run": tmp_path / "run"}
    asked = {"study": MINI, "experiment": "mm-dinov2", "seed": 0, **missing, "out": tmp_path / "insight"}
    with pytest.raises(UserError):
        verb(**asked)
    assert not (tmp_path / "insight").exists()
    verb(**asked, forgiving=True)
    assert "none" in read_insight(tmp_path / "insight").problem
