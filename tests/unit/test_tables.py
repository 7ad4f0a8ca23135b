import numpy as np
import pandas as pd
import pytest

from mmdino.errors import UserError
from mmdino.tables import PREPROCESSED, SPLITS, conform, read_table, write_table


def test_a_failed_patient_without_a_volume_comes_back(tmp_path):
    rows = pd.DataFrame([dict.fromkeys(PREPROCESSED.columns, "") | {"subject": name} for name in ("a", "b")])
    rows["seconds"], rows["brain_ml"] = [1.5, 2.0], [1400.0, np.nan]
    write_table(PREPROCESSED, rows, tmp_path / "preprocessed.tsv")
    back = read_table(PREPROCESSED, tmp_path / "preprocessed.tsv")
    assert back["brain_ml"].tolist()[0] == 1400
    assert np.isnan(back["brain_ml"][1])


def test_a_word_where_a_number_belongs_is_named(tmp_path):
    rows = pd.DataFrame([dict.fromkeys(PREPROCESSED.columns, "") | {"seconds": "soon"}])
    rows.to_csv(tmp_path / "preprocessed.tsv", sep="\t", index=False)
    with pytest.raises(UserError, match="column 'seconds' of the preprocessed table"):
        read_table(PREPROCESSED, tmp_path / "preprocessed.tsv")


def _splits(tmp_path, word):
    row = dict.fromkeys(SPLITS.columns, "") | {"patient": "p1", "labelled": word}
    pd.DataFrame([row]).to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    return read_table(SPLITS, tmp_path / "splits.tsv")["labelled"].tolist()


@pytest.mark.parametrize(("word", "meant"), [("True", True), ("FALSE", False), ("TRUE", True), ("false", False)])
def test_truth_is_read_however_a_spreadsheet_spells_it(tmp_path, word, meant):
    assert _splits(tmp_path, word) == [meant]


@pytest.mark.parametrize("word", ["0", "FALSCH", "no", ""])
def test_any_other_word_for_truth_is_refused_with_its_place(tmp_path, word):
    with pytest.raises(UserError, match=rf"splits\.tsv: column 'labelled' of the splits table: '{word}' is neither"):
        _splits(tmp_path, word)


def test_truth_in_memory_is_kept():
    row = dict.fromkeys(SPLITS.columns, "")
    frame = pd.DataFrame([{**row, "patient": "a", "labelled": True}, {**row, "patient": "b", "labelled": np.False_}])
    assert conform(SPLITS, frame, "splits")["labelled"].tolist() == [True, False]
