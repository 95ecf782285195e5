"""Packed and planned, every row has the loss that it has alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holmesvau.hivau.dataset import IGNORED, TextLaw
from holmesvau.hivau.schema import Instruction
from holmesvau.train.instruct.config import Adaptation
from holmesvau.train.instruct.examples import Example
from holmesvau.train.instruct.models import InternVlTrainable
from holmesvau.train.instruct.packing import Plan, batch, pack, passes, plan, sight
from holmesvau.train.instruct.trainable import Learner
from holmesvau.train.instruct.wording import Wording, targets
from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl

SAID = [
    ("What happens?", "A fire burns."),
    ("Is there an anomaly?", "Yes: arson."),
    ("Why is it one?", "It burns."),
    ("Who is there?", "A man, and nobody else."),
]


@pytest.fixture(scope="module")
def trainable(llama_folder: Path) -> InternVlTrainable:
    model = internvl.load(llama_folder, device="cpu", dtype="float32")
    return InternVlTrainable(model, Adaptation(rank=4, alpha=8.0), train_projector=False, seed=1)


@pytest.fixture(scope="module")
def wording(trainable: InternVlTrainable) -> Wording:
    return Wording(TextLaw(trainable.speaker.tokenizer, trainable.speaker.law))


def examples(wording: Wording, videos: int, frames: int = 2) -> list[Example]:
    made = []
    for video in range(videos):
        for number, (question, answer) in enumerate(SAID):
            row = Instruction(10 * video + number, "video", "description", f"v{video}.mp4", question, answer)
            index = np.arange(frames + video % 2)
            tail, labels = wording.tail(row, len(index))
            made.append(Example(row, Path(f"v{video}.mp4"), index, tail, targets(labels)))
    return made


def pictures(example: Example) -> dict[str, torch.Tensor]:
    dice = torch.Generator().manual_seed(int(example.path.stem[1:]))
    size = (len(example.index), 3, 56, 56)
    return {"squares": torch.randint(0, 256, size, generator=dice, dtype=torch.uint8)}


def test_tokens_are_those_of_the_whole_prompt(wording: Wording, trainable: InternVlTrainable) -> None:
    text = TextLaw(trainable.speaker.tokenizer, trainable.speaker.law)
    for example in examples(wording, 2):
        whole, labels = text.tokens(example.row, len(example.index))
        prefix = wording.prefix(len(example.index))
        assert [*prefix, *example.tail] == whole
        assert [IGNORED] * len(prefix) + [IGNORED, *example.targets[:-1]] == [*labels][: len(prefix)] + [
            *labels
        ][len(prefix) :]


def test_tokens_and_embeddings_are_those_that_answering_uses(
    wording: Wording, trainable: InternVlTrainable
) -> None:
    """To the token and to the bit: what `Speaker.embed` makes of the same frames and question."""
    example = examples(wording, 1)[0]
    frames = np.random.default_rng(1).integers(0, 256, (2, 60, 80, 3), np.uint8)
    batch_of_frames = FrameBatch(frames, np.arange(2), np.arange(2) / 10)
    prefix, tail = trainable.speaker.embed(trainable.model.encode(batch_of_frames).tokens, SAID[0][0])
    ids = torch.from_numpy(np.concatenate([wording.prefix(2), example.tail]))
    asked = len(prefix) + len(tail)
    told = trainable.speaker.tokenizer(SAID[0][1] + "<|im_end|>", add_special_tokens=False)["input_ids"]
    assert ids[asked:].tolist() == told
    prepared = {k: torch.from_numpy(v) for k, v in trainable.prepare(batch_of_frames, None).items()}
    with torch.no_grad():
        visual = trainable.embed(prepared)
    from holmesvau.vlm.speaker import scatter

    embeds, _ = scatter(trainable.speaker.decoder.embed, ids[:asked], wording.image_id, visual)
    assert torch.equal(embeds, torch.cat([prefix, tail]))


def test_packed_loss_and_gradients_equal_those_of_rows_alone(
    wording: Wording, trainable: InternVlTrainable
) -> None:
    learner = Learner(trainable)
    with torch.no_grad():
        for name, parameter in learner.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(3))
    found = examples(wording, 3)
    sums, gradients = [], []
    for together in (True, False):
        packs = pack(found, wording, together=together, pass_tokens=10_000)
        assert len(packs) == (3 if together else 12)
        learner.zero_grad()
        total = 0.0
        # Packed: three sequences of different lengths side by side. Alone: one by one.
        for one in [tuple(packs)] if together else [(each,) for each in packs]:
            inputs = batch(one, wording, pictures)
            assert inputs.pop("skipped") == []
            loss = learner(**inputs)
            loss.backward()
            total += float(loss)
        sums.append(total)
        gradients.append([p.grad.clone() for p in learner.parameters() if p.grad is not None])
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)
    assert len(gradients[0]) == len(gradients[1]) == 2 * 7 * 3
    for packed, alone in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, alone, rtol=1e-3, atol=1e-4)


def test_a_tail_sees_the_prefix_and_itself_alone() -> None:
    seen = sight(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def rows(planned: Plan, step: int) -> list[object]:
    return sorted(e.row.id for one in planned.steps[step] for each in one for e in each.examples)


def test_a_plan_takes_every_row_once_an_epoch_whatever_the_processes(wording: Wording) -> None:
    found = examples(wording, 7)
    options = {"batch_rows": 10, "pass_tokens": 500, "epochs": 2, "seed": 4}
    alone = plan(found, wording, **options)
    shared = plan(found, wording, **options, processes=3)
    assert [len(rows(alone, step)) for step in range(6)] == [10, 10, 8] * 2 and len(alone.steps) == 6
    assert alone.epochs == (0, 0, 0, 1, 1, 1)
    for epoch in (range(3), range(3, 6)):
        assert sorted(i for step in epoch for i in rows(alone, step)) == [e.row.id for e in found]
    assert rows(alone, 0) != rows(alone, 3)
    assert [rows(alone, step) for step in range(6)] == [rows(shared, step) for step in range(6)]
    assert shared.passes_per_step % 3 == 0
    assert len({len(step) for step in shared.steps}) == 1
    assert rows(plan(found, wording, **options, max_steps=2), 1) == rows(alone, 1)


def test_a_pass_stays_below_its_tokens_with_padding(wording: Wording) -> None:
    packs = pack(examples(wording, 9), wording, together=True, pass_tokens=400)
    for one in passes(packs, 400):
        assert len(one) == 1 or len(one) * max(each.num_tokens for each in one) <= 400
    assert sum(len(one) for one in passes(packs, 400)) == len(packs)
