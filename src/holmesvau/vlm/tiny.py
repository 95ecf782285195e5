"""`tiny`, the embedded model: EfficientNet-Lite0, our projector, SmolLM2-135M-Instruct with our LoRA.

The parts stand where the paper has InternViT, its projector and InternLM2 (§4.1). Both pretrained networks
come out of packages; a folder of `tiny` holds what was trained: projector and LoRA.

Shape legend: `N` frames, `P` tokens a frame, `C` channels of the 7×7 map, `W` width of the language model.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from holmesvau import config as configuration
from holmesvau.ats import efficientnet
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.errors import InputError, MissingPartError, ModelError, OutputError
from holmesvau.types import FrameBatch
from holmesvau.vlm import folder as folders
from holmesvau.vlm import lora, prompts, smollm2
from holmesvau.vlm.generation import Decoder
from holmesvau.vlm.internvl import DTYPES, pick_device, stop_ids
from holmesvau.vlm.projector import Projector
from holmesvau.vlm.protocol import VisualTokens
from holmesvau.vlm.speaker import PromptLaw, Speaker, Spoken, scatter

WEIGHTS = Path(__file__).parents[1] / "weights" / "tiny"
MODEL_TYPE = "holmesvau-tiny"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_PROJECTOR = "projector."
_LORA = "lora."


@dataclass(frozen=True, kw_only=True)
class TinyConfig:
    """What decides the shape of the trained part. `regions`² + 1 tokens stand for a frame."""

    name: str = "tiny"
    num_frames: int = 16
    regions: int = 3
    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Tiny(Spoken):
    """The embedded model, as a `VisionLanguageModel`, and what is trained of it.

    Make a new one with `create`, an old one with `from_pretrained`. A trainable one holds its LoRA beside the
    weights; else it is merged into them, and `save_pretrained` gives back what was loaded.
    """

    def __init__(
        self,
        config: TinyConfig,
        language_model: Any,
        tokenizer: Any,
        projector: Projector,
        adaptation: dict[str, torch.Tensor] | None,
        *,
        source: str,
    ) -> None:
        self.config = config
        self.language_model = language_model
        self.projector = projector
        self.source = source
        self._adaptation = adaptation
        self._encoder: EfficientNetEncoder | None = None
        law = PromptLaw(
            template=prompts.smollm2_chat,
            image_id=int(tokenizer.convert_tokens_to_ids(prompts.IMAGE_TOKEN)),
            tokens_per_frame=config.regions**2 + 1,
            special_tokens=False,
            start="",
            end="",
        )
        decoder = Decoder(language_model.model, language_model.lm_head, stop_ids(language_model, tokenizer))
        positions = int(language_model.config.max_position_embeddings)
        self.speaker = Speaker(decoder, tokenizer, law, max_positions=positions)

    @classmethod
    def create(
        cls,
        config: TinyConfig | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        seed: int = 0,
    ) -> Tiny:
        """An untrained, trainable model: random projector, LoRA that changes nothing yet.

        Raises:
            MissingPartError: when the language model's package is not installed.
            InputError: for an unknown device or dtype.
        """
        config = config or TinyConfig()
        language_model, tokenizer = _language_model(device, dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            projector = _projector(config, language_model)
            lora.attach(language_model, config.targets, rank=config.rank, alpha=config.alpha)
        return cls(config, language_model, tokenizer, projector, None, source="untrained")

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        trainable: bool = False,
    ) -> Tiny:
        """Load what `save_pretrained` wrote.

        Raises:
            ModelError: when the folder is missing, damaged or does not fit.
            MissingPartError: when the language model's package is not installed.
            InputError: for an unknown device or dtype.
        """
        folder = Path(folder)
        config = _config(folder)
        folders.tensor_names(folder / WEIGHTS_FILE)
        tensors = load_file(folder / WEIGHTS_FILE)
        adaptation = {name.removeprefix(_LORA): t for name, t in tensors.items() if name.startswith(_LORA)}
        projection = {
            name.removeprefix(_PROJECTOR): t for name, t in tensors.items() if name.startswith(_PROJECTOR)
        }
        language_model, tokenizer = _language_model(device, dtype)
        projector = _projector(config, language_model)
        lora.attach(language_model, config.targets, rank=config.rank, alpha=config.alpha)
        try:
            projector.load_state_dict(projection)
            lora.restore(language_model, adaptation)
        except (RuntimeError, KeyError) as error:
            reason = (str(error).strip().splitlines() or ["?"])[-1].strip()
            raise ModelError(f"{folder}: the weights do not fit {CONFIG_FILE} ({reason}).") from error
        if not trainable:
            lora.merge(language_model)
            projector.requires_grad_(False)
        kept = None if trainable else adaptation
        return cls(config, language_model, tokenizer, projector, kept, source=str(folder))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors` (projector and LoRA, float32), all or nothing.

        Raises:
            OutputError: when the folder cannot be written.
        """
        folder = Path(folder)
        adaptation = lora.state(self.language_model) if self._adaptation is None else self._adaptation
        tensors = {_PROJECTOR + name: tensor for name, tensor in self.projector.state_dict().items()}
        tensors |= {_LORA + name: tensor for name, tensor in adaptation.items()}
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        unfinished: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
            save_file(whole, unfinished / WEIGHTS_FILE)
            text = configuration_text(self.config)
            (unfinished / CONFIG_FILE).write_text(text, encoding="utf-8")
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                (unfinished / name).replace(folder / name)
        except OSError as error:
            raise OutputError(f"{folder}: the model cannot be written ({error}).") from error
        finally:
            if unfinished is not None:
                shutil.rmtree(unfinished, ignore_errors=True)
        return folder

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def num_frames(self) -> int:
        return self.config.num_frames

    def info(self) -> dict[str, Any]:
        weight = self.language_model.lm_head.weight
        parts = (self.projector, self.language_model)
        return {
            "name": self.name,
            "backend": "tiny",
            "source": self.source,
            "parameters": sum(parameter.numel() for part in parts for parameter in part.parameters()),
            "dtype": str(weight.dtype).removeprefix("torch."),
            "device": str(weight.device),
            "tokens_per_frame": self.speaker.law.tokens_per_frame,
        }

    @torch.inference_mode()
    def encode(self, frames: FrameBatch) -> VisualTokens:
        """Frames of any size -> tokens `[N, P, W]`."""
        if len(frames) == 0:
            maps = torch.empty(0, efficientnet.GRID, efficientnet.GRID, efficientnet.CHANNELS)
        else:
            maps = torch.from_numpy(self.maps(frames.frames))
        weight = self.language_model.lm_head.weight
        return VisualTokens(
            frames.index, frames.seconds, self.projector(maps.to(weight.device)).to(weight.dtype)
        )

    def maps(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        """What the projector reads of `frames[N, H, W, 3]` uint8: maps `[N, 7, 7, C]` float16."""
        if self._encoder is None:
            device = self.language_model.lm_head.weight.device
            self._encoder = EfficientNetEncoder(str(device))
        return self._encoder.maps(frames)[1]

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained: projector and LoRA; empty when the LoRA is merged."""
        parts = (self.projector, self.language_model)
        return [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]

    def loss(
        self, maps: Sequence[torch.Tensor], questions: Sequence[str], answers: Sequence[str]
    ) -> torch.Tensor:
        """Mean cross-entropy (nats a token) of `answers` and their ends, given frames and questions (§4.3).

        `maps` holds one `[N, 7, 7, C]` for each question, N free. Only the answers' tokens count.
        """
        rows, targets = [], []
        decoder, law = self.speaker.decoder, self.speaker.law
        device = self.language_model.lm_head.weight.device
        for pictures, question, answer in zip(maps, questions, answers, strict=True):
            visual = self.projector(pictures.to(device))
            asked = self._ids(law.prompt(question, len(pictures)))
            told = self._ids(answer + prompts.TURN_END)
            embeds, _ = scatter(decoder.embed, torch.cat([asked, told]), law.image_id, visual)
            rows.append(embeds)
            targets.append(torch.cat([torch.full_like(asked, -100), told]).to(device))
        lengths = torch.tensor([len(row) for row in rows], device=device)
        embeds = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        labels = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
        mask = (torch.arange(embeds.shape[1], device=device) < lengths[:, None]).long()
        hidden = decoder.body(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
        # The head is the widest layer of the model: only the places whose next token counts go through it.
        counted = labels[:, 1:] != -100
        logits = decoder.head(hidden[:, :-1][counted])
        return torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][counted])

    def _ids(self, text: str) -> torch.Tensor:
        encoded = self.speaker.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        ids: torch.Tensor = encoded["input_ids"][0]
        return ids


def available() -> bool:
    """Whether `load` gives a model: trained weights are shipped and the language model is installed."""
    return not missing()


def missing() -> str:
    """One sentence on what keeps `tiny` from describing; empty when nothing does."""
    if not (WEIGHTS / WEIGHTS_FILE).is_file():
        return (
            "This version ships no trained weights for the embedded model: watch reports curve, events and "
            "frames; for words, give the folder of an InternVL-family checkpoint with --model."
        )
    try:
        smollm2.gguf_path()
    except MissingPartError as error:
        return str(error)
    return ""


def load(
    source: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    device_map: Any = None,
    adapter: Any = None,
) -> Tiny | None:
    """The shipped model, or the one in the folder `source`; None where none is shipped.

    Raises:
        MissingPartError: when the language model's package is not installed.
        ModelError: when the folder cannot be used.
        InputError: for an unknown device or dtype, or an option that only large models have.
    """
    if device_map is not None or adapter is not None:
        raise InputError(
            "The embedded model takes neither device_map nor adapter: it is small and has its own."
        )
    if source is None and not (WEIGHTS / WEIGHTS_FILE).is_file():
        return None
    return Tiny.from_pretrained(source or WEIGHTS, device=device, dtype=dtype)


def configuration_text(config: TinyConfig) -> str:
    """`config.json` of a folder of `tiny`."""
    return json.dumps({"model_type": MODEL_TYPE, **configuration.to_dict(config)}, indent=2) + "\n"


def _config(folder: Path) -> TinyConfig:
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such model folder.")
    data = folders.read_json(folder / CONFIG_FILE)
    if data.pop("model_type", None) != MODEL_TYPE:
        raise ModelError(f"{folder}: {CONFIG_FILE} does not describe a tiny model.")
    if not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"{folder}: {WEIGHTS_FILE} is missing. Copy or download the model again.")
    return configuration.from_dict(TinyConfig, data, where=str(folder / CONFIG_FILE))


def _projector(config: TinyConfig, language_model: Any) -> Projector:
    width = int(language_model.config.hidden_size)
    projector = Projector(efficientnet.CHANNELS, width, grid=efficientnet.GRID, regions=config.regions)
    return projector.to(language_model.lm_head.weight.device)


def _language_model(device: str | None, dtype: str | None) -> tuple[Any, Any]:
    chosen = pick_device(device)
    name = dtype or ("bfloat16" if _multiplies_bfloat16(chosen) else "float32")
    if name not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not known: choose {', '.join(DTYPES)}.")
    return smollm2.load(device=chosen, dtype=DTYPES[name])


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the faster choice: processors without its instructions emulate it slowly."""
    if device.type != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
