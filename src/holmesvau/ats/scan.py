"""The dense scan: every so often a frame of the video is encoded and its features are kept (paper §4.1).

Decoding and scaling run in the reader's thread while this one encodes. Nothing but a chunk of features is in
memory: they go to the feature store as they come, or to a temporary folder, and come back memory-mapped.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

import numpy as np

from holmesvau.ats import records
from holmesvau.ats.covering import Covering
from holmesvau.ats.features import Encoded, Encoder, Features, Progress
from holmesvau.ats.store import FeatureStore, Recipe, features_of
from holmesvau.errors import InputError, OutputError, VideoError
from holmesvau.types import FloatArray, IndexArray
from holmesvau.video import Video
from holmesvau.video.skim import BLOCK, Shortcuts

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScanConfig:
    """Which frames are scanned: `every` so many frames (16 in the paper) or, without it, `every_seconds`.

    `batch_size` None is what the encoder runs best at; `cache` False keeps nothing for the next look.
    Three shortcuts give a frame the features of an earlier one: `still` where it shows no change, `steady`
    to every second frame where much moves all the time, `calm` without decoding it where packets and
    keyframes tell that nothing happens. What they save and what they lose: `docs/long-video.md`.
    """

    every_seconds: float = 0.5
    every: int | None = None
    batch_size: int | None = None
    cache: bool = True
    still: bool = False
    steady: bool = False
    calm: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.every_seconds) and self.every_seconds > 0):
            raise InputError(f"every_seconds = {self.every_seconds}: give a positive number of seconds.")
        if self.every is not None and self.every < 1:
            raise InputError(f"every = {self.every}: give a number of frames, 1 or more.")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size = {self.batch_size}: give a number of frames, 1 or more.")

    @property
    def stride(self) -> str:
        """The choice of frames in words, as part of the stored features' key."""
        taken = f"every {self.every} frames" if self.every is not None else f"every {self.every_seconds!r} s"
        return f"{taken}; {self.shortcuts}" if self.shortcuts else taken

    @property
    def shortcuts(self) -> Shortcuts:
        """As the reader takes them."""
        return Shortcuts(still=self.still, steady=self.steady, calm=self.calm)


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """The features of a video and what it took to get them.

    Seconds by stage: `decode_seconds` is the time spent waiting for frames (decoding beside encoding costs
    nothing), `encode_seconds` and `store_seconds` the time in the encoder and in writing, `total_seconds`
    all of it. `encoded_frames` were encoded now and `reused_frames` took an earlier one's features;
    `decoded_frames` came out of the decoder; `resumed_from` is how many an interrupted scan had left, and
    `cached` says that none had to be. `warnings` are the reader's, those of the scan that filled the store
    included.
    """

    features: Features
    decode_seconds: float
    encode_seconds: float
    store_seconds: float
    total_seconds: float
    encoded_frames: int
    resumed_from: int
    cached: bool
    warnings: tuple[str, ...]
    reused_frames: int = 0
    decoded_frames: int = 0


_DEFAULTS = ScanConfig()


def scanned_before(
    path: Path, encoder: Encoder, *, config: ScanConfig = _DEFAULTS, store: FeatureStore | None = None
) -> Features | None:
    """What a scan of a file has left in the store, without opening the file; None where there is none."""
    store = store if store is not None else FeatureStore()
    if not (config.cache and path.is_file()):
        return None
    return store.features(recipe_of(encoder, config, store.content(path)))


def scan(
    video: Video,
    encoder: Encoder,
    *,
    config: ScanConfig = _DEFAULTS,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Features of the dense frames of an open video, from the store where they are there already.

    A scan that was interrupted goes on after its last stored frame, and ends with the same bits as one that
    was not. Files only are stored, by content, under `store` (the user's cache when None); a store that
    cannot be written is done without, with a warning in the log. `progress` is called with "scan" and
    seconds of video.

    Raises:
        VideoError: when the video cannot be read, or not one of its frames can.
        OutputError: when neither the store nor the temporary folder takes the features.
    """
    started = time.perf_counter()
    store = store if store is not None else FeatureStore()
    path = Path(video.info.path)
    stored = config.cache and not video.info.is_live and path.is_file()
    identity = _identity(path)
    recipe = recipe_of(encoder, config, store.content(path) if stored else "")
    if stored and (found := store.find(recipe)) is not None:
        features, warnings = features_of(found, recipe), tuple(found.notes["warnings"])
        return ScanResult(features, 0.0, 0.0, 0.0, time.perf_counter() - started, 0, 0, True, warnings)
    spent = dict.fromkeys(("decode", "encode", "store"), 0.0)
    with _Sink(store if stored else None, recipe) as sink:
        resumed_from = len(sink.recorder.index)
        encoded, decoded = _encode_all(video, encoder, config, sink, spent=spent, progress=progress)
        if not sink.recorder.index:
            raise VideoError(f"{path}: not one frame could be decoded. The file is damaged.")
        if stored and _identity(path) != identity:
            sink.leave_store("the video changed while it was scanned", discard=True)
        began = time.perf_counter()
        found = sink.finish(video.warnings)
        spent["store"] += time.perf_counter() - began
    return ScanResult(
        features=features_of(found, recipe),
        decode_seconds=spent["decode"],
        encode_seconds=spent["encode"],
        store_seconds=spent["store"],
        total_seconds=time.perf_counter() - started,
        encoded_frames=encoded,
        resumed_from=resumed_from,
        cached=False,
        warnings=tuple(video.warnings),
        reused_frames=len(found.index) - resumed_from - encoded,
        decoded_frames=decoded,
    )


def _encode_all(
    video: Video,
    encoder: Encoder,
    config: ScanConfig,
    sink: _Sink,
    *,
    spent: dict[str, float],
    progress: Progress | None,
) -> tuple[int, int]:
    """How many frames were encoded and recorded, and how many decoded."""
    recorded = sink.recorder.index
    parts = video.skim(
        config.shortcuts,
        every=config.every,
        every_seconds=config.every_seconds if config.every is None else None,
        size=encoder.frame_size(video.info.width, video.info.height),
        batch_size=config.batch_size or encoder.batch_size,
        start_index=_first_to_read(recorded, encoder.memory, config.shortcuts),
        # What an encoder remembers fades; what stands for a frame must not be much older.
        refresh=max(1, encoder.memory // 8) if encoder.memory else BLOCK,
    )
    last, looking = recorded[-1] if recorded else -1, Covering(encoder)
    encoded = decoded = 0
    waiting = time.perf_counter()
    # Closing ends the reader's thread when this one is interrupted.
    with closing(parts) as stretches:  # type: ignore[type-var]
        for part in stretches:
            began = time.perf_counter()
            features = looking.at(part)
            made = time.perf_counter()
            new = int(np.searchsorted(part.index, last, side="right"))
            sink.append(
                part.index[new:],
                part.seconds[new:],
                Encoded(features.pooled[new:], features.cells[new:]),
            )
            encoded += int((part.frames.index > last).sum())
            decoded = part.decoded
            spent["decode"] += began - waiting
            spent["encode"] += made - began
            waiting = time.perf_counter()
            spent["store"] += waiting - made
            if progress is not None:
                progress("scan", float(part.seconds[-1]), video.info.duration)
    spent["decode"] += time.perf_counter() - waiting
    return encoded, decoded


def _first_to_read(recorded: Sequence[int], memory: int, shortcuts: Shortcuts) -> int:
    """The next frame's number or, for an encoder with a memory, of the frames it must see again first.

    With shortcuts these are those before the block that the next frame is in, since the features of any frame
    of the block may stand for it.
    """
    if not recorded:
        return 0
    back = memory + BLOCK if shortcuts else memory
    return recorded[-1] + 1 if not memory else recorded[max(0, len(recorded) - back)]


class _Sink:
    """Where features go: the store or, when it is not wanted or cannot be written, a temporary folder.

    What cannot be kept for next time does not stop a scan.
    """

    def __init__(self, store: FeatureStore | None, recipe: Recipe) -> None:
        self._store, self._recipe = store, recipe
        self._stack = ExitStack()

    def __enter__(self) -> _Sink:
        if self._store is not None:
            try:
                self.recorder = self._stack.enter_context(self._store.recorder(self._recipe))
                return self
            except BlockingIOError:
                log.warning("The same video is being scanned by another process; this scan is not stored.")
            except OSError as error:
                log.warning("%s: features cannot be kept for next time (%s).", self._store.root, error)
            self._store = None
        try:
            new = records.Recorder(self._temporary(), self._recipe.meta, self._recipe.dtype)
        except OSError as error:
            raise _no_room(error) from error
        self.recorder = self._stack.enter_context(new)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def append(self, index: IndexArray, seconds: FloatArray, encoded: Encoded) -> None:
        if not len(index):
            return
        try:
            self.recorder.append(index, seconds, encoded)
        except OSError as error:
            self.leave_store(str(error), cause=error)

    def leave_store(self, reason: str, *, discard: bool = False, cause: OSError | None = None) -> None:
        """Go on in a temporary folder with all that was recorded; `discard` what the store has of it."""
        if self._store is None:
            raise _no_room(cause) from cause
        log.warning("%s: the features are not kept for next time (%s).", self._store.root, reason)
        self._store, former = None, self.recorder
        try:
            self.recorder = self._stack.enter_context(former.continue_in(self._temporary()))
        except OSError as error:
            raise _no_room(error) from error
        if discard:
            shutil.rmtree(former.folder, ignore_errors=True)

    def finish(self, warnings: list[str]) -> records.Records:
        try:
            self.recorder.finish({"warnings": warnings})
        except OSError as error:
            self.leave_store(str(error), cause=error)
            return self.finish(warnings)
        found = records.read(self.recorder.folder, self._recipe.meta, self._recipe.dtype)
        if found is None:
            raise OutputError(
                f"{self.recorder.folder}: what was written reads back damaged. Check that disk."
            )
        return found

    def _temporary(self) -> Path:
        # Removed when the scan ends; what is mapped stays readable until it is let go.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="holmesvau-"))
        return Path(folder) / "features"


def _no_room(error: OSError | None) -> OutputError:
    return OutputError(
        f"{tempfile.gettempdir()}: the features cannot be written ({error}). "
        "Make room on that disk, or set TMPDIR to a folder on another."
    )


def recipe_of(encoder: Encoder, config: ScanConfig, content: str) -> Recipe:
    """What the scan of a file with this content (`FeatureStore.content`) is stored under."""
    return Recipe(
        content=content,
        stride=config.stride,
        # The size depends on the video, whose content stands above, and on the encoder alone.
        reader=f"av {version('av')}",
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        width=encoder.width,
        cells=encoder.cells_shape,
    )


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ino
