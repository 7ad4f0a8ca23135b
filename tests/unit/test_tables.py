import numpy as np
import pandas as pd
import pytest

from mmdino.errors import UserError
from mmdino.tables import PREPROCESSED, read_table, write_table


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
