"""Wherever a user types a name, a wrong one is answered with the nearest right one."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from mmdino.cli import app
from mmdino.cohorts import build_manifest, load_adapter
from mmdino.comparison.sides import read_side
from mmdino.config import Cohort, load_study
from mmdino.config.quality import Quality
from mmdino.errors import UserError
from mmdino.exchange.export import export
from mmdino.methods.supervised_cnn.network import new_network
from mmdino.methods.supervised_cnn.settings import Settings
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.preprocess.quality.judge import judge

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path):
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def study(config, **changes):
    """Load the miniature study with some of its keys changed."""
    path = config / "studies" / "mini.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
    loaded = load_study(path)
    return loaded, loaded.experiments


def experiment(config, **changes):
    """Load the miniature study with keys of one of its experiments changed."""
    path = config / "experiments" / "radiomics.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
    return study(config)


def folder_cohort(config, label):
    """Read a plain folder whose table says ``label``."""
    (config / "patients/p1").mkdir(parents=True)
    (config / "patients/p1/p1_t1.nii.gz").write_bytes(b"")
    (config / "patients/labels.tsv").write_text(f"subject\tsite\tlabel\np1\ts\t{label}\n")
    return build_manifest(
        "mine", Cohort(adapter="folder", stage="native", path=str(config / "patients")), config / "patients"
    )


def shown(config, *words):
    raise UserError(CliRunner().invoke(app, list(words)).output)


NAMES = {
    "a study's file": (lambda c: load_study(c / "studies/phantm.yaml"), "phantom"),
    "a study's key": (lambda c: study(c, shard=2), "shards"),
    "a study's nested key": (lambda c: study(c, bank={"axis": [2]}), "axes"),
    "a study's experiment": (lambda c: study(c, experiments=["mm-dino2"]), "mm-dinov2"),
    "a study's reference": (lambda c: study(c, reference="mm-dino2"), "mm-dinov2"),
    "a study's method": (lambda c: study(c, methods={"radiomic": {}}), "radiomics"),
    "a study's cohort": (lambda c: study(c)[0].cohort("mini-heds"), "mini-heads"),
    "labels.hidden": (lambda c: study(c, labels={"hidden": ["mini-uscf"]}), "mini-ucsf"),
    "a choice": (lambda c: study(c, evaluation={"protocols": ["trasfer"]}), "transfer"),
    "an experiment": (lambda c: study(c)[0].experiment("radiomic"), "radiomics"),
    "an experiment's key": (lambda c: experiment(c, readuot="cls"), "readout"),
    "an experiment's method": (lambda c: experiment(c, method="radiomic"), "radiomics"),
    "an experiment's group": (lambda c: experiment(c, group="basline"), "baseline"),
    "a method's setting": (lambda c: study(c, methods={"mm-dinov2": {"stepz": 3}}), "steps"),
    "an adapter": (lambda c: load_adapter("ucsf_pdgm"), "ucsf-pdgm"),
    "a label": (lambda c: folder_cohort(c, "astrocitoma"), "astrocytoma"),
    "a sequence": (
        lambda c: MultiModalViT(ViTShape(dim=8, depth=1, heads=1, grid=2))(
            torch.zeros(1, 4, 14, 14), ("t1", "t1c", "t2", "flare")
        ),
        "flair",
    ),
    "a network": (lambda c: new_network(Settings(network="resnet81"), 0), "resnet"),
    "a layout": (lambda c: export(pd.DataFrame(), pd.DataFrame(), "bid", None, c), "bids"),
    "a decision's subject": (
        lambda c: judge(pd.DataFrame({"subject": ["sub-01"]}), Quality(), {"sub-1": ("keep", "")}, "c"),
        "sub-01",
    ),
    "a side of a comparison": (lambda c: read_side(str(c / "studis"), c / "studies/mini.yaml", None), "studies"),
    "a verb": (lambda c: shown(c, "trian"), "train"),
}


@pytest.mark.parametrize("place", NAMES)
def test_a_wrong_name_is_answered_with_the_nearest_right_one(config, place):
    ask, right = NAMES[place]
    with pytest.raises(UserError) as refused:
        ask(config)
    assert f"did you mean '{right}" in str(refused.value).replace("Did", "did")
