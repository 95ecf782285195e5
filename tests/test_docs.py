"""The commands and code of the README and of the page on reports are run as they stand."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from holmesvau import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
REPORTS = (ROOT / "docs" / "reports.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README + REPORTS, re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ").split("#")[0].split(">")[0].strip()
    for _, block in BLOCKS
    for line in block.splitlines()
    if line.removeprefix("$ ").startswith("holmesvau ")
]
SNIPPETS = [block for language, block in BLOCKS if language == "python"]


@pytest.fixture
def folder(tmp_path, monkeypatch, burning_room) -> Path:
    shutil.copy(burning_room, tmp_path / "camera.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [command for command in COMMANDS if "/path/to" not in command])
def test_command_of_the_readme_works(folder, monkeypatch, capsys, command):
    arguments = [word.replace("*", "camera") for word in shlex.split(command)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0 and capsys.readouterr().out


@pytest.mark.parametrize("command", [command for command in COMMANDS if "/path/to" in command])
def test_command_that_needs_a_checkpoint_says_so_in_a_sentence(folder, monkeypatch, capsys, command):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "no such checkpoint folder" in capsys.readouterr().err


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet_of_the_readme_runs(folder, code):
    exec(compile(code, "README.md", "exec"), {})
    assert (folder / "report" / "report.html").exists()


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]), ids=lambda p: p.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_there_are_commands_and_snippets_to_check():
    assert len(COMMANDS) >= 7 and SNIPPETS
