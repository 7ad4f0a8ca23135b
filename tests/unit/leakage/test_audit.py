import numpy as np
import pandas as pd
import pytest

from factories import write_cohort
from mmdino.cohorts import build_manifest
from mmdino.config import Cohort, Leakage, Study
from mmdino.dataset.splits import make_splits, other_splits
from mmdino.errors import UserError
from mmdino.leakage.audit import audit
from mmdino.leakage.fingerprint import Fingerprints, fingerprint, voxel_hash
from mmdino.leakage.page import write_page
from mmdino.leakage.similarity import Pair
from mmdino.nifti import Volume, read_volume, write_volume
from mmdino.tables import LEAKAGE, PREPROCESSED, read_table


def preprocessed(manifest):
    return manifest.assign(status="done", seconds=0.0, brain_ml=1.0).reindex(
        columns=list(PREPROCESSED.columns), fill_value=""
    )


@pytest.fixture
def cohorts(tmp_path):
    """Two cohorts of slabs: h000's t1 is a1's own file, and h001's t2 is a0's with another header and type."""
    manifests = []
    for name, seed in (("home", 1), ("away", 2)):
        root = write_cohort(tmp_path / name, 4, seed=seed, prefix=name[0], side=40)
        manifests.append(build_manifest(name, Cohort(stage="stripped", path=name), root))
    home, away = (tmp_path / name for name in ("home", "away"))
    (home / "h000" / "h000_t1.nii.gz").write_bytes((away / "a001" / "a001_t1.nii.gz").read_bytes())
    other = read_volume(away / "a000" / "a000_t2.nii.gz")
    affine = other.affine.copy()
    affine[:3, 3] += 9
    write_volume(other.array.astype(np.float32), affine, home / "h001" / "h001_t2.nii.gz")
    return manifests


def run(manifests, **settings):
    prints = [fingerprint(preprocessed(manifest)) for manifest in manifests]
    joined = Fingerprints(
        **{name: np.concatenate([getattr(part, name) for part in prints]) for name in vars(prints[0])}
    )
    return audit(pd.concat(manifests), joined, Leakage(**settings))


def test_equal_files_and_equal_voxels_join(cohorts):
    found = run(cohorts).set_index(["a", "b"])
    assert found.loc[("a001", "h000"), ["evidence", "action"]].tolist() == ["file+voxels", "join"]
    assert found.loc[("a000", "h001"), ["evidence", "action"]].tolist() == ["voxels", "join"]
    assert len(found) == 2


def test_the_crosswalk_joins_and_keep_keeps(cohorts):
    cohorts[0].loc[2, "patient"] = cohorts[1].loc[3, "patient"] = "TCGA-02-0006"
    found = run(cohorts, policy="keep").set_index(["a", "b"])
    assert found.loc[("a003", "h002"), ["evidence", "action"]].tolist() == ["crosswalk", "keep"]
    assert set(found["action"]) == {"keep"}


def test_who_is_alike_in_one_place_alone_is_for_a_person_to_look_at(cohorts, monkeypatch):
    pairs = [Pair(0, 4, 8.9, 0.20, False), Pair(1, 5, 8.9, 0.24, False), Pair(2, 6, 7.4, 0.4, False)]
    monkeypatch.setattr("mmdino.leakage.audit.similar_pairs", lambda crops, least: pairs)
    found = run([cohorts[0].assign(cohort="one"), cohorts[1].assign(cohort="two")])
    alike = found[found["evidence"] == "similarity"].set_index("everywhere")
    assert alike["action"].to_dict() == {0.20: "review", 0.24: "join", 0.4: "review"}


def test_an_experiment_has_the_leak_in_training_or_out_of_it(cohorts, tmp_path):
    """Real files of a test patient lie in the training cohort under another name."""
    folders = {"home": write_cohort(tmp_path / "many", 24, seed=5, prefix="h", side=40), "away": tmp_path / "away"}
    for name in ("t1", "t2"):
        copied = (folders["away"] / "a001" / f"a001_{name}.nii.gz").read_bytes()
        (folders["home"] / "h003" / f"h003_{name}.nii.gz").write_bytes(copied)
    sources = {name: {"stage": "stripped", "path": str(path)} for name, path in folders.items()}
    sources["away"]["role"] = "test"
    study = Study(name="tiny", title="Tiny", cohorts=sources, experiments=["none"])
    manifests = [build_manifest(name, study.cohorts[name], folders[name]) for name in folders]
    found, ready = pd.concat(manifests), pd.concat(map(preprocessed, manifests))
    pairs = run(manifests)
    assert pairs[["a", "b", "action"]].values.tolist() == [["a001", "h003", "join"]]
    out = make_splits(study, found, ready, pairs).set_index("subject")
    kept = other_splits(study, found, ready, pairs, "keep").set_index("subject")
    assert "h003" not in out.index
    assert kept.loc["h003", "split"] in ("train", "val")
    assert out.loc["a001", "split"] == kept.loc["a001", "split"] == "test"
    assert set(kept.index) - set(out.index) == {"h003"}
    with pytest.raises(UserError, match=r"'leak: keep'.*no patient of this study occurs twice.*not testable on it"):
        other_splits(study, found, ready, pairs.iloc[:0], "keep")


def test_a_damaged_patient_is_left_out_and_told(cohorts, caplog):
    ready = preprocessed(cohorts[0])
    ready.loc[1, "t1"] = "gone.nii.gz"
    assert fingerprint(ready).subjects.tolist() == ["h000", "h002", "h003"]
    assert "h001 is not compared: gone.nii.gz" in caplog.text
    assert "h000 is compared by files and voxels only: its scans show 12 mm" in caplog.text


def test_fingerprints_come_back_from_disk(cohorts, tmp_path):
    prints = fingerprint(preprocessed(cohorts[0]))
    prints.save(tmp_path / "fingerprints.npz")
    back = Fingerprints.load([tmp_path / "fingerprints.npz"] * 2)
    assert back.subjects.tolist() == prints.subjects.tolist() * 2
    np.testing.assert_array_equal(back.crops[:4], prints.crops)
    nobody = fingerprint(preprocessed(cohorts[0]).assign(status="failed"))
    assert nobody.crops.shape[:2] == (0, 4)
    (tmp_path / "fingerprints.npz").write_bytes(b"PK half")
    with pytest.raises(UserError, match="are no fingerprints"):
        Fingerprints.load([tmp_path / "fingerprints.npz"])


def test_voxels_count_and_headers_do_not():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    turned = Volume(array[::-1].astype(np.float32), np.diag([-1.0, 1, 1, 1]))
    assert voxel_hash(Volume(array, np.eye(4))) == voxel_hash(turned)
    assert voxel_hash(Volume(array, np.eye(4))) != voxel_hash(Volume(array[::-1], np.eye(4)))


def test_the_page_shows_the_pairs_between_the_thresholds(cohorts, tmp_path):
    ready = pd.concat(map(preprocessed, cohorts))
    rows = [
        ("away", "a000", "home", "h002", "similarity", 6.7, 0.21, "review"),
        ("away", "a001", "home", "h003", "file", np.nan, np.nan, "join"),
    ]
    rows.append(("away", "a002", "home", "gone", "similarity", 6.6, 0.2, "review"))
    write_page(pd.DataFrame(rows, columns=list(LEAKAGE.columns)), ready, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img ") == 1
    assert "away a000 and home h002" in page
    assert "a001" not in page
    assert "No picture" in page


def test_an_older_table_has_nothing_on_how_alike_they_are_everywhere(tmp_path):
    old = [name for name in LEAKAGE.columns if name != "everywhere"]
    path = tmp_path / "leakage.tsv"
    pd.DataFrame([("a", "1", "b", "2", "similarity", 8.1, "join")], columns=old).to_csv(path, sep="\t", index=False)
    assert read_table(LEAKAGE, path)["everywhere"].isna().all()
