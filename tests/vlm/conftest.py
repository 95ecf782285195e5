"""Small random native InternVL checkpoints, made on the spot: the real architecture in real files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from holmesvau.types import FrameBatch

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small only wait for one another's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package", autouse=True)
def _kept_models(request: pytest.FixtureRequest) -> Iterator[None]:
    """The embedded language model is unpacked once, not once a test run."""
    assert request.config.cache is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLMESVAU_CACHE", str(request.config.cache.mkdir("holmesvau")))
        yield


def byte_tokenizer(*, begins: bool, chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """Every byte is a token, so that any text goes through and comes back; `begins` puts `<s>` in front."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        additional_special_tokens=SPECIAL[3:],
    )
    fast.chat_template = chat_template
    return fast


def native_config(
    text: type[LlamaConfig] | type[Qwen2Config], tied: bool = False, **changes: object
) -> InternVLConfig:
    vision = InternVLVisionConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=(56, 56),
        patch_size=(14, 14),
        attention_bias=True,
    )
    vocabulary = len(byte_tokenizer(begins=True))
    options = {
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": tied,
    }
    return InternVLConfig(
        vision_config=vision,
        text_config=text(**(options | changes)),
        image_token_id=SPECIAL.index("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=tied,
    )


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a checkpoint folder; weights are spread wide so that random answers differ from one another."""

    def make(
        name: str, text: type = LlamaConfig, *, chat: bool = False, shards: str = "1GB", **changes: object
    ) -> Path:
        folder = tmp_path_factory.mktemp("checkpoints") / name
        torch.manual_seed(7)
        model = InternVLForConditionalGeneration(native_config(text, **changes))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.5 * parameter.shape[-1] ** -0.5 * 2)
        model.save_pretrained(folder, max_shard_size=shards)
        byte_tokenizer(begins=not chat, chat_template=CHAT_TEMPLATE if chat else None).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def llama_folder(make_checkpoint: Callable[..., Path]) -> Path:
    """As a converted InternVL2-2B or HolmesVAU-2B: Llama text model, no chat template."""
    return make_checkpoint("holmes-llama")


@pytest.fixture(scope="session")
def qwen_folder(make_checkpoint: Callable[..., Path]) -> Path:
    """As a native InternVL2.5 or 3: Qwen2 text model, a chat template, several weight files."""
    return make_checkpoint("native-qwen", Qwen2Config, chat=True, shards="200KB")


@pytest.fixture(scope="session")
def frames() -> FrameBatch:
    pictures = np.random.default_rng(5).integers(0, 256, (4, 60, 80, 3), np.uint8)
    index = np.array([0, 16, 32, 48])
    return FrameBatch(pictures, index, index / 25.0)
