"""`transformers serve` with a small random InternVL: a server that nobody wrote for these tests."""

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl
from holmesvau.vlm.endpoint import Endpoint, load
from holmesvau.vlm.protocol import GenerationOptions

# As the prompt law wants it: parts of a message follow each other as they stand.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% else %}<img><IMG_CONTEXT></img>{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHORT = GenerationOptions(max_new_tokens=24)
STARTS_WITHIN = 90.0

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
    reason="transformers serve needs fastapi, uvicorn and openai",
)


@pytest.fixture(scope="module")
def folder(make_checkpoint: Callable[..., Path]) -> Path:
    """A native checkpoint with a processor of the simplest kind: InternVL's own needs torchvision."""
    folder = make_checkpoint("served", chat=True)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    settings = {
        "processor_class": "LlavaProcessor",
        "patch_size": 28,
        "vision_feature_select_strategy": "full",
        "image_token": "<IMG_CONTEXT>",
        "num_additional_image_tokens": 0,
    }
    (folder / "processor_config.json").write_text(json.dumps(settings))
    pictures = {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "LlavaProcessor",
        "do_center_crop": False,
        "size": {"height": 56, "width": 56},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    home = tmp_path_factory.mktemp("hub")
    (home / "hub").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    options = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    log = (home / "log").open("w")
    process = subprocess.Popen(
        [str(program), "serve", str(folder), *options],
        env=os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=log,
        stderr=log,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, home / "log")
        yield load(f"http://127.0.0.1:{port}/v1?side=56&quality=95#{folder}")
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"transformers serve did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def as_received(served: Endpoint) -> FrameBatch:
    """Frames as they are once they have been through JPEG."""
    rng = np.random.default_rng(3)
    small = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)) for _ in range(4)]
    smooth = np.stack([np.asarray(picture.resize((56, 56))) for picture in small])
    return FrameBatch(smooth, np.arange(4) * 16, np.arange(4) / 25)


def through_jpeg(model: Endpoint, frames: FrameBatch) -> FrameBatch:
    files = model.encode(frames).tokens
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    return FrameBatch(pictures, frames.index, frames.seconds)


def whole_characters(text: str) -> str:
    """Without the bytes of a character that the last token left incomplete: the server keeps those back."""
    return text.rstrip("\ufffd").strip()


def test_the_served_model_says_what_the_same_model_says_here(
    served: Endpoint, folder: Path, as_received: FrameBatch
) -> None:
    here = internvl.load(folder, device="cpu", dtype="float32")
    visual = here.encode(through_jpeg(served, as_received))
    there = served.encode(as_received)
    questions = ["What happens?", "Is there an anomaly in this video?"]
    for question in questions:
        expected = whole_characters(here.answer(visual, question, options=SHORT))
        assert len(expected) > 5
        assert whole_characters(served.answer(there, question, options=SHORT)) == expected
    history = [("What happens?", "A fire.")]
    expected = whole_characters(here.answer(visual, "Why?", history=history, options=SHORT))
    assert whole_characters(served.answer(there, "Why?", history=history, options=SHORT)) == expected
    together = served.answer_many(there, questions, options=SHORT)
    assert together == [served.answer(there, question, options=SHORT) for question in questions]


def test_it_streams(served: Endpoint, as_received: FrameBatch) -> None:
    visual = served.encode(as_received)
    pieces = list(served.stream(visual, "What happens?", options=SHORT))
    assert len(pieces) > 1 and "".join(pieces) == served.answer(visual, "What happens?", options=SHORT)
