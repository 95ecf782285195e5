"""One text written: its frames looked up, asked for, read in its form, and taken through the gates."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from holmesvau.ats.features import Features
from holmesvau.engine import forms, gates
from holmesvau.engine.gates import Subject, Verdict
from holmesvau.engine.project import ProjectConfig
from holmesvau.engine.prompting import Prompt
from holmesvau.engine.providers import Place, Provider, Request
from holmesvau.engine.work import Job, Written
from holmesvau.engine.writing import WriterConfig
from holmesvau.errors import VideoError
from holmesvau.types import FrameBatch, IndexArray, Span
from holmesvau.video import Video, open_video

# Open videos: the next clip of a video is near the last one.
_KEPT_OPEN = 4


class Writer:
    """Writes the texts of one kind, captions or summaries. Safe to share between threads."""

    def __init__(
        self,
        provider: Provider,
        settings: WriterConfig,
        config: ProjectConfig,
        retry: Prompt,
        footage: Footage,
    ) -> None:
        self.provider, self.settings, self.config = provider, settings, config
        self._retry, self._footage = retry, footage

    def write(self, job: Job) -> Written:
        """The text of a job, whether it passes or not.

        Raises:
            ModelDownError, ModelError, InputError: as `Provider.write`.
            VideoError: when the video cannot be read.
        """
        started = time.perf_counter()
        payload, settings = job.payload, self.settings
        level, normal = payload["level"], bool(payload["normal"])
        span = Span(*payload["span"])
        prompt = str(payload["prompt"])
        if job.remark:
            prompt += "\n\n" + self._retry.filled(reason=job.remark)
        labels = tuple(payload["labels"])
        place = Place(level=level, video=payload["video"], span=span, label=", ".join(labels))
        request = Request(
            place=place,
            prompt=prompt,
            look=self._look(job.path, span) if level == "clip" else None,
            schema=None if level == "clip" else forms.schema(normal),
            max_tokens=settings.max_tokens,
            # The same question gets the same answer: another try must be able to come out otherwise.
            temperature=settings.retry_temperature if job.tries else settings.temperature,
            repetition_penalty=settings.repetition_penalty,
            seed=job.tries,
        )
        reply = self.provider.write(request)
        subject = subject_of(payload, job.template, from_file=settings.is_file)
        parts, verdicts = judged(reply.text, subject, self.config)
        return Written(
            key=job.key,
            parts=parts,
            raw=reply.text,
            verdicts=verdicts,
            provider=settings.provider,
            model=reply.model,
            prompt=str(payload["template"]),
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            seconds=time.perf_counter() - started,
        )

    def _look(self, path: str, span: Span) -> Callable[[], tuple[FrameBatch, Features | None]]:
        def look() -> tuple[FrameBatch, Features | None]:
            return self._footage.frames(
                path, span, self.settings.frames, self.settings.side, dense=self.provider.uses_scan
            )

        return look


def subject_of(payload: Mapping[str, Any], template: str, *, from_file: bool = False) -> Subject:
    """What the text of a job is about; a file's summaries were not made from these captions."""
    return Subject(
        level=payload["level"],
        span=Span(*payload["span"]),
        language=payload["language"],
        labels=tuple(payload["labels"]),
        normal=bool(payload["normal"]),
        sources=() if from_file else tuple(payload["sources"]),
        prompt=template,
    )


def judged(text: str, subject: Subject, config: ProjectConfig) -> tuple[dict[str, str] | None, list[Verdict]]:
    """The parts of an answer, None where they cannot be told, and what the gates say."""
    try:
        parts = forms.read(text, subject.level, normal=subject.normal)
    except forms.Misshapen as error:
        return None, [Verdict("form", False, str(error))]
    return parts, [Verdict("form", True), *gates.judge(parts, subject, config.gates)]


class Footage:
    """Frames of videos, a few of which are kept open. Safe to share between threads."""

    def __init__(self, features: Callable[[Video], Features]) -> None:
        self._features = features
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._turn = Lock()

    def frames(
        self, path: str, span: Span, count: int, side: int, *, dense: bool = False
    ) -> tuple[FrameBatch, Features | None]:
        """`count` frames evenly over a span, or all where it has fewer, none larger than `side` asks for.

        With `dense`, also the features of the scan of the whole video.

        Raises:
            VideoError: when they cannot be read.
        """
        while True:
            opened = self._opened(path)
            with opened.turn:
                # Another thread may have closed it to open another one.
                if not opened.closed:
                    video = opened.video
                    batch = video.at(_evenly(video, span, count), size=_size(video, side))
                    return batch, self._features(video) if dense else None

    def close(self) -> None:
        """Let go of all files."""
        with self._turn:
            while self._open:
                self._open.popitem()[1].close()

    def _opened(self, path: str) -> _Opened:
        with self._turn:
            found = self._open.get(path)
            if found is None:
                while len(self._open) >= _KEPT_OPEN:
                    self._open.popitem(last=False)[1].close()
                found = self._open[path] = _Opened(open_video(path))
            self._open.move_to_end(path)
            return found


class _Opened:
    def __init__(self, video: Video) -> None:
        self.video, self.turn, self.closed = video, Lock(), False

    def close(self) -> None:
        with self.turn:
            self.closed = True
            self.video.close()


def _evenly(video: Video, span: Span, count: int) -> IndexArray:
    """The frames nearest to the middles of `count` equal parts of a span, each once."""
    inside = video.within(span)
    if not len(inside):
        nearest = video.within(Span(max(0.0, span.start - 1.0), span.end + 1.0))
        if not len(nearest):
            raise VideoError(f"{video.info.path}: shows no frame from {span.start:.2f} to {span.end:.2f} s.")
        return nearest[len(nearest) // 2 : len(nearest) // 2 + 1]
    if len(inside) <= count:
        return inside
    places = (np.arange(count) + 0.5) * len(inside) / count
    return inside[places.astype(np.int64)]


def _size(video: Video, side: int) -> tuple[int, int]:
    """The video's size, made smaller where its longer side is more than twice what is sent."""
    width, height = video.info.width, video.info.height
    scale = min(1.0, 2 * side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
