"""Clips from before an alarm to after it, of real streams: copied as they came, or encoded anew."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from holmesvau.stream.packets import Packets
from holmesvau.stream.record import ClipPart
from holmesvau.stream.recorder import ClipConfig, Recorder, adopt, make_room
from holmesvau.video import open_video
from holmesvau.video.feed import Feed, locate_live
from tests.video.films import film, number_of

WALL = 1_800_000_000.0


class Taped:
    """A recorder fed from a file, one packet after the other; its alarms by the second."""

    def __init__(self, root: Path, config: ClipConfig) -> None:
        self.done: dict[str, ClipPart | None] = {}
        self.recorder = Recorder(config, root, "gate", self.done.__setitem__)

    def play(self, path: Path, *, begin: dict[str, float], end: dict[str, float] | None = None) -> None:
        feed = Feed(locate_live(str(path)))
        self.recorder.connected(feed)
        begun: set[str] = set()
        for arrival in feed.arrivals():
            times = [float(frame.pts * feed.tick) for frame in arrival.frames]
            self.recorder.take(arrival, times)
            for alarm, start in begin.items():
                if times and times[-1] >= start and alarm not in begun:
                    begun.add(alarm)
                    self.recorder.begin(alarm, start, WALL)
            for alarm, at in (end or {}).items():
                if times and times[-1] >= at:
                    self.recorder.end(alarm, at)
        self.recorder.lost()
        feed.close()


def pictures(path: str) -> list[int]:
    with open_video(path) as video:
        return [number_of(image) for batch in video.frames() for image in batch.frames]


def test_clip_begins_before_the_alarm_and_ends_after_it(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 500, gop=25)
    taped = Taped(tmp_path, ClipConfig(before_seconds=3, after_seconds=2))
    # The second alarm begins while the first one's clip still goes on.
    taped.play(path, begin={"aaaaaaaa1": 8.0, "bbbbbbbb2": 10.5}, end={"aaaaaaaa1": 10.0, "bbbbbbbb2": 12.0})
    first, second = taped.done["aaaaaaaa1"], taped.done["bbbbbbbb2"]
    assert first is not None and second is not None and first.complete and second.complete
    shown = pictures(first.path)
    # From the keyframe at or before 5 s to 12 s, every frame there is.
    assert shown == list(range(shown[0], shown[-1] + 1))
    assert 100 <= shown[0] <= 125 and 299 <= shown[-1] <= 310
    assert abs(first.start_seconds - shown[0] / 25) < 0.2 and abs(first.end_seconds - shown[-1] / 25) < 0.3
    assert pictures(second.path)[0] <= 7.5 * 25 and pictures(second.path)[-1] >= 14 * 25 - 1
    with av.open(first.path) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"


def test_long_alarm_has_a_clip_of_bounded_length(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 500, gop=25)
    taped = Taped(tmp_path, ClipConfig(before_seconds=1, after_seconds=1, max_seconds=6))
    taped.play(path, begin={"a" * 9: 4.0})
    clip = taped.done["a" * 9]
    assert clip is not None and clip.complete and 5.5 <= clip.end_seconds - clip.start_seconds <= 8.0


@pytest.mark.parametrize("codec", ["mjpeg", "rawvideo"])
def test_devices_that_send_pictures_one_by_one(tmp_path: Path, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / "film.mkv", 200, codec=codec, pixels=pixels)
    taped = Taped(tmp_path, ClipConfig(before_seconds=1, after_seconds=0.4))
    taped.play(path, begin={"a" * 9: 4.0}, end={"a" * 9: 5.0})
    clip = taped.done["a" * 9]
    assert clip is not None and clip.complete
    assert clip.path.endswith(".mkv" if codec == "mjpeg" else ".mp4")
    shown = pictures(clip.path)
    assert shown == list(range(shown[0], shown[-1] + 1)) and shown[0] <= 75 and shown[-1] >= 134


def test_stream_without_keyframes_is_encoded_and_memory_is_bounded(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 900, gop=900, options={"crf": "1", "preset": "ultrafast"})
    taped = Taped(tmp_path, ClipConfig(before_seconds=2, after_seconds=1, max_mib=0.25))
    # The first alarm is on while what there is becomes too much, the second long after.
    taped.play(path, begin={"b" * 9: 12.0, "a" * 9: 28.0}, end={"b" * 9: 20.0, "a" * 9: 29.0})
    broken, clip = taped.done["b" * 9], taped.done["a" * 9]
    assert broken is not None and not broken.complete and pictures(broken.path)[-1] >= 350
    assert clip is not None and clip.complete
    assert taped.recorder.dropped_bytes > 0
    assert clip.start_seconds <= 26.1
    shown = pictures(clip.path)
    assert shown == list(range(shown[0], shown[-1] + 1))


def test_packets_in_memory_are_bounded_in_bytes_and_seconds(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 1500, gop=25, options={"crf": "1", "preset": "ultrafast"})
    for seconds, limit in ((4.0, 1 << 30), (600.0, 300_000)):
        packets = Packets(seconds, limit)
        feed = Feed(locate_live(str(path)))
        packets.connected(feed)
        for arrival in feed.arrivals():
            packets.take(arrival, [float(frame.pts * feed.tick) for frame in arrival.frames])
            assert sum(group.num_bytes for group in packets.groups) <= limit
            assert packets.groups[-1].start - packets.groups[0].start <= seconds + 2.1
        assert (packets.dropped_bytes > 0) == (limit < 1 << 30)
        feed.close()


def test_size_that_changes_ends_the_clip_and_begins_another_kind(tmp_path: Path) -> None:
    options = {"tune": "zerolatency"}
    small = film(tmp_path / "small.ts", 100, gop=10, options=options)
    large = film(tmp_path / "large.ts", 200, gop=10, size=(192, 128), times=range(100, 300), options=options)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    taped = Taped(tmp_path, ClipConfig(before_seconds=1, after_seconds=1))
    offset = 1.4  # of MPEG-TS's first time stamp
    taped.play(both, begin={"a" * 9: 3.0 + offset, "b" * 9: 8.0 + offset}, end={"b" * 9: 9.0 + offset})
    broken, whole = taped.done["a" * 9], taped.done["b" * 9]
    assert broken is not None and not broken.complete
    assert whole is not None and whole.complete
    assert pictures(broken.path)[-1] >= 80
    with open_video(whole.path) as video:
        assert (video.info.width, video.info.height) == (192, 128)


def test_lost_connection_ends_the_clip_with_what_there_is(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 150, gop=10)
    taped = Taped(tmp_path, ClipConfig(before_seconds=1, after_seconds=5))
    taped.play(path, begin={"a" * 9: 4.0})
    clip = taped.done["a" * 9]
    assert clip is not None and not clip.complete and pictures(clip.path)[-1] >= 145


def test_what_a_kill_leaves_of_a_clip_is_taken_over(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", 200, gop=10)
    recorder = Recorder(ClipConfig(before_seconds=1), tmp_path, "gate", lambda *_: None)
    feed = Feed(locate_live(str(path)))
    recorder.connected(feed)
    for number, arrival in enumerate(feed.arrivals()):
        recorder.take(arrival, [float(frame.pts * feed.tick) for frame in arrival.frames])
        if number == 100:
            recorder.begin("cafecafe12", 4.0, WALL)
        if number == 160:
            break
    [partial] = tmp_path.glob("gate/*.partial.mp4")
    kept = partial.read_bytes()  # as a kill leaves it: nothing closes the file
    recorder.lost()
    for left in tmp_path.glob("gate/*"):
        left.unlink()
    partial.write_bytes(kept)
    clip = adopt(tmp_path, "cafecafe12")
    assert clip is not None and not clip.complete and "partial" not in clip.path
    assert len(pictures(clip.path)) >= 60
    assert 2.5 <= clip.start_seconds <= 4.5 and clip.end_seconds > clip.start_seconds + 2
    assert adopt(tmp_path, "cafecafe12") is None
    partial.write_bytes(b"nothing of a film")
    assert adopt(tmp_path, "cafecafe12") is None
    feed.close()


def test_oldest_clips_make_room(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "gate" / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)
        os.utime(path, (number, number))
    (tmp_path / "gate" / "5-aa.partial.mp4").write_bytes(b"x" * 5000)
    assert make_room(tmp_path, 2500) == 2
    assert sorted(path.name for path in tmp_path.glob("gate/*")) == ["2.mp4", "3.mp4", "5-aa.partial.mp4"]


def test_clip_that_cannot_be_written_costs_the_clip_alone(tmp_path: Path) -> None:
    (tmp_path / "gate").write_text("a file where the folder should be")
    taped = Taped(tmp_path, ClipConfig())
    taped.play(film(tmp_path / "film.ts", 200, gop=10), begin={"a" * 9: 4.0})
    assert taped.done == {"a" * 9: None} and taped.recorder.failed == 1
