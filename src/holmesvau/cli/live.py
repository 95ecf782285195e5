"""`holmesvau live`: a watch over cameras and streams, until it is stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holmesvau.cli import options
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from holmesvau.stream.record import Message
    from holmesvau.stream.watch import LiveConfig, LiveWatch

_STATUS_SECONDS = 1.0


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="rtsp, http, rtmp, tcp, udp … addresses, devices, or files at their own speed."),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for alarms.jsonl, clips/, outbox.sqlite, status.json.")
    ] = "live",
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Names of the sources, in their order.")
    ] = None,
    normal: Annotated[
        list[str] | None,
        typer.Option("--normal", help="What is normal there, in words, in the sources' order."),
    ] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option("--webhook", help="Address to post messages to, signed with HOLMESVAU_WEBHOOK_SECRET."),
    ] = None,
    mqtt: Annotated[
        list[str] | None, typer.Option("--mqtt", help="Broker to publish to: mqtt://HOST:1883/PREFIX.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Of files: 1 is their own, 0 as fast as they can be scored.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin files anew at their end.")] = False,
    duration: Annotated[
        float | None, typer.Option("--duration", help="Stop after so many seconds.", min=0.0)
    ] = None,
    model: options.Model = "tiny",
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every alarm and update as a line of JSON.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Watch live sources: alarms go out at once, their clips and descriptions follow.

    Ctrl-C or SIGTERM ends the watch in order; a second one at once.
    """
    given = _cameras(sources or [], name or [], normal or [], speed=speed, loop=loop)
    settings = _settings(config, set_, given, webhook or [], mqtt or [])
    from holmesvau.loading import NO_MODEL, load
    from holmesvau.stream.watch import LiveWatch
    from holmesvau.vlm import tiny

    parts = load(model, encoder=encoder, scorer=scorer, adapter=adapter, device=device, dtype=dtype)
    if parts[2] is None and model != NO_MODEL:
        sys.stderr.write(f"holmesvau: alarms come without words. {tiny.missing()}\n")
    watch = LiveWatch(*parts, settings, out, on_message=_told(as_json))
    stopped = threading.Event()
    if duration is not None:
        timer = threading.Timer(duration, stopped.set)
        timer.daemon = True
        timer.start()
    with _heeding_signals(stopped), _shown(watch, Path(out) / "status.json", quiet=quiet):
        watch.run(stopped)


def _cameras(
    sources: list[str], names: list[str], normals: list[str], *, speed: float, loop: bool
) -> list[dict[str, Any]]:
    for option, values in (("--name", names), ("--normal", normals)):
        if len(values) > len(sources):
            raise InputError(f"{option} is given {len(values)} times for {len(sources)} sources.")
    return [
        {
            "source": source,
            "name": names[number] if number < len(names) else "",
            "normal": normals[number] if number < len(normals) else "",
            "speed": speed,
            "loop": loop,
        }
        for number, source in enumerate(sources)
    ]


def _settings(
    config: str | None,
    overrides: list[str] | None,
    cameras: list[dict[str, Any]],
    webhooks: list[str],
    brokers: list[str],
) -> LiveConfig:
    """The file's settings, with the command line's laid over and its sources added."""
    from holmesvau.config import from_dict, overlaid, read_mapping
    from holmesvau.stream.watch import LiveConfig

    data = overlaid({} if config is None else read_mapping(config), overrides or [])
    added = {
        "camera": cameras,
        "webhook": [{"url": url} for url in webhooks],
        "mqtt": [{"url": url} for url in brokers],
    }
    for key, tables in added.items():
        known = data.get(key, [])
        if not isinstance(known, list):
            raise InputError(f"{config}: {key} = {known!r}: write each as a table of its own, [[{key}]].")
        if known or tables:
            data[key] = [*known, *tables]
    return from_dict(LiveConfig, data, where=config or "configuration")


def _told(as_json: bool) -> Any:
    """Prints each message: as JSON, or as a sentence."""
    from holmesvau.stream.record import to_text

    def tell(message: Message) -> None:
        sys.stdout.write((to_text(message) if as_json else sentence(message)) + "\n")
        sys.stdout.flush()

    return tell


def sentence(message: Message) -> str:
    """A message for people."""
    who = f"{message.at}  {message.camera.name}:"
    if message.kind == "camera":
        return f"{who} {message.state} ({message.reason})"
    called = f"alarm {message.id[:8]}"
    if message.reason == "raised":
        named = f" {message.label}" if message.label else ""
        return f"{who} {called}{named} since {message.start.at}, score {message.peak.score:.2f}"
    told = message.words.description or message.words.note
    match message.reason:
        case "ended" | "interrupted":
            return f"{who} {called} {message.state}"
        case "clip":
            return f"{who} {called} clip {message.clip.path if message.clip else 'missing'}"
        case "described":
            dismissed = " (the model judges it normal)" if message.dismissed_by_model else ""
            return f"{who} {called} {message.words.judgement} {told}{dismissed}"
        case _:
            return f"{who} {called} without words: {told}"


@contextmanager
def _heeding_signals(stopped: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the watch to end; a second one ends the process."""

    def stop(number: int, _frame: object) -> None:
        if stopped.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopped.set()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _shown(watch: LiveWatch, file: Path, *, quiet: bool) -> Iterator[None]:
    """Keep `file` and, where somebody watches, a few lines on standard error up to date."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    ended = threading.Event()
    picture = None
    if console.is_terminal and not quiet:
        picture = Live(console=console, transient=True, auto_refresh=False)
        picture.start()

    def keep() -> None:
        while not ended.wait(_STATUS_SECONDS):
            status = watch.status()
            _write(file, status)
            if picture is not None:
                picture.update(status_text(status), refresh=True)

    keeper = threading.Thread(target=keep, name="holmesvau-status", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join(2 * _STATUS_SECONDS)
        _write(file, watch.status())
        if picture is not None:
            picture.stop()


def status_text(status: dict[str, Any]) -> str:
    """The status for people: a line a camera, one for all the rest."""
    lines = []
    for camera in status["cameras"]:
        score = "  -  " if camera["score"] is None else f"{camera['score']:.3f}"
        more = f"  dropped {camera['dropped']}" if camera["dropped"] else ""
        more += f"  {camera['reason']}" if camera["reason"] else ""
        lines.append(f"{camera['name']:<16} {camera['state']:<10} {score}  alarms {camera['alarms']}{more}")
    waiting = sum(sink["waiting"] for sink in status["sinks"])
    rest = f"{status['seconds']:.0f} s  {status['memory_mib']:.0f} MiB  to send {waiting}"
    if status["model"] is not None:
        rest += f"  to describe {status['model']['waiting']}"
    return "\n".join([*lines, rest])


def _write(file: Path, status: dict[str, Any]) -> None:
    """Replace the file whole, so that nobody reads half of it; a full disk is the outbox's to report."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(json.dumps({**status, "at": time.time()}), encoding="utf-8")
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
