"""Many videos watched by several processes, each report kept as soon as it is there.

A worker holds one pipeline and one open video: memory does not grow with the number of videos. What has been
watched with the same pipeline (`PipelineOptions.fingerprint`) is not watched again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from holmesvau import report as reports
from holmesvau.errors import HolmesError, InputError, ModelDownError
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.hivau.files import write_text
from holmesvau.holmes import Holmes
from holmesvau.types import Report
from holmesvau.watching import MODEL_DOWN

Progress = Callable[[str, float, float | None], None]
# Weights of a model that every process may load for itself.
SMALL_BYTES = 500 << 20


@dataclass(frozen=True, slots=True)
class Watched:
    """Reports by the video's name; `reused` of them were there before."""

    reports: Mapping[str, Report]
    reused: int


def watch_all(
    videos: Mapping[str, Path],
    folder: str | Path,
    options: PipelineOptions,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Watched:
    """Watch the videos (name -> file) and keep each report as `FOLDER/NAME.json`.

    `folder` belongs to one pipeline and one set of videos: a report that lies there already is taken as it
    is. Without `workers` the cores are shared by as many processes where the model is small or elsewhere, and
    a model of gigabytes is loaded once.

    Raises:
        HolmesError: of the first video that cannot be watched, by name; also when a served model is down,
            whose silence would look like a wrong answer.
    """
    folder = Path(folder)
    if workers is not None and workers < 1:
        raise InputError(f"workers {workers}: give the number of processes, 1 or more.")
    missing = {name: path for name, path in videos.items() if not _kept(folder, name)}
    count = min(workers or default_workers(options), max(1, len(missing)))
    for done, _ in enumerate(_watch(missing, folder, options, count), start=1):
        if progress is not None:
            progress("watching videos", len(videos) - len(missing) + done, len(videos))
    found = {name: reports.from_json(folder / f"{name}.json") for name in videos}
    return Watched(found, len(videos) - len(missing))


def _watch(videos: Mapping[str, Path], folder: Path, options: PipelineOptions, workers: int) -> Iterator[str]:
    """Names as they are done."""
    if not videos:
        return
    if workers == 1:
        holmes = options.load()
        for name, path in videos.items():
            yield _one(holmes, name, path, folder)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Spawned, not forked: decoders' and torch's threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=spawn, initializer=_prepare, initargs=(options, threads)
    ) as pool:
        waiting: Sequence[Future[str]] = [
            pool.submit(_in_worker, name, path, folder) for name, path in videos.items()
        ]
        try:
            for future in as_completed(waiting):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker: dict[str, PipelineOptions | Holmes] = {}


def _prepare(options: PipelineOptions, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    _worker["options"] = options


def _in_worker(name: str, path: Path, folder: Path) -> str:
    if "holmes" not in _worker:
        # Not in the initializer, whose errors would reach nobody as what they are.
        options = _worker["options"]
        assert isinstance(options, PipelineOptions)
        _worker["holmes"] = options.load()
    holmes = _worker["holmes"]
    assert isinstance(holmes, Holmes)
    return _one(holmes, name, path, folder)


def _one(holmes: Holmes, name: str, path: Path, folder: Path) -> str:
    try:
        report = holmes.watch(path)
    except HolmesError as error:
        raise type(error)(f"{name}: {error}") from error
    for warning in report.warnings:
        if warning.endswith(MODEL_DOWN):
            raise ModelDownError(f"{name}: {warning.removesuffix(MODEL_DOWN).strip()}")
    write_text(folder / f"{name}.json", json.dumps(reports.to_json(report), ensure_ascii=False))
    return name


def _kept(folder: Path, name: str) -> bool:
    return (folder / f"{name}.json").is_file()


def default_workers(options: PipelineOptions) -> int:
    """As many as cores where each may hold the model; one where it is large, or on a GPU."""
    import torch

    on_gpu = torch.cuda.is_available() if options.device is None else options.device.startswith("cuda")
    folder = Path(options.model)
    small = options.model in ("tiny", "none") or (
        folder.is_dir() and sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < SMALL_BYTES
    )
    elsewhere = options.model.startswith("endpoint:")
    return (os.cpu_count() or 1) if elsewhere or (small and not on_gpu) else 1
