"""The page that `tables.py` writes: reports of `holmesvau eval` as Markdown, and what tests say in words."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holmesvau.evaluate import tables

Json = dict[str, Any]
# A bootstrap of fewer videos is too sure of itself.
ENOUGH = 20
TOO_FEW = (
    "**So few videos prove nothing: intervals are too narrow, and tests find what is not there. This run "
    "shows that everything runs.**"
)
LEARNT = "tiny's scorer"
Read = Callable[[str], Json | None]


@dataclass(frozen=True)
class Told:
    """What the page says about the run: `costs` are processor and wall seconds by command."""

    command: str
    machine: str
    model: str
    videos: int
    duration: str
    seed: int
    frames: int
    resamples: int
    recipe: str
    costs: Mapping[str, Sequence[float]]
    undone: Sequence[str]


def shown(value: float | None, between: Json | None, factor: float = 1, decimals: int = 3) -> str:
    """A figure with its interval."""
    if value is None:
        return "—"
    text = f"{factor * value:.{decimals}f}"
    if between is None:
        return text
    return f"{text} [{factor * between['low']:.{decimals}f}, {factor * between['high']:.{decimals}f}]"


def gap(found: Json | None, factor: float = 1, decimals: int = 3) -> str:
    """A difference with its interval and p-value."""
    if found is None or found["value"] is None:
        return "—"
    sign = "+" if found["value"] >= 0 else ""
    p_value = "" if found["p_value"] is None else f", p {found['p_value']:.3f}"
    return f"{sign}{shown(found['value'], found['interval'], factor, decimals)}{p_value}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def prose(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def verdict(found: Json) -> str:
    """What a test says of the claim that the first is better, at 0.05."""
    p_value = found["p_value"]
    if p_value is None:
        return "cannot be told"
    if p_value > 0.05:
        return "no difference can be told"
    return "**better**" if found["value"] > 0 else "**worse**"


def detection_part(read: Read) -> list[str]:
    """Table 1."""
    runs = {LEARNT: read("detection.json"), "novelty": read("novelty.json")}
    if None in runs.values():
        return ["Not run yet.", ""]
    rows = []
    for name, found in runs.items():
        assert found is not None
        readings = [found["frames"], found["macro"], found["video_level"]["maximum"]]
        areas = [shown(of[key], of[f"{key}_interval"], 100, 1) for of in readings for key in ("auc", "ap")]
        alarm = next((one for one in found["alarms"] if abs(one["recall"] - 0.7) < 1e-9), None)
        hourly = None if alarm is None else alarm["false_alarms_per_hour"]
        spread = None if alarm is None else alarm["false_alarms_per_hour_interval"]
        half = next(one for one in found["events"]["at"] if abs(one["tiou"] - 0.5) < 1e-9)
        rows.append(
            [name, *areas, shown(hourly, spread, 1, 0), shown(half["f1"], half["f1_interval"], 100, 1)]
        )
    heads = ["scorer", "AUC", "AP", "AUC, mean over videos", "AP, mean over videos", "AUC, one score a video"]
    heads += ["AP, one score a video", "false alarms an hour at recall 0.7", "event F1 at overlap 0.5"]
    detection = runs[LEARNT]
    assert detection is not None
    against = detection["against"]
    return [
        *table(heads, rows),
        f"Tiny's scorer minus novelty on the same {detection['compared']} videos: AUC "
        f"{gap(against['auc'], 100, 1)} ({verdict(against['auc'])}), AP {gap(against['ap'], 100, 1)} "
        f"({verdict(against['ap'])}).",
        "",
    ]


def text_part(read: Read, name: str) -> list[str]:
    """Table 2."""
    report = read("text.json")
    if report is None:
        return ["Not run yet.", ""]
    rows = []
    for level in ("clip", "event", "video"):
        found = report["groups"].get(level)
        if found is None:
            continue
        figures = [
            shown(found[k], found["intervals"].get(k)) for k in ("bleu_sum", "cider", "meteor", "rouge_l")
        ]
        judged = report["judgements"].get(f"{level} judgement")
        right = ["—", "—"]
        if judged is not None:
            right = [
                shown(judged[key], judged[f"{key}_interval"], 100, 1)
                for key in ("accuracy", "class_accuracy")
            ]
        rows.append([level, str(found["pairs"]), *figures, *right])
    heads = ["level", "rows", "BLEU", "CIDEr", "METEOR", "ROUGE-L", "judgement right", "class right"]
    return [*table(heads, rows), tables.text_table(name, report).render("markdown", intervals=True)]


def cells_part(report: Json | None, level: str, number: str | None, name: str) -> list[str]:
    """Cells with intervals, the tests between them, and the published table."""
    if report is None:
        return ["Not run.", ""]
    rows = []
    for one in report["cells"]:
        text, judged = one["text"].get(level), one["judgements"].get(level)
        figures = (
            ["—"] * 2
            if text is None
            else [shown(text[k], text["intervals"].get(k)) for k in ("bleu_sum", "cider")]
        )
        figures += (
            ["—"] if judged is None else [shown(judged["accuracy"], judged["accuracy_interval"], 100, 1)]
        )
        delay, scan = one["latency"]["first_word"], one["latency"]["scan_per_minute"]
        figures += [shown(delay, None, 1, 0), shown(scan, None, 1, 2), f"{one['seen']} of {one['events']}"]
        rows.append([one["name"], *figures])
    heads = ["cell", f"BLEU {level}", f"CIDEr {level}", "judgement right", "first token, ms"]
    lines = table([*heads, "scan, s a minute", "events seen"], rows)
    if report.get("contrasts"):
        lines += contrasts(report["contrasts"], level)
    if number is not None and number == report["table"]:
        return [*lines, tables.study_table(name, number, report).render("markdown", intervals=True)]
    return [*lines, *report["notes"], ""]


def contrasts(found: Sequence[Json], level: str) -> list[str]:
    """Paired tests as a table, and in a sentence each what comes out."""
    rows, sentences, looks = [], [], 0
    for one in found:
        text, judged = one["text"].get(level), one["judgements"].get(level)
        figures = {} if text is None else text["figures"]
        shown_gaps = [gap(figures.get("bleu_sum")), gap(figures.get("cider"))]
        right = None if judged is None else judged["accuracy"]
        name = f"{one['better']} − {one['worse']}"
        alike = f"{one['same_frames']} of {one['rows']}"
        rows.append([name, *shown_gaps, gap(right, 100, 1), gap(one["seen"], 100, 1), alike])
        tested = {"BLEU": figures.get("bleu_sum"), "CIDEr": figures.get("cider"), "judgements": right}
        told = [f"{key}: {verdict(of)}" for key, of in tested.items() if of is not None]
        looks += len(told)
        sentences.append(f"- {one['better']} against {one['worse']}: {'; '.join(told)}.")
    heads = ["difference", f"BLEU {level}", f"CIDEr {level}", "judgement right", "events seen", "same frames"]
    return [
        *table(heads, rows),
        *sentences,
        "",
        prose(
            f"Tested at 0.05 without a correction: of {looks} tests about {looks / 20:.1f} would find "
            "something where nothing is. Rows with the same frames have the same answer and cannot differ."
        ),
        "",
    ]


def coverage_part(report: Json | None, frames: int) -> list[str]:
    """Which share of events gets a frame at all, by length of the video."""
    if report is None or "coverage" not in report:
        return []
    cells = [one for one in report["coverage"]["cells"] if one["num_frames"] == frames]
    sources = list(dict.fromkeys(one["source"] for one in cells))
    rows = []
    for method in dict.fromkeys(one["method"] for one in cells):
        mine = {one["source"]: one for one in cells if one["method"] == method}
        rows.append([method, *(shown(mine[s]["share"], mine[s]["share_interval"], 100, 0) for s in sources)])
    return [
        prose(
            f"Per cent of events in which at least one of {frames} frames lies: the test set with the "
            "scorer's own curves, then staged videos of other lengths with curves made of the truth and "
            "noise (nothing rendered, no words):"
        ),
        "",
        *table(["sampler", *sources], rows),
    ]


def page(told: Told, read: Read) -> str:
    """The results as Markdown; `read` gives a report by its file's name, or None."""
    name = f"{told.model} on simulated CCTV"
    samplers = read("samplers.json")
    costs = [[f"`holmesvau {short(key)}`", f"{of[0]:.0f}", f"{of[1]:.0f}"] for key, of in told.costs.items()]
    lines = [
        "# The paper's tables on simulated CCTV",
        "",
        f"`{told.command}`",
        "",
        prose(
            f"{told.machine}. {told.videos} test videos of {told.duration} s, 320x240, 15 frames a second, "
            f"half of them anomalous, seed {told.seed}: scenes and looks that no training video has, two "
            f"kinds of scenes among them that were never trained on. The model is `{told.model}` with "
            f"{told.frames} frames. Intervals (95 %) and paired tests resample whole videos "
            f"{told.resamples:,} times. The published figures are of other videos and of a model fifteen "
            "times as large: they stand beside ours for the form, not to compare."
        ),
        "",
        *([] if told.videos >= ENOUGH else [prose(TOO_FEW), ""]),
        "## Table 1: detection",
        "",
        *detection_part(read),
        "## Table 2: words at three levels",
        "",
        *text_part(read, name),
        "## Table 4: samplers and numbers of frames",
        "",
        *cells_part(samplers, "video", "4", name),
        prose(
            "First-token times are wall clock while two commands shared the machine, and of the sampler that "
            "asked first where several chose the same frames." + scan_cost(told)
        ),
        "",
        *coverage_part(samplers, told.frames),
        "## Table 3: levels trained on",
        "",
        *trained_part(read("levels.json"), "3", name, told.recipe),
        "## Rank of the LoRA",
        "",
        *trained_part(read("ranks.json"), None, name, told.recipe),
        "## What it cost",
        "",
        *table(["command", "processor s", "wall s"], costs),
    ]
    if told.undone:
        undone = "; ".join(f"`holmesvau {short(one)}`" for one in told.undone)
        lines += [f"Time ran out before these were done: {undone}. The same command goes on.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def scan_cost(told: Told) -> str:
    """What the paper's latency leaves out."""
    for command, (processor, _) in told.costs.items():
        if command.startswith("score ") and f"--model {told.model}" in command:
            return (
                f" Before them, `score` scanned the videos in {processor:.0f} processor seconds, start "
                "included, as far as their features were not stored already."
            )
    return ""


def trained_part(report: Json | None, number: str | None, name: str, recipe: str) -> list[str]:
    """A study whose cells are trained, by level; what was not trained is said."""
    if report is None:
        study = "levels" if number else "lora-rank"
        return [
            prose(
                f"Not run: every cell is a training of its own. `holmesvau eval ablation {study} --data "
                "FOLDER --recipe tiny` runs it, or this script with `--recipe tiny`."
            ),
            "",
        ]
    lines = [f"Cells trained by the recipe `{recipe}`.", ""]
    if recipe == "tiny-smoke":
        lines = [
            prose(
                "Cells of the recipe `tiny-smoke` alone, which trains for seconds: this shows that the study "
                "runs from rendering to the table. **Cells of full size were not run, and these figures say "
                "nothing about what is trained on.**"
            ),
            "",
        ]
    for level in ("clip", "event", "video"):
        if any(level in one["text"] for one in report["cells"]):
            lines += [f"### {level.capitalize()} level", "", *cells_part(report, level, None, name)]
    if number is not None:
        lines.append(tables.study_table(name, number, report).render("markdown", intervals=True))
    return lines


def short(command: str) -> str:
    """A command without its sixty file names."""
    words = shlex.split(command)
    files = [word for word in words if word.endswith(".mp4")]
    if len(files) > 2:
        words = [word for word in words if word not in files[1:]]
        words[words.index(files[0])] = "data/sim/videos/test/*.mp4"
    return " ".join(word if " " not in word else f"'{word}'" for word in words)
