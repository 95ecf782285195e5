"""`tiny`, the embedded model: EfficientNet-Lite0, our projector, SmolLM2-135M-Instruct with our LoRA.

The parts stand where the paper has InternViT, its projector and InternLM2 (§4.1). Both pretrained networks
come out of packages; a folder of `tiny` holds what was trained: projector and LoRA, and the anomaly scorer.

A frame becomes a few views, of the whole and of the windows where something moves (`ats.foveal`), and two
tokens of what the scorer makes of it among the frames around it: a blow and an embrace look alike in one
picture. One is the scorer's state; the other its classes as words, so that what it is sure of need not be
learnt a second time.

Shape legend: `N` frames, `V` views, `P = V + 2` tokens a frame, `C` channels, `T` dense frames, `S` numbers
of a frame in its time, `K` classes, `W` width of the language model.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from holmesvau.ats import efficientnet, fovea, foveal
from holmesvau.ats.features import Features, read_rows
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.states import StatesAt
from holmesvau.ats.urdmu import UrDmuScorer
from holmesvau.errors import InputError, MissingPartError, ModelError, OutputError
from holmesvau.types import FrameBatch, IndexArray
from holmesvau.vlm import folder as folders
from holmesvau.vlm import lora, prompts, smollm2, tiny_folder
from holmesvau.vlm.generation import Decoder
from holmesvau.vlm.internvl import stop_ids
from holmesvau.vlm.projector import Projector
from holmesvau.vlm.protocol import VisualTokens
from holmesvau.vlm.speaker import PromptLaw, Speaker, Spoken, scatter
from holmesvau.vlm.tiny_folder import (
    COMPANIONS,
    CONFIG_FILE,
    MODEL_TYPE,
    SCORER_FILE,
    WEIGHTS,
    WEIGHTS_FILE,
    TinyConfig,
)

_PROJECTOR = "projector."
_LORA = "lora."
Prepared = dict[str, npt.NDArray[Any]]

__all__ = ["MODEL_TYPE", "WEIGHTS", "Tiny", "TinyConfig", "available", "load", "missing"]


class Tiny(Spoken):
    """The embedded model, as a `VisionLanguageModel`, and what is trained of it.

    Make a new one with `create`, an old one with `from_pretrained`. A trainable one holds its LoRA beside the
    weights; else it is merged into them, and `save_pretrained` gives back what was loaded. `scorer` is the
    anomaly scorer whose states it reads; without one, or without a scan, they are zeros.
    """

    uses_scan = True
    # Trained on looking alone: what it says of texts would be invented.
    summarises = False

    def __init__(
        self,
        config: TinyConfig,
        language_model: Any,
        tokenizer: Any,
        projector: Projector,
        adaptation: dict[str, torch.Tensor] | None,
        *,
        source: str,
        scorer: UrDmuScorer | None = None,
    ) -> None:
        self.config = config
        self.scorer = scorer
        self.language_model = language_model
        self.projector = projector
        self.source = source
        self._adaptation = adaptation
        self._encoder: FovealEncoder | None = None
        # The encoder's name; the encoder itself is made for frames that no scan has looked at.
        self._reads = foveal.encoder_name(None if scorer is None else scorer.windows)
        self._read: StatesAt | None = None
        law = PromptLaw(
            template=prompts.smollm2_chat,
            image_id=int(tokenizer.convert_tokens_to_ids(prompts.IMAGE_TOKEN)),
            tokens_per_frame=config.tokens_per_frame,
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
        scorer: str | Path | None = None,
        device: str | None = None,
        dtype: str | None = None,
        seed: int = 0,
    ) -> Tiny:
        """An untrained, trainable model: random projector, LoRA that changes nothing yet.

        `scorer` is the file of the trained anomaly scorer that it will read.

        Raises:
            MissingPartError: when the language model's package is not installed.
            InputError: for an unknown device or dtype, or a scorer for other features.
            ModelError: when the scorer cannot be used.
        """
        reads = None if scorer is None else tiny_folder.read_scorer(scorer)
        config = replace(config or TinyConfig(), classes=tiny_folder.num_classes(reads))
        language_model, tokenizer = tiny_folder.language_model(device, dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            projector = tiny_folder.new_projector(config, language_model)
            lora.attach(language_model, config.targets, rank=config.rank, alpha=config.alpha)
        if projector.words is not None and reads is not None and reads.class_names is not None:
            words = tiny_folder.class_words(reads.class_names.all, language_model, tokenizer)
            projector.words.data.copy_(words)
        return cls(config, language_model, tokenizer, projector, None, source="untrained", scorer=reads)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        trainable: bool = False,
        scorer: str | Path | None = None,
    ) -> Tiny:
        """Load what `save_pretrained` wrote.

        `scorer` is the file of another one to read from now on, of the same classes: what it says is new to
        the model, which must be trained on with it.

        Raises:
            ModelError: when the folder is missing, damaged or does not fit.
            MissingPartError: when the language model's package is not installed.
            InputError: for an unknown device or dtype, or a scorer of other features or classes.
        """
        folder = Path(folder)
        config, tensors = _read(folder)
        adaptation, projection = _part(tensors, _LORA), _part(tensors, _PROJECTOR)
        language_model, tokenizer = tiny_folder.language_model(device, dtype)
        projector = tiny_folder.new_projector(config, language_model)
        lora.attach(language_model, config.targets, rank=config.rank, alpha=config.alpha)
        try:
            projector.load_state_dict(projection)
            lora.restore(language_model, adaptation)
        except (RuntimeError, KeyError) as error:
            raise ModelError(f"{folder}: the weights do not fit {CONFIG_FILE} ({_reason(error)}).") from error
        if not trainable:
            lora.merge(language_model)
            projector.requires_grad_(False)
        kept = None if trainable else adaptation
        return cls(
            config,
            language_model,
            tokenizer,
            projector,
            kept,
            source=str(folder),
            scorer=tiny_folder.own_scorer(folder, config, scorer),
        )

    def take_projector(self, folder: str | Path) -> None:
        """Go on with the projector of a folder that `save_pretrained` wrote; nothing else is taken of it.

        Raises:
            ModelError: when it is missing, damaged or of another shape (another number of classes).
        """
        tensors = _read(Path(folder))[1]
        try:
            self.projector.load_state_dict(_part(tensors, _PROJECTOR))
        except (RuntimeError, KeyError) as error:
            raise ModelError(
                f"{folder}: its projector does not fit this model ({_reason(error)})."
            ) from error

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `config.json` and `model.safetensors` (projector and LoRA, float16), all or nothing.

        The scorer, in float16 too, and what else lies beside it, comes along.

        Raises:
            OutputError: when the folder cannot be written.
        """
        folder = Path(folder)
        adaptation = lora.state(self.language_model) if self._adaptation is None else self._adaptation
        tensors = {_PROJECTOR + name: tensor for name, tensor in self.projector.state_dict().items()}
        tensors |= {_LORA + name: tensor for name, tensor in adaptation.items()}
        whole = {name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}
        unfinished: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
            save_file(whole, unfinished / WEIGHTS_FILE)
            text = tiny_folder.configuration_text(self.config)
            (unfinished / CONFIG_FILE).write_text(text, encoding="utf-8")
            for name, path in self._companions().items():
                if name == SCORER_FILE:
                    tiny_folder.save_halved(path, unfinished / name)
                else:
                    shutil.copyfile(path, unfinished / name)
            for path in sorted(unfinished.iterdir()):
                path.replace(folder / path.name)
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

    def _companions(self) -> dict[str, Path]:
        """Files that belong to the model, by the name they have in its folder."""
        if self.scorer is None:
            return {}
        beside = {name: self.scorer.path.with_name(name) for name in COMPANIONS}
        return {name: path for name, path in beside.items() if path.is_file()} | {
            SCORER_FILE: self.scorer.path
        }

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
    def encode(self, frames: FrameBatch, dense: Features | None = None) -> VisualTokens:
        """Frames of any size -> tokens `[N, P, W]`; `dense` are the stored features of their video."""
        prepared = {name: torch.from_numpy(array) for name, array in self.prepare(frames, dense).items()}
        weight = self.language_model.lm_head.weight
        return VisualTokens(frames.index, frames.seconds, self.embed(prepared).to(weight.dtype))

    @property
    def fingerprint(self) -> str:
        """Changes with the numbers of `prepare`."""
        digest = hashlib.blake2b(self._eye.fingerprint.encode(), digest_size=16)
        if self.scorer is not None:
            digest.update(self.scorer.path.read_bytes())
        return f"tiny-{digest.hexdigest()}"

    def prepare(self, frames: FrameBatch, dense: Features | None = None) -> Prepared:
        """What the frozen parts make of `N` frames: `pictures[N, V, C]` and `states[N, S]`, both float16.

        Without `dense`, or with features of another encoder, the window is the middle of the picture and the
        states are zeros.
        """
        scanned = self._scanned(dense)
        if scanned is None:
            at_rest = np.tile(fovea.NUMBERS_AT_REST, (len(frames), 1))
            states = np.zeros((len(frames), self.config.state_width), np.float16)
            return {"pictures": self._eye.views(frames.frames, at_rest), "states": states}
        rows = np.maximum(np.searchsorted(scanned.index, frames.index, side="right") - 1, 0)
        states = self._states(scanned, rows)
        known = np.asarray(scanned.index)[rows] == frames.index
        pictures = np.empty((len(frames), self.config.views, efficientnet.CHANNELS), np.float16)
        # The scan has looked at most of these frames already.
        pictures[known] = foveal.parts(read_rows(scanned.pooled, rows[known]))[0]
        if not known.all():
            numbers = states[~known, -fovea.MOTION :]
            pictures[~known] = self._eye.views(frames.frames[~known], numbers)
        return {"pictures": pictures, "states": states}

    def known(self, index: IndexArray, dense: Features | None) -> Prepared | None:
        """What `prepare` gives for the frames `index[N]`, without them, where the scan has looked at all."""
        scanned = self._scanned(dense)
        if scanned is None or not len(index):
            return None
        rows = np.minimum(np.searchsorted(scanned.index, index), len(scanned) - 1)
        if not np.array_equal(np.asarray(scanned.index)[rows], index):
            return None
        pictures = np.asarray(foveal.parts(read_rows(scanned.pooled, rows))[0], np.float16)
        return {"pictures": pictures, "states": self._states(scanned, rows)}

    def _scanned(self, dense: Features | None) -> Features | None:
        """The features of a scan, where there are some that this model reads."""
        return dense if dense is not None and dense.encoder == self._reads and len(dense) else None

    def embed(self, prepared: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What `prepare` gave -> tokens `[N, P, W]`; gradients reach the projector where it is trained."""
        device = self.language_model.lm_head.weight.device
        tokens: torch.Tensor = self.projector(prepared["pictures"].to(device), prepared["states"].to(device))
        return tokens

    @property
    def _eye(self) -> FovealEncoder:
        if self._encoder is None:
            windows = None if self.scorer is None else self.scorer.windows
            self._encoder = FovealEncoder(windows, device=str(self.language_model.lm_head.weight.device))
        return self._encoder

    def _states(self, dense: Features, rows: IndexArray) -> npt.NDArray[np.float16]:
        """`[N, S]` of the dense frames `rows[N]`; the scorer's states of the last video are kept."""
        numbers = np.asarray(foveal.parts(read_rows(dense.pooled, rows))[1], np.float16)
        told = np.zeros((len(rows), self.config.state_width - fovea.MOTION), np.float16)
        if self.scorer is not None:
            if self._read is None or self._read.features is not dense:
                self._read = StatesAt(self.scorer, dense)
            told[:] = self._read[rows]
        return np.concatenate([told, numbers], axis=1)

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained: projector and LoRA; empty when the LoRA is merged."""
        parts = (self.projector, self.language_model)
        return [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]

    def loss(
        self, prepared: Sequence[Mapping[str, torch.Tensor]], questions: Sequence[str], answers: Sequence[str]
    ) -> torch.Tensor:
        """Mean cross-entropy (nats a token) of `answers` and their ends, given frames and questions (§4.3).

        `prepared` holds what `prepare` gave for each question's frames. Only the answers' tokens count.
        """
        rows, targets = [], []
        decoder, law = self.speaker.decoder, self.speaker.law
        device = self.language_model.lm_head.weight.device
        for frames, question, answer in zip(prepared, questions, answers, strict=True):
            visual = self.embed(frames)
            asked = self._ids(law.prompt(question, len(visual)))
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


def _read(folder: Path) -> tuple[TinyConfig, dict[str, torch.Tensor]]:
    """What a folder's own two files hold."""
    config = tiny_folder.read_config(folder)
    folders.tensor_names(folder / WEIGHTS_FILE)
    return config, load_file(folder / WEIGHTS_FILE)


def _reason(error: Exception) -> str:
    """The last line of what torch says."""
    return (str(error).strip().splitlines() or ["?"])[-1].strip()


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


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
