"""What stage 2 will need, from shapes alone: no weights are loaded, nothing is decoded.

Figures are estimates: floating-point operations over a device's usual speed, and bytes of weights, optimiser
and activations. Rows are counted; what they say is taken at four letters a token.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from holmesvau.errors import InputError, ModelError
from holmesvau.train.data import named_roots
from holmesvau.train.instruct.config import InstructTraining
from holmesvau.train.instruct.examples import rows_of
from holmesvau.train.recipes import Recipe
from holmesvau.vlm import folder as folders

LETTERS_A_TOKEN = 4.0
# System sentence, turns and the question's own words.
WORDS_AROUND = 60
# `Frame12: `, its brackets and the line's end.
WORDS_A_FRAME = 7
# What training reaches of a device's peak, and the peak of the paper's A100 in bfloat16, operations a second.
REACHED, A100 = 0.35, 312e12


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides memory and time of a language model and its pictures.

    `vision_flops` are the operations for one frame, `vision_parameters` the frozen part's size.
    """

    layers: int
    width: int
    inner: int
    heads: int
    key_heads: int
    head_width: int
    vocabulary: int
    tokens_per_frame: int
    vision_parameters: int
    vision_flops: float

    @property
    def block_parameters(self) -> int:
        """Weights of all layers, without embeddings and head."""
        attention = self.width * self.head_width * 2 * (self.heads + self.key_heads)
        return self.layers * (attention + 3 * self.width * self.inner)

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.block_parameters + 2 * self.vocabulary * self.width + self.vision_parameters

    def lora_parameters(self, rank: int) -> int:
        """Of a LoRA on all seven linear layers."""
        q, kv = self.heads * self.head_width, self.key_heads * self.head_width
        pairs = [(self.width, q), (self.width, kv), (self.width, kv), (q, self.width)]
        pairs += [(self.width, self.inner)] * 2 + [(self.inner, self.width)]
        return self.layers * rank * sum(a + b for a, b in pairs)


# InternVL2-2B, which the paper starts from: InternViT-300M and InternLM2-chat-1.8B.
INTERNVL2_2B = Shape(24, 2048, 8192, 16, 8, 128, 92553, 256, 304_000_000, 724e9)
# EfficientNet-Lite0 and SmolLM2-135M-Instruct.
TINY = Shape(30, 576, 1536, 9, 3, 64, 49152, 6, 3_400_000, 0.8e9)
KNOWN = {"tiny": TINY, "OpenGVLab/InternVL2-2B": INTERNVL2_2B}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will need. Bytes and seconds are of one device; `device` says of which kind.

    `spans` are the videos, events and clips that the rows are about. `memory_bytes` is the sum of
    `parts_bytes`. `seconds` is for the training alone, without scanning and validation.
    """

    device: str
    rows: int
    spans: int
    steps: int
    tokens: float
    operations: float
    parts_bytes: dict[str, int]
    memory_bytes: int
    tokens_per_second: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def in_words(self) -> str:
        """A few lines for people."""
        parts = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in self.parts_bytes.items())
        return "\n".join(
            [
                f"{self.rows} rows about {self.spans} spans, {self.steps} steps, "
                f"{self.tokens / 1e6:.3g} million tokens",
                f"memory: {self.memory_bytes / 2**30:.1f} GiB on {self.device} ({parts})",
                f"time: {self.seconds / 3600:.2f} h on {self.device}, {self.tokens_per_second:.0f} tokens/s",
            ]
        )


def estimate(recipe: Recipe, out: str | Path, *, device: str | None = None) -> Estimate:
    """Memory and time of stage 2, from the recipe, the rows and the model's `config.json`.

    Without a GPU here, a recipe for a large model is estimated for the paper's A100.

    Raises:
        InputError: when there are no rows to count. ModelError: when the model's shape is not to be had.
    """
    config = recipe.instruct
    shape = shape_of(config.model)
    letters, rows, spans = _rows(recipe, Path(out))
    frames = config.sampler.num_frames or 16
    prefix = WORDS_AROUND + frames * (shape.tokens_per_frame + WORDS_A_FRAME)
    steps = config.epochs * -(-rows // config.batch_rows)
    steps = min(steps, config.max_steps) if config.max_steps else steps
    # How often the rows are gone through; pictures are paid for once a span where rows share them.
    rounds = min(steps * config.batch_rows / rows, config.epochs)
    seen = rounds * (spans if config.pack else rows)
    tokens = seen * prefix + rounds * rows * letters / LETTERS_A_TOKEN
    passes = 3 if config.gradient_checkpointing else 2
    operations = tokens * (
        2 * shape.block_parameters * passes + 4 * shape.lora_parameters(config.adaptation.rank)
    )
    if config.model != "tiny":
        operations += seen * frames * shape.vision_flops
    name, speed = _device(config, device)
    parts = memory(shape, config)
    seconds = operations / speed
    return Estimate(
        device=name,
        rows=rows,
        spans=spans,
        steps=steps,
        tokens=tokens,
        operations=operations,
        parts_bytes=parts,
        memory_bytes=sum(parts.values()),
        tokens_per_second=tokens / seconds,
        seconds=seconds,
    )


def memory(shape: Shape, config: InstructTraining) -> dict[str, int]:
    """Bytes by part: frozen weights, LoRA with gradients and Adam's two moments, activations of a pass."""
    size = 2 if config.precision == "bfloat16" else 4
    lora = shape.lora_parameters(config.adaptation.rank)
    tokens = max(config.pass_tokens, config.max_tokens if config.model != "tiny" else 0)
    # What a layer keeps for the way back, in widths: attention, norms, the three inner products.
    kept = 14 * shape.width + 4 * shape.inner
    if config.gradient_checkpointing:
        activations = tokens * size * (shape.layers * shape.width + kept)
    else:
        activations = tokens * size * shape.layers * kept
    # A sixth of the tokens is said and goes through the head, in single precision with its gradient.
    head = tokens // 6 * shape.vocabulary * 10
    return {
        "weights": shape.parameters * size,
        "LoRA and optimiser": lora * 16,
        "activations": activations,
        "head": head,
    }


def shape_of(model: str) -> Shape:
    """From the checkpoint's `config.json`, or known by its name.

    Raises:
        ModelError: when it is neither a folder nor known.
    """
    if model in KNOWN:
        return KNOWN[model]
    path = Path(model) / "config.json"
    if not path.is_file():
        raise ModelError(
            f"{model}: no folder of a checkpoint, so its shape is not known. Download it first, or "
            f"name one of {', '.join(KNOWN)}."
        )
    data = folders.read_json(path)
    try:
        text, vision = data["text_config"], data["vision_config"]
        heads = text["num_attention_heads"]
        side = vision["image_size"][0] // vision["patch_size"][0]
        width, inner, layers = (
            vision[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers")
        )
        parameters = layers * (4 * width * width + 2 * width * inner)
        return Shape(
            layers=text["num_hidden_layers"],
            width=text["hidden_size"],
            inner=text["intermediate_size"],
            heads=heads,
            key_heads=text.get("num_key_value_heads", heads),
            head_width=text.get("head_dim") or text["hidden_size"] // heads,
            vocabulary=text["vocab_size"],
            tokens_per_frame=int(side * data.get("downsample_ratio", 0.5)) ** 2,
            vision_parameters=parameters,
            vision_flops=2.0 * parameters * (side * side + 1),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{path}: does not tell the model's shape ({error}).") from error


def _rows(recipe: Recipe, out: Path) -> tuple[float, int, int]:
    """Mean letters of question and answer, how many rows, and of how many videos, events and clips.

    A simulated video that is not there yet counts as one with an event and four clips.
    """
    config, simulated = recipe.instruct, recipe.data.simulated
    try:
        roots = named_roots(recipe.data, out.parent / "data")
        rows = rows_of(recipe.data, roots, "train", config.mixture, written=config.written)
    except InputError:
        if not simulated.train_videos:
            raise
        shares = config.mixture
        each = 4 * shares.clip + 3 * shares.event + 3 * shares.video
        videos = simulated.all_videos[0]
        return 320.0, round(videos * each), videos * 6
    letters = sum(len(one.row.prompt) + len(one.row.answer) for one in rows) / len(rows)
    return letters, len(rows), len({(one.root, one.row.video) for one in rows})


def _device(config: InstructTraining, device: str | None) -> tuple[str, float]:
    """A device's name and the operations a second that training reaches on it."""
    if device is None and torch.cuda.is_available():
        device = "cuda"
    if device is not None and device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(device), REACHED * _speed(device)
    if config.model != "tiny" and device is None:
        return "one A100", REACHED * A100
    return f"this machine's CPU ({torch.get_num_threads()} threads)", REACHED * _speed("cpu")


def _speed(device: str) -> float:
    """Operations a second of a matrix product in bfloat16, measured."""
    size = 768 if device == "cpu" else 8192
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    for _ in range(2):
        one @ one
    began, rounds = time.perf_counter(), 10
    for _ in range(rounds):
        product = one @ one
    product[0, 0].item()
    return 2.0 * size**3 * rounds / (time.perf_counter() - began)


__all__ = ["Estimate", "Shape", "estimate", "memory", "shape_of"]
