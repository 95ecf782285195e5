"""Stage 2 on real files: rows become frames and prompts, the loss falls, the adapter is loaded again."""

import json
from collections.abc import Callable
from pathlib import Path

from holmesvau.holmes import Holmes
from holmesvau.train.instruct import train_instruct
from holmesvau.train.recipes import Recipe


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "step"]


def test_the_loss_falls_and_the_adapter_is_loaded_again(
    recipe_for: Callable[..., Recipe], tmp_path: Path, llama_folder: Path, data_root: Path
) -> None:
    result = train_instruct(
        recipe_for(max_steps=8, epochs=3, learning_rate=2e-2), tmp_path / "run", device="cpu"
    )
    told = losses(tmp_path / "run")
    assert len(told) == result.steps == 8 and result.finished and not result.skipped
    assert told[-1] < 0.7 * told[0]
    video = data_root / "room" / "videos" / "val" / "room0.mp4"
    plain = Holmes.from_pretrained(str(llama_folder), device="cpu", dtype="float32")
    tuned = Holmes.from_pretrained(str(llama_folder), device="cpu", dtype="float32", adapter=str(result.best))
    assert plain.ask(video, "What happens?").text != tuned.ask(video, "What happens?").text
