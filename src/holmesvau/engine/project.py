"""A project: a folder with its settings, its list of videos, its prompts and its ledger.

PROJECT/annotate.toml     settings (`ProjectConfig`)
PROJECT/videos.csv        name,path,labels: a path is absolute or begins at PROJECT
PROJECT/prompts/*.md      the prompts, for you to edit
PROJECT/ledger.sqlite     everything done and said; no text is anywhere else
PROJECT/dataset/          what came out, in HIVAU-70k's layout
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from holmesvau import config as configuration
from holmesvau.engine.decouple import DecoupleConfig
from holmesvau.engine.gates import GatesConfig
from holmesvau.engine.ledger import Ledger
from holmesvau.engine.prompting import copy_defaults
from holmesvau.engine.writing import BudgetConfig, WriterConfig
from holmesvau.errors import ConfigError, InputError
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.formats.protocol import NORMAL, joined, parted
from holmesvau.hivau.instructions.compose import BuildConfig
from holmesvau.vlm.judgement import CLASSES

SETTINGS, LIST, LEDGER, PROMPTS, DATASET = (
    "annotate.toml", "videos.csv", "ledger.sqlite", "prompts", "dataset",
)  # fmt: skip
SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)
_COLUMNS = ["name", "path", "labels"]


@dataclass(frozen=True, kw_only=True)
class ProjectConfig:
    """Everything that decides what becomes of the videos; `annotate.toml` holds it.

    `dataset` and `split` name the files that come out. `language` (a code such as `en`) is that of all texts.
    `classes` are offered to people and models. `workers` processes share the work.
    """

    dataset: str = "own"
    split: str = "train"
    language: str = "en"
    classes: tuple[str, ...] = tuple(CLASSES)
    workers: int = 1
    decouple: DecoupleConfig = field(default_factory=DecoupleConfig)
    caption: WriterConfig = field(default_factory=WriterConfig)
    summary: WriterConfig = field(default_factory=WriterConfig)
    gates: GatesConfig = field(default_factory=GatesConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    instruct: BuildConfig = field(default_factory=BuildConfig)

    def __post_init__(self) -> None:
        for key in ("dataset", "split"):
            value = getattr(self, key)
            if not value or not value.replace("-", "").replace(".", "").isalnum() or value.startswith("."):
                raise InputError(f"{key} = {value!r}: give a name of letters, digits and hyphens.")
        if self.workers < 1:
            raise InputError(f"workers = {self.workers}: give the number of processes, 1 or more.")

    def writer(self, stage: str) -> WriterConfig | None:
        """The settings of whoever writes the texts of a stage; None for a stage without texts."""
        return {"caption": self.caption, "event": self.summary, "video": self.summary}.get(stage)


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the video list. `labels` is None where it names no class, () for `Normal`."""

    name: str
    path: str
    labels: tuple[str, ...] | None


class Project:
    """An opened project. Changes of its files count from the next `open_project` on.

    Raises:
        InputError: when the folder is no project, or its list cannot be used.
        ConfigError: when its settings cannot be used.
    """

    def __init__(self, folder: str | Path, overrides: Iterable[str] = ()) -> None:
        self.folder = Path(folder)
        settings = self.folder / SETTINGS
        if not settings.is_file():
            raise InputError(
                f"{self.folder}: no project of annotations (no {SETTINGS}). Make one: "
                f"holmesvau annotate init {self.folder} VIDEOS"
            )
        self.overrides = tuple(overrides)
        self.config = _at_home(configuration.load(ProjectConfig, settings, self.overrides), self.folder)
        self.listed = _listed(self.folder / LIST)

    @property
    def prompts(self) -> Path:
        """The folder of its prompts."""
        return self.folder / PROMPTS

    @property
    def dataset(self) -> Path:
        """The folder of what came out, a root in HIVAU-70k's layout."""
        return self.folder / DATASET

    def ledger(self) -> Ledger:
        """Its ledger, opened; it knows every video of the list. A context manager."""
        ledger = Ledger(self.folder / LEDGER)
        try:
            self._enter(ledger)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def path_of(self, listed: str) -> Path:
        """Where a path of the list is."""
        return Path(listed) if "://" not in listed and Path(listed).is_absolute() else self.folder / listed

    def _enter(self, ledger: Ledger) -> None:
        """Bring the ledger's videos in line with the list. What was said of a video taken off stays kept."""
        wanted = {
            row.name: (position, row.path, json.dumps(row.labels, ensure_ascii=False))
            for position, row in enumerate(self.listed)
        }
        there = {
            row["name"]: (row["position"], row["path"], row["labels"])
            for row in ledger.rows("SELECT name, position, path, labels FROM videos")
        }
        if wanted == there:
            return
        with ledger.writing():
            for name in there.keys() - wanted.keys():
                ledger.run("DELETE FROM videos WHERE name = ?", (name,))
                ledger.run("DELETE FROM wanted WHERE video = ?", (name,))
                ledger.run(
                    "UPDATE reviews SET state = 'withdrawn', decided_at = ? "
                    "WHERE video = ? AND state = 'open'",
                    (time.time(), name),
                )
            for name, (position, path, labels) in wanted.items():
                if name not in there:
                    row = {"name": name, "position": position, "path": path, "labels": labels}
                    ledger.insert("videos", row)
                elif there[name] != wanted[name]:
                    ledger.run(
                        "UPDATE videos SET position = ?, path = ?, labels = ? WHERE name = ?",
                        (position, path, labels, name),
                    )
                    if there[name][1:] != wanted[name][1:]:
                        ledger.run("UPDATE videos SET decoupled = '' WHERE name = ?", (name,))


def _at_home(config: ProjectConfig, folder: Path) -> ProjectConfig:
    """The settings with their files' places beginning at the project's folder."""

    def file(path: str) -> str:
        return str(folder / path) if path else ""

    def writer(of: WriterConfig) -> WriterConfig:
        kind, _, source = of.provider.partition(":")
        provider = f"{kind}:{file(source)}" if kind in ("imported", "replay") and source else of.provider
        return replace(of, provider=provider, record=file(of.record))

    decouple = replace(config.decouple, import_file=file(config.decouple.import_file))
    return replace(config, decouple=decouple, caption=writer(config.caption), summary=writer(config.summary))


def open_project(folder: str | Path, overrides: Iterable[str] = ()) -> Project:
    """The project in a folder, with settings such as `"workers=4"` laid over its own; see `Project`."""
    return Project(folder, overrides)


def init(
    folder: str | Path, videos: Sequence[str | Path], *, chosen: Mapping[str, Any] = MappingProxyType({})
) -> Project:
    """Make a project of videos (files, or folders of them), or add them to the one that is there.

    `chosen` are settings such as `{"caption.provider": "tiny"}` that are written into `annotate.toml`; other
    lines of it, and prompts that are there already, are left as they are.

    Raises:
        InputError: when a video is not there, or there are none.
        ConfigError: for settings that cannot be used.
        OutputError: when the folder cannot be written.
    """
    folder = Path(folder)
    found = [path for video in videos for path in _files(Path(video))]
    there = _listed(folder / LIST) if (folder / LIST).is_file() else []
    if not found and not there:
        raise InputError(f"{folder}: a project needs videos. Name files, or folders that hold some.")
    known = {_resolved(folder, row.path) for row in there}
    names = {row.name for row in there}
    rows = list(there)
    for path in found:
        if path.resolve() not in known:
            known.add(path.resolve())
            rows.append(Listed(_free(path.stem, names), _relative(path, folder), None))
    before = read_text(folder / SETTINGS) if (folder / SETTINGS).exists() else _SETTINGS
    after = _with(before, chosen, folder)
    configuration.from_dict(ProjectConfig, tomllib.loads(after), where=str(folder / SETTINGS))
    if after != before or not (folder / SETTINGS).exists():
        write_text(folder / SETTINGS, after)
    write_text(folder / LIST, _written(rows))
    copy_defaults(folder / PROMPTS)
    project = Project(folder)
    project.ledger().close()
    return project


def _with(text: str, chosen: Mapping[str, Any], folder: Path) -> str:
    """Settings with these keys set, each in its table and where it stood, if it did.

    Raises:
        ConfigError: when a table is written in a way that cannot be edited by lines.
    """
    for key, value in chosen.items():
        *table, name = key.split(".")
        lines = text.splitlines()
        head = f"[{'.'.join(table)}]" if table else ""
        starts = [0] if not head else [n + 1 for n, line in enumerate(lines) if line.strip() == head]
        if not starts:
            lines += ["", head]
            starts = [len(lines)]
        ends = (n for n in range(starts[0], len(lines)) if lines[n].lstrip().startswith("["))
        end = next(ends, len(lines))
        # JSON's strings, numbers and lists of them are TOML's.
        line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
        own = re.compile(rf"\s*#?\s*{re.escape(name)}\s*=")
        place = next((n for n in range(starts[0], end) if own.match(lines[n])), None)
        lines[slice(starts[0], starts[0]) if place is None else slice(place, place + 1)] = [line]
        text = "\n".join(lines) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{folder / SETTINGS}: {', '.join(chosen)} cannot be set in it ({error}). Edit it by hand."
        ) from error
    return text


def _files(video: Path) -> list[Path]:
    if video.is_dir():
        return sorted(path for path in video.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not video.is_file():
        raise InputError(f"{video}: no such file or folder of videos.")
    return [video]


def _free(stem: str, taken: set[str]) -> str:
    """A name that no other video has, and that can be a file's."""
    base = stem.strip().lstrip(".") or "video"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _relative(path: Path, folder: Path) -> str:
    """A path as the list has it: below the project from there on, else absolute."""
    whole, home = path.resolve(), folder.resolve()
    return whole.relative_to(home).as_posix() if whole.is_relative_to(home) else whole.as_posix()


def _resolved(folder: Path, listed: str) -> Path:
    return (folder / listed).resolve()


def _listed(path: Path) -> list[Listed]:
    rows: list[Listed] = []
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = [cell.strip() for cell in next(reader, [])]
    if header[:2] != _COLUMNS[:2]:
        raise InputError(f"{path}:1: the first line names the columns: {','.join(_COLUMNS)}.")
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        name, where, labels = ([cell.strip() for cell in cells] + ["", "", ""])[:3]
        if not name or not where or "/" in name or name.startswith(".") or not name.isprintable():
            raise InputError(f"{path}:{reader.line_num}: give a name that can be a file's, and a path.")
        if any(row.name == name for row in rows):
            raise InputError(f"{path}:{reader.line_num}: the name {name!r} stands twice. Give another.")
        classes = tuple(label for label in parted(labels) if label)
        known = None if not classes else tuple(label for label in classes if label != NORMAL)
        rows.append(Listed(name, where, known))
    return rows


def _written(rows: Iterable[Listed]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        labels = "" if row.labels is None else joined(row.labels) or NORMAL
        writer.writerow([row.name, row.path, labels])
    return text.getvalue()


_SETTINGS = """\
# Settings of this project; `holmesvau annotate status` checks them. docs/engine.md explains each.
dataset = "own"         # what the dataset is called in file names and paths
split = "train"
language = "en"
workers = 1             # processes

[decouple]
source = "auto"         # auto: an import where it has the video, else proposals; import, proposals, people
# import_file = "annotations.json"      # any format that `holmesvau data import` reads
confirm = "proposals"   # whose events a person must confirm before they are described: proposals, all, none

[caption]
provider = "people"     # endpoint:http://localhost:8000/v1#model, internvl:FOLDER, tiny, imported:FILE

[summary]
provider = "people"     # endpoint:http://localhost:8000/v1#model, smollm2, imported:FILE

# [budget]
# tokens = 5_000_000
# money = 20.0
"""
