"""Recipes: shipped names, files over a base, overrides, and what is refused."""

import json

import pytest

from holmesvau.config import to_dict
from holmesvau.errors import ConfigError
from holmesvau.train import load
from holmesvau.train.data import DataConfig, SimulatedData, named_roots, prepare
from holmesvau.train.recipes import SHIPPED
from holmesvau.train.videos import listed


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_is_its_own_table_read_back(name, tmp_path):
    recipe = load(name)
    assert recipe == SHIPPED[name]() and recipe.name == name
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"stage": "scorer", **to_dict(recipe)}))
    assert load(path) == recipe


def test_a_file_lies_over_its_base_and_overrides_over_both(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'base = "tiny"\nname = "mine"\n[scorer]\nepochs = 7\noptimisation.learning_rate = 3e-5\n'
    )
    (tmp_path / "again.toml").write_text('base = "mine.toml"\n[data]\nroots = ["a", "b"]\n')
    recipe = load(tmp_path / "again.toml", ["scorer.epochs=9", "data.on_error=skip"])
    assert (recipe.name, recipe.scorer.epochs, recipe.data.roots) == ("mine", 9, ("a", "b"))
    assert recipe.scorer.optimisation.learning_rate == 3e-5 and recipe.data.on_error == "skip"
    assert recipe.scorer.optimisation.schedule == SHIPPED["tiny"]().scorer.optimisation.schedule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "tinny"', "no such recipe"),
        ("base = 3", "name a shipped recipe"),
        ('base = "own.toml"', "its own base"),
        ("[scorer]\nepoch = 3", r"did you mean scorer\.epochs"),
        ("[data.simulated]\nsed = 3", r"did you mean data\.simulated\.seed"),
        ("[scorer]\nbatch_videos = 5", "even number"),
        ("[scorer]\nwindow = 3", "16 to 1024"),
        ("[scorer.losses]\nframe = 0\nweak = 0", "learn nothing"),
        ("[scorer.losses]\ntriplet = -1.0", "negative"),
        ("[data]\nhold_out = 1.0", "share"),
        ("[data.simulated]\ntrain_videos = 3", "both, or neither"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "own.toml")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean tiny-smoke\?"):
        load("tiny-smok")


def test_held_out_videos_are_the_same_share_of_names_every_time():
    data = load("holmesvau-2b").data
    names = [f"video-{number}" for number in range(2000)]
    held = [name for name in names if data.takes("val", name)]
    assert 60 < len(held) < 140
    assert all(data.takes("train", name) != data.takes("val", name) for name in names)
    assert data.split_of("val") == "train"


def test_further_sizes_have_folders_and_seeds_of_their_own(tmp_path):
    simulated = SimulatedData(
        train_videos=1,
        val_videos=1,
        seed=7,
        duration=(6.0, 6.0),
        size=(96, 64),
        more_sizes=((128, 96),),
        fps=1.0,
        anomalous_share=0.0,
    )
    config = DataConfig(simulated=simulated)
    assert simulated.all_videos == (2, 2)
    roots = prepare(config, rendered=tmp_path / "data", workers=1)
    assert roots == named_roots(config, tmp_path / "data")
    assert roots == (tmp_path / "data", tmp_path / "data" / "128x96")
    names = [video.name for video in listed(config, roots, "train")]
    assert len(names) == len(set(names)) == 2
