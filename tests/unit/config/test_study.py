import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml

from mmdino.config import Cohort, Study, load_experiments, load_study, method_settings
from mmdino.config.show import show
from mmdino.config.strict import parse
from mmdino.errors import UserError

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


def changed(tmp_path, change, name="mini"):
    """Write a changed copy of a study beside the real experiments, and return its path."""
    value = yaml.safe_load((ROOT / "config" / "studies" / f"{name}.yaml").read_text())
    change(value)
    (tmp_path / "studies").mkdir()
    (tmp_path / "experiments").symlink_to(ROOT / "config" / "experiments")
    path = tmp_path / "studies" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(value))
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_resolves(path):
    loaded = load_study(path)
    assert all(loaded.resolved(name)["settings"] is not None for name in loaded.experiments)


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_belongs_to_a_study(path):
    assert any(path.stem in load_study(study).families for study in STUDIES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(shard=2), "unknown key 'shard'; did you mean 'shards'"),
        (lambda s: s["bank"].update(axis=[2]), "unknown key 'bank.axis'; did you mean 'axes'"),
        (lambda s: s["cohorts"]["mini-ucsf"].update(stag="native"), "did you mean 'stage'"),
        (lambda s: s.update(experiments=["mm-dino2"]), "did you mean 'mm-dinov2'"),
        (lambda s: s.update(seeds=[1, 1]), "listed twice: 1"),
        (lambda s: s["methods"].update({"mm-dinov2": {"stepz": 3}}), "unknown key 'stepz'; did you mean 'steps'"),
        (lambda s: s["cohorts"]["mini-ucsf"].update(path="/data"), "either 'path'"),
        (lambda s: s["evaluation"].update(select_on="test"), "looked at once, after everything is chosen"),
        (lambda s: s["cohorts"]["mini-ucsf"]["phantom"].update(layout="ucsf-pgdm"), "did you mean 'ucsf-pdgm'"),
        (lambda s: s["cohorts"]["mini-ucsf"].update(adapter="egd"), "not read by the adapter 'egd'"),
        (lambda s: s["cohorts"]["mini-ucsf"]["phantom"].update(layout="lumiere"), "set 'stage: native'"),
        (lambda s: s["cohorts"]["mini-heads"]["phantom"].update(layout="lumiere", patients=1000), "for 999 patients"),
        (
            lambda s: s.update(tuned={"radiomix": {}}),
            "'tuned.radiomix' is no experiment of the study; did you mean 'ra",
        ),
        (lambda s: s.update(tuned={"radiomics": {"seed": 1}}), "'tuned.radiomics.seed' is not among what is searched"),
        (lambda s: s.update(name="other"), "its name is 'other', but must be the file's, 'mini'"),
        (
            lambda s: s["cohorts"].update({"Our Hospital": {"stage": "stripped", "path": "x"}}),
            "a cohort cannot be called 'Our Hospital'",
        ),
        (lambda s: s["cohorts"].update({"-x": {"stage": "stripped", "path": "x"}}), "cannot be called '-x'"),
        (lambda s: s.update(seeds=[-1]), "greater than or equal to 0"),
        (lambda s: s.update(seeds=[True]), "'seeds.0' is True"),
        (lambda s: s["evaluation"].update(protocols=["refit", "refit"]), "a protocol is listed twice"),
        (lambda s: s["evaluation"].update(protocols=["refit"]), "'radiomics' is read out by its head"),
        (lambda s: s["bank"].update(axes=[0, 1]), "looks at slices of axis 2; add it to 'bank.axes'"),
        (lambda s: s["methods"].update({"mm-dinov2": None}), "'mm-dinov2' is None; write 'setting: value' lines"),
        (lambda s: s["methods"].update({"mm-dinov2": {"recipe": 5}}), "'mm-dinov2.recipe' is 5; write the name"),
        (lambda s: s["methods"].update({"fixmatch": {"steps": 3}}), "'methods.fixmatch' is used by no experiment"),
        (
            lambda s: s["cohorts"]["mini-ucsf"]["phantom"].update(layout="egd"),
            "would have the ids of patients of 'mini-",
        ),
    ],
)
def test_a_wrong_key_is_refused_with_the_nearest_right_one(tmp_path, change, said):
    with pytest.raises(UserError) as caught:
        load_study(changed(tmp_path, change))
    assert said in str(caught.value)
    assert "mini.yaml" in str(caught.value) or "mm-dino2.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "supervised-cnn", "readout": "patch"}, "'readout: patch', which supervised-cnn does not give"),
        (
            {"method": "frozen-vit", "readout": "head"},
            "'readout: head', which frozen-vit does not give; set cls or patch",
        ),
        ({"method": "radiomics", "settings": {"classifier": "logistic"}, "readout": "head"}, "set cls"),
        ({"data": {"leave_out": "mini-ucfs"}}, "which is no training cohort; did you mean 'mini-ucsf'"),
        ({"data": {"leave_out": "mini-external"}}, "which is no training cohort"),
        ({"data": {"axes": [0]}}, "looks at slices of axis 0"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
    ],
)
def test_an_experiment_that_could_not_answer_is_refused_before_anything_runs(tmp_path, asked, said):
    path = changed(tmp_path, lambda s: s["more_experiments"].append("asked"))
    (tmp_path / "experiments").unlink()
    shutil.copytree(ROOT / "config" / "experiments", tmp_path / "experiments")
    whole = {**BASE, "settings": {}, **asked, "name": "asked"}
    (tmp_path / "experiments" / "asked.yaml").write_text(yaml.safe_dump(whole))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert said in str(caught.value)


def test_a_layout_brings_its_adapter_and_the_plain_one_changes_nothing():
    study = load_study(ROOT / "config" / "studies" / "mini.yaml").study
    assert [cohort.adapter for cohort in study.cohorts.values()] == ["bids", "ucsf-pdgm", "egd", "tcga"]
    assert study.cohorts["mini-external"].site == "external"
    assert parse(Study, study.model_dump(mode="json"), "itself") == study
    plain = {"stage": "stripped", "phantom": {"site": "site-a", "patients": 2}}
    said = parse(Cohort, plain, "plain").model_dump_json()
    assert (
        said == parse(Cohort, {**plain, "phantom": {**plain["phantom"], "layout": "folder"}}, "plain").model_dump_json()
    )
    assert said == (  # what Snakemake knows of cohorts from before there were layouts, which are not made anew
        '{"stage":"stripped","role":"train","adapter":"folder","path":"","site":"","phantom":{"site":"site-a",'
        '"patients":2,"variant":"default","seed":0,"planes":5,"faults":false}}'
    )


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: x\n  title: [")
    with pytest.raises(UserError, match="line 2"):
        load_study(path)


BASE = {
    "name": "arm",
    "title": "An arm",
    "question": "Why?",
    "method": "mm-dinov2",
    "settings": {"steps": 9000, "batch": 4},
}


def written(tmp_path, **changed):
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump(BASE | changed))
    return path


def test_variants_are_experiments_that_differ_in_what_they_say(tmp_path):
    few = {"title": "Few", "data": {"labelled_fraction": 0.1}}
    long = {"settings": {"steps": 9900}}
    one, other = load_experiments(written(tmp_path, variants={"few": few, "long": long}))
    assert (one.name, one.title, one.data.labelled_fraction, one.settings["steps"]) == ("arm-few", "Few", 0.1, 9000)
    assert (other.name, other.title, other.settings) == ("arm-long", "An arm", {"steps": 9900, "batch": 4})


def test_an_empty_key_is_none(tmp_path):
    one = load_experiments(written(tmp_path, settings=None, variants={"few": {"settings": None, "data": None}}))[0]
    assert (one.name, one.settings) == ("arm-few", {})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "other"}, "must be the file's, 'arm'"),
        ({"method": "mm-dino"}, "unknown method 'mm-dino'; did you mean 'mm-dinov2'"),
        ({"seeds": [1, 2, 1]}, "a seed is listed twice"),
        ({"seeds": []}, "at least 1 item"),
        ({"group": "mian"}, "'main', 'baseline' or 'ablation'"),
        ({"data": {"labeled_fraction": 1}}, "did you mean 'labelled_fraction'"),
        ({"data": {"labelled_fraction": 0}}, "greater than 0"),
        ({"leak": "keep-all"}, "'remove-from-train' or 'keep'"),
        ({"variants": {"x": {"titel": "x"}}}, "unknown key 'titel'; did you mean 'title'"),
        ({"variants": ["x"]}, "'variants' must hold"),
        ({"variants": {}}, "'variants' must hold"),
        ({"tune": {"lr": {"low": 1, "high": 0.1}}}, "'low' must be less than 'high'"),
        ({"tune": {"lr": {"low": 0, "high": 1, "log": True}}}, "'low' must be above 0"),
        ({"tune": {"lr": {"low": 1}}}, "either 'choices' or"),
    ],
)
def test_a_wrong_experiment_is_refused_with_file_and_key(tmp_path, changed, said):
    with pytest.raises(UserError) as caught:
        load_experiments(written(tmp_path, **changed))
    assert said in str(caught.value)
    assert "arm.yaml" in str(caught.value)


def test_what_is_tuned_must_be_a_setting(tmp_path):
    experiment = load_experiments(written(tmp_path, tune={"leer": {"choices": [1, 2]}}))[0]
    with pytest.raises(UserError, match=r"'tune\.leer' of 'arm' is no setting of mm-dinov2; did you mean 'lr'"):
        method_settings(experiment, {}, "study.yaml")


@pytest.mark.parametrize(
    "path", [path for path in STUDIES if path.stem in ("paper", "phantom")], ids=lambda path: path.stem
)
def test_every_search_space_resolves_at_all_its_ends(path):
    loaded = load_study(path)
    searched = {name: one.tune for name, one in loaded.experiments.items() if one.tune}
    for name, spaces in searched.items():
        as_they_are = loaded.settings(name).model_dump(mode="json")
        for ends in product(*(space.choices or (space.low, space.high) for space in spaces.values())):
            tried = parse(type(loaded.settings(name)), as_they_are | dict(zip(spaces, ends)), name)
            assert tuple(getattr(tried, key) for key in spaces) == ends
        for key, space in spaces.items():
            first = as_they_are[key]  # the first trial, which Optuna refuses outside of the space
            assert first in space.choices if space.choices else space.low <= first <= space.high, (name, key)
    methods = {loaded.experiment(name).method for name in searched}
    run = {one.method for one in loaded.experiments.values()}
    assert run - methods == {"majority", "clinical-floor"}, "they have nothing to choose"


def test_what_a_search_found_is_its_experiments_alone_and_the_search_stays_as_it_was(tmp_path):
    before = load_study(ROOT / "config" / "studies" / "phantom.yaml")
    path = changed(tmp_path, lambda s: s.update(tuned={"supervised-cnn-missing-zero": {"lr": 0.0042}}), name="phantom")
    after = load_study(path)
    lr = {name: after.settings(name).lr for name in ("supervised-cnn-missing-zero", "supervised-cnn-missing-mean")}
    assert lr["supervised-cnn-missing-zero"] == 0.0042
    assert lr["supervised-cnn-missing-mean"] == before.settings("supervised-cnn-missing-mean").lr
    assert after.searched("supervised-cnn-missing-zero") == before.searched("supervised-cnn-missing-zero")
    assert "# this study, tuned" in show(after, "supervised-cnn-missing-zero")


def test_an_experiment_that_changes_no_data_resolves_as_before(tmp_path):
    loaded = load_study(ROOT / "config" / "studies" / "mini.yaml")
    assert set(loaded.resolved("mm-dinov2")) == {"experiment", "method", "settings"}


def test_an_experiment_has_a_policy_on_leaks_of_its_own():
    loaded = load_study(ROOT / "config" / "studies" / "paper.yaml")
    assert {name: loaded.policy(name) for name in ("mm-dinov2", "leak-keep", "leak-remove")} == {
        "mm-dinov2": "remove-from-train",
        "leak-keep": "keep",
        "leak-remove": "remove-from-train",
    }
    assert loaded.resolved("leak-keep")["leak"] == "keep"


def test_a_study_may_name_the_experiment_whose_settings_a_method_has(tmp_path):
    loaded = load_study(changed(tmp_path, lambda s: s["methods"].update({"mm-dinov2": "mm-dinov2-phantom"})))
    recipe = load_experiments(ROOT / "config" / "experiments" / "mm-dinov2-phantom.yaml")[0].settings
    resolved = loaded.resolved("mm-dinov2-no-full-modality-masking")["settings"]
    assert {name: resolved[name] for name in recipe} == recipe
    assert resolved["full_modality"] == "none"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mm-dinov2-phantm",
            r"mini\.yaml: 'methods\.mm-dinov2' .* no such file; did you mean 'mm-dinov2-phantom'",
        ),
        ("radiomics", "not one experiment of mm-dinov2"),
        ("embedding", "not one experiment of mm-dinov2"),
    ],
)
def test_a_method_with_the_settings_of_another_experiment_is_refused(tmp_path, name, said):
    with pytest.raises(UserError, match=said):
        load_study(changed(tmp_path, lambda s: s["methods"].update({"mm-dinov2": name})))
