"""An OpenAI-compatible server, a process of its own, that sees colours and sums up what it is told.

    python scribe_server.py FOLDER        # prints its port; writes FOLDER/log.jsonl, a line a request

Pictures: it looks at each and says which colour it mostly is, so a wrong frame gives a wrong caption. Texts:
it makes a summary of the numbered lines of the prompt. `FOLDER/mood` is one of: `well`; `repents`
(contradicts until it is told that it did); `stubborn` (always contradicts); `objective` (takes a schema
only as `json_object`); `wordy` (refuses a schema, answers with headings); `down` (503); `slow:SECONDS`;
`late:N` (well for N requests, then hangs for a minute).
"""

import base64
import io
import json
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 180, 30),
    "blue": (30, 30, 200),
    "yellow": (200, 200, 30),
    "white": (220, 220, 220),
}
folder = Path(sys.argv[1])
writing = threading.Lock()
busy: Counter[str] = Counter()
asked = 0


def mood() -> str:
    path = folder / "mood"
    return path.read_text().strip() if path.exists() else "well"


def seen(url: str) -> str:
    """The strongest colour of a picture."""
    data = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))
    mean = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32).mean((0, 1))
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))


def caption(parts: list[dict[str, Any]]) -> str:
    colours = [seen(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    told = " and then ".join(dict.fromkeys(colours))
    return f"The lamp of the machine in the hall shines {told} in {len(colours)} pictures."


def summary(prompt: str, wrong: bool) -> dict[str, str]:
    lines = list(dict.fromkeys(re.findall(r"^\d+\. (.+)$", prompt, re.MULTILINE)))
    label = re.search(r'class "([^"]+)"', prompt)
    normal = label is None
    said = {
        "judgement": "There is no anomaly, everything is normal." if normal != wrong
        else f"Yes, there is an anomaly, namely {label[1] if label else 'Fighting'}.",
        "description": "First this: " + " Then this: ".join(line.rstrip(".") + "." for line in lines),
    }  # fmt: skip
    if not normal:
        said["analysis"] = "This is abnormal because the lamp should not shine like that."
    return said


def reply(text: str, prompt: str) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
    return {"model": "scribe-1", "choices": [choice], "usage": usage}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.say(200, {"object": "list", "data": [{"id": "scribe"}]})

    def do_POST(self) -> None:
        global asked  # noqa: PLW0603
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        kind = "summary" if isinstance(content, str) else "caption"
        with writing:
            busy[kind] += 1
            asked += 1
            number, together = asked, busy[kind]
        status, value = self.answer(body, mood(), number, together)
        # Before the answer goes out: who has it may ask again at once.
        with writing:
            busy[kind] -= 1
        self.say(status, value)

    def answer(self, body: dict[str, Any], mood: str, number: int, together: int) -> tuple[int, Any]:
        content = body["messages"][-1]["content"]
        seeing = not isinstance(content, str)
        prompt = content[-1]["text"] if seeing else content
        schema = body.get("response_format", {}).get("type", "")
        line = {
            "kind": "caption" if seeing else "summary",
            "prompt": prompt,
            "schema": schema,
            "pictures": sum(part["type"] == "image_url" for part in content) if seeing else 0,
            "together": together,
            "temperature": body["temperature"],
        }
        name, _, value = mood.partition(":")
        if name == "slow":
            time.sleep(float(value))
        if name == "late" and number > int(value):
            time.sleep(60)
        with writing, (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        if name == "down":
            return 503, {"error": "no"}
        if name == "objective" and schema == "json_schema":
            # As llama-cpp-python's server puts it.
            told = "('body', 'response_format', 'type'): Input should be 'text' or 'json_object'"
            return 500, {"error": {"message": told, "type": "internal_server_error"}}
        if name == "wordy" and schema:
            return 400, {"error": {"message": "response_format is not supported"}}
        if seeing:
            return 200, reply(caption(content), prompt)
        wrong = name == "stubborn" or (name == "repents" and "could not be used" not in prompt)
        found = summary(prompt, wrong)
        headed = "\n".join(f"**{part.title()}:** {text}" for part, text in found.items())
        return 200, reply(headed if name == "wordy" else f"```json\n{json.dumps(found)}\n```", prompt)

    def say(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that is killed is what some of the tests are about."""


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201 - how the test learns of it
    server.serve_forever()
