"""The audit on phantoms, some of them copied through another registration, scanner and skull-strip, or mirrored."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmdino.errors import UserError
from mmdino.files import stable_hash
from mmdino.leakage import similarity
from mmdino.leakage.descriptor import GRID, describe
from mmdino.leakage.similarity import agreements, individuality, similar_pairs
from mmdino.nifti import Volume
from mmdino.phantom.patient import Patient, draw_patient
from mmdino.phantom.sites import SITES

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "leakage.py"
SMALL = (8, 8, 8)
PATIENTS, COPIES, LEAST = 40, 6, 4.6  # of few brains less is known to be common, and scores are lower


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("leakage_bench", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def crops(bench):
    """40 patients, two of each following another from one site, and copies of the first six."""
    rng = np.random.default_rng(1)
    people = [draw_patient(f"t{number}", "default", list(SITES)[number % 2], 5) for number in range(PATIENTS)]
    shown = [describe(bench.scans(person)) for person in people]
    return np.array(shown + [describe(bench.copy(person, rng)) for person in people[:COPIES]], np.float16)


def test_copies_are_found_and_strangers_are_not(crops):
    pairs = {(pair.first, pair.second) for pair in similar_pairs(crops, LEAST)}
    copies = {(number, PATIENTS + number) for number in range(COPIES)}
    assert pairs <= copies
    assert len(pairs) >= COPIES - 1


def test_the_order_of_patients_does_not_matter(crops):
    order = np.random.default_rng(0).permutation(len(crops))
    again = {tuple(sorted((order[p.first], order[p.second]))) for p in similar_pairs(crops[order], LEAST)}
    assert again == {(p.first, p.second) for p in similar_pairs(crops, LEAST)}


@pytest.mark.parametrize("last", [True, False])
def test_what_the_brains_of_one_cohort_have_in_common_joins_none_of_them(monkeypatch, last):
    """80 of 480 share what a scanner does, wherever they stand in the list."""
    monkeypatch.setattr(similarity, "GRID", SMALL)
    rng = np.random.default_rng(0)
    brains = rng.standard_normal((480, 4, *SMALL), dtype=np.float32)
    common = rng.standard_normal((3, 4, *SMALL), dtype=np.float32)
    theirs = slice(400, None) if last else slice(80)
    brains[theirs] += np.tensordot(rng.standard_normal((80, 3), dtype=np.float32), common, 1)
    assert similar_pairs(brains, 6.5) == []


def test_a_mirrored_copy_is_known_as_such(crops):
    both = np.concatenate([crops[:PATIENTS], crops[:1, :, ::-1]])
    pair = similar_pairs(both, LEAST)[0]
    assert (pair.first, pair.second, pair.mirrored) == (0, PATIENTS, True)
    assert pair.score > 2 * LEAST


def test_a_copy_with_two_sequences_less_is_found(crops):
    fewer = crops.copy()
    fewer[PATIENTS:, :2] = 0
    found = {(pair.first, pair.second) for pair in similar_pairs(fewer, LEAST)}
    assert len({(number, PATIENTS + number) for number in range(COPIES)} & found) >= COPIES - 1
    assert not individuality(fewer)[PATIENTS:, :2].any()


def test_a_later_session_is_known_by_its_brain(bench, crops):
    """The tumour has grown and shows other signs, on another hospital's scanner."""
    rng, how = np.random.default_rng(2), replace(bench.KINDS["a later session"], spacing=(5.0, 5.0))
    people = [draw_patient(f"t{number}", "default", list(SITES)[number % 2], 5) for number in range(3)]
    again = np.array([describe(bench.copy(person, rng, how)) for person in people], np.float16)
    best = similar_pairs(np.concatenate([crops[:PATIENTS], again]), 2)[:3]
    assert {(pair.first, pair.second) for pair in best} == {(number, PATIENTS + number) for number in range(3)}


def test_tumours_alike_in_one_place_do_not_make_two_patients_one(bench, crops):
    """Of one site, with the same tumour and what it pushes aside; a copy agrees where there is no tumour too."""
    people = [draw_patient(f"t{number}", "default", list(SITES)[number % 2], 5) for number in range(COPIES)]
    others = [SameTumour(f"u{n}", p.label, p.signs, p.site, p.seed + 1, of=p.seed) for n, p in enumerate(people)]
    strangers = np.array([describe(bench.scans(other)) for other in others], np.float16)
    own = individuality(np.concatenate([crops, strangers]))
    everywhere = [
        max(agreements(one, other)[1] for one in (own[number % COPIES], own[number % COPIES][:, ::-1]))
        for number, other in enumerate(own[PATIENTS:])
    ]
    assert max(everywhere[COPIES:]) < min(everywhere[:COPIES])


@dataclass(frozen=True)
class SameTumour(Patient):
    """Another head with the tumour of the patient whose seed is ``of``."""

    of: int = 0

    def generator(self, *what: object) -> np.random.Generator:
        return np.random.default_rng(stable_hash(self.of if what[0] == "lesion" else self.seed, *what))


def test_position_spacing_and_scale_hardly_change_the_crop(bench):
    scans = bench.scans(draw_patient("same", "default", "site-a", 3))
    moved = {}
    for name, volume in scans.items():
        array = np.pad(volume.array, ((7, 0), (0, 3), (2, 2)))[::-1] * 37
        affine = volume.affine @ np.diag([-1, 1, 1, 1])  # stored the other way round: the same place
        moved[name] = Volume(array, affine)
    one, other = describe(scans), describe(moved)
    assert one.shape == (4, *GRID)
    np.testing.assert_allclose(one, other, atol=0.02)


@pytest.mark.parametrize("planes", [0, 5])
def test_too_little_of_a_brain_is_refused(planes):
    array = np.zeros((120, 120, 40), np.float32)
    array[10:110, 10:110, :planes] = 1
    with pytest.raises(UserError, match=f"show {planes * 4} mm of brain along one axis"):
        describe({"t1": Volume(array, np.diag([1.0, 1, 4, 1]))})


def test_few_brains_are_not_compared(crops, caplog):
    assert similar_pairs(crops[-10:], LEAST) == []
    assert "10 whole brains are too few" in caplog.text
