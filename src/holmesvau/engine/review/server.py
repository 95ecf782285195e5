"""The review page's server: the page, what it shows, what it changes, and the project's films.

GET  /                         the page; /page/… its parts
GET  /api/project              videos, queue, classes
GET  /api/video?name=          one video with all that is known of it
GET  /api/film?video=          what a player must know; /api/times?video= the float64 time of every frame
GET  /api/agreement            how far annotators agree
GET  /api/version              another one whenever something has changed
GET  /video?name=              the file, whole or a range of it
GET  /frame?video=&index=      one frame as JPEG, exactly
POST /api/change               one change, as `changes` describes them
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlencode, urlsplit

from holmesvau.engine.agreement import agreement
from holmesvau.engine.ledger import LedgerVideo
from holmesvau.engine.ledger.editing import check_name
from holmesvau.engine.project import Project
from holmesvau.engine.review import views
from holmesvau.engine.review.changes import ConflictError, change
from holmesvau.engine.review.guard import Guard, is_loopback, kept_key
from holmesvau.engine.review.room import Room
from holmesvau.errors import HolmesError, InputError

log = logging.getLogger(__name__)

# Always the same unless asked: a browser keeps drafts and names by address.
PORT = 8765
_LARGEST_BODY = 1 << 20
_IDLE_SECONDS = 60
_PIECE = 1 << 18

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_FILMS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), "video/mp4"),
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$")


class ReviewServer(ThreadingHTTPServer):
    """Serves one project until `shutdown`; a context manager. `url` is where people open it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, room: Room, host: str, port: int) -> None:
        self.room = room
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        key = "" if is_loopback(host) else kept_key(room.project.folder)
        self.guard = Guard(host, self.server_port, key)
        name = f"[{host}]" if ":" in host else socket.gethostname() if host in ("", "0.0.0.0") else host
        self.url = f"http://{name}:{self.server_port}/" + (f"?{urlencode({'key': key})}" if key else "")

    def server_close(self) -> None:
        """Stop listening, and let go of the project."""
        super().server_close()
        self.room.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hung up is no error."""
        log.debug("a connection broke off", exc_info=True)


def open_server(
    project: Project, *, host: str = "127.0.0.1", port: int = PORT, who: str = "", work: bool = False
) -> ReviewServer:
    """A server of the project's review page, listening but not yet answering: call `serve_forever`.

    On this machine alone it needs no key. Elsewhere (`host`) its address holds one that is kept in the
    project; what travels is not encrypted.

    Args:
        host: where to listen, an address of this machine.
        port: 0 takes a free one.
        who: the annotator's name that the page offers.
        work: do meanwhile what people's changes open up, in a process of its own (`engine.beside`).

    Raises:
        InputError: when the place is taken or there is none, or `who` is no name.
        OutputError: when the ledger or the key cannot be opened.
    """
    if who:
        check_name(who)
    room = Room(project, who, work=work)
    try:
        return ReviewServer(room, host, port)
    except (OSError, OverflowError) as error:
        room.close()
        raise InputError(
            f"{host}:{port}: nobody can be served there ({getattr(error, 'strerror', None) or error}). "
            "--port 0 takes a free port; --host takes an address of this machine."
        ) from error
    except BaseException:
        room.close()
        raise


class _MissingError(InputError):
    """There is nothing of that name."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "holmesvau"
    sys_version = ""
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        """Look at something."""
        self._answer("GET")

    def do_HEAD(self) -> None:
        """Look at something, without its body."""
        self._answer("HEAD")

    def do_POST(self) -> None:
        """Change something."""
        self._answer("POST")

    def log_message(self, format: str, *arguments: Any) -> None:
        """To the log, not to the terminal."""
        log.debug(format, *arguments)

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        try:
            if refusal := self.server.guard.refusal(self.headers, navigating=parts.path == "/"):
                self.close_connection = True
                self._json({"error": refusal}, HTTPStatus.FORBIDDEN)
            elif not self.server.guard.knows(self.headers, asked.get("key", "")):
                self.close_connection = True
                told = "Open the address that the command printed: it holds the key."
                self._json({"error": told}, HTTPStatus.UNAUTHORIZED)
            elif method == "POST":
                self._change(parts.path)
            else:
                self._show(parts.path, asked)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except _MissingError as error:
            self._json({"error": str(error)}, HTTPStatus.NOT_FOUND)
        except ConflictError as error:
            self._json({"error": str(error), "conflict": True}, HTTPStatus.CONFLICT)
        except HolmesError as error:
            self._json({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        except Exception:
            log.exception("%s %s failed", method, parts.path)
            self.close_connection = True
            told = "A bug: the server's terminal says more. What was saved is saved."
            self._json({"error": told}, HTTPStatus.INTERNAL_SERVER_ERROR)

    # --- looking ---

    def _show(self, path: str, asked: dict[str, str]) -> None:
        if path == "/" and "key" in asked and self.server.guard.key:
            self._take_key()
        elif path == "/" or path.startswith("/page/"):
            self._page("index.html" if path == "/" else path.removeprefix("/page/"))
        elif path in _SHOWN:
            _SHOWN[path](self, asked)
        else:
            raise _MissingError(f"{path}: there is nothing here.")

    def show_version(self, asked: dict[str, str]) -> None:
        """Whether something has changed."""
        self._json({"version": self.server.room.version()})

    def show_project(self, asked: dict[str, str]) -> None:
        """Videos, queue, classes."""
        self.server.room.refresh()
        self._json(views.project(self.server.room))

    def show_video(self, asked: dict[str, str]) -> None:
        """All that is known of a video."""
        self._json(views.video(self.server.room, self._video(asked, "name").name))

    def show_agreement(self, asked: dict[str, str]) -> None:
        """How far annotators agree on the project."""
        self._json(agreement(self.server.room.ledger).to_json())

    def show_facts(self, asked: dict[str, str]) -> None:
        """What a player must know of a file."""
        path = self._path(asked, "video")
        self._json(self.server.room.films.facts(path) | {"playable": path.is_file()})

    def show_times(self, asked: dict[str, str]) -> None:
        """The time of every frame, as little-endian float64."""
        seconds = self.server.room.films.seconds(self._path(asked, "video"))
        self._send(seconds.astype("<f8").tobytes(), "application/octet-stream")

    def show_frame(self, asked: dict[str, str]) -> None:
        """One frame, exactly."""
        index, width = asked.get("index", ""), asked.get("width", "1280")
        if not (index.isdecimal() and width.isdecimal() and len(index + width) < 20):
            raise InputError("A frame is asked for by its number and its width, which are whole numbers.")
        picture = self.server.room.films.jpeg(self._path(asked, "video"), int(index), int(width))
        self._send(picture, "image/jpeg", keep="private, max-age=3600")

    def show_film(self, asked: dict[str, str]) -> None:
        """A file, or the range of it that a player wants."""
        path = self._path(asked, "name")
        if not path.is_file():
            raise _MissingError(f"{path.name}: not a file.")
        with path.open("rb") as file:
            state = path.stat()
            tag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
            fresh = self.headers.get("If-Range", tag) == tag
            wanted = _wanted(self.headers.get("Range", ""), state.st_size) if fresh else None
            start, stop = wanted or (0, state.st_size)
            if wanted and start >= stop:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{state.st_size}")
                return self._end(0)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
            self.send_header("Content-Type", _FILMS.get(path.suffix.lower(), "application/octet-stream"))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", tag)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{state.st_size}")
            self._end(stop - start)
            if self.command != "HEAD":
                self._pour(file, start, stop)
        return None

    def _pour(self, file: BinaryIO, start: int, stop: int) -> None:
        file.seek(start)
        left = stop - start
        while left and (piece := file.read(min(left, _PIECE))):
            self.wfile.write(piece)
            left -= len(piece)
        # A file that has become shorter: what was promised does not come.
        self.close_connection = self.close_connection or bool(left)

    def _page(self, name: str) -> None:
        part = _parts().get(name)
        if part is None:
            raise _MissingError(f"{name}: the page has no such part.")
        self._send(part, _KINDS[Path(name).suffix])

    def _take_key(self) -> None:
        guard = self.server.guard
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Set-Cookie", f"{guard.cookie}={guard.key}; Path=/; HttpOnly; SameSite=Strict")
        self._end(0)

    def _video(self, asked: dict[str, str], key: str) -> LedgerVideo:
        """The video asked for: by its name in the project, never by a path."""
        name = asked.get(key, "")
        ledger = self.server.room.ledger
        if ledger.row("SELECT 1 FROM videos WHERE name = ?", (name,)) is None:
            raise _MissingError(f"{name}: the project has no such video.")
        return ledger.video(name)

    def _path(self, asked: dict[str, str], key: str) -> Path:
        video = self._video(asked, key)
        path = self.server.room.project.path_of(video.path)
        if not path.exists():
            raise _MissingError(f"{video.name}: its file {path} is not there.")
        return path

    # --- changing ---

    def _change(self, path: str) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 12 or int(length) > _LARGEST_BODY:
            self.close_connection = True
            told = f"A change says how long it is, and is no longer than {_LARGEST_BODY:,} bytes."
            return self._json({"error": told}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            told = "A change is sent as application/json."
            return self._json({"error": told}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if path != "/api/change":
            raise _MissingError(f"{path}: there is nothing here.")
        try:
            asked = json.loads(body)
        except ValueError as error:
            raise InputError(f"The change is not JSON ({error}).") from error
        return self._json(change(self.server.room, asked))

    # --- answering ---

    def _json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8", status)

    def _send(
        self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, *, keep: str = "no-store"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", keep)
        self._end(len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _end(self, length: int) -> None:
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


_SHOWN: dict[str, Callable[[_Handler, dict[str, str]], None]] = {
    "/video": _Handler.show_film,
    "/frame": _Handler.show_frame,
    "/api/version": _Handler.show_version,
    "/api/project": _Handler.show_project,
    "/api/video": _Handler.show_video,
    "/api/film": _Handler.show_facts,
    "/api/times": _Handler.show_times,
    "/api/agreement": _Handler.show_agreement,
}


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The bytes `[start, stop)` that a Range header wants, nothing when it wants none that are there; None
    for the whole file, also where several ranges are asked for.
    """
    found = _RANGE.match(header.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


@cache
def _parts() -> dict[str, bytes]:
    """The page's files by name: only these are served."""
    folder = files("holmesvau.engine.review") / "page"
    return {part.name: part.read_bytes() for part in folder.iterdir() if Path(part.name).suffix in _KINDS}
