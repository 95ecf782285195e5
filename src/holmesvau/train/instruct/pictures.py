"""What a model's frozen part makes of frames, kept on disk: an epoch decodes and encodes nothing twice.

    ROOT/prepared/KEY/    index.npy [F] int64, and one NAME.npy [F, …] for each array of `Trainable.prepare`

KEY is a hash of the file's content and the model's `fingerprint`: one folder has all frames of a video that
any run has asked for. Models without a fingerprint prepare anew each time, in the loader's workers.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from holmesvau.ats.features import Features
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import HolmesError, OutputError
from holmesvau.hivau.dataset import OnError, Skipped, failed
from holmesvau.train.instruct.examples import Example
from holmesvau.train.instruct.trainable import Prepared, Trainable, as_tensors
from holmesvau.types import IndexArray
from holmesvau.video import Video, open_video

log = logging.getLogger(__name__)

FRAMES_AT_ONCE = 16
_VIDEOS_OPEN = 4
Dense = Callable[[Path], Features | None]


class FreshPictures:
    """Decoded and prepared when asked for; the last few files stay open."""

    def __init__(self, trainable: Trainable, dense: Dense) -> None:
        self._trainable, self._dense = trainable, dense
        self._open: OrderedDict[Path, Video] = OrderedDict()

    def __call__(self, example: Example) -> dict[str, torch.Tensor]:
        """The prepared frames of an example.

        Raises:
            VideoError: when they cannot be read.
        """
        return as_tensors(self.prepared(example.path, example.index))

    def prepared(self, path: Path, index: IndexArray) -> Prepared:
        """Frames of a file; see `__call__`. Those that the scan has looked at need not be decoded again."""
        dense = self._dense(path)
        if (known := self._trainable.known(index, dense)) is not None:
            return known
        try:
            batches = []
            for start in range(0, len(index), FRAMES_AT_ONCE):
                frames = self._video(path).at(index[start : start + FRAMES_AT_ONCE])
                batches.append(self._trainable.prepare(frames, dense))
        except HolmesError:
            # A reader that has met damage is not trusted with the next row.
            self._open.pop(path).close() if path in self._open else None
            raise
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    def close(self) -> None:
        """Close the files that are open."""
        while self._open:
            self._open.popitem()[1].close()

    def _video(self, path: Path) -> Video:
        if path not in self._open:
            while len(self._open) >= _VIDEOS_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[path] = open_video(path)
        self._open.move_to_end(path)
        return self._open[path]


class KeptPictures:
    """Out of the folder that `fill` fills beforehand; safe to use in a loader's workers."""

    def __init__(self, fingerprint: str, store: FeatureStore | None = None) -> None:
        self._fingerprint = fingerprint
        self._store = store if store is not None else FeatureStore()

    def __call__(self, example: Example) -> dict[str, torch.Tensor]:
        """The prepared frames of an example; only their rows are read.

        Raises:
            OutputError: when what was filled in is no longer there.
        """
        folder = self._folder(example.path)
        found = _load(folder)
        rows = _places(found, example.index)
        if found is None or rows is None:
            raise OutputError(
                f"{folder}: the prepared frames of {example.path} have gone. Run the same command again."
            )
        return {name: torch.from_numpy(array[rows]) for name, array in found.items() if name != "index"}

    def fill(
        self,
        examples: Sequence[Example],
        fresh: FreshPictures,
        *,
        on_error: OnError,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[list[Example], list[Skipped]]:
        """Prepare what is not there yet: the examples whose frames are had, and the rows that have none.

        Raises:
            HolmesError: with `on_error="raise"`, when a video cannot be read; the message names the row.
            OutputError: when the folder cannot be written.
        """
        by_video: dict[Path, list[Example]] = {}
        for example in examples:
            by_video.setdefault(example.path, []).append(example)
        usable: set[Path] = set()
        skipped: list[Skipped] = []
        for done, (path, group) in enumerate(by_video.items(), start=1):
            try:
                self._fill(path, np.unique(np.concatenate([example.index for example in group])), fresh)
                usable.add(path)
            except OutputError:
                raise
            except HolmesError as error:
                skipped += [failed(example.row, error, on_error) for example in group]
            if progress is not None:
                progress(done)
        fresh.close()
        return [example for example in examples if example.path in usable], skipped

    def _fill(self, path: Path, wanted: IndexArray, fresh: FreshPictures) -> None:
        folder = self._folder(path)
        found = _load(folder)
        if _places(found, wanted) is not None:
            return
        missing = wanted if found is None else np.setdiff1d(wanted, found["index"])
        made: Prepared = {"index": missing, **fresh.prepared(path, missing)}
        if found is not None:
            order = np.argsort(np.concatenate([found["index"], missing]))
            made = {name: np.concatenate([found[name], array])[order] for name, array in made.items()}
        _write(folder, made)

    def _folder(self, path: Path) -> Path:
        key = f"{self._store.content(path)} {self._fingerprint}".encode()
        return self._store.root / "prepared" / hashlib.blake2b(key, digest_size=20).hexdigest()


def _load(folder: Path) -> Prepared | None:
    """The arrays of a folder, memory-mapped; None where they are not all there."""
    try:
        found = {path.stem: np.load(path, mmap_mode="r") for path in _arrays(folder)}
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s); preparing again.", folder, error)
        return None
    lengths = {len(array) for array in found.values()}
    return found if "index" in found and len(found) > 1 and len(lengths) == 1 else None


def _arrays(folder: Path) -> Iterable[Path]:
    return sorted(folder.glob("*.npy"))


def _places(found: Prepared | None, index: IndexArray) -> IndexArray | None:
    """Where frames stand in a folder's arrays; None when one is not there."""
    if found is None:
        return None
    known = found["index"]
    places = np.minimum(np.searchsorted(known, index), len(known) - 1)
    return places if np.array_equal(known[places], index) else None


def _write(folder: Path, made: Prepared) -> None:
    unfinished: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
        for name, array in made.items():
            np.save(unfinished / f"{name}.npy", array)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: the prepared frames cannot be written ({error.strerror or error}). Make room there, "
            "or set HOLMESVAU_CACHE to a folder on another disk."
        ) from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
