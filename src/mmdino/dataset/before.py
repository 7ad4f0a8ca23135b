"""The bank that lies where one is to be built: whose scans have not changed since, that patient's crops are taken over."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mmdino.config import Bank, Volumes
from mmdino.dataset.bank import SliceBank, Slices
from mmdino.errors import UserError
from mmdino.files import content_key, read_json
from mmdino.tables import SEQUENCES

STAMPS = "sources.json"  # of a bank: by subject, what its crops were cut from


def stamp(patient: Mapping[str, str]) -> str:
    """Return what a patient's crops depend on besides the settings: the files by path, size and time."""
    paths = {name: Path(patient[name]) for name in (*SEQUENCES, "seg") if patient[name]}
    known = {name: path.stat() for name, path in paths.items() if path.exists()}
    return content_key([[name, str(paths[name]), one.st_size, one.st_mtime_ns] for name, one in known.items()])


class Before:
    """The bank of an earlier build, or none: where there is none, or of other settings, another version, or damaged."""

    def __init__(self, folder: Path, settings: Bank | Volumes):
        self._bank: SliceBank | None = None
        self._stamps: dict[str, str] = {}
        with suppress(OSError, UserError):
            if read_json(folder / "meta.json")["settings"] == settings.model_dump(mode="json"):
                self._stamps, self._bank = read_json(folder / STAMPS), SliceBank.open([folder])

    def of(self, patient: Mapping[str, str]) -> tuple[Slices, list[dict]] | None:
        """Return a patient's crops and their rows, as cutting would; None where they must be cut."""
        subject = patient["subject"]
        if self._bank is None or self._stamps.get(subject) != stamp(patient) or subject not in self._bank.subjects:
            return None
        rows = self._bank.training_rows(subject)
        told = self._bank.index.loc[rows, ["axis", "slice", "tumour_voxels"]]
        return self._bank.read(rows), [
            {name: int(value) for name, value in row.items()} for row in told.to_dict("records")
        ]
