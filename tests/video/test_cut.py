"""Clips hold exactly the frames asked for, with the sound in step; nothing half-written stays behind."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from holmesvau.errors import HolmesError, InputError, OutputError
from holmesvau.types import Span
from holmesvau.video import open_video
from holmesvau.video.cut import cut
from tests.video.films import film, number_of, picture

GROUPS = {"x264-params": "bframes=3:keyint=25:min-keyint=25:scenecut=0"}
OPEN_GROUPS = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=25:min-keyint=25:scenecut=0"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "film.mp4", 250, options=GROUPS, gop=25, audio=True)


def numbers(path: Path) -> list[int]:
    with open_video(path) as video:
        return [number_of(image) for batch in video.frames() for image in batch.frames]


def clicks(path: Path) -> list[float]:
    """When the clicks of the sound are heard, in seconds; the source has one at each full second."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        times, loud = [], []
        for frame in container.decode(audio=0):
            times.append(float(frame.time) + np.arange(frame.samples) / rate)
            loud.append(np.abs(frame.to_ndarray()[0]) > 0.5)
    heard = np.concatenate(times)[np.concatenate(loud)]
    return heard[np.diff(heard, prepend=-1.0) > 0.5].tolist()


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("span", "frames", "method"),
    [
        (Span(2.0, 5.0), (50, 124), "copy"),
        (Span(2.5, 5.21), (63, 130), "encode"),
        (Span(0.0, 100.0), (0, 249), "copy"),
        (Span(8.96, 100.0), (224, 249), "encode"),
    ],
)
def test_clip_holds_the_frames_and_the_sound(
    source: Path, tmp_path: Path, span: Span, frames: tuple[int, int], method: str, ending: str
) -> None:
    first, last = frames
    result = cut(source, span, tmp_path / f"clip{ending}", threads=1)
    assert (result.method, result.audio, result.num_frames) == (method, "copy", last - first + 1)
    assert result.span.start == pytest.approx(first / 25) and result.span.end == pytest.approx(
        (last + 1) / 25
    )
    assert numbers(result.path) == list(range(first, last + 1))
    with open_video(result.path) as video:
        assert video.info.duration == pytest.approx(result.span.duration, abs=0.002)
        assert video.at([0]).seconds[0] == 0.0 and video.info.start_seconds == pytest.approx(0.0, abs=0.001)
    seconds = [second - result.span.start for second in range(1, 10)]
    inside = [second for second in seconds if 0.1 < second < result.span.duration - 0.05]
    heard = [second for second in clicks(result.path) if second > 0.1]
    assert np.allclose(heard[: len(inside)], inside, atol=0.01) and len(heard) >= len(inside)
    assert [path.name for path in tmp_path.iterdir()] == [f"clip{ending}"]


def test_open_group_is_copied_without_the_pictures_of_the_group_before(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 100, options=OPEN_GROUPS, gop=25)
    with open_video(path) as video:
        keys = np.concatenate([batch.index for batch in video.frames(keyframes=True)])
        start = video.at([int(keys[1])]).seconds[0]
    result = cut(path, Span(float(start), 4.0), tmp_path / "clip.mp4")
    assert result.method == "copy" and numbers(result.path) == list(range(int(keys[1]), 100))


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [n * 40 + (n // 7) * 333 for n in range(60)]
    path = film(tmp_path / "film.mkv", 60, clock=Fraction(1, 1000), times=times)
    result = cut(path, Span(1.0, 3.0), tmp_path / "clip.mkv", method="encode")
    with open_video(path) as before, open_video(result.path) as after:
        old = np.concatenate([batch.seconds for batch in before.frames(span=Span(1.0, 3.0))])
        new = np.concatenate([batch.seconds for batch in after.frames()])
    assert np.allclose(new, old - old[0], atol=0.0011)


def test_rotated_and_odd_sources(tmp_path: Path) -> None:
    turned = film(tmp_path / "turned.mp4", 50, rotation=90)
    odd = film(tmp_path / "odd.mkv", 50, codec="ffv1", pixels="yuv444p", size=(97, 67))
    for method in ("auto", "encode"):
        result = cut(turned, Span(0.0, 1.0), tmp_path / "clip.mp4", method=method)
        with open_video(result.path) as video:
            assert (video.info.width, video.info.height) == (64, 96)
            assert np.abs(video.at([3]).frames[0].astype(int) - np.rot90(picture(3))).mean() < 12
    assert cut(odd, Span(0.0, 1.0), tmp_path / "odd.mp4").method == "encode"
    assert numbers(tmp_path / "odd.mp4") == list(range(25))


def test_sound_the_target_cannot_hold_is_encoded_in_step(source: Path, tmp_path: Path) -> None:
    with av.open(str(source)) as old, av.open(str(tmp_path / "flac.mkv"), "w") as new:
        pictures = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("pcm_s16le", rate=16000, layout="mono")
        for packet in old.demux():
            if packet.stream.type == "video" and packet.size:
                packet.stream = pictures
                new.mux(packet)
            elif packet.stream.type == "audio":
                for frame in packet.decode():
                    new.mux(sound.encode(frame))
        new.mux(sound.encode(None))
    result = cut(tmp_path / "flac.mkv", Span(2.5, 5.5), tmp_path / "clip.mp4")
    assert result.audio == "encode"
    start = result.span.start
    assert np.allclose(clicks(result.path), [3 - start, 4 - start, 5 - start], atol=0.01)
    assert cut(tmp_path / "flac.mkv", Span(2.5, 5.5), tmp_path / "silent.mp4", audio=False).audio == "none"


@pytest.mark.parametrize(
    ("target", "span", "kind", "said"),
    [
        ("clip.txt", Span(1, 2), InputError, "ending"),
        ("clip.mp4", Span(20, 30), InputError, "no frame lies in 20-30 s; it is 10.000 s long"),
        ("nowhere/clip.mp4", Span(1, 2), OutputError, "could not be written .No such file"),
        ("film.mp4", Span(1, 2), InputError, "the source itself"),
    ],
)
def test_refusals(
    source: Path, tmp_path: Path, target: str, span: Span, kind: type[HolmesError], said: str
) -> None:
    film_here = tmp_path / "film.mp4"
    film_here.write_bytes(source.read_bytes())
    with pytest.raises(kind, match=said):
        cut(film_here, span, tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_copy_only_refuses_what_would_not_be_exact(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be copied exactly"):
        cut(source, Span(2.5, 5.0), tmp_path / "clip.mp4", method="copy")
    assert list(tmp_path.iterdir()) == []


def test_failure_in_the_middle_keeps_the_old_clip(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holmesvau.video.convert import Converter

    old = tmp_path / "clip.mp4"
    old.write_bytes(b"the clip of yesterday")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Converter, "upright", full)
    with pytest.raises(OutputError, match="No space left"):
        cut(source, Span(2.5, 5.0), old)
    assert old.read_bytes() == b"the clip of yesterday" and len(list(tmp_path.iterdir())) == 1
