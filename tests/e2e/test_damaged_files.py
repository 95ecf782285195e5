"""The whole pipeline on 500 damaged copies of one file: each ends in a report or in a HolmesError, none
hangs.

A child process watches them, so that a crash inside a decoder cannot pass unseen.
"""

import subprocess
import sys

from tests.scenes import fixed_camera, write_video

COPIES = 500
CHILD = """
import json, signal, sys
from pathlib import Path
import numpy as np
from holmesvau import Holmes, HolmesError
from holmesvau.config import load
from holmesvau.holmes import HolmesConfig
from holmesvau.report import to_json

source, folder, copies = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
good = np.frombuffer(source.read_bytes(), np.uint8)
holmes = Holmes.from_pretrained("none", config=load(HolmesConfig, None, ["scan.cache=false"]))
damaged = folder / "damaged.mp4"
for number in range(copies):
    rng = np.random.default_rng(number)
    data = good.copy()
    kind = number % 4
    if kind == 0:  # bytes flipped anywhere
        data[rng.integers(0, len(data), rng.integers(1, 200))] = rng.integers(0, 256)
    elif kind == 1:  # cut off
        data = data[: rng.integers(1, len(data))]
    elif kind == 2:  # a stretch overwritten with zeros or noise
        start = rng.integers(0, len(data)); stop = min(len(data), start + rng.integers(1, len(data) // 3))
        data[start:stop] = 0 if rng.random() < 0.5 else rng.integers(0, 256, stop - start)
    else:  # a stretch missing
        start = rng.integers(0, len(data)); stop = min(len(data), start + rng.integers(1, len(data) // 3))
        data = np.concatenate([data[:start], data[stop:]])
    damaged.write_bytes(data.tobytes())
    signal.alarm(20)
    try:
        report = holmes.watch(damaged)
        json.dumps(to_json(report), allow_nan=False)
        assert len(report.selection) >= 1 and len(report.curve) >= 1
        print("report")
    except HolmesError as error:
        assert str(error).startswith(str(damaged)) and "\\n" not in str(error), str(error)
        print("sentence")
    signal.alarm(0)
"""


def test_500_damaged_copies_end_in_a_report_or_a_sentence(tmp_path):
    good = write_video(tmp_path / "good.mp4", fixed_camera(4, width=160, height=96))
    command = [sys.executable, "-c", CHILD, str(good), str(tmp_path), str(COPIES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    outcomes = done.stdout.split()
    assert done.returncode == 0, f"copy {len(outcomes)}: {done.stderr[-2000:]}"
    assert len(outcomes) == COPIES and outcomes.count("report") > 100 and outcomes.count("sentence") > 20
