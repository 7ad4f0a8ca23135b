import errno
import os
import shutil

import pytest

from mmdino import files
from mmdino.errors import UserError


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "table.tsv"
    files.write_text(path, "old")

    def break_off():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.tsv"]


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no space is left"), files.atomic(tmp_path / "x.tsv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_in_a_librarys_own_words_is_the_same_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(UserError, match="no space is left"), files.atomic(tmp_path / "model.safetensors"):
        raise RuntimeError("Error while serializing: I/O error")
    with pytest.raises(UserError, match="mine"), files.atomic(tmp_path / "model.safetensors"):
        raise UserError("mine")


def test_what_cannot_be_deleted_is_one_sentence(tmp_path, monkeypatch):
    files.remove(tmp_path / "nothing")

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.Path, "unlink", refused)
    with pytest.raises(UserError, match=r"record\.json: cannot be written \(Permission denied\); give yourself"):
        files.remove(tmp_path / "record.json")


def test_hashes_are_the_same_everywhere():
    assert files.stable_hash("patient", 1) == files.stable_hash("patient", "1") == 5564881261625270032
    assert {files.bucket(f"p{n}", 4) for n in range(64)} == {0, 1, 2, 3}
