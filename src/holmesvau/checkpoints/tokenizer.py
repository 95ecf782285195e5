"""InternLM2's sentencepiece tokenizer as a fast one: the same ids and the same text, without sentencepiece.

One known difference: where a sequence of byte tokens is not valid UTF-8 (an answer cut off in the middle of a
character), sentencepiece keeps the characters before it, and the fast tokenizer shows every byte of that run
of byte tokens as U+FFFD. No text encodes to such a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.checkpoints import sentencepiece
from holmesvau.checkpoints.sentencepiece import Kind, SentencePieceModel
from holmesvau.checkpoints.tensors import write_json
from holmesvau.errors import ModelError, OutputError
from holmesvau.vlm import prompts
from holmesvau.vlm.folder import read_json

MODEL_FILE = "tokenizer.model"
ADDED_FILE = "added_tokens.json"
CONFIG_FILE = "tokenizer_config.json"
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
# Without these a prompt cannot be written as the model was trained.
REQUIRED = (
    prompts.IMAGE_START,
    prompts.IMAGE_TOKEN,
    prompts.IMAGE_END,
    prompts.TURN_START,
    prompts.TURN_END,
)
SPACE = "▁"
# The names under which transformers' InternVL processor asks for them.
PICTURE_TOKENS = {
    "start_image_token": prompts.IMAGE_START,
    "end_image_token": prompts.IMAGE_END,
    "context_image_token": prompts.IMAGE_TOKEN,
}

# Turns as `prompts.internlm2_chat` writes them. Pictures come first in a turn, each with its `Frame{i}: `
# label; a turn that begins with such a label has all of them, and is taken as it stands.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n"
    + prompts.INTERNVL2_SYSTEM
    + "<|im_end|>{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% elif message['content'][0]['type'] == 'text' and message['content'][0]['text'][:8] == 'Frame1: ' %}"
    "{% for part in message['content'] %}"
    "{{ part['text'] if part['type'] == 'text' else '<IMG_CONTEXT>' }}{% endfor %}"
    "{% else %}"
    "{% set frame = namespace(number=0) %}"
    "{% for part in message['content'] if part['type'] in ('image', 'image_url') %}"
    "{% set frame.number = frame.number + 1 %}"
    "{{ 'Frame' + frame.number | string + ': <IMG_CONTEXT>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Added:
    """A token outside the sentencepiece model, or in place of one of its spare pieces."""

    content: str
    special: bool = True
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


class ReleasedTokenizer:
    """The tokenizer files of a checkpoint in released format, checked; `fast()` is what they amount to.

    Raises:
        ModelError: when a file is missing or damaged, a token that prompts need is not there, or text would
            not be segmented exactly.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = sentencepiece.read(folder / MODEL_FILE)
        self.config = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
        _refuse_inexact(folder / MODEL_FILE, self.model)
        self.added = _added_tokens(folder, self.config)
        self.texts = self._texts()

    def ids(self) -> dict[str, int]:
        """Token -> id."""
        return {text: number for number, text in enumerate(self.texts)}

    def fast(self) -> Any:
        """A `tokenizers.Tokenizer`."""
        from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

        vocabulary = self.ids()
        merges = _merges(self.model, self.texts)
        bpe = models.BPE(
            vocab=vocabulary, merges=merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True
        )
        tokenizer = Tokenizer(bpe)
        prefix = [normalizers.Prepend(SPACE)] if self.model.add_dummy_prefix else []
        tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", SPACE)])
        strip = [decoders.Strip(" ", 1, 0)] if self.model.add_dummy_prefix else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        if self.config.get("add_bos_token", True):
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{BEGIN} $A",
                pair=f"{BEGIN} $A {BEGIN} $B",
                special_tokens=[(BEGIN, vocabulary[BEGIN])],
            )
        control = {number: Added(p.text) for number, p in enumerate(self.model.pieces) if p.kind in _NOT_TEXT}
        verbatim = {
            number: Added(piece.text, special=False)
            for number, piece in enumerate(self.model.pieces)
            if piece.kind is Kind.USER_DEFINED
        }
        for _, token in sorted({**control, **verbatim, **self.added}.items()):
            add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
            add(
                [
                    AddedToken(
                        token.content,
                        lstrip=token.lstrip,
                        rstrip=token.rstrip,
                        single_word=token.single_word,
                        normalized=False,
                        special=token.special,
                    )
                ]
            )
        return tokenizer

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, its config and the chat template for transformers."""
        from transformers import PreTrainedTokenizerFast

        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=self.fast(),
            unk_token=UNKNOWN,
            bos_token=BEGIN,
            eos_token=END,
            pad_token=END,
            extra_special_tokens=PICTURE_TOKENS,
            clean_up_tokenization_spaces=False,
            padding_side="left",
            chat_template=CHAT_TEMPLATE,
        )
        try:
            tokenizer.save_pretrained(folder)
        # The tokenizers package raises a plain Exception where it cannot write.
        except Exception as error:
            raise OutputError(f"{folder}: the tokenizer cannot be written ({error}). Free space.") from error
        path = folder / CONFIG_FILE
        saved = read_json(path)
        # The name that transformers 4 and 5 both know, so that servers on either can read the folder.
        saved["tokenizer_class"] = "PreTrainedTokenizerFast"
        saved["extra_special_tokens"] = PICTURE_TOKENS
        write_json(path, saved)

    def _texts(self) -> list[str]:
        texts = [piece.text for piece in self.model.pieces]
        for number, token in sorted(self.added.items()):
            if number > len(texts):
                raise ModelError(
                    f"{self.folder}: token {token.content} has id {number}, but nothing has id {len(texts)}: "
                    f"{MODEL_FILE} and {ADDED_FILE} do not belong together. Download the checkpoint again."
                )
            if number == len(texts):
                texts.append(token.content)
            texts[number] = token.content
        missing = [token for token in (*REQUIRED, BEGIN, END, UNKNOWN) if token not in texts]
        if missing:
            raise ModelError(
                f"{self.folder}: the tokenizer lacks {', '.join(missing)}, which prompts are written with. "
                f"Give {ADDED_FILE} and {CONFIG_FILE} that belong to the model."
            )
        if len(set(texts)) != len(texts):
            raise ModelError(
                f"{self.folder}: two ids of the tokenizer stand for one token. Download it again."
            )
        return texts


_NOT_TEXT = (Kind.CONTROL, Kind.UNKNOWN)


def _refuse_inexact(path: Path, model: SentencePieceModel) -> None:
    reasons = {
        "it is not a byte-pair model": not model.is_bpe,
        "it has no byte fallback": not model.byte_fallback,
        "it rewrites characters before segmenting": bool(model.charsmap),
        "it removes spaces": model.remove_extra_whitespaces,
        "it does not write spaces as ▁": not model.escape_whitespaces,
        "it puts spaces after words": model.treat_whitespace_as_suffix,
        "some of its pieces are unused": any(piece.kind is Kind.UNUSED for piece in model.pieces),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ModelError(
                f"{path}: {reason}, unlike InternLM2's tokenizer, so the ids would not be the same. "
                f"Give the tokenizer.model that belongs to the model."
            )


def _added_tokens(folder: Path, config: dict[str, Any]) -> dict[int, Added]:
    """Tokens by id, from `added_tokens.json` and from `added_tokens_decoder` of the config.

    Raises:
        ModelError: when the two disagree, or cannot be read.
    """
    try:
        added = {
            int(number): _added(entry) for number, entry in config.get("added_tokens_decoder", {}).items()
        }
        listed = read_json(folder / ADDED_FILE) if (folder / ADDED_FILE).is_file() else {}
        for content, number in listed.items():
            if added.setdefault(int(number), Added(content)).content != content:
                raise ModelError(
                    f"{folder}: {ADDED_FILE} says that token {number} is {content}, {CONFIG_FILE} says "
                    f"{added[int(number)].content}. Download the checkpoint again."
                )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{folder}: the added tokens cannot be read ({error!r}). Download them again."
        ) from error
    return added


def _added(entry: dict[str, Any]) -> Added:
    flags = {key: bool(entry[key]) for key in ("special", "lstrip", "rstrip", "single_word") if key in entry}
    return Added(str(entry["content"]), **flags)


def _merges(model: SentencePieceModel, texts: list[str]) -> list[tuple[str, str]]:
    """Every way to make a piece out of two others, best first.

    Only pieces of text are made: `<s>` written out in a sentence does not become the control token by
    merging.
    """
    normal = {
        piece.text: (-piece.score, number)
        for number, piece in enumerate(model.pieces)
        if piece.kind is Kind.NORMAL and texts[number] == piece.text
    }
    merges = []
    for text, rank in normal.items():
        for middle in range(1, len(text)):
            left, right = text[:middle], text[middle:]
            if left in normal and right in normal:
                merges.append((rank, normal[left], normal[right], (left, right)))
    merges.sort()
    return [pair for *_, pair in merges]
