"""Texts from a model in this process: any describing model, or the embedded language model alone."""

from __future__ import annotations

import threading
from typing import Any

from holmesvau import registry
from holmesvau.engine.providers.protocol import Reply, Request, tokens_of
from holmesvau.engine.providers.served import NOTHING
from holmesvau.engine.writing import WriterConfig
from holmesvau.errors import InputError
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel


class Local:
    """A describing model by name: `tiny`, `tiny:FOLDER`, `internvl:FOLDER`, or one that a package
    registers.
    """

    def __init__(self, name: str, config: WriterConfig) -> None:
        kind, _, source = name.partition(":")
        if kind == "internvl":
            from holmesvau import checkpoints

            if not source:
                raise InputError(
                    "internvl: give its folder or hub id, for example internvl:/models/HolmesVAU-2B"
                )
            source = str(checkpoints.resolve(source))
        self._model: VisionLanguageModel = registry.get("models", kind)(source or None)
        self._config = config
        self._turn = threading.Lock()

    @property
    def uses_scan(self) -> bool:
        return self._model.uses_scan

    def write(self, request: Request) -> Reply:
        """The model's text; see `Provider.write`."""
        frames, dense = (NOTHING, None) if request.look is None else request.look()
        with self._turn:
            encode: Any = self._model.encode
            visual = encode(frames, dense) if self._model.uses_scan else encode(frames)
            text = self._model.answer(visual, request.prompt, options=_options(request))
        tokens_in = tokens_of(request.prompt) + len(frames) * self._config.tokens_per_frame
        return Reply(text=text, model=self._model.name, tokens_in=tokens_in, tokens_out=tokens_of(text))


class SmolLm2:
    """SmolLM2-135M-Instruct, out of the package that carries it; for texts that are made of texts."""

    uses_scan = False

    def __init__(self) -> None:
        import torch

        from holmesvau.vlm import prompts, smollm2
        from holmesvau.vlm.generation import Decoder
        from holmesvau.vlm.internvl import pick_device, stop_ids
        from holmesvau.vlm.speaker import PromptLaw, Speaker

        device = pick_device(None)
        model, tokenizer = smollm2.load(device=device, dtype=torch.bfloat16)
        law = PromptLaw(
            template=prompts.smollm2_chat,
            image_id=int(tokenizer.convert_tokens_to_ids(prompts.IMAGE_TOKEN)),
            tokens_per_frame=1,
            special_tokens=False,
            start="",
            end="",
        )
        self._speaker = Speaker(
            Decoder(model.model, model.lm_head, stop_ids(model, tokenizer)),
            tokenizer,
            law,
            max_positions=int(model.config.max_position_embeddings),
        )
        self._nothing = torch.zeros(0, 1, int(model.config.hidden_size), dtype=torch.bfloat16, device=device)
        self._tokenizer = tokenizer
        self._turn = threading.Lock()

    def write(self, request: Request) -> Reply:
        """The model's text; see `Provider.write`."""
        if request.look is not None:
            raise InputError(
                "smollm2 sees nothing: take it for summaries (summary.provider), not for captions."
            )
        with self._turn:
            text = self._speaker.answer(self._nothing, request.prompt, (), _options(request))
        counted = [len(self._tokenizer(part)["input_ids"]) for part in (request.prompt, text)]
        return Reply(text=text, model="SmolLM2-135M-Instruct", tokens_in=counted[0], tokens_out=counted[1])


def _options(request: Request) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens=request.max_tokens,
        temperature=request.temperature,
        repetition_penalty=request.repetition_penalty,
        seed=request.seed,
    )
