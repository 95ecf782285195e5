"""The embedded language model behind the OpenAI protocol, for a machine without a model server.

    python examples/serve_smollm2.py --port 8123
    holmesvau annotate init project videos/ --summary endpoint:http://127.0.0.1:8123/v1#smollm2

`response_format` is honoured for what the engine asks: an object of strings. Its braces, names and quotes
are written by the server and the strings by the model, so that the reply always has its form; what stands in
it is another matter for 135 million parameters. One request is answered at a time.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from holmesvau.vlm import prompts, smollm2
from holmesvau.vlm.generation import next_token
from holmesvau.vlm.protocol import GenerationOptions

NAME = "smollm2"
# Words of a string before it is closed for the model.
LONGEST_STRING = 60


class Model:
    """SmolLM2-135M-Instruct; its answers as text, or as the strings of an object."""

    def __init__(self) -> None:
        self.model, self.tokenizer = smollm2.load(device=torch.device("cpu"), dtype=torch.bfloat16)
        stops = ("<|im_end|>", self.tokenizer.eos_token)
        self.stops = {int(self.tokenizer.convert_tokens_to_ids(stop)) for stop in stops}
        self.turn = threading.Lock()

    @torch.inference_mode()
    def answer(self, prompt: str, options: GenerationOptions, names: Sequence[str]) -> tuple[str, int, int]:
        """The reply to a prompt, and the tokens read and written; with `names` an object of those strings."""
        with self.turn:
            talk = _Talk(self, prompts.smollm2_chat([prompts.Turn(prompt)]), options)
            if not names:
                text = talk.said(options.max_new_tokens, closing=None)
                return text.strip(), talk.read, talk.written
            found = {}
            for number, name in enumerate(names):
                talk.feed(("{" if number == 0 else '", ') + f'"{name}": "')
                found[name] = talk.said(LONGEST_STRING, closing='"').strip()
            return json.dumps(found, ensure_ascii=False), talk.read, talk.written


class _Talk:
    """One answer under way: what was fed, what was said, and the model's keys and values of both."""

    def __init__(self, owner: Model, text: str, options: GenerationOptions) -> None:
        self._owner, self._options = owner, options
        self._dice = torch.Generator().manual_seed(options.seed)
        self._cache: Any = None
        self._logits: torch.Tensor | None = None
        self._said: list[int] = []
        self.read = self.written = 0
        self.feed(text)

    def feed(self, text: str) -> None:
        """Put words into the model's mouth."""
        ids = self._owner.tokenizer(text, add_special_tokens=False)["input_ids"]
        self.read += len(ids)
        self._forward(ids)

    def said(self, most: int, closing: str | None) -> str:
        """What the model says until it stops, or says `closing`."""
        tokenizer, tokens = self._owner.tokenizer, []
        for _ in range(most):
            assert self._logits is not None
            token = next_token(self._logits, self._options, self._dice, self._said)
            piece = tokenizer.decode([token])
            ended = token in self._owner.stops or (
                closing is not None and (closing in piece or "\n" in piece)
            )
            if ended:
                # The last token may hold words before the quote.
                kept = "" if token in self._owner.stops or closing is None else piece.split(closing)[0]
                return (tokenizer.decode(tokens) + kept.split("\n")[0]).replace("\\", "")
            tokens.append(token)
            self._said.append(token)
            self.written += 1
            self._forward([token])
        return str(tokenizer.decode(tokens))

    def _forward(self, ids: list[int]) -> None:
        out = self._owner.model(
            input_ids=torch.tensor([ids]), past_key_values=self._cache, use_cache=True, logits_to_keep=1
        )
        self._cache, self._logits = out.past_key_values, out.logits[0, -1].float()


class Handler(BaseHTTPRequestHandler):
    model: Model

    def do_GET(self) -> None:
        self.say(200, {"object": "list", "data": [{"id": NAME, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        if not isinstance(content, str):
            self.say(400, {"error": {"message": "this model sees no pictures"}})
            return
        form = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        options = GenerationOptions(
            max_new_tokens=int(body.get("max_tokens", 256)),
            temperature=float(body.get("temperature", 0.0)),
            top_p=float(body.get("top_p", 0.95)),
            # Without one, so small a model says the same again and again.
            repetition_penalty=float(body.get("repetition_penalty", 1.15)),
            seed=int(body.get("seed", 0)),
        )
        text, read, written = self.model.answer(content, options, list(form.get("properties", {})))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        self.say(200, {"object": "chat.completion", "model": NAME, "choices": [choice], "usage": usage})

    def say(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    options = parser.parse_args()
    Handler.model = Model()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1#{NAME}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
