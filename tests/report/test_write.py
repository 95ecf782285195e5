from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from holmesvau.errors import InputError, OutputError
from holmesvau.report import DEFAULT_FORMATS, FORMATS, check_writable, from_json, to_json, write
from tests.report import examples

TEXT_FORMATS = tuple(name for name in FORMATS if name != "clips")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_default_files(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    written = write(examples.full(), out)
    assert written == {
        "json": out / "report.json",
        "html": out / "report.html",
        "vtt": out / "events.vtt",
        "csv": out / "curve.csv",
    }
    assert _names(out) == ["curve.csv", "events.vtt", "report.html", "report.json"]
    assert tuple(written) == DEFAULT_FORMATS


def test_every_text_format_of_a_hostile_report(tmp_path: Path) -> None:
    written = write(examples.hostile(), tmp_path, formats=TEXT_FORMATS)
    assert _names(tmp_path) == sorted(path.name for path in written.values())
    assert to_json(from_json(written["json"])) == to_json(examples.hostile())


def test_files_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write(examples.report(), tmp_path, formats=["json"])["json"]
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_earlier_report_is_replaced(tmp_path: Path) -> None:
    write(examples.full(), tmp_path)
    written = write(examples.report(), tmp_path)
    assert from_json(written["json"]).events == ()


def test_unknown_format_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no report format 'pdf'; there are json, html"):
        write(examples.report(), tmp_path / "out", formats=["json", "pdf"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", [lambda out: write(examples.report(), out), check_writable])
def test_folder_under_a_file_is_refused(tmp_path: Path, call) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file/out: the report cannot be written \(Not a directory\)"):
        call(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="the report cannot be written"):
        call(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep")
    check_writable(tmp_path)
    assert _names(tmp_path) == []


def test_disk_that_fills_up_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(examples.full(), tmp_path)
    before = {path.name: path.read_bytes() for path in old.values()}
    synced = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(examples.report(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("moment", ["fsync", "rename"])
def test_interruption_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    calls = []

    def interrupted(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt

    if moment == "fsync":
        monkeypatch.setattr(os, "fsync", interrupted)
    else:
        replace = Path.replace
        monkeypatch.setattr(Path, "replace", lambda self, target: (interrupted(), replace(self, target)))
    with pytest.raises(KeyboardInterrupt):
        write(examples.report(), tmp_path / "out")
    left = _names(tmp_path / "out") if (tmp_path / "out").exists() else []
    assert left == ([] if moment == "fsync" else ["report.json"]), "whole files only"


def test_really_full_disk(tmp_path: Path) -> None:
    mount = shutil.which("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    small = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(small, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(OutputError, match="No space left on device"):
            write(examples.report(num_scores=20_000), disk / "out")
        assert _names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_unencodable_folder_name_and_long_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File name too long"):
        write(examples.report(), tmp_path / ("x" * 300))
    out = tmp_path / "sp ace ünï"
    assert write(examples.report(), out)["html"].is_file()
