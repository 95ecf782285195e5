import subprocess
import sys
from pathlib import Path

import pytest

from holmesvau import registry
from holmesvau.errors import InputError

KINDS = ("encoders", "scorers", "samplers", "models")


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_name_loads(kind):
    for name in registry.names(kind):
        assert callable(registry.get(kind, name)), name


def test_designed_sampling_methods_are_registered():
    assert set(registry.names("samplers")) >= {
        "uniform",
        "topk",
        "density",
        "density-reference",
        "event-first",
    }


def test_unknown_name_lists_what_there_is():
    with pytest.raises(
        InputError, match=r"No scorer is called 'noveltly'; there are novelty, urdmu\. Did you mean novelty\?"
    ):
        registry.get("scorers", "noveltly")


def test_third_party_part_is_found_like_a_built_in(tmp_path: Path):
    """A package that is not ours, laid out as pip would install it, adds a scorer."""
    (tmp_path / "their_scorer.py").write_text("class Mine:\n    name = 'mine'\n")
    info = tmp_path / "their_scorer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-scorer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[holmesvau.scorers]\nmine = their_scorer:Mine\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from holmesvau import registry\n"
        "assert 'mine' in registry.names('scorers')\n"
        "print(registry.get('scorers', 'mine').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mine"
