"""A small chat server in a process of its own that speaks the protocol, or misbehaves as it is told.

    python moody_server.py FOLDER        # prints its port; keeps what it is asked in FOLDER

`FOLDER/moods` holds the moods of the requests to come, one a line; when they are used up (or the last is
repeated with `*`) the server is well. Every request is written to `FOLDER/NUMBER.json`.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ANSWER = ["A man ", "runs ", "", "through the ", "door. ", "名"]
folder = Path(sys.argv[1])
counting = threading.Lock()
asked = 0


def mood_of(number: int) -> str:
    moods = (folder / "moods").read_text().split() if (folder / "moods").exists() else []
    if moods and moods[-1] == "*":
        return moods[min(number, len(moods) - 2)]
    return moods[number] if number < len(moods) else "well"


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    value = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.keep(None)
        mood = (folder / "models").read_text().split() if (folder / "models").exists() else ["tiny-model"]
        if mood == ["locked"]:
            self.say(401, {"error": {"message": f"bad key {self.headers['Authorization']}"}})
        elif mood == ["missing"]:
            self.say(404, {"detail": "Not Found"})
        else:
            self.say(200, {"object": "list", "data": [{"id": name} for name in mood if name != "none"]})

    def do_POST(self) -> None:
        global asked
        with counting:
            number, asked = asked, asked + 1
        mood = mood_of(number)
        if mood == "too-large-unread":
            self.say(413, {"error": {"message": "too large"}})
            self.close_connection = True
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keep(body, number)
        name, _, value = mood.partition(":")
        getattr(self, name.replace("-", "_"))(body, value)

    def keep(self, body: Any, number: int | None = None) -> None:
        kept = {"path": self.path, "headers": dict(self.headers), "body": body}
        name = "models" if number is None else str(number)
        (folder / f"{name}.json").write_text(json.dumps(kept))

    def say(self, status: int, value: Any, kind: str = "application/json", **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    # --- moods ---

    def well(self, body: Any, _: str) -> None:
        """As vLLM: a role, the words, a usage chunk without choices, a comment now and then, `[DONE]`."""
        self.begin()
        for piece in ANSWER:
            self.send(chunk(piece))
            self.send(b": still here\n\n")
        self.send(chunk(None, "stop"))
        self.send(b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n')
        self.send(b"data: [DONE]\n\n")
        self.end()

    def unmarked(self, body: Any, _: str) -> None:
        """As transformers: no `[DONE]`; lines end with CR LF and events are torn between packets."""
        self.begin()
        data = b"".join(chunk(piece) for piece in ANSWER) + chunk(None, "length")
        for start in range(0, len(data), 7):
            self.send(data.replace(b"\n", b"\r\n")[start : start + 7])
        rest = data.replace(b"\n", b"\r\n")[((len(data) + 6) // 7) * 7 :]
        self.send(rest)
        self.end()

    def whole(self, body: Any, _: str) -> None:
        """A server that does not stream."""
        choice = {"message": {"role": "assistant", "content": "".join(ANSWER)}, "finish_reason": "stop"}
        self.say(200, {"choices": [choice]})

    def echo(self, body: Any, _: str) -> None:
        """Says the question back, the later ones sooner."""
        question = body["messages"][-1]["content"]
        question = question if isinstance(question, str) else question[-1]["text"]
        time.sleep(0.3 if "first" in question else 0.0)
        self.say(200, {"choices": [{"message": {"content": question}, "finish_reason": "stop"}]})

    def status(self, body: Any, value: str) -> None:
        secret = self.headers["Authorization"] or ""
        self.say(int(value), {"error": {"message": f"no, not with {secret}", "type": "x"}})

    def bare_status(self, body: Any, value: str) -> None:
        self.say(int(value), b"<html><body>Bad Gateway</body></html>", "text/html")

    def later(self, body: Any, value: str) -> None:
        self.say(429, {"error": "slow down"}, Retry_After=value)

    def hang(self, body: Any, _: str) -> None:
        time.sleep(30)

    def hang_after_role(self, body: Any, _: str) -> None:
        self.begin()
        self.send(chunk(""))
        time.sleep(30)

    def hang_in_answer(self, body: Any, _: str) -> None:
        self.begin()
        self.send(chunk("A man "))
        time.sleep(30)

    def drip_head(self, body: Any, _: str) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + b"X-Filler: 1\r\n" * 900:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)

    def drip(self, body: Any, _: str) -> None:
        self.begin()
        for _ in range(600):
            self.send(chunk("x"))
            time.sleep(0.05)

    def drip_word(self, body: Any, _: str) -> None:
        self.begin()
        self.send(chunk("A man "))
        for byte in b"data: " + b" " * 600:
            self.send(bytes([byte]))
            time.sleep(0.05)

    def cut(self, body: Any, value: str) -> None:
        """Breaks off after so many pieces."""
        self.begin()
        for piece in ANSWER[: int(value)]:
            self.send(chunk(piece))
        self.hang_up()

    def clean_cut(self, body: Any, value: str) -> None:
        """Ends the reply in good order, but in the middle of the answer."""
        self.begin()
        for piece in ANSWER[: int(value)]:
            self.send(chunk(piece))
        self.end()

    def cut_event(self, body: Any, _: str) -> None:
        self.begin()
        self.send(chunk(ANSWER[0]) + chunk(ANSWER[1])[:-20])
        self.end()

    def short(self, body: Any, _: str) -> None:
        """Promises more bytes than it sends."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.hang_up()

    def another(self, body: Any, _: str) -> None:
        self.begin()
        self.send(chunk("Nothing happens.") + chunk(None, "stop") + b"data: [DONE]\n\n")
        self.end()

    def close(self, body: Any, _: str) -> None:
        self.hang_up()

    def rubbish(self, body: Any, _: str) -> None:
        self.wfile.write(b"\x00\x01\x02 not HTTP at all\r\n\r\n")
        self.hang_up()

    def page(self, body: Any, _: str) -> None:
        self.say(200, b"<!doctype html><title>Welcome</title>", "text/html")

    def torn_json(self, body: Any, _: str) -> None:
        self.begin()
        self.send(b'data: {"choices": [{"delta"\n\n')
        self.end()

    def odd_json(self, body: Any, value: str) -> None:
        self.say(200, json.loads(value))

    def error_event(self, body: Any, value: str) -> None:
        self.begin()
        self.send(chunk("A man "))
        error = {"message": "engine died", "code": int(value)} if value else "engine died"
        self.send(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
        self.end()

    def endless(self, body: Any, _: str) -> None:
        self.begin()
        piece = chunk("x" * 60_000)
        try:
            while True:
                self.send(piece)
        except OSError:
            (folder / "hung-up").touch()
            self.close_connection = True

    def away(self, body: Any, _: str) -> None:
        self.say(307, b"", Location="http://user:secret@elsewhere.test/v1")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what many of the tests are about."""


server = Server(("127.0.0.1", 0), Handler)
sys.stdout.write(f"{server.server_address[1]}\n")
sys.stdout.flush()
server.serve_forever()
