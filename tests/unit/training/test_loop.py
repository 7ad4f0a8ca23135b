import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.common.batch import rendered
from mmdino.methods.frozen_vit.settings import Settings as FrozenSettings
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.supervised_vit.settings import Settings as SupervisedSettings
from mmdino.training.fit import fit
from mmdino.training.interrupt import Preempted
from mmdino.training.loop import train
from mmdino.training.selection import Selection
from studies import log_of
from tiny import TINY, TINY_MM_DINOV2, TINY_TRAINING


class Died(Exception):
    """Stands for a process that is gone."""


def start(patients, folder, before_step=None, checkpoint_every=3, settings=None, name="mm-dinov2"):
    """Train, calling ``before_step(step)`` before each batch."""
    settings = settings or Settings(**TINY_MM_DINOV2)
    run = Run(settings, 0, folder / "seed-0", patients)
    run.folder.mkdir(parents=True, exist_ok=True)
    built = method(name).build(run)
    batch = built.batch

    def watched(step):
        if before_step is not None:
            before_step(step)
        return batch(step)

    built.batch = watched
    train(run, built, {"settings": settings.model_dump(mode="json")}, checkpoint_every)
    return run.folder


def raise_at(at):
    def before_step(step):
        if step == at:
            raise Died

    return before_step


@pytest.fixture(scope="module")
def undisturbed(tiny_patients, tmp_path_factory):
    return start(tiny_patients, tmp_path_factory.mktemp("undisturbed"))


def same(folder, other):
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert log_of(folder) == log_of(other) != []
    records = [json.loads((path / "run.json").read_text()) for path in (folder, other)]
    assert records[0]["best"] == records[1]["best"]


@pytest.mark.parametrize("deaths", [[0], [2], [3], [4, 5], [7, 7, 7]])
def test_a_run_that_dies_ends_in_the_bytes_of_an_undisturbed_one(tiny_patients, tmp_path, undisturbed, deaths):
    for at in deaths:
        with pytest.raises(Died):
            start(tiny_patients, tmp_path, raise_at(at))
    same(start(tiny_patients, tmp_path), undisturbed)


def test_sigterm_writes_a_checkpoint_and_the_run_goes_on_from_there(tiny_patients, tmp_path, undisturbed):
    steps = []

    def terminate(step):
        steps.append(step)
        if step == 4 and len(steps) < 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Preempted, match="step 5"):
        start(tiny_patients, tmp_path, terminate, checkpoint_every=100)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    same(start(tiny_patients, tmp_path, terminate, checkpoint_every=100), undisturbed)
    assert steps == [0, 1, 2, 3, 4, 5, 6, 7]  # no step was taken twice


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from factories import tiny_study
from mmdino.training import checkpoint
from unit.training.test_loop import start

def die_half_way(state, path):  # the second checkpoint is never finished
    Path(path).write_bytes(b"half")
    if state["step"] == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    save(state, path)

save, torch.save = torch.save, die_half_way
folder = Path(sys.argv[1])
start(tiny_study(folder / "study"), folder)
"""


def test_sigkill_while_a_checkpoint_is_written(tiny_patients, tmp_path, undisturbed):
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent / 'src'}"}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "seed-0" / "checkpoints").glob("step-*")] == ["step-00000003.pt"]
    same(start(tiny_patients, tmp_path), undisturbed)


def test_a_truncated_checkpoint_falls_back_to_the_one_before(tiny_patients, tmp_path, undisturbed, capsys):
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7))
    newest = max((tmp_path / "seed-0" / "checkpoints").glob("step-*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    same(start(tiny_patients, tmp_path), undisturbed)
    assert f"{newest}: cannot be read" in capsys.readouterr().err


def test_a_checkpoint_of_other_settings_is_refused_by_name(tiny_patients, tmp_path):
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7))
    with pytest.raises(UserError, match=r"settings\.lr: 0\.001 → 0\.002"):
        start(tiny_patients, tmp_path, settings=Settings(**{**TINY_MM_DINOV2, "lr": 2e-3}))


def test_two_checkpoints_are_kept_while_it_runs_and_none_after(tiny_patients, tmp_path):
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7), checkpoint_every=1)
    names = sorted(path.name for path in (tmp_path / "seed-0" / "checkpoints").iterdir())
    assert names == ["best-00000004.safetensors", "step-00000006.pt", "step-00000007.pt"]
    folder = start(tiny_patients, tmp_path)
    assert not (folder / "checkpoints").exists()


@pytest.fixture
def judged(monkeypatch):
    """Exchange the look at validation for scores that a test appends, one a look: as of a GPU, no start repeats another."""
    scores = []
    monkeypatch.setattr(Selection, "scores", lambda self, encoder: {"cls": scores.pop(0)})
    return scores


LOOKS = Settings(**{**TINY_MM_DINOV2, "evaluate_every": 1})


def weights_of(folder, step):
    return (folder / "seed-0" / "checkpoints" / f"best-{step:08d}.safetensors").read_bytes()


def ends_with(folder, step, weights):
    assert json.loads((folder / "run.json").read_text())["best"]["step"] == step
    assert (folder / "model.safetensors").read_bytes() == weights
    assert not (folder / "checkpoints").exists()


def test_a_run_that_dies_with_better_weights_than_its_checkpoint_knows_of_ends_with_those_that_it_names(
    tiny_patients, tmp_path, judged
):
    judged[:] = [0.1, 0.2, 0.3, 0.4, 0.5]
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(5), settings=LOOKS)  # a checkpoint after step 3 alone
    known = weights_of(tmp_path, 3)
    assert weights_of(tmp_path, 5) != known
    judged[:] = [0.0] * 5
    ends_with(start(tiny_patients, tmp_path, settings=LOOKS), 3, known)


def test_both_checkpoints_find_the_weights_that_they_name(tiny_patients, tmp_path, judged):
    judged[:] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7), settings=LOOKS, checkpoint_every=2)
    names = sorted(path.name for path in (tmp_path / "seed-0" / "checkpoints").glob("best*"))
    assert names == [f"best-0000000{step}.safetensors" for step in (4, 6, 7)]
    known = weights_of(tmp_path, 4)
    (tmp_path / "seed-0" / "checkpoints" / "step-00000006.pt").write_bytes(b"half")
    judged[:] = [0.0] * 4
    ends_with(start(tiny_patients, tmp_path, settings=LOOKS), 4, known)


def test_a_checkpoint_that_could_not_be_read_goes_with_the_next_one(tiny_patients, tmp_path):
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7))
    checkpoints = tmp_path / "seed-0" / "checkpoints"
    (checkpoints / "step-00000006.pt").write_bytes(b"half")
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(4), checkpoint_every=2)
    assert sorted(path.name for path in checkpoints.glob("step*")) == ["step-00000003.pt", "step-00000004.pt"]


def test_a_run_of_the_older_layout_goes_on(tiny_patients, tmp_path, undisturbed):
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7))
    checkpoints = tmp_path / "seed-0" / "checkpoints"
    (checkpoints / "best-00000004.safetensors").rename(checkpoints / "best.safetensors")
    with pytest.raises(Died):
        start(tiny_patients, tmp_path, raise_at(7), checkpoint_every=1)
    assert [path.name for path in checkpoints.glob("best*")] == ["best.safetensors"]
    same(start(tiny_patients, tmp_path), undisturbed)


def test_a_loss_that_is_not_finite_names_the_patients_and_keeps_the_checkpoint(tiny_patients, tmp_path):
    settings = Settings(**TINY_MM_DINOV2)
    run = Run(settings, 0, tmp_path / "seed-0", tiny_patients)
    built = method("mm-dinov2").build(run)
    losses = built.losses
    built.losses = lambda batch, step: {
        name: value * (float("nan") if step == 5 else 1) for name, value in losses(batch, step).items()
    }
    with pytest.raises(UserError, match="not finite at step 6") as error:
        train(run, built, {}, checkpoint_every=2)
    assert built.batch(5).subjects[0] in str(error.value)
    assert (run.folder / "checkpoints" / "step-00000004.pt").exists()
    assert not (run.folder / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mm-dinov2", Settings(**TINY_MM_DINOV2)), ("supervised-vit", SupervisedSettings(**TINY_TRAINING))],
)
def test_a_network_that_has_diverged_is_said_in_a_sentence(tiny_patients, tmp_path, name, settings):
    run = Run(settings, 0, tmp_path / "seed-0", tiny_patients)
    built = method(name).build(run)
    for parameter in built.student.parameters():
        torch.nn.init.constant_(parameter, float("nan"))
    with pytest.raises(UserError, match=r"loss.*feature_rank is not finite at step 1 .*patients") as error:
        train(run, built, {})
    assert built.batch(0).subjects[0] in str(error.value)


def test_the_best_weights_on_validation_are_kept_and_read_back(tiny_patients, undisturbed):
    lines = log_of(undisturbed)
    looks = [line for line in lines if "val_mcc_cls" in line]
    assert [line["step"] for line in looks] == [4, 8]
    record = json.loads((undisturbed / "run.json").read_text())
    best = max(looks, key=lambda line: line["val_mcc_cls"])
    assert record["best"]["step"] == best["step"]
    assert record["best"]["mcc"]["cls"] == pytest.approx(best["val_mcc_cls"], abs=1e-6)
    run = Run(Settings(**TINY_MM_DINOV2), 0, undisturbed, tiny_patients)
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    features = method("mm-dinov2").load(run).features(slices, ("t1", "t1c", "t2", "flair"))
    assert features["cls"].shape == features["patch"].shape == (len(slices), 32)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("supervised-vit", SupervisedSettings(**TINY_TRAINING)), ("frozen-vit", FrozenSettings(**TINY))],
)
def test_other_methods_are_served_by_the_same_loop(tiny_patients, tmp_path, name, settings):
    run = Run(settings, 0, tmp_path / "seed-0", tiny_patients)
    fit(run, name, {"experiment": name, "method": name, "settings": settings.model_dump(mode="json")})
    record = json.loads((run.folder / "run.json").read_text())
    assert record["method"] == name
    assert record["data"] == tiny_patients.fingerprint()
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    encoder = method(name).load(run)
    assert (encoder.probabilities(slices, ("t1",)) is None) == (name == "frozen-vit")
    before = {key: value.copy() for key, value in encoder.features(slices, ("t1", "t2")).items()}
    again = method(name).load(run).features(slices, ("t1", "t2"))
    for key, value in before.items():
        assert (value == again[key]).all()


def test_a_network_can_learn_one_batch_by_heart(tiny_patients, tmp_path):
    settings = SupervisedSettings(
        **{**TINY_TRAINING, "steps": 60, "lr": 3e-3, "layer_decay": 1.0, "drop_path": 0.0, "label_smoothing": 0.0}
    )
    built = method("supervised-vit").build(Run(settings, 0, tmp_path, tiny_patients))
    batch, losses = rendered(built.batch(0)), []
    for step in range(settings.steps):
        built.schedule(step)
        loss = built.losses(batch, step)["loss"]
        built.optimizer.zero_grad()
        loss.backward()
        built.clip()
        built.optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_bf16_is_close_to_fp32(tiny_patients, tmp_path):
    losses = {}
    for precision in ("fp32", "bf16"):
        settings = Settings(**{**TINY_MM_DINOV2, "steps": 3, "precision": precision})
        folder = start(tiny_patients, tmp_path / precision, settings=settings)
        losses[precision] = [line["loss"] for line in log_of(folder)]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
