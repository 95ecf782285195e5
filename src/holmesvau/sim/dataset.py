"""Whole datasets: videos rendered by several processes, with annotations, rows, frame labels and a side file.

OUT/sim/videos/SPLIT/NAME.mp4
OUT/raw_annotations/sim_database_SPLIT.json
OUT/instruction/merge_instruction_SPLIT_final.jsonl
OUT/ground_truth/sim_SPLIT.txt          frame labels in UCF-Crime's form
OUT/sim/truth/SPLIT/NAME.json           a finished video's record; OUT/sim_SPLIT.json has them all
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.hivau.annotations import write_annotations
from holmesvau.hivau.files import write_text
from holmesvau.hivau.ground_truth import GroundTruth, Interval
from holmesvau.hivau.instructions.compose import build
from holmesvau.hivau.instructions.rows import RowForm, write_instructions
from holmesvau.hivau.layout import Place
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.sim.plan import OWN, Plan, Settings, plan
from holmesvau.sim.scenes import of_split
from holmesvau.sim.scripts import ANOMALIES

DATASET = "sim"
SCHEMA = 1
Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True, slots=True)
class Generated:
    """What was made: the root folder, the videos in order, and how many of them were rendered just now."""

    root: Path
    split: str
    videos: tuple[Path, ...]
    rendered: int
    annotations: Path
    instructions: Path
    truth: Path
    seconds: float
    anomalous: int


def generate(
    out_dir: str | Path,
    num_videos: int,
    seed: int,
    *,
    split: str = "train",
    duration: float | tuple[float, float] = (20.0, 60.0),
    size: tuple[int, int] = (320, 240),
    fps: float = 15.0,
    anomalous_share: float = 0.5,
    scenes: Sequence[str] | None = None,
    classes: Sequence[str] = tuple(ANOMALIES),
    events: int = 3,
    busy: float = 1.0,
    background: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Render a split of simulated CCTV videos with their truth, in the form of HIVAU-70k (paper §3.2).

    `duration` is seconds, 5 to 90,000, or a range of them; `events` the most anomalies in a video, in every
    hour that is begun; `busy` scales how much ordinary life there is. `split` is train, val or test: their
    layouts of scenes, clothes, uniforms and cars are disjoint. Unless `scenes` asks for others, the kinds of
    scenes in `holmesvau.sim.scenes.HELD_OUT` are in test alone, those in `TRAINING` in the others, those in
    `VALIDATION` in val alone. The same arguments give the same pixels before encoding and the same texts,
    whatever `workers` is (default: all cores). A video that is there already is not rendered again: an
    interrupted call goes on when repeated.

    Raises:
        InputError: for an argument out of its range, or when the folder holds this split made with other
        settings. OutputError: when a file cannot be written.
    """
    low, high = duration if isinstance(duration, tuple) else (duration, duration)
    settings = Settings(
        seed=seed,
        split=split,
        duration=(float(low), float(high)),
        size=(int(size[0]), int(size[1])),
        fps=float(fps),
        anomalous_share=anomalous_share,
        scenes=_scenes(split, scenes) if background is None else (OWN,),
        classes=tuple(classes),
        events=events,
        busy=busy,
        background="" if background is None else str(background),
    )
    if num_videos < 1:
        raise InputError(f"num_videos {num_videos}: give a number from 1 on.")
    if workers is not None and workers < 1:
        raise InputError(f"workers {workers}: give the number of processes, 1 or more.")
    root = Path(out_dir)
    _claim(root, settings)
    made: dict[int, tuple[VideoAnnotation, dict[str, Any], bool]] = {}
    for number, result in _all(root, settings, num_videos, workers or os.cpu_count() or 1):
        made[number] = result
        if progress is not None:
            progress("rendering videos", len(made), num_videos)
    return _write(root, settings, [made[number] for number in range(num_videos)])


def _scenes(split: str, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds of scenes that were chosen, else those of the split."""
    return of_split(split) if chosen is None else tuple(chosen)


Result = tuple[VideoAnnotation, dict[str, Any], bool]


def _all(root: Path, settings: Settings, count: int, workers: int) -> Iterator[tuple[int, Result]]:
    """The videos' results as they are finished."""
    workers = min(workers, count)
    if workers == 1:
        for number in range(count):
            yield number, make(root, settings, number)
        return
    # Spawned, not forked: the encoder's and OpenCV's threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: dict[Future[Result], int] = {pool.submit(make, root, settings, n): n for n in range(count)}
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def make(root: Path, settings: Settings, number: int) -> Result:
    """Plan a video and render it unless it is there: annotation, record, and whether it was rendered."""
    from holmesvau.sim.encode import write

    planned = plan(settings, number)
    record = dict(planned.record)
    video = root / Place(DATASET, settings.split, planned.name).path
    mark = root / DATASET / "truth" / settings.split / f"{planned.name}.json"
    if video.is_file() and _digest(mark) == record["digest"]:
        return planned.annotation, record, False
    mark.unlink(missing_ok=True)
    write(planned.stage, video)
    write_text(mark, json.dumps(record))
    return planned.annotation, record, True


def _digest(mark: Path) -> str | None:
    try:
        return str(json.loads(mark.read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError):
        return None


def _claim(root: Path, settings: Settings) -> None:
    """Note the settings in the folder, or see that those noted there are the same."""
    path = root / DATASET / "truth" / f"settings_{settings.split}.json"
    wanted = json.loads(json.dumps({"schema": SCHEMA, **asdict(settings)}))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_text(path, json.dumps(wanted, indent=2))
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give another folder.") from error
    if found != wanted:
        other = sorted(key for key in wanted if found.get(key) != wanted[key])
        raise InputError(
            f"{root}: holds a {settings.split} split made with other settings ({', '.join(other)}). "
            "Give another folder, or the settings it was made with."
        )


def _write(root: Path, settings: Settings, made: Sequence[Result]) -> Generated:
    split = settings.split
    annotations = {annotation.name: annotation for annotation, _, _ in made}
    records = [record for _, record, _ in made]
    tree = write_annotations(annotations, root / "raw_annotations" / f"{DATASET}_database_{split}.json")
    form: RowForm = "test" if split == "test" else "train"
    rows = write_instructions(
        build(annotations, dataset=DATASET, split=split),
        root / "instruction" / f"merge_instruction_{split}_final.jsonl",
        form=form,
    )
    lines = [_ground_truth_line(record, split) for record in records]
    write_text(root / "ground_truth" / f"{DATASET}_{split}.txt", "".join(line + "\n" for line in lines))
    side = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "videos": {record["name"]: record for record in records},
    }
    truth = write_text(root / f"{DATASET}_{split}.json", json.dumps(side, indent=1))
    return Generated(
        root=root,
        split=split,
        videos=tuple(root / Place(DATASET, split, name).path for name in annotations),
        rendered=sum(new for _, _, new in made),
        annotations=tree,
        instructions=rows,
        truth=truth,
        seconds=sum(record["num_frames"] / record["fps"] for record in records),
        anomalous=sum(bool(record["events"]) for record in records),
    )


def _ground_truth_line(record: dict[str, Any], split: str) -> str:
    labels = "-".join(dict.fromkeys(event["label"] for event in record["events"])) or "Normal"
    bounds = [str(frame) for event in record["events"] for frame in event["frames"]] or [
        "-1",
        "-1",
        "-1",
        "-1",
    ]
    path = Place(DATASET, split, record["name"]).path
    return " ".join([path, str(record["num_frames"]), labels, *bounds])


def frame_rates(root: str | Path, split: str = "train") -> dict[str, float]:
    """Frames a second of each video of a generated split.

    Raises:
        InputError: when the folder has no such split.
    """
    return {record["name"]: float(record["fps"]) for record in _side_file(root, split)}


def load_truth(root: str | Path, split: str = "train", *, of: str = "events") -> list[GroundTruth]:
    """Frame labels of a generated split, each interval with its own class.

    `of="hard_negatives"` gives the hard negatives' frames instead, under their own labels: what a detector
    should not fire on.

    Raises:
        InputError: when the folder has no such split, or `of` is something else.
    """
    if of not in ("events", "hard_negatives"):
        raise InputError(f"of {of!r}: choose events or hard_negatives.")
    videos = _side_file(root, split)
    return [
        GroundTruth(
            name=record["name"],
            path=Place(DATASET, split, record["name"]).path,
            labels=tuple(dict.fromkeys(noted["label"] for noted in record[of])),
            intervals=tuple(
                Interval(noted["frames"][0], noted["frames"][1], (noted["label"],)) for noted in record[of]
            ),
            num_frames=record["num_frames"],
        )
        for record in videos
    ]


def load_plans(root: str | Path, split: str = "train") -> Iterator[Plan]:
    """The plan of each video of a generated split: who was where at any time, and did what.

    Raises:
        InputError: when the folder has no such split, or another version of the simulator made it.
    """
    path = Path(root) / f"{DATASET}_{split}.json"
    records = _side_file(root, split)
    noted = json.loads(path.read_text(encoding="utf-8"))["settings"]
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in noted.items()
    }
    settings = Settings(**plain)
    for record in records:
        planned = plan(settings, int(record["name"].rpartition("_")[2]))
        if planned.record["digest"] != record["digest"]:
            raise InputError(
                f"{path}: {record['name']} was staged by another version of the simulator, so that who is "
                "where in it is not known any more. Generate the split again."
            )
        yield planned


def _side_file(root: str | Path, split: str) -> list[dict[str, Any]]:
    path = Path(root) / f"{DATASET}_{split}.json"
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["videos"].values())
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Run `holmesvau sim generate` first.") from error
