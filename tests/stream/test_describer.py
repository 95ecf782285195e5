"""Words in the background: a bounded queue that says what it gives up, and an end in time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from holmesvau.ats.guarded import Trust
from holmesvau.stream.alarms import Moment
from holmesvau.stream.describer import Describer, DescriberConfig, Job, Look, questions
from holmesvau.stream.record import WordsPart
from holmesvau.video.picture import jpeg
from tests.stream.conftest import until
from tests.stream.test_watch import Chat, chat  # noqa: F401 - a fixture


def job(alarm: str, count: int = 20, **more: object) -> Job:
    rng = np.random.default_rng(0)
    # The camera's picture changes its size on the way.
    shapes = [(48, 64, 3) if n < count // 2 else (96, 128, 3) for n in range(count)]
    looks = tuple(
        Look(n * 8, Moment(n / 2, 0.0, n / count), jpeg(rng.integers(0, 255, shape).astype(np.uint8)))
        for n, shape in enumerate(shapes)
    )
    return Job(alarm, looks, 0.5, **more)  # type: ignore[arg-type]


def test_full_queue_gives_up_the_oldest_and_says_so(chat: Chat, tmp_path: Path) -> None:  # noqa: F811
    said: list[tuple[str, WordsPart, bool | None]] = []
    describer = Describer(chat.model, DescriberConfig(queue=2), lambda *told: said.append(told))
    chat.go_on.clear()
    describer.start()
    describer.ask(job("a"))
    until(lambda: chat.questions)
    began = time.monotonic()
    for alarm in "bcde":
        describer.ask(job(alarm))
    assert time.monotonic() - began < 1.0
    assert [(alarm, words.status) for alarm, words, _ in said] == [("b", "dropped"), ("c", "dropped")]
    assert describer.waiting == 3 and describer.dropped == 2
    chat.go_on.set()
    until(lambda: len(said) == 5)
    assert [(alarm, words.status) for alarm, words, _ in said[2:]] == [(a, "done") for a in "ade"]
    describer.finish(1.0)


def test_end_does_not_wait_for_a_model_that_hangs(chat: Chat) -> None:  # noqa: F811
    said: list[tuple[str, WordsPart, bool | None]] = []
    describer = Describer(chat.model, DescriberConfig(late_seconds=0.01), lambda *told: said.append(told))
    chat.go_on.clear()
    describer.start()
    for alarm in "ab":
        describer.ask(job(alarm))
    until(lambda: chat.questions)
    time.sleep(0.02)
    assert sorted(describer.overdue()) == ["a", "b"] and describer.overdue() == []
    began = time.monotonic()
    describer.finish(0.1)
    assert time.monotonic() - began < 1.0
    assert sorted((alarm, words.status) for alarm, words, _ in said) == [
        ("a", "interrupted"), ("b", "interrupted"),
    ]  # fmt: skip
    chat.go_on.set()
    time.sleep(0.2)
    assert len(said) == 2


def test_model_that_does_not_know_such_footage_is_silent(chat: Chat) -> None:  # noqa: F811
    class Knowing:
        """As `tiny`: reads the scan, and so was trained with its scorer."""

        uses_scan = True
        name = "knowing"

    said: list[tuple[str, WordsPart, bool | None]] = []
    describer = Describer(Knowing(), DescriberConfig(), lambda *told: said.append(told))  # type: ignore[arg-type]
    describer.start()
    describer.ask(job("a", trust=Trust(2.0, 1.0, "novelty")))
    until(lambda: said)
    assert said[0][1].status == "withheld" and "invented" in said[0][1].note
    describer.finish(0.1)


def test_what_is_normal_stands_before_every_question() -> None:
    plain, told = questions(""), questions(" Cats sleep here.. ")
    assert told.keys() == plain.keys()
    for task, question in told.items():
        assert question == f"What is normal at this camera: Cats sleep here. {plain[task]}"
