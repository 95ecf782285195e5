import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from holmesvau import config
from holmesvau.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    tau: float = 0.1
    method: Literal["uniform", "density"] = "density"
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    sampler: Inner = field(default_factory=Inner)
    seed: int = 0


def test_toml_json_and_overrides_agree(tmp_path):
    (tmp_path / "a.toml").write_text("seed = 3\n[sampler]\ntau = 0.5\nmethod = 'uniform'\n")
    (tmp_path / "a.json").write_text(json.dumps({"seed": 3, "sampler": {"tau": 0.5, "method": "uniform"}}))
    overridden = config.load(Outer, None, ["seed=3", "sampler.tau=0.5", "sampler.method=uniform"])
    assert config.load(Outer, tmp_path / "a.toml") == config.load(Outer, tmp_path / "a.json") == overridden
    assert overridden.sampler == Inner(tau=0.5, method="uniform")


def test_resolved_config_round_trips():
    outer = Outer(sampler=Inner(count=4), seed=9)
    assert config.from_dict(Outer, config.to_dict(outer)) == outer


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("sampler.tua=1", r"unknown key sampler\.tua; did you mean sampler\.tau\?"),
        ("zzz=1", "unknown key zzz; known keys: sampler, seed"),
        ("sampler.tau=much", r"sampler\.tau = 'much'"),
        ("sampler.method=best", r"sampler\.method = 'best'"),
        ("seed", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("seed.deeper=3", "seed"),
    ],
)
def test_unusable_override_is_an_error_that_names_it(override, complaint):
    with pytest.raises(ConfigError, match=complaint):
        config.load(Outer, None, ["seed=1", override])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.toml", "seed = ", "not valid TOML"),
        ("a.json", "[1]", "table of keys"),
        ("a.json", "{", "not valid JSON"),
    ],
)
def test_unreadable_file_is_an_error_that_names_it(tmp_path, name, text, complaint):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        config.load(Outer, tmp_path / name)
    assert name in str(caught.value)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(Outer, tmp_path / "none.toml")
