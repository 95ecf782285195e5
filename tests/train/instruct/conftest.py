"""A small data set of real videos, and small random InternVL checkpoints to train."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from holmesvau.train.data import DataConfig
from holmesvau.train.instruct import Adaptation, InstructTraining
from holmesvau.train.recipes import Recipe
from tests.scenes import fixed_camera, write_video
from tests.vlm.conftest import frames, llama_folder, make_checkpoint, qwen_folder

__all__ = ["frames", "llama_folder", "make_checkpoint", "qwen_folder"]


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def annotation(burns: bool, seconds: float) -> dict[str, object]:
    """As released: one event of two clips."""
    parts = {
        "judgement": "An anomaly exists: arson." if burns else "No anomaly exists.",
        "description": "A fire burns in the corner of a room." if burns else "A man walks through a room.",
    }
    if burns:
        parts["analysis"] = "Fire in a room is dangerous."
    return {
        "n_frames": int(seconds * 10),
        "fps": 10.0,
        "label": ["Arson"] if burns else [],
        "events": [[4.0, 8.0]],
        "clips": [[[4.0, 6.0], [6.0, 8.0]]],
        "clips_caption": [["A fire begins.", "Smoke rises."] if burns else ["A man walks.", "He is gone."]],
        "events_summary": [" ".join(parts.values())],
        "events_summary_split": [parts],
        "video_summary": " ".join(parts.values()),
        "video_summary_split": parts,
    }


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training videos and two for validation, in the layout of the release."""
    root = tmp_path_factory.mktemp("hivau")
    (root / "raw_annotations").mkdir()
    for split, count in (("train", 4), ("val", 2)):
        annotations = {}
        folder = root / "room" / "videos" / split
        folder.mkdir(parents=True)
        for number in range(count):
            burns, seconds = number % 2 == 0, 10 + number + (5 if split == "val" else 0)
            write_video(
                folder / f"room{number}.mp4",
                fixed_camera(seconds, odd=(4, 8) if burns else None, width=160, height=96),
            )
            annotations[f"room{number}"] = annotation(burns, seconds)
        (root / "raw_annotations" / f"room_database_{split}.json").write_text(json.dumps(annotations))
    return root


@pytest.fixture(scope="session")
def recipe_for(data_root: Path, llama_folder: Path) -> Callable[..., Recipe]:
    """A recipe on the small data set, by default for the random InternVL checkpoint in float32."""

    def make(**changes: object) -> Recipe:
        options: dict[str, object] = {
            "model": str(llama_folder),
            "adaptation": Adaptation(rank=4, alpha=8.0),
            "encoder": "efficientnet-lite0",
            "scorer": "novelty",
            "max_tokens": 2048,
            "batch_rows": 8,
            "pass_tokens": 1024,
            "learning_rate": 2e-2,
            "precision": "float32",
            "save_every": 2,
            "max_steps": 6,
            "epochs": 3,
        }
        return Recipe(
            name="test",
            data=DataConfig(roots=(str(data_root),)),
            instruct=InstructTraining(**(options | changes)),  # type: ignore[arg-type]
        )

    return make
