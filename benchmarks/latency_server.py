"""An OpenAI-compatible server that answers everything after a fixed time: `python latency_server.py SECONDS`.

It prints its port. One thread and an event loop: what it costs itself hardly grows with the requests it
holds.
"""

from __future__ import annotations

import asyncio
import json
import sys

LATENCY = float(sys.argv[1]) if __name__ == "__main__" else 0.0
CAPTION = "A grey wall is seen, it grows lighter from one picture to the next."
SUMMARY = json.dumps(
    {
        "judgement": "There is no anomaly, everything is normal.",
        "description": "A grey wall grows lighter from one picture to the next, nothing else is seen.",
    }
)


def reply(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 30}
    return json.dumps({"model": "fixed", "choices": [choice], "usage": usage}).encode()


MODELS = json.dumps({"object": "list", "data": [{"id": "fixed"}]}).encode()
# Whether a request holds pictures is told by its bytes: nothing is parsed.
ANSWERS = {True: reply(CAPTION), False: reply(SUMMARY)}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if head.startswith("GET"):
            body = MODELS
        else:
            length = next(int(line.partition(":")[2]) for line in head.split("\r\n")
                          if line.lower().startswith("content-length"))  # fmt: skip
            asked = await reader.readexactly(length)
            await asyncio.sleep(LATENCY)
            body = ANSWERS[b"image_url" in asked]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
