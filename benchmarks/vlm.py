"""How long an answer takes on this CPU, and how much memory: a 2B-shaped InternVL in several precisions.

    python benchmarks/vlm.py [--frames 2] [--tokens 16] [--repeats 3] [--threads 2] [--small] [--out FILE]

A checkpoint with the shape of HolmesVAU-2B (InternViT-300M, 1.8 B language model) and random weights is
written once, in bfloat16, with a shard in memory at a time, then loaded as users load it, in a process of its
own for each precision. Weights that keep their precision are mapped from the file and count as such; the rest
is the process's own memory. With one thread times are processor seconds, which say more than the clock on a
machine that others use as well. `--small` takes a model of a few megabytes: to see that the benchmark runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl
from holmesvau.vlm.protocol import GenerationOptions

PRECISIONS = ("float32", "bfloat16", "int8")
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
SHARD = 1 << 30


def shape(small: bool) -> InternVLConfig:
    """HolmesVAU-2B's, or a tenth of it in every direction."""
    width, layers, words = (256, 2, 1000) if small else (2048, 24, 92553)
    vision, vision_layers, side = (128, 2, 56) if small else (1024, 24, 448)
    return InternVLConfig(
        vision_config=InternVLVisionConfig(
            hidden_size=vision,
            num_hidden_layers=vision_layers,
            num_attention_heads=vision // 64,
            intermediate_size=vision * 4,
            image_size=(side, side),
            patch_size=(14, 14),
            attention_bias=True,
        ),
        text_config=LlamaConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 128,
            num_key_value_heads=max(1, width // 256),
            intermediate_size=width * 4,
            vocab_size=words,
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6},
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=False,
        ),
        image_token_id=SPECIAL.index("<IMG_CONTEXT>"),
        image_seq_length=(side // 28) ** 2,
        tie_word_embeddings=False,
    )


def write_checkpoint(folder: Path, small: bool) -> None:
    """Random bfloat16 weights, a shard in memory at a time."""
    config = shape(small)
    with torch.device("meta"):
        empty = InternVLForConditionalGeneration(config)
    dice = torch.Generator().manual_seed(0)
    places: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}

    def close() -> None:
        name = f"model-{len(set(places.values())) + 1:05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        places.update(dict.fromkeys(shard, name))
        shard.clear()

    for name, parameter in empty.state_dict().items():
        values = torch.empty(parameter.shape, dtype=torch.bfloat16)
        if parameter.ndim > 1:
            values.normal_(0, parameter.shape[-1] ** -0.5, generator=dice)
        else:
            values.fill_(float("norm" in name and "weight" in name))
        shard[name] = values
        if sum(tensor.nbytes for tensor in shard.values()) > SHARD:
            close()
    close()
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.architectures = ["InternVLForConditionalGeneration"]
    config.save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=SPECIAL[3:],
    ).save_pretrained(folder)


class Peak:
    """The most memory this process has held, its own and mapped from files, sampled twenty times a second."""

    def __init__(self) -> None:
        self.own = self.mapped = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text().splitlines()
            sizes = {line.partition(":")[0]: line.split()[1] for line in status if line.startswith("Rss")}
            self.own = max(self.own, int(sizes["RssAnon"]) / 2**20)
            self.mapped = max(self.mapped, int(sizes["RssFile"]) / 2**20)
            time.sleep(0.05)


def measure(
    folder: Path, precision: str, frames: int, tokens: int, repeats: int, threads: int
) -> dict[str, Any]:
    """One precision in this process."""
    torch.set_num_threads(threads)
    now = time.process_time if threads == 1 else time.perf_counter
    peak = Peak()
    started = now()
    model = internvl.load(folder, device="cpu", dtype=precision)
    found: dict[str, Any] = {"precision": precision, "load": now() - started}
    pictures = np.random.default_rng(0).integers(0, 256, (frames, 480, 640, 3), np.uint8)
    batch = FrameBatch(pictures, np.arange(frames), np.arange(frames) / 25)
    times: dict[str, list[float]] = {"encode": [], "prefill": [], "first": [], "token": []}
    options = GenerationOptions(max_new_tokens=tokens)
    decoder = model.speaker.decoder
    for _ in range(repeats):
        started = now()
        visual = model.encode(batch)
        times["encode"].append((now() - started) / frames)
        decoder.forget()
        prefix, tail = model.speaker.embed(visual.tokens, "Is there an anomaly in this video?")
        found["prefill_tokens"] = len(prefix)
        started = now()
        with torch.inference_mode():
            decoder._prefilled(prefix)
        prefilled = now()
        steps = decoder.generate(prefix, [tail], options)
        next(steps)
        first = now()
        count = sum(1 for _ in steps)
        ended = now()
        times["prefill"].append(prefilled - started)
        times["first"].append(first - started)
        if count:
            times["token"].append((ended - first) / count)
    found |= {name: statistics.median(taken) for name, taken in times.items()}
    time.sleep(0.1)
    found |= {"own": peak.own, "mapped": peak.mapped}
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The results side by side."""
    lines = [
        "| | load s | vision s/frame | prefill tokens/s | first token s | tokens/s | own GiB | mapped GiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['precision']} | {row['load']:.0f} | {row['encode']:.2f} "
            f"| {row['prefill_tokens'] / row['prefill']:.0f} | {row['first']:.1f} "
            f"| {1 / row['token']:.2f} | {row['own']:.1f} | {row['mapped']:.1f} |"
        )
    return "\n".join(lines)


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """The results as a page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    processor = names[0].partition(":")[2].strip() if names else platform.processor()
    clock = "processor seconds" if arguments.threads == 1 else "seconds by the clock"
    command = " ".join(["python benchmarks/vlm.py", *sys.argv[1:]])
    return (
        f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} from others and this; torch "
        f"{torch.__version__}; commit {commit}; `{command}`.\n{arguments.frames} frames, "
        f"{rows[0]['prefill_tokens']} tokens of prefix, {arguments.tokens} tokens of answer, median of "
        f"{arguments.repeats}; {arguments.threads} threads, {clock}.\n\n{table(rows)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--in-process", nargs=2, metavar=("FOLDER", "PRECISION"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_process:
        folder, precision = arguments.in_process
        settings = (arguments.frames, arguments.tokens, arguments.repeats, arguments.threads)
        found = measure(Path(folder), precision, *settings)
        print(json.dumps(found))
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        write_checkpoint(Path(temporary), arguments.small)
        for precision in arguments.precisions.split(","):
            # A process each: what one precision leaves behind is not counted for the next.
            command = [sys.executable, __file__, "--in-process", temporary, precision]
            for name in ("frames", "tokens", "repeats", "threads"):
                command += [f"--{name}", str(getattr(arguments, name))]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            rows.append(json.loads(out.splitlines()[-1]))
            print(rows[-1], file=sys.stderr)
    page = report(rows, arguments)
    print(page)
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
