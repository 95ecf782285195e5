"""An OpenAI-compatible chat server in a process of its own that judges by the words of a text.

    python judge_server.py                # prints its port

A text is "NOUN VERB PLACE."; its facts are who, what and where. A fact is stated where its word is in the
text, contradicted where the text says "not", else absent. A text with "garbled" gets a reply that is no JSON.
"""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def reply(prompt: str) -> str:
    text = json.loads(prompt.rpartition("Text: ")[2])
    if "garbled" in text:
        return "I would rather not say."
    if prompt.rstrip().endswith(json.dumps(text)) and '{"facts"' in prompt:
        who, what, where = text.rstrip(".").split()
        facts = [{"kind": k, "fact": w} for k, w in (("who", who), ("what", what), ("where", where))]
        # As models do: a fence around it.
        return f"```json\n{json.dumps({'facts': facts})}\n```"
    verdicts = []
    for number, word in re.findall(r"^(\d+)\. \(\w+\) (\w+)$", prompt, re.MULTILINE):
        known = "stated" if word in text else "contradicted" if "not" in text else "absent"
        verdicts.append({"number": int(number), "verdict": known})
    return json.dumps({"verdicts": verdicts})


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.say({"object": "list", "data": [{"id": "strict-judge"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        assert isinstance(content, str), "a judge is shown no pictures"
        self.say({"choices": [{"message": {"content": reply(content)}, "finish_reason": "stop"}]})

    def say(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201 - how the test learns of it
    server.serve_forever()
