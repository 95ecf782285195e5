"""Judgements in many wordings, and every judgement of the released test set."""

import json
import re
from pathlib import Path

import pytest

from holmesvau.vlm.judgement import CLASSES, parse_judgement

TEST_SET = (
    Path(__file__).parents[2] / ".." / "shared" / "data" / "hivau70k" / "merge_instruction_test_final.jsonl"
)


@pytest.mark.parametrize(
    ("text", "is_anomalous", "label"),
    [
        ("The anomaly exists and its name is Fighting.", True, "Fighting"),
        ("Yes, a traffic accident happens.", True, "RoadAccidents"),
        ("Yes.", True, None),
        ("No.", False, None),
        ("No, everything looks fine.", False, None),
        ("No anomaly exists in the video.", False, None),
        ("There are no signs of any abnormal behaviour.", False, None),
        ("There isn't anything unusual here.", False, None),
        ("The video doesn't show any anomaly.", False, None),
        ("Anomalies are not present.", False, None),
        ("There is no anomaly (Shooting) in the video.", False, None),
        ("There is no doubt: an anomaly exists, namely arson.", True, "Arson"),
        ("A normal street scene.", False, None),
        ("A man is shoplifting in a supermarket.", True, "Shoplifting"),
        ("Two anomalies: Shooting and then an Explosion.", True, "Shooting"),
        ("an abnormal event, someone sets a car on fire", True, "Arson"),
        ("A man walks through a door.", None, None),
        ("", None, None),
        ("The weather is nice, no fighting.", None, None),
    ],
)
def test_wordings(text: str, is_anomalous: bool | None, label: str | None) -> None:
    verdict = parse_judgement(text)
    assert (verdict.is_anomalous, verdict.label) == (is_anomalous, label)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_is_found_under_its_own_name(name: str) -> None:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    for written in {name, spaced, spaced.lower()}:
        assert parse_judgement(f"An anomaly exists, specifically {written}.").label == name


@pytest.mark.skipif(not TEST_SET.exists(), reason="the released test set (shared/data) is not here")
def test_the_released_judgements_are_read_as_their_videos_are_labelled() -> None:
    """All 426 rows; 24 of them contradict their label in plain words, and are read as they are written."""
    rows = [json.loads(line) for line in TEST_SET.read_text(encoding="utf-8").splitlines()]
    judgements = [row for row in rows if row["task"] == "judgement"]
    wrong, unsure, named, right_class = 0, 0, 0, 0
    for row in judgements:
        verdict = parse_judgement(row["anwser"])
        normal = "Normal" in row["video"] or "label_A" in row["video"]
        unsure += verdict.is_anomalous is None
        wrong += verdict.is_anomalous is normal
        if row["video"].startswith("ucf") and not normal and verdict.is_anomalous:
            named += 1
            right_class += row["video"].rsplit("/", 1)[-1].startswith(str(verdict.label))
    assert (len(judgements), unsure, wrong) == (426, 0, 24)
    assert right_class == named > 70
