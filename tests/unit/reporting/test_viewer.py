"""The patients that one scrolls through: what is drawn is what lies in the files, wherever their axes point."""

import base64
import io
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageColor

from mmdino.errors import UserError
from mmdino.nifti import Volume, read_volume, reorient, write_volume
from mmdino.reporting import viewer
from mmdino.reporting.data import gather
from mmdino.tables import SEQUENCES
from results_factory import MadeArm, write_scans, write_study

SHAPE = (40, 48, 20)
AFFINE = np.array([[1.0, 0, 0, -20], [0, 1, 0, -24], [0, 0, 2, -10], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    study, results = write_study(tmp_path_factory.mktemp("viewer"), {"mm-dinov2": MadeArm(None, "mm-dinov2")})
    write_scans(results)
    return gather(study, results)


def patient(folder, orientation="RAS", **changed):
    """Write a brain with a bright right front and a tumour in slices 8 to 12 (RAS); return its row."""
    brain = np.zeros(SHAPE, bool)
    brain[4:36, 4:44, 2:18] = True
    scan = np.where(brain, 400, 0)
    scan[30:36, 36:44] *= 2
    tumour = np.zeros(SHAPE, np.uint8)
    tumour[10:20, 10:20, 8:13] = 2
    tumour[13:17, 13:17, 8:13] = 4
    tumour[8:22, 10:20, 10] = 2
    row = {"subject": "p", "cohort": "c", "brain_ml": 41.0, "seg_source": "given", "seconds": 1.0, "reason": ""}
    row |= {"flags": "", "mask": ""}
    arrays = dict.fromkeys(SEQUENCES, scan.astype(np.int16)) | {"seg": tumour}
    for name, array in arrays.items():
        turned = reorient(Volume(array, AFFINE), nib.orientations.axcodes2ornt(orientation))
        row[name] = str(folder / f"{name}.nii.gz")
        write_volume(turned.array, turned.affine, row[name])
    return row | changed


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def part(viewed, uri, slice_, mode):
    """Return one slice of a sheet."""
    row, column = divmod(slice_, viewer.COLUMNS)
    sheet = np.asarray(opened(uri).convert(mode))
    return sheet[row * viewed.height :, column * viewed.width :][: viewed.height, : viewed.width]


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SLA"])
def test_left_is_left_and_front_is_up_wherever_the_axes_point(data, tmp_path, orientation):
    viewed = viewer.view(data, patient(tmp_path, orientation))
    assert (viewed.width, viewed.height) == (32 + 6, 40 + 6)
    assert viewed.places == [2 * k - 10 for k in range(20)]
    assert viewed.first == 10
    middle = part(viewed, viewed.sheets["t1"], 10, "L")
    right_front, left_back = middle[5:10, -8:-4], middle[-10:-5, 5:10]
    assert right_front.min() > 230
    assert left_back.mean() == pytest.approx(255 / 2, abs=12)
    assert part(viewed, viewed.sheets["t1"], 0, "L").max() < 20


def test_a_patient_whose_files_have_their_axes_in_several_orders_is_drawn_alike(data, tmp_path):
    row = patient(tmp_path)
    alike = viewer.view(data, row)
    for name, codes in {"seg": "LPS", "t2": "PIR"}.items():
        read = read_volume(row[name])
        turned = reorient(read, nib.orientations.axcodes2ornt(codes))
        write_volume(turned.array, turned.affine, row[name])
    assert viewer.view(data, row) == alike


def test_outlines_are_drawn_in_their_colours_and_transparent_elsewhere(data, tmp_path):
    viewed = viewer.view(data, patient(tmp_path))
    drawn = part(viewed, viewed.outlines, 12, "RGBA")
    colours = {name: (*ImageColor.getrgb(colour), 255) for name, colour in viewer.OUTLINES.items()}
    seen = {tuple(colour) for colour in drawn[drawn[..., 3] > 0].tolist()}
    assert seen == {colours["brain"], colours["oedema"], colours["enhancing"]}
    assert tuple(drawn[3, 3]) == colours["brain"]
    assert drawn[viewed.height // 4, viewed.width // 2, 3] == 0
    assert drawn[0, 0, 3] == 0


def test_a_missing_sequence_has_no_sheet_and_a_voxel_is_drawn_in_its_shape(data, tmp_path):
    row = patient(tmp_path, flair="", seg="")
    for name in ("t1", "t1c", "t2"):
        scan = nib.load(row[name])
        write_volume(np.asarray(scan.dataobj), np.diag([1.0, 2.0, 2.0, 1.0]), row[name])
    viewed = viewer.view(data, row)
    assert set(viewed.sheets) == {"t1", "t1c", "t2"}
    assert viewed.aspect == pytest.approx(viewed.width / (2 * viewed.height), abs=1e-3)


def test_what_cannot_be_shown_is_said(data, tmp_path):
    with pytest.raises(UserError, match=r"gone\.nii\.gz: is not at hand"):
        viewer.view(data, patient(tmp_path, t2=str(tmp_path / "gone.nii.gz")))
    other = tmp_path / "other.nii.gz"
    write_volume(np.arange(8, dtype=np.int16).reshape(2, 2, 2), AFFINE, other)
    with pytest.raises(UserError, match="is not in the space of"):
        viewer.view(data, patient(tmp_path, t2=str(other)))


def test_one_of_each_cohort_in_turn_and_never_more_than_fits(data, monkeypatch):
    shown, problems = viewer.sample(data)
    assert not problems
    cohorts = [viewed.title.split("(")[1] for viewed in shown]
    assert cohorts == ["whole-heads)", "home)", "external)"] * 2
    monkeypatch.setattr(viewer, "MOST_BYTES", 3 * shown[0].size)
    assert 0 < sum(viewed.size for viewed in viewer.sample(data)[0]) <= 3 * shown[0].size


def test_flagged_patients_come_first_in_their_cohort(data):
    place = data.preprocessed.index[data.preprocessed["cohort"] == "home"][7]
    flagged = data.preprocessed.copy()
    flagged.loc[place, "flags"] = "brain is cut"
    shown, _ = viewer.sample(replace(data, preprocessed=flagged))
    assert shown[1].title == f"{flagged.loc[place, 'subject']} (home)"
    assert "brain is cut" in shown[1].caption
