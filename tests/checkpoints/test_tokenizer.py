import json
import random

import pytest
import sentencepiece
from transformers import AutoTokenizer

from holmesvau.checkpoints.tokenizer import ReleasedTokenizer
from holmesvau.errors import ModelError
from holmesvau.vlm import prompts
from holmesvau.vlm.endpoint import chat
from tests.checkpoints import released


def saved(source, folder):
    folder.mkdir()
    ReleasedTokenizer(source).save(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def fast(pristine, tmp_path_factory):
    return saved(pristine, tmp_path_factory.mktemp("tokenizer") / "fast")


def test_ids_and_text_equal_the_published_tokenizer(parity, parity_native):
    tokenizer = AutoTokenizer.from_pretrained(parity_native)
    cases = json.loads((parity / "internvl2-tiny-tokenizer.json").read_text())
    assert len(cases) > 200
    for case in cases:
        assert tokenizer(case["text"]).input_ids == case["ids"], case["text"]
        assert tokenizer.decode(case["ids"], skip_special_tokens=True) == case["decoded"]


def random_texts(count):
    dice = random.Random(0)
    letters = "".join(released.CORPUS) + "    \n\t▁é😀ﬁ<s>0x0A'\"" + "\x00\u200b\U0010ffff"
    for number in range(count):
        text = "".join(dice.choice(letters) for _ in range(dice.randint(0, 40)))
        yield text + dice.choice(released.CORPUS)[: dice.randint(0, 40)] if number % 2 else text


@pytest.mark.parametrize("prefix", [False, True], ids=["as InternLM2", "space before text"])
def test_ids_and_text_equal_sentencepiece_on_random_text(tmp_path, prefix):
    model = released.sentencepiece_model(add_dummy_prefix=prefix)
    (tmp_path / "released").mkdir()
    released.write_tokenizer(tmp_path / "released", model)
    tokenizer = saved(tmp_path / "released", tmp_path / "fast")
    slow = sentencepiece.SentencePieceProcessor(model_proto=model)
    compared = 0
    for text in random_texts(1500):
        if not text or any(token in text for token in ("<s>", *released.SPECIAL)):
            continue
        ids = slow.encode(text)
        assert tokenizer(text, add_special_tokens=False).input_ids == ids, repr(text)
        assert tokenizer.decode(ids, skip_special_tokens=True) == slow.decode(ids), repr(text)
        compared += 1
    assert compared > 1000


def test_special_tokens_inside_text_are_whole_and_not_shown(fast):
    ids = fast("a<img><IMG_CONTEXT></img>b<|im_end|>").input_ids
    names = fast.convert_ids_to_tokens(ids)
    assert names == ["<s>", "a", "<img>", "<IMG_CONTEXT>", "</img>", "b", "<|im_end|>"]
    assert fast.decode(ids, skip_special_tokens=True) == "ab"


def test_empty_text_is_the_begin_token(fast):
    assert fast("").input_ids == [fast.bos_token_id]


def test_added_token_takes_the_place_of_a_spare_piece(tmp_path, model):
    """InternLM2's `<|im_start|>` has an id inside the sentencepiece model."""
    released.write_tokenizer(tmp_path, model)
    spare = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size() - 1
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"][str(spare)] = {"content": "<|plugin|>", "special": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = saved(tmp_path, tmp_path / "fast")
    assert tokenizer("<|plugin|>", add_special_tokens=False).input_ids == [spare]


def test_symbols_of_the_user_are_never_split(tmp_path):
    model = released.sentencepiece_model(user_defined_symbols=["[UNUSED]"])
    released.write_tokenizer(tmp_path, model)
    tokenizer = saved(tmp_path, tmp_path / "fast")
    slow = sentencepiece.SentencePieceProcessor(model_proto=model)
    text = "the [UNUSED] door[UNUSED]s"
    assert tokenizer(text, add_special_tokens=False).input_ids == slow.encode(text)


@pytest.mark.parametrize("history", [None, [("Is it calm?", "Yes. It is calm.")]])
def test_chat_template_gives_the_ids_of_the_prompt_law(fast, history):
    question = "What happens in this video?"
    wanted = prompts.internvl2(question, 2, history, tokens_per_frame=1)
    pictures = [{"type": "image"}, {"type": "image"}]
    messages = []
    for asked, answer in history or []:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": [*pictures, {"type": "text", "text": question}]})
    text = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    # The processor puts the picture's own marks around its token.
    text = text.replace(prompts.IMAGE_TOKEN, "<img><IMG_CONTEXT></img>")
    assert text == "<s>" + wanted
    assert fast(text, add_special_tokens=False).input_ids == fast(wanted).input_ids


@pytest.mark.parametrize("history", [None, [("Is it calm?", "Yes. It is calm.")]])
def test_chat_template_takes_the_messages_of_an_endpoint_as_they_stand(fast, history):
    """What our endpoint sends to a server of the converted checkpoint becomes the published prompt."""
    question = "What happens in this video?"
    asked = chat.messages(["data:,", "data:,"], question, history or ())
    if history is None:
        wanted = prompts.internvl2(question, 2, tokens_per_frame=1)
    else:
        first = "Frame1: <image>\nFrame2: <image>\n" + history[0][0]
        wanted = prompts.internvl2(question, 0, [(first, history[0][1])], tokens_per_frame=1)
    text = fast.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert text.replace(prompts.IMAGE_TOKEN, "<img><IMG_CONTEXT></img>") == "<s>" + wanted


def test_chat_template_keeps_a_system_sentence_and_finished_turns(fast):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
    ]
    assert fast.apply_chat_template(messages, tokenize=False) == (
        "<s><|im_start|>system\nBe brief.<|im_end|><|im_start|>user\nHello<|im_end|>"
        "<|im_start|>assistant\nHi<|im_end|>"
    )


def test_chat_template_equals_the_published_prompts(parity, parity_native):
    tokenizer = AutoTokenizer.from_pretrained(parity_native)
    compared = 0
    for row in json.loads((parity / "prompts.json").read_text()):
        if row["history"] or not row["num_frames"] or "Frame1: " not in row["prompt"]:
            continue
        pictures = [{"type": "image"}] * row["num_frames"]
        content = [*pictures, {"type": "text", "text": row["question"]}]
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        picture = f"<img>{prompts.IMAGE_TOKEN * row['tokens_per_frame']}</img>"
        assert text == "<s>" + row["prompt"].replace(picture, prompts.IMAGE_TOKEN)
        compared += 1
    assert compared > 5


@pytest.mark.parametrize("missing", released.SPECIAL)
def test_tokenizer_without_a_token_that_prompts_need_is_refused(tmp_path, model, missing):
    released.write_tokenizer(tmp_path, model)
    for name in ("added_tokens.json", "tokenizer_config.json"):
        path = tmp_path / name
        path.write_text(path.read_text().replace(json.dumps(missing), '"<other>"'))
    with pytest.raises(ModelError, match="the tokenizer lacks") as caught:
        ReleasedTokenizer(tmp_path)
    assert missing in str(caught.value)


def test_added_tokens_of_another_model_are_refused(tmp_path, model):
    released.write_tokenizer(tmp_path, model)
    added = {token: 90_000 + number for number, token in enumerate(released.SPECIAL)}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="do not belong together"):
        ReleasedTokenizer(tmp_path)


def test_files_that_disagree_are_refused(tmp_path, model):
    count = released.write_tokenizer(tmp_path, model)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<other>": count - 1}))
    with pytest.raises(ModelError, match="says that token"):
        ReleasedTokenizer(tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_type": "unigram"}, "not a byte-pair model"),
        ({"byte_fallback": False}, "no byte fallback"),
        ({"normalization_rule_name": "nmt_nfkc"}, "rewrites characters"),
        ({"remove_extra_whitespaces": True}, "removes spaces"),
        ({"treat_whitespace_as_suffix": True}, "spaces after words"),
    ],
)
def test_tokenizer_that_segments_otherwise_is_refused(tmp_path, options, reason):
    size = 330 if options.get("model_type") else 360
    released.write_tokenizer(tmp_path, released.sentencepiece_model(size, **options))
    with pytest.raises(ModelError, match=reason):
        ReleasedTokenizer(tmp_path)


def test_damaged_models_are_refused_and_never_read_as_others(tmp_path, model):
    dice = random.Random(1)
    whole = (released.write_tokenizer(tmp_path, model), ReleasedTokenizer(tmp_path).texts)[1]
    path = tmp_path / "tokenizer.model"
    for _ in range(200):
        path.write_bytes(model[: dice.randrange(len(model))])
        with pytest.raises(ModelError):
            assert ReleasedTokenizer(tmp_path).texts == whole
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1477754\n")
    with pytest.raises(ModelError, match="not a sentencepiece model"):
        ReleasedTokenizer(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match=r"tokenizer.model: the tokenizer cannot be read"):
        ReleasedTokenizer(tmp_path)
