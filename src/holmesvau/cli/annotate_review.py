"""`holmesvau annotate review` and `agreement`: people at work on a project, and how far they agree."""

from __future__ import annotations

import os
import signal
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from holmesvau.cli import options

if TYPE_CHECKING:
    from holmesvau.engine import Agreement

Folder = Annotated[str, typer.Argument(metavar="DIR", help="The project's folder.")]


def review(
    folder: Folder,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen. Beyond this machine the address holds a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 8765,
    who: Annotated[
        str, typer.Option("--who", help="Your name; the page asks for it otherwise, and keeps it.")
    ] = "",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser, where there is one.")
    ] = True,
    work: Annotated[
        bool, typer.Option("--work/--no-work", help="Write meanwhile what your changes ask for.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, where the runs of this project are given it too."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Serve the page where people mark events, correct texts and work off the queue, until Ctrl-C.

    The address is printed on standard output. Everything is in the project's ledger as soon as the page says
    that it is saved. With --work the models go on writing while you review, what they get wrong joins your
    queue, and the dataset is written at the end; without it `holmesvau annotate DIR` goes on afterwards.
    """
    from holmesvau import engine
    from holmesvau.engine.review import open_server

    project = engine.open_project(folder, set_ or [])
    with open_server(project, host=host, port=port, who=who, work=work) as server:
        if as_json:
            options.print_json({"url": server.url, "project": folder, "port": server.server_port})
        else:
            sys.stdout.write(f"{server.url}\n")
            sys.stderr.write("Ctrl-C ends it; nothing is lost. Press ? on the page for its keys.\n")
        sys.stdout.flush()
        if browser and sys.stdout.isatty() and _has_screen():
            webbrowser.open(server.url)
        # A service manager ends it as Ctrl-C does; a shell's background jobs would not heed that either.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
    if work:
        dataset = engine.run(project, stages=()).dataset
        if dataset is not None:
            sys.stderr.write(f"{dataset.root}: {dataset.videos} videos, {dataset.rows} instruction rows\n")


def agreement(
    folder: Folder,
    tiou: Annotated[
        float, typer.Option("--tiou", help="The overlap from which on two events are the same.")
    ] = 0.5,
    video: Annotated[str | None, typer.Option("--video", help="Only this video.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say how far each two annotators agree: events by tIoU, frames by Cohen's kappa."""
    from holmesvau import engine

    with engine.open_project(folder).ledger() as ledger:
        found = engine.agreement(ledger, tiou=tiou, video=video)
    if as_json:
        options.print_json(found.to_json())
    else:
        _tell(found)


def _tell(found: Agreement) -> None:
    if not found.pairs:
        names = ", ".join(found.annotators) or "nobody"
        sys.stdout.write(f"No video was marked by two annotators yet (so far: {names}).\n")
        return
    header = ("annotators", "videos", "events", "same", "F1", "tIoU", "edges", "class", "kappa", "abnormal")
    rows = [
        (
            f"{pair.one}, {pair.other}",
            pair.videos,
            f"{pair.events[0]}, {pair.events[1]}",
            pair.matched,
            _share(pair.f1),
            _share(pair.mean_tiou),
            "–" if pair.boundary_seconds is None else f"{pair.boundary_seconds:.2f} s",
            _share(pair.same_class),
            _share(pair.kappa),
            _share(pair.kappa_abnormal),
        )
        for pair in found.pairs
    ]
    wide = max(len(str(row[0])) for row in (header, *rows)) + 2
    for row in (header, *rows):
        cells = "".join(f"{cell!s:>10}" for cell in row[1:])
        sys.stdout.write(f"{row[0]:<{wide}}{cells}\n")
    sys.stdout.write(
        f"same, F1, edges, class: of events that overlap by {found.tiou:g} or more; tIoU: of all that "
        "overlap;\nkappa: Cohen's, over frames by class; abnormal: only abnormal or normal\n"
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform == "darwin"
