"""A run's folder: all that a training run was given and has done, on disk whole or not at all.

    RUN/config.json          the resolved recipe of the stage; usable as a RECIPE
    RUN/environment.json     versions, commit, device, threads and seeds of every start
    RUN/data.json            a hash of every input
    RUN/log.jsonl            one line a logged step
    RUN/tensorboard/         the same numbers, where tensorboard is installed
    RUN/checkpoints/         what resuming needs; the newest two are kept
    RUN/best/  RUN/last/     the trained parts, in safetensors

The same command on the same folder goes on after the newest checkpoint: what was logged after it is taken
back first, so each step stands in the log once.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from holmesvau.errors import ConfigError, InputError, OutputError
from holmesvau.hivau.files import write_text

log = logging.getLogger(__name__)

FORMAT = 1
KEPT_CHECKPOINTS = 2
_CHECKPOINT = re.compile(r"step-(\d+)\.pt")


class Run:
    """One run's folder, held by one run at a time; a context manager.

        with Run("runs/tiny/scorer", stage="scorer", config=to_dict(recipe.scorer), main=rank == 0) as run:
            run.record_data({"train/videos/a.mp4": "5f2c…"})
            state = run.load_checkpoint()
            run.rewind(state["step"] if state else 0)
            run.log(step=1, epoch=0, loss=0.7)
            run.save_checkpoint(1, {"model": …})
            with run.replacing("best") as folder:
                save_file(tensors, folder / "model.safetensors")

    With several processes every one opens the folder, but only the `main` one locks it and writes; the others
    read. They must wait for the main one before they open it.

    Args:
        path: the folder; made where it is not there.
        stage: what is trained there: `scorer` or `instruct`.
        config: JSON-able; a folder that was begun with another one is refused.
        main: whether this process writes.

    Raises:
        ConfigError: when the folder was begun with another configuration; the message names the keys.
        InputError: when another process is training in it, or it holds something else than a run.
        OutputError: when it cannot be written.
    """

    def __init__(self, path: str | Path, *, stage: str, config: Mapping[str, Any], main: bool = True) -> None:
        self.path = Path(path)
        self.stage = stage
        self.main = main
        self._config = json.loads(json.dumps(dict(config), default=str))
        self._stack = ExitStack()
        self._log: BinaryIO | None = None
        self._board: Any = None
        self._first_step = 1

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie; a trainer with its own kind may keep them there too."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The trained parts that did best on the validation split."""
        return self.path / "best"

    @property
    def last(self) -> Path:
        """The trained parts as they were at the end."""
        return self.path / "last"

    def __enter__(self) -> Run:
        if self.main:
            with ExitStack() as undo:
                undo.callback(self._stack.close)
                self._lock()
                self._mend()
                self._claim()
                undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._log is not None:
            self._log.close()
        if self._board is not None:
            self._board.close()
        self._log = self._board = None
        self._stack.close()

    def record_start(self, start: Mapping[str, Any]) -> None:
        """Append what this start of the run runs on (`environment.describe`) to `environment.json`."""
        if self.main:
            path = self.path / "environment.json"
            starts = _read_json(path, default=[])
            write_text(path, json.dumps([*starts, dict(start)], indent=2))

    def record_data(self, digests: Mapping[str, str]) -> None:
        """Note a hash of every input, by name; a resumed run must be given the same ones.

        Raises:
            ConfigError: when one is another than when the run began; the message names it.
        """
        path = self.path / "data.json"
        wanted = dict(sorted(digests.items()))
        found = _read_json(path, default=None)
        if found is None or not self._is_begun():
            if self.main:
                write_text(path, json.dumps(wanted, indent=1))
            return
        changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        if changed:
            raise ConfigError(
                f"{self.path}: the data are not those this run began with ({_some(changed)}). "
                "Give the former data back, or another folder."
            )

    def log(self, *, step: int, **values: Any) -> None:
        """One line of `log.jsonl`, and its numbers to tensorboard; what is not finite becomes null."""
        if not self.main:
            return
        line = json.dumps({"step": step, **{key: _plain(value) for key, value in values.items()}})
        try:
            if self._log is None:
                self._log = (self.path / "log.jsonl").open("ab", buffering=0)
            self._log.write(line.encode() + b"\n")
        except OSError as error:
            raise OutputError(f"{self.path}: the log cannot be written ({error.strerror}).") from error
        self._to_board(step, values)

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log in order; one that a killed process left unfinished is not among them."""
        lines = []
        try:
            text = (self.path / "log.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return lines

    def rewind(self, step: int) -> None:
        """Take back what was logged after `step`: it will be done, and logged, again."""
        if self.main and (lines := self.logged()):
            kept = [line for line in lines if line["step"] <= step]
            write_text(self.path / "log.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
        self._first_step = step + 1

    def save_checkpoint(self, step: int, state: Mapping[str, Any]) -> None:
        """Keep tensors, numbers, strings and containers of them as the state after `step`; all or nothing."""
        if not self.main:
            return
        import torch

        path = self.checkpoints / f"step-{step:08d}.pt"
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save({"format": FORMAT, "step": step, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"{path}: the checkpoint cannot be written ({error}).") from error
        for _, older in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            older.unlink(missing_ok=True)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint that can be read, on the CPU, with its `step`; None at first."""
        import torch

        for _, path in reversed(self._checkpoints()):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                return state
            # torch raises whatever its parts raise on a file that a failing disk cut short.
            except Exception as error:  # noqa: BLE001
                log.warning("%s: cannot be read (%s); going back to the one before.", path, error)
        return None

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """An empty folder to fill, which takes the place of `RUN/name` when the block ends well."""
        target, new, old = self.path / name, self.path / f".{name}.new", self.path / f".{name}.old"
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            yield new
            for written in new.rglob("*"):
                _sync(written)
            if target.exists():
                target.rename(old)
            new.rename(target)
            _sync(self.path)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror or error}).") from error

    def _lock(self) -> None:
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            lock = self._stack.enter_context((self.path / ".lock").open("a"))
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror or error}).") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{self.path}: another process is training in this folder. Wait for it, or give another."
            ) from error

    def _mend(self) -> None:
        """Put right what a process that was killed in the middle of a change has left."""
        for old in self.path.glob(".*.old"):
            target = self.path / old.name[1:].removesuffix(".old")
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(target)
        for partial in self.checkpoints.glob("*.partial"):
            partial.unlink(missing_ok=True)

    def _claim(self) -> None:
        path = self.path / "config.json"
        found = _read_json(path, default=None)
        wanted = {"stage": self.stage, **self._config}
        if not self._is_begun():
            write_text(path, json.dumps(wanted, indent=2))
            return
        if found is None:
            raise InputError(f"{self.path}: holds a log but no config.json. Give another folder.")
        before, now = _flat(found), _flat(wanted)
        other = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if other:
            told = (f"{key} was {before.get(key)!r}, now {now.get(key)!r}" for key in other)
            raise ConfigError(
                f"{self.path}: holds a run with another configuration ({_some(list(told))}). "
                "Give another folder, or the configuration it was begun with."
            )

    def _is_begun(self) -> bool:
        """Whether a step was taken: a start that failed before binds nobody to its configuration."""
        log_file = self.path / "log.jsonl"
        logged = log_file.is_file() and log_file.stat().st_size > 0
        return logged or (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))

    def _checkpoints(self) -> list[tuple[int, Path]]:
        found = (
            (_CHECKPOINT.fullmatch(path.name), path)
            for path in (self.checkpoints.iterdir() if self.checkpoints.is_dir() else ())
        )
        return sorted((int(match[1]), path) for match, path in found if match)

    def _to_board(self, step: int, values: Mapping[str, Any]) -> None:
        if self._board is None:
            self._board = _board(self.path / "tensorboard", self._first_step) or False
        if self._board:
            for key, value in values.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    self._board.add_scalar(f"{self.stage}/{key}", value, step)


def _board(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("tensorboard is not installed; log.jsonl has all numbers (pip install 'holmesvau[train]').")
        return None
    return SummaryWriter(str(folder), purge_step=first_step)


def plain(result: Any) -> dict[str, Any]:
    """A result's fields as JSON takes them: paths as texts, and null for what is not a number."""
    return {
        key: str(value) if isinstance(value, Path) else _plain(value) for key, value in asdict(result).items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_json(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give another folder for the run.") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
