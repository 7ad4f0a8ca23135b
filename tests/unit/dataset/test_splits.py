import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdino.config import Cohort, Leakage, Splits, Study
from mmdino.dataset.identities import identities
from mmdino.dataset.lists import read_lists
from mmdino.dataset.splits import make_splits
from mmdino.errors import UserError
from mmdino.tables import CLASSES, LEAKAGE, MANIFEST, PREPROCESSED, SPLITS, conform, read_table, write_table


def _study(**splits):
    return Study(
        name="tiny",
        title="Tiny",
        cohorts={
            "a": Cohort(stage="stripped", path="a"),
            "b": Cohort(stage="stripped", path="b"),
            "away": Cohort(stage="stripped", path="away", role="test"),
        },
        splits=Splits(**splits),
        experiments=["none"],
    )


def _tables(rows):
    """Return manifest and preprocessed table of (subject, cohort, label) or (subject, cohort, label, patient)."""
    frame = pd.DataFrame([(*row, "")[:4] for row in rows], columns=["subject", "cohort", "label", "patient"])
    frame["patient"] = frame["patient"].where(frame["patient"] != "", frame["subject"])
    frame["session"] = "preop"
    manifest = conform(MANIFEST, frame.reindex(columns=list(MANIFEST.columns), fill_value=""), "manifest")
    done = frame.assign(status="done", seconds=0.0, brain_ml=0.0)
    return manifest, conform(PREPROCESSED, done.reindex(columns=list(PREPROCESSED.columns), fill_value=""), "done")


def _cohorts(each=20, unlabelled=5):
    rows = [
        (f"{cohort}-{label[:2]}{n}", cohort, label)
        for cohort in ("a", "b", "away")
        for label in CLASSES
        for n in range(each)
    ]
    return rows + [(f"{cohort}-u{n}", cohort, "") for cohort in ("a", "away") for n in range(unlabelled)]


def test_shares_by_cohort_and_class():
    splits = make_splits(_study(validation_fraction=0.2, labelled_fraction=0.5), *_tables(_cohorts()))
    assert list(splits.columns) == list(SPLITS.columns)
    assert (splits[splits["cohort"] == "away"]["split"] == "test").all()
    home = splits[splits["cohort"] != "away"]
    for _, stratum in home[home["label"] != ""].groupby(["cohort", "label"]):
        assert (stratum["split"] == "val").sum() == 4
    train = home[(home["split"] == "train") & (home["label"] != "")]
    assert (train.groupby("label")["labelled"].sum() == 16).all()  # of 2 x 16
    assert home[home["split"] == "val"]["labelled"].all()


def test_an_unlabelled_patient_never_validates():
    splits = make_splits(_study(), *_tables(_cohorts()))
    unlabelled = splits[(splits["label"] == "") & (splits["cohort"] != "away")]
    assert set(unlabelled["split"]) == {"train"}
    assert not unlabelled["labelled"].any()


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(0, 3))
def test_fewer_labels_are_a_part_of_more_and_leave_the_splits_alone(one, other, seed):
    few, many = (
        make_splits(_study(labelled_fraction=fraction, seed=seed), *_tables(_cohorts())).set_index("patient")
        for fraction in sorted((one, other))
    )
    assert (few["split"] == many["split"]).all()
    assert not (few["labelled"] & ~many["labelled"]).any()


def test_a_new_patient_moves_at_most_one_other_and_only_of_its_cohort_and_class():
    before = make_splits(_study(), *_tables(_cohorts())).set_index("patient")
    for number in range(8):
        after = make_splits(_study(), *_tables([*_cohorts(), (f"new{number}", "a", CLASSES[0])])).set_index("patient")
        moved = before[before["split"] != after["split"].reindex(before.index)]
        assert len(moved) <= 1
        assert set(zip(moved["cohort"], moved["label"])) <= {("a", CLASSES[0])}


def test_order_of_rows_does_not_matter_and_the_seed_does():
    manifest, done = _tables(_cohorts())
    straight = make_splits(_study(), manifest, done)
    shuffled = make_splits(_study(), manifest.sample(frac=1, random_state=0), done.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(straight, shuffled)
    assert (straight["split"] != make_splits(_study(seed=1), manifest, done)["split"]).any()


def test_one_patient_in_two_cohorts_is_on_one_side():
    rows = [*_cohorts(), ("a-copy", "a", CLASSES[1], "away-as0"), ("b-copy", "b", "", "a-gl0")]
    splits = make_splits(_study(), *_tables(rows)).set_index("patient")
    assert splits.index.is_unique
    assert splits.loc["away-as0", ["subject", "split"]].tolist() == ["away-as0", "test"]
    assert splits.loc["a-gl0", "subject"] == "a-gl0"  # the labelled one


def test_an_id_that_two_cohorts_give_is_refused_before_anything_is_trained():
    home, other = _tables([*_cohorts(), ("sub01", "a", CLASSES[0])]), _tables([("sub01", "b", CLASSES[1])])
    manifest, done = (pd.concat(both, ignore_index=True) for both in zip(home, other))
    for policy in ("keep", "remove-from-train"):
        with pytest.raises(UserError, match="'sub01' is an id in a and b; ids must differ between cohorts: rename"):
            make_splits(_study(), manifest, done, policy=policy)
    done.loc[done["cohort"] == "b", "status"] = done["status"].where(done["subject"] != "sub01", "failed")
    splits = make_splits(_study(), manifest, done).set_index("subject")
    assert splits.loc["sub01", "cohort"] == "a", "who is not used is in nobody's way"


def test_ids_that_differ_in_case_alone_are_one_patient_and_this_is_said(caplog):
    rows = [*_cohorts(), ("EGD-0001", "a", CLASSES[0]), ("egd-0001", "b", CLASSES[0])]
    splits = make_splits(_study(), *_tables(rows))
    assert splits["subject"].str.casefold().eq("egd-0001").sum() == 1
    assert "taken for one patient each: EGD-0001 (a), egd-0001 (b)" in caplog.text


def _pair(a, b, action="join"):
    return (*a, *b, "similarity", 8.1, 0.4, action)


def test_audited_pairs_are_one_patient_on_one_side_unless_the_policy_keeps_them():
    pairs = [_pair(("a", "a-gl0"), ("away", "away-gl0")), _pair(("b", "b-gl1"), ("a", "a-gl0"))]
    pairs += [_pair(("a", "a-gl5"), ("b", "b-gl5"), "review"), _pair(("a", "a-gl6"), ("gone", "gone-1"))]
    table = pd.DataFrame(pairs, columns=list(LEAKAGE.columns))
    joined = make_splits(_study(), *_tables(_cohorts()), table).set_index("subject")
    assert joined.loc["away-gl0", ["split", "patient"]].tolist() == ["test", "a-gl0"]
    assert not {"a-gl0", "b-gl1"} & set(joined.index)
    assert {"a-gl5", "b-gl5", "a-gl6"} <= set(joined.index)
    study = _study().model_copy(update={"leakage": Leakage(policy="keep")})
    kept = make_splits(study, *_tables(_cohorts()), table)
    assert len(kept) == len(joined) + 2
    pd.testing.assert_frame_equal(make_splits(_study(), *_tables(_cohorts()), table, "keep"), kept)
    noted = table.assign(
        action=table["action"].replace("join", "keep")
    )  # as an audit of a study that keeps them has it
    taken_out = make_splits(study, *_tables(_cohorts()), noted, "remove-from-train").set_index("subject")
    pd.testing.assert_frame_equal(taken_out, joined)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_identities_are_the_connected_groups(links):
    sessions = pd.DataFrame({"cohort": "c", "subject": [f"s{n}" for n in range(10)], "patient": ""})
    pairs = pd.DataFrame([_pair(("c", f"s{a}"), ("c", f"s{b}")) for a, b in links], columns=list(LEAKAGE.columns))
    found = identities(sessions, pairs, "remove-from-train").tolist()
    groups = [{n} for n in range(10)]
    for a, b in links:
        both = groups[a] | groups[b]
        for n in both:
            groups[n] = both
    assert found == [f"s{min(group)}" for group in groups]


def test_age_and_sex_are_carried_and_tables_from_before_have_none(tmp_path):
    manifest, done = _tables(_cohorts())
    manifest.loc[manifest["subject"] == "a-gl0", ["age", "sex"]] = [61.5, "female"]
    path = tmp_path / "splits.tsv"
    write_table(SPLITS, make_splits(_study(), manifest, done), path)
    splits = read_table(SPLITS, path).set_index("subject")
    assert splits.loc["a-gl0", ["age", "sex"]].tolist() == [61.5, "female"]
    assert splits["age"].notna().sum() == 1
    old = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).drop(columns=["age", "sex"])
    old.to_csv(path, sep="\t", index=False)
    assert read_table(SPLITS, path)["age"].isna().all()


def test_failed_and_excluded_patients_are_left_out():
    manifest, done = _tables(_cohorts())
    done.loc[0, "status"] = "failed"
    manifest.loc[1, "excluded"] = "damaged"
    splits = make_splits(_study(), manifest, done)
    assert not {manifest.loc[0, "patient"], manifest.loc[1, "patient"]} & set(splits["patient"])
    assert len(splits) == len(manifest) - 2


def test_a_class_without_training_patients_and_an_empty_validation_are_refused():
    with pytest.raises(UserError, match=CLASSES[2]):
        make_splits(_study(), *_tables([row for row in _cohorts() if row[2] != CLASSES[2] or row[1] == "away"]))
    with pytest.raises(UserError, match="nobody is left for validation"):
        make_splits(_study(), *_tables(_cohorts(each=1)))


def test_a_class_with_fewer_patients_than_the_regressions_hold_out_needs_is_refused():
    one = [row for row in _cohorts() if row[2] != CLASSES[2] or row[1] == "away" or row[0] == "a-ol0"]
    with pytest.raises(UserError, match=rf"there is 1 of {CLASSES[2]}, and a class needs 2 at least.*hold out; add"):
        make_splits(_study(), *_tables(one))
    with pytest.raises(UserError, match=r"raise `splits\.labelled_fraction`"):
        make_splits(_study(labelled_fraction=0.01), *_tables(_cohorts()))
    assert len(make_splits(_study(), *_tables([*one, ("b-ol0", "b", CLASSES[2])])))


def _lists(folder, **members):
    for name, ids in members.items():
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_text("\n".join(ids) + "\n")
    return str(folder)


def test_given_lists_say_who_trains_and_who_validates(tmp_path, caplog):
    rows = [*_cohorts(), ("UCSF-PDGM-0315", "a", CLASSES[0], "UCSF-PDGM-0433")]
    train = [row[0].upper() for row in _cohorts() if row[1] == "a" and row[0] != "a-gl0"]
    folder = _lists(
        tmp_path / "lists", train_a=train, val_b=["id", "sub-b-gl0", "a-gl1", "ucsf-pdgm-0433", "a-u0", "away-gl0"]
    )
    splits = make_splits(_study(lists=folder), *_tables(rows)).set_index("subject")
    home = splits[splits["cohort"] != "away"]
    assert set(home.index[home["split"] == "val"]) == {"b-gl0", "a-gl1", "UCSF-PDGM-0315"}, "a val list wins over train"
    assert "a-u0" not in home.index, "who has no label does not validate, and does not train either"
    assert not {"a-gl0", "b-as0"} & set(home.index)
    assert (splits.loc[splits["cohort"] == "away", "split"] == "test").all()
    assert home.loc["a-as0", "split"] == "train"
    assert "2 ids are of nobody here: away-gl0, id" in caplog.text
    assert "stand in no list and are left out" in caplog.text


@pytest.mark.parametrize(
    ("train", "val"), [("ucsf-pdgm-0138", "ucsf-pdgm-0429"), ("ucsf-pdgm-0429", "ucsf-pdgm-0138"), ("bra-1", "u-1")]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_who_stands_in_a_train_and_in_a_val_list_under_any_name_validates(tmp_path, train, val, swapped):
    """UCSF-PDGM has a patient under two numbers since its version 3, and BraTS 2021 under a third."""
    if swapped:
        train, val = val, train
    rows = [*_cohorts(), ("UCSF-PDGM-0429", "a", CLASSES[0]), ("u-1", "a", CLASSES[0]), ("bra-1", "b", "", "u-1")]
    own = [row[0] for row in _cohorts() if row[1] == "a"]
    folder = _lists(tmp_path / "lists", train=[*own[4:], train], val=[*own[:4], val])
    splits = make_splits(_study(lists=folder), *_tables(rows)).set_index("subject")
    assert splits.loc["u-1" if "bra-1" in (train, val) else "UCSF-PDGM-0429", "split"] == "val"


def test_both_copies_of_an_old_download_are_one_patient_who_validates(tmp_path):
    rows = [*_cohorts(), ("UCSF-PDGM-0138", "a", CLASSES[0], "UCSF-PDGM-0429"), ("UCSF-PDGM-0429", "a", CLASSES[0])]
    own = [row[0] for row in _cohorts() if row[1] == "a"]
    folder = _lists(
        tmp_path / "lists", train=[*own[4:], "ucsf-pdgm-0429"], val=[*own[:4], "ucsf-pdgm-0138"], test=["away-gl0"]
    )
    splits = make_splits(_study(lists=folder), *_tables(rows)).set_index("patient")
    assert splits.loc["UCSF-PDGM-0429", "split"] == "val"


def test_where_all_copies_are_kept_each_goes_by_its_own_name(tmp_path):
    rows = [*_cohorts(), ("u-1", "a", CLASSES[0]), ("bra-1", "b", CLASSES[0], "u-1"), ("bra-2", "b", "", "u-2")]
    own = [row[0] for row in _cohorts() if row[1] == "a"]
    folder = _lists(tmp_path / "lists", train=[*own[4:], "bra-1", "u-2"], val=[*own[:4], "u-1"])
    splits = make_splits(_study(lists=folder), *_tables(rows), policy="keep").set_index("subject")["split"]
    assert (splits["u-1"], splits["bra-1"], splits["bra-2"]) == ("val", "train", "train")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_lists_are_read_as_excel_saves_them(tmp_path, encoding):
    for split, name in (("train", "egd-0001"), ("val", "egd-0002")):
        (tmp_path / f"{split}.csv").write_bytes(f"Patient;Größe\r\n{name};1\r\n".encode(encoding))
    assert read_lists(tmp_path) == {"patient": "val", "egd-0001": "train", "egd-0002": "val"}


@pytest.mark.parametrize(("name", "said"), [("train.txt", "is no text"), ("train_a.csv", "cannot be read")])
def test_a_list_that_cannot_be_read_is_named(tmp_path, name, said):
    if said == "is no text":
        (tmp_path / name).write_bytes(b"PK\x03\x04\0\0egd-0001")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"{name}: {said}.*; "):
        read_lists(tmp_path)


def test_lists_that_are_none_are_refused(tmp_path):
    with pytest.raises(UserError, match="holds no list of val"):
        make_splits(_study(lists=_lists(tmp_path / "half", train=["a-gl0"])), *_tables(_cohorts()))
    with pytest.raises(UserError, match="says train and val; rename it"):
        make_splits(_study(lists=_lists(tmp_path / "both", trainval=["a-gl0"])), *_tables(_cohorts()))
    with pytest.raises(UserError, match="holds no list of train"):
        make_splits(_study(lists=str(tmp_path / "gone")), *_tables(_cohorts()))


@pytest.mark.parametrize(
    ("each", "given", "remedies"),
    [
        (20, {"labelled_fraction": 0.01}, "add patients of it, raise `splits.labelled_fraction`, or look in"),
        (
            2,
            {"validation_fraction": 0.9, "labelled_fraction": 0.1},
            "add patients of it, raise `splits.labelled_fraction`, or",
        ),
        (3, {"validation_fraction": 0.9}, "add patients of it, lower `splits.validation_fraction`, or look in"),
        (1, {}, "add patients of it, or look in the preprocessed tables why they failed"),
    ],
)
def test_too_few_patients_are_told_what_would_help(each, given, remedies):
    patients = [row for row in _cohorts(each) if row[1] != "b" or each == 2]
    with pytest.raises(UserError, match=remedies):
        make_splits(_study(**given), *_tables(patients))
