"""Damaged copies of a film end in frames or in a sentence: never in a hang, a crash or another exception."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from holmesvau.video import open_video
from tests.video.films import film, number_of, plain_decode

B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:keyint=12:scenecut=0"}
QUIET = {"libx265": {"x265-params": "log-level=none"}, "mpeg4": {"bf": "0"}}
COPIES = 500
PROCESSES = 2


def test_500_damaged_copies_end_in_frames_or_a_sentence(tmp_path: Path) -> None:
    source = film(
        tmp_path / "film.mp4", 40, options=B_FRAMES, audio=True, container={"movflags": "faststart"}
    )
    bounds = np.linspace(0, COPIES, PROCESSES + 1).astype(int).tolist()
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.video.damage_worker",
                str(source),
                str(tmp_path),
                str(first),
                str(last),
            ],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first, last in pairwise(bounds)
    ]
    outcomes = []
    for worker in workers:
        out, said = worker.communicate(timeout=110)
        done = [json.loads(line) for line in out.splitlines()]
        assert worker.returncode == 0, (
            f"exit {worker.returncode} after seed {done[-1] if done else None}\n{said}"
        )
        assert said == "", said
        outcomes += done
    assert sorted(outcome["seed"] for outcome in outcomes) == list(range(COPIES))
    readable = [outcome for outcome in outcomes if outcome["frames"]]
    refused = [outcome for outcome in outcomes if "error" in outcome]
    assert len(readable) > COPIES // 4 and len(refused) > COPIES // 10
    assert all(": " in outcome["error"] and outcome["error"].endswith(".") for outcome in refused)
    assert all(outcome["warnings"] for outcome in readable if outcome["lost"])


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_broken_packet_in_the_middle_loses_its_frames_and_is_reported(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path / "film.mp4", 60, codec=codec, gop=12, options=QUIET.get(codec))
    truth = [image for _, image in plain_decode(path)]
    import av

    with av.open(str(path)) as container:
        packets = sorted((p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size)
    data = bytearray(path.read_bytes())
    _, position, size = packets[24]
    data[position : position + size] = b"\xff" * size
    path.write_bytes(data)

    with open_video(path) as video:
        batches = list(video.frames())
        index = np.concatenate([batch.index for batch in batches])
        frames = np.concatenate([batch.frames for batch in batches])
        lost = video.lost
        warnings = video.warnings
    assert 24 not in index and len(index) >= 60 - 15
    assert len(index) + lost.count == 60
    assert lost.spans[0].start <= 24 / 25 < lost.spans[-1].end
    assert any(f"{lost.count} frame" in sentence for sentence in warnings)
    for rank in [*range(12), *range(37, 60)]:
        assert np.array_equal(frames[np.searchsorted(index, rank)], truth[rank]), rank


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["film.mkv", "film.ts", "film.mp4"])
def test_cut_off_file_gives_what_is_there(tmp_path: Path, kind: str, share: float) -> None:
    from holmesvau.errors import VideoError

    options = {"movflags": "faststart"} if kind.endswith("mp4") else {}
    path = film(tmp_path / kind, 100, options=B_FRAMES, container=options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    if share == 0.01:
        with pytest.raises(VideoError, match=rf"{kind}: .*\."):
            open_video(path)
        return
    with open_video(path) as video:
        numbers = [number_of(image) for batch in video.frames() for image in batch.frames]
        assert len(numbers) == video.info.num_frames - video.lost.count
        if kind == "film.mp4":
            assert any("100 frames" in sentence for sentence in video.warnings)
    wanted = 100 * share
    # The last pictures hang on packets that are gone: they may be missing in between, or spoilt.
    sure = len(numbers) - 6
    assert numbers[:sure] == list(range(sure)) and 0.7 * wanted - 12 <= len(numbers) <= 100
