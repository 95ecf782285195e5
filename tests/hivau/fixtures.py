"""A small dataset in the released schema, all of it made up here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.video.films import film

ANNOTATIONS: dict[str, dict[str, Any]] = {
    "Fire001": {
        "n_frames": 900,
        "fps": 30.0,
        "label": ["Arson"],
        "events": [[5.5, 12.0], [20.0, 24.5]],
        "clips": [[[5.5, 8.0], [8.0, 12.0]], [[20.0, 24.5]]],
        "clips_caption": [["A man pours petrol.", "It burns."], ["The girl’s shop burns again."]],
        "events_summary": ['An anomaly exists, "Arson".', "An anomaly exists."],
        "video_summary": "An anomaly exists, Arson. A man sets fire to a shop twice.",
        "events_summary_split": [
            {
                "judgement": "An anomaly exists.",
                "description": "A man sets fire.",
                "analysis": "Fire is a danger.",
            },
            {
                "judgement": "An anomaly exists.",
                "description": "The shop burns.",
                "analysis": "Setting fire to goods destroys property.",
            },
        ],
        "video_summary_split": {
            "judgement": "An anomaly exists, Arson.",
            "description": "A man sets fire to a shop twice",
            "analysis": "Arson is a crime.",
        },
    },
    "v=Film.1998__#00-08-08_00-09-15_label_A": {
        "n_frames": 480,
        "fps": 24,
        "label": [],
        "events": [[0, 10]],
        "clips": [[[0, 4.5]]],
        "clips_caption": [["Two people talk."]],
        "events_summary": ["No anomaly exists in the video."],
        "video_summary": "No anomaly exists in the video.",
        "events_summary_split": [{"judgement": "No anomaly exists.", "description": "Two people talk."}],
        "video_summary_split": {"judgement": "No anomaly exists.", "description": "Two people talk."},
    },
    "Calm001": {
        "n_frames": 600,
        "fps": 30.0,
        "label": [],
        "events": [[1.0, 9.0]],
        "clips": [[[1.0, 5.0], [5.0, 9.0]]],
        "clips_caption": [["A woman walks.", "A woman sits down."]],
        "events_summary": ["No anomaly exists in the video. A woman walks and sits down."],
        "video_summary": "No anomaly exists in the video. A woman walks.",
        "events_summary_split": [
            {"judgement": "No anomaly exists.", "description": "A woman walks and sits down."}
        ],
        "video_summary_split": {"judgement": "No anomaly exists.", "description": "A woman walks."},
    },
}

TEST_ROWS: list[dict[str, Any]] = [
    {
        "id": 0,
        "type": "video",
        "task": "judgement",
        "video": "own/videos/test/Fire001.mp4",
        "prompt": "Is anything odd?",
        "anwser": "An anomaly exists, Arson.",
    },
    {
        "id": 1,
        "type": "event",
        "task": "description",
        "video": "own/events/test/Fire001_E1.mp4",
        "prompt": "What’s happening?",
        "anwser": "The shop burns.",
    },
    {
        "id": 2,
        "type": "clip",
        "task": "caption",
        "video": "own/clips/test/Fire001_E0C1.mp4",
        "prompt": "Describe the clip.",
        "anwser": "It burns.",
    },
    {
        "id": 3,
        "type": "clip",
        "task": "caption",
        "video": "own/clips/test/v=Film.1998__#00-08-08_00-09-15_label_A_E0C0.mp4",
        "prompt": "Describe the clip.",
        "anwser": "Two people talk.",
    },
]

TRAIN_ROWS: list[dict[str, Any]] = [
    {
        "id": f"f-{row['id']}",
        "type": row["type"],
        "task": row["task"],
        "video": row["video"].replace("/test/", "/train/"),
        "conversations": [
            {"from": "human", "value": "<video>\n" + row["prompt"]},
            {"from": "gpt", "value": row["anwser"]},
        ],
    }
    for row in TEST_ROWS
]


def write_json(path: Path, value: Any) -> Path:
    """As the release writes its annotations: four spaces, ASCII, no newline at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4))
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """As the release writes its rows: UTF-8, a newline after each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def make_dataset(root: Path) -> Path:
    """The dataset on disk: annotations, rows, and videos of numbered pictures with a keyframe each second."""
    write_json(root / "raw_annotations/own_database_test.json", ANNOTATIONS)
    write_jsonl(root / "instruction/merge_instruction_test_final.jsonl", TEST_ROWS)
    (root / "own/videos/test").mkdir(parents=True)
    for name, video in ANNOTATIONS.items():
        rate = int(video["fps"])
        film(
            root / "own/videos/test" / f"{name}.mp4",
            video["n_frames"],
            options={
                "x264-params": f"bframes=0:keyint={rate}:min-keyint={rate}:scenecut=0",
                "preset": "ultrafast",
            },
            rate=rate,
            gop=rate,
            audio=name == "Fire001",
        )
    return root
