"""The code of docs/engine.md runs as it stands."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from holmesvau import engine

PAGE = (Path(__file__).parents[2] / "docs" / "engine.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet_runs(code, tmp_path, films, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine.init("project", [films])
    found = {}
    exec(compile(code, "docs/engine.md", "exec"), found)
    assert found["file"].is_file() and found["queue"] == []


def test_there_are_snippets_and_every_call_of_the_page_exists():
    assert SNIPPETS
    calls = re.findall(r"`(\w+)\((?:video|target|review|who)", PAGE)
    assert len(calls) >= 13
    for call in calls:
        assert callable(getattr(engine.Ledger, call)), call


def test_the_keys_of_the_page_are_those_of_the_document():
    script = (files("holmesvau.engine.review") / "page" / "keys.js").read_text()
    keys = re.findall(r'\["([^"]+)", "([^"]+)"\]', script)
    told = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert len(keys) > 20
    for key, what in keys:
        assert what in told[key], key
