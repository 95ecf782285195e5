"""The whole watch: alarms first, words later or never; many cameras; ends in order; survives kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from holmesvau import config as configuration
from holmesvau import sim
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.cli.live import sentence
from holmesvau.errors import ConfigError, VideoError
from holmesvau.evaluate.simulated.truth import load as load_simulated
from holmesvau.holmes import Holmes
from holmesvau.stream.camera import CameraConfig
from holmesvau.stream.record import AlarmMessage, CameraMessage, Message, json_schema
from holmesvau.stream.recorder import ClipConfig
from holmesvau.stream.watch import LiveConfig, LiveWatch
from holmesvau.video import open_video
from holmesvau.vlm.endpoint import Endpoint, EndpointConfig
from holmesvau.vlm.tiny_folder import WEIGHTS
from tests.scenes import fixed_camera, write_video
from tests.stream.conftest import Receiver, Sender, free_port, until
from tests.video.films import film

ROOT = Path(__file__).parents[2]
EAGER = {
    "scoring": {"novelty": {"warmup_seconds": 10.0}},
    "alarms": {"quiet_seconds": 1.0},
    "clips": {"before_seconds": 2.0, "after_seconds": 1.0},
    "sending": {"first": 0.05, "longest": 0.2},
    "finish_seconds": 3.0,
}


@pytest.fixture(scope="session")
def fire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 seconds of an empty room, four pictures a second; something burns from 16 s to 20 s."""
    rng = np.random.default_rng(0)
    calm, burning = (next(iter(fixed_camera(1, odd=odd))).astype(np.float32) for odd in (None, (0, 1)))
    frames = (
        np.clip((burning if 64 <= n < 80 else calm) + rng.normal(0, 2, calm.shape), 0, 255).astype(np.uint8)
        for n in range(104)
    )
    return write_video(tmp_path_factory.mktemp("fire") / "room.mp4", frames, fps=4)


class Chat:
    """A served model in this process: it answers with `say(question)`, and may be made to wait."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.pictures = 0
        self.status = 200
        self.go_on = threading.Event()
        self.go_on.set()
        self.say: Callable[[str], str] = lambda question: "Yes, arson: somebody sets the table on fire."
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                parts = body["messages"][-1]["content"]
                chat.pictures = sum(part["type"] == "image_url" for part in parts)
                question = parts[-1]["text"]
                chat.questions.append(question)
                chat.go_on.wait(30)
                choice = {"message": {"content": chat.say(question)}, "finish_reason": "stop"}
                answer = json.dumps({"choices": [choice]}).encode()
                self.send_response(chat.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self.server.serve_forever, kwargs=serve, daemon=True).start()
        hurry = EndpointConfig(num_frames=4, side=32, retries=0, first_word=20.0, total=20.0, connect=1.0)
        self.model = Endpoint(f"http://127.0.0.1:{self.server.server_port}/v1", "seer", config=hurry)


@pytest.fixture
def chat() -> Iterator[Chat]:
    served = Chat()
    yield served
    served.go_on.set()
    served.server.shutdown()
    served.server.server_close()


class Running:
    """A watch in a thread of this process, with what it told so far."""

    def __init__(self, watch: Callable[..., LiveWatch]) -> None:
        self.told: list[Message] = []
        self.at: list[float] = []
        self.stopped = threading.Event()
        self.watch = watch(on_message=self._note)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _note(self, message: Message) -> None:
        self.told.append(message)
        self.at.append(time.monotonic())

    def _run(self) -> None:
        try:
            self.watch.run(self.stopped)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def end(self) -> None:
        self.stopped.set()
        self.wait()

    def wait(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()

    @property
    def alarms(self) -> list[AlarmMessage]:
        return [message for message in self.told if isinstance(message, AlarmMessage)]

    def reasons(self) -> list[str]:
        return [message.reason for message in self.alarms]


def settings(*cameras: dict[str, Any], **more: Any) -> LiveConfig:
    return configuration.from_dict(LiveConfig, {**EAGER, "camera": list(cameras), **more})


@pytest.fixture
def start(tmp_path: Path, encoder: EfficientNetEncoder) -> Callable[..., Running]:
    def begin(config: LiveConfig, model: Any = None, out: str = "out") -> Running:
        return Running(
            lambda **hooks: LiveWatch(encoder, NoveltyScorer(), model, config, tmp_path / out, **hooks)
        )

    return begin


def test_alarm_ends_gets_its_clip_and_its_words(
    start: Callable[..., Running], fire: Path, chat: Chat, tmp_path: Path
) -> None:
    camera = {"name": "hall", "source": str(fire), "speed": 0, "normal": "One person walks about."}
    running = start(settings(camera), chat.model)
    running.wait()
    assert running.error is None
    assert running.reasons()[0] == "raised" and set(running.reasons()[1:]) == {"ended", "clip", "described"}
    alarm, last = running.alarms[0], running.alarms[-1]
    assert alarm.kind == "alarm" and alarm.state == "open" and alarm.words.status == "pending"
    assert 16 <= alarm.start.seconds <= 17 and alarm.curve.seconds[-1] <= 17.5 and alarm.curve.scores
    assert [message.sequence for message in running.alarms] == [0, 1, 2, 3]
    assert last.state == "ended" and last.end is not None and 20 <= last.end.seconds <= 22
    assert last.words.label == "Arson" and last.words.analysis and not last.dismissed_by_model
    assert last.clip is not None
    with open_video(last.clip.path) as video:
        assert video.info.num_frames and video.info.num_frames >= 4 * 6
    # The model saw pictures of the alarm, and was told what is normal at this camera.
    assert chat.pictures == 4
    assert all("What is normal at this camera: One person walks about. " in q for q in chat.questions)
    lines = [json.loads(line) for line in (tmp_path / "out" / "alarms.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == [message.key for message in running.alarms]
    for line in lines:
        jsonschema.validate(line, json_schema())
    status = running.watch.status()
    assert status["cameras"][0]["alarms"] == 1 and status["cameras"][0]["clips"] == 1
    assert status["model"]["described"] == 1 and status["sinks"][0]["waiting"] == 0


def test_what_the_model_judges_normal_is_marked_and_not_dropped(
    start: Callable[..., Running], fire: Path, chat: Chat
) -> None:
    chat.say = lambda question: "No, there is no anomaly in this part of the video."
    running = start(
        settings({"source": str(fire), "speed": 0, "normal": "They burn things here."}), chat.model
    )
    running.wait()
    last = running.alarms[-1]
    assert last.dismissed_by_model and last.words.status == "done" and last.words.analysis == ""
    assert last.state == "ended" and last.sequence == 3


def test_model_that_hangs_delays_no_alarm_and_is_told_of(
    start: Callable[..., Running], fire: Path, chat: Chat
) -> None:
    chat.go_on.clear()
    cameras = [{"name": name, "source": str(fire), "speed": 8} for name in ("one", "two")]
    # A third one, which nobody sends, keeps the watch going until it is stopped.
    cameras.append({"name": "three", "source": f"tcp://127.0.0.1:{free_port()}"})
    running = start(settings(*cameras, describer={"late_seconds": 0.2}), chat.model)
    until(lambda: running.reasons().count("ended") == 2)
    assert running.reasons().count("raised") == 2 and "described" not in running.reasons()
    # The model, which was asked and has not said a word, was not waited for.
    until(lambda: chat.questions)
    until(lambda: "late" in running.reasons())
    chat.go_on.set()
    until(lambda: running.reasons().count("described") == 2)
    running.end()
    by_alarm = {message.id: message for message in running.alarms}
    assert [message.words.status for message in by_alarm.values()] == ["done", "done"]


def test_model_that_is_away_costs_the_words_alone(
    start: Callable[..., Running], fire: Path, chat: Chat
) -> None:
    chat.status = 500
    running = start(
        settings({"source": str(fire), "speed": 0}, describer={"give_up_seconds": 0.2}), chat.model
    )
    running.wait()
    last = running.alarms[-1]
    assert last.words.status in ("failed", "interrupted") and "500" in last.words.note + "500"
    assert last.clip is not None and last.state == "ended" and running.error is None


def test_watch_that_is_stopped_ends_its_alarm_its_clip_and_its_sinks(
    start: Callable[..., Running], fire: Path, receiver: Receiver
) -> None:
    running = start(settings({"source": str(fire), "speed": 8}, webhook=[{"url": receiver.url}]))
    until(lambda: running.alarms)
    began = time.monotonic()
    running.end()
    assert time.monotonic() - began < 5.0
    last = running.alarms[-1]
    assert last.state == "interrupted" and last.clip is not None
    assert not last.clip.complete and Path(last.clip.path).is_file()
    assert receiver.keys() == [message.key for message in running.alarms]


def test_camera_that_is_gone_is_told_of_and_so_is_its_return(
    start: Callable[..., Running], send: Callable[..., Sender], fire: Path, numbered: Path
) -> None:
    where = f"tcp://127.0.0.1:{free_port()}"
    reading = {"stall_seconds": 0.5, "down_seconds": 0.6, "backoff": {"first": 0.05, "longest": 0.1}}
    cameras = [{"name": "gate", "source": where}, {"name": "hall", "source": str(fire), "speed": 4}]
    running = start(settings(*cameras, reading=reading))

    def states() -> list[str]:
        return [message.state for message in running.told if isinstance(message, CameraMessage)]

    until(lambda: states() == ["down"])
    sender = send(numbered, f"{where}?listen=1")
    until(lambda: states() == ["down", "up"])
    sender.kill()
    until(lambda: states() == ["down", "up", "down"])
    # The other camera was watched all the while.
    until(lambda: running.alarms)
    running.end()
    assert {message.camera.name for message in running.alarms} == {"hall"} and running.error is None
    jsonschema.validate(json.loads(running.told[0].model_dump_json(by_alias=True)), json_schema())


def test_bad_cameras_are_refused(start: Callable[..., Running], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No camera"):
        start(settings())
    with pytest.raises(ConfigError, match="Two cameras are called gate"):
        start(settings({"name": "gate", "source": "tcp://a"}, {"name": "gate", "source": "tcp://b"}))
    with pytest.raises(ConfigError, match=r"unknown key camera.naem; did you mean camera.name"):
        settings({"naem": "gate", "source": "tcp://a"})
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    running = start(settings({"source": str(tmp_path / "text.mp4")}))
    running.wait()
    assert isinstance(running.error, VideoError)


# --- kill -9 ---

STORM = """
import sys, time
from pathlib import Path
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.outbox import Outbox
from holmesvau.stream.sinks import Delivery, JsonLines, Webhook, WebhookConfig
from tests.stream.messages import alarm
sinks = [JsonLines(Path(sys.argv[1]) / "alarms.jsonl"), Webhook(WebhookConfig(url=sys.argv[2]))]
box = Outbox(Path(sys.argv[1]) / "outbox.sqlite", [sink.name for sink in sinks])
deliveries = [Delivery(sink, box, Backoff(first=0.01, longest=0.02)) for sink in sinks]
for delivery in deliveries:
    delivery.start()
for _ in range(int(sys.argv[3])):
    message = alarm()
    box.put(message, settled=False)
    print(message.key, flush=True)
    time.sleep(0.002)
for delivery in deliveries:
    assert delivery.finish(20) == 0
"""


def test_kill_at_any_moment_loses_no_alarm_and_doubles_none(tmp_path: Path, receiver: Receiver) -> None:
    written: list[str] = []
    for number, lines in enumerate((3, 20, 45, None)):
        receiver.moods += ["500", "200", "close", "200"] * 3
        count = "10" if lines is None else "100000"
        process = subprocess.Popen(
            [sys.executable, "-c", STORM, str(tmp_path), receiver.url, count],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout:
            for got, line in enumerate(process.stdout, start=1):
                written.append(line.strip())
                if got == lines:
                    time.sleep(0.001 * number)
                    process.kill()
        assert process.wait() == (0 if lines is None else -signal.SIGKILL)
    # The line that says an alarm is raised may itself have been killed: at least these, each once by its key.
    assert len(written) >= 78 and set(written) <= set(receiver.keys())
    lines_kept = [json.loads(line)["key"] for line in (tmp_path / "alarms.jsonl").read_text().splitlines()]
    assert len(lines_kept) == len(set(lines_kept)) and set(lines_kept) == set(receiver.keys())


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, which does not outlive the test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOLMESVAU_WEBHOOK_SECRET": "s"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(400)
def test_command_that_is_killed_in_an_alarm_tells_its_end_the_next_time(
    tmp_path: Path, fire: Path, receiver: Receiver
) -> None:
    (tmp_path / "live.toml").write_text(
        "[scoring.novelty]\nwarmup_seconds = 10.0\n[clips]\nbefore_seconds = 2.0\n[sending]\nfirst = 0.05\n"
        "longest = 0.1\n[alarms]\nquiet_seconds = 100.0\n"
    )
    out = tmp_path / "out"
    common = ["--model", "none", "--out", str(out), "--json", "--webhook", receiver.url]
    command = [sys.executable, "-m", "holmesvau", "live", *common, "--config", str(tmp_path / "live.toml")]
    receiver.moods += ["503"] * 10_000
    with started([*command, "--name", "hall", "--speed", "4", "--loop", str(fire)]) as first:
        assert first.stdout is not None
        raised = json.loads(first.stdout.readline())
        # Into the alarm, until some of its clip is on the disk.
        until(lambda: any(p.stat().st_size for p in out.glob("clips/hall/*.partial.mp4")))
        first.kill()
        first.wait()
    assert raised["kind"] == "alarm" and not receiver.accepted
    receiver.moods.clear()
    (out / "status.json").unlink(missing_ok=True)
    with started([*command, "--loop", str(film(tmp_path / "calm.mp4", 25))]) as again:
        assert again.stdout is not None
        told = json.loads(again.stdout.readline())
        until((out / "status.json").is_file)
        again.send_signal(signal.SIGTERM)
        # In order: exit code 0, everything sent, nothing complained of.
        _, err = again.communicate(timeout=60)
        assert again.returncode == 0 and b"Traceback" not in err
    assert told["id"] == raised["id"] and told["state"] == "interrupted" and told["sequence"] == 1
    assert told["clip"]["path"].endswith(".mp4") and not told["clip"]["complete"]
    with open_video(told["clip"]["path"]) as video:
        assert video.info.num_frames
    assert receiver.keys() == [raised["key"], told["key"]]
    kept = [json.loads(line)["key"] for line in (out / "alarms.jsonl").read_text().splitlines()]
    assert kept == [raised["key"], told["key"]]
    assert json.loads((out / "status.json").read_text())["cameras"][0]["state"] == "ended"


def test_trained_scorer_says_with_the_alarm_what_it_takes_it_for(tmp_path: Path) -> None:
    """The shipped scorer on a staged fight; the label is in the first message, without any model."""
    sim.generate(
        tmp_path / "data", 1, seed=5, split="test", duration=24.0, fps=4, anomalous_share=1.0,
        classes=["Fighting"], workers=1,
    )  # fmt: skip
    (video,) = load_simulated(tmp_path / "data", "test")
    parts = Holmes.from_pretrained(
        "none", encoder="efficientnet-lite0-fovea", scorer=WEIGHTS / "anomaly_scorer.safetensors"
    )
    told: list[Message] = []
    config = LiveConfig(
        camera=(CameraConfig(source=str(video.path), name="street", speed=0.0),),
        clips=ClipConfig(enabled=False),
    )
    LiveWatch(parts.encoder, parts.scorer, None, config, tmp_path / "out", on_message=told.append).run()
    alarms = [message for message in told if isinstance(message, AlarmMessage)]
    assert alarms and alarms[0].reason == "raised" and {message.label for message in alarms} == {"Fighting"}
    assert video.events[0].span.start - 1 <= alarms[0].start.seconds <= video.events[-1].span.end
    assert " Fighting since " in sentence(alarms[0])
