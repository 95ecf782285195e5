"""The picture of a dataset's statistics, after the paper's Figure 3: four panels, PNG or SVG."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.schema import LEVELS, TASKS, Level
from holmesvau.hivau.statistics.gather import NORMAL, Statistics

# Okabe and Ito's colours: told apart by people who see few colours, and in grey.
COLORS: dict[Level, str] = {"clip": "#56B4E9", "event": "#E69F00", "video": "#009E73"}
SUFFIXES = (".png", ".svg", ".pdf")
# A dataset's share of a bar is told by hatching, its level by colour.
_HATCHES = ("", "////", "....", "xxxx", "----")
_SECONDS = (0.1, 0.5, 2, 10, 60, 300, 1800, 7200, 36000, 86400)


def plot(statistics: Statistics, path: str | Path) -> Path:
    """Draw the statistics into a .png, .svg or .pdf file.

    Raises:
        InputError: for another ending, or when there is nothing to draw.
        OutputError: when the file cannot be written; nothing half-written is left.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: plots are written as {', '.join(SUFFIXES)}; give the file such an ending.")
    if not (statistics.annotated or statistics.rows):
        raise InputError(f"{path}: nothing to draw: the files hold neither annotations nor rows.")
    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    (counts, labels), (seconds, words) = figure.subplots(2, 2)
    _counts(counts, statistics)
    _labels(labels, statistics.labels)
    _durations(seconds, statistics.seconds)
    told = any(statistics.words.values())
    _words(words, statistics.words if told else statistics.answers, "annotation" if told else "answer")
    for axes in (counts, labels, seconds, words):
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
    return path


def _save(figure: Any, path: Path) -> None:
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    # Without the date, the same numbers give the same file.
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            figure.savefig(partial, dpi=150, metadata=metadata)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: the plot cannot be written ({error.strerror or error}).") from error


def _counts(axes: Any, statistics: Statistics) -> None:
    """Bars of the rows by level and task, stacked by dataset; of the annotations where there are no rows."""
    if statistics.rows:
        what = "instruction rows"
        bars = [(level, task) for level in LEVELS for task in TASKS]
        parts = {
            (dataset, bar): statistics.rows[dataset, *bar]
            for dataset in _datasets(statistics)
            for bar in bars
        }
        bars = [bar for bar in bars if any(parts[dataset, bar] for dataset in _datasets(statistics))]
        names = ["\n".join(bar) for bar in bars]
        levels = [level for level, _ in bars]
    else:
        what = "annotations"
        levels = list(LEVELS)
        names = [f"{level}s" for level in LEVELS]
        bars = [(level, "caption") for level in LEVELS]
        parts = {
            (dataset, bar): statistics.annotated[dataset, bar[0]]
            for dataset in _datasets(statistics)
            for bar in bars
        }
    bottom = np.zeros(len(bars))
    for dataset, hatch in zip(_datasets(statistics), _HATCHES * 9, strict=False):
        heights = np.array([parts[dataset, bar] for bar in bars])
        axes.bar(
            names,
            heights,
            bottom=bottom,
            color=[COLORS[level] for level in levels],
            edgecolor="white",
            hatch=hatch,
            label=dataset or "other",
        )
        bottom += heights
    for place, total in enumerate(bottom):
        axes.annotate(
            f"{total:,.0f}", (place, total), (0, 3), textcoords="offset points", ha="center", fontsize=9
        )
    axes.set_title(f"{int(bottom.sum()):,} {what} by level" + (" and task" if statistics.rows else ""))
    axes.set_ylabel(what)
    axes.tick_params(axis="x", labelsize=8)
    _legend_of_hatches(axes, _datasets(statistics))


def _legend_of_hatches(axes: Any, datasets: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    if len(datasets) > 1:
        handles = [
            Patch(facecolor="#999999", edgecolor="white", hatch=hatch, label=dataset or "other")
            for dataset, hatch in zip(datasets, _HATCHES * 9, strict=False)
        ]
        axes.legend(handles=handles, frameon=False)


def _datasets(statistics: Statistics) -> list[str]:
    if statistics.rows:
        return sorted({dataset for dataset, _, _ in statistics.rows})
    return sorted({dataset for dataset, _ in statistics.annotated})


def _labels(axes: Any, labels: Counter[str]) -> None:
    ranked = [(label, count) for label, count in labels.most_common() if label != NORMAL]
    if labels[NORMAL]:
        ranked.insert(0, (NORMAL, labels[NORMAL]))
    names, counts = [label for label, _ in ranked], [count for _, count in ranked]
    colors = ["#999999" if name == NORMAL else "#D55E00" for name in names]
    axes.barh(range(len(names)), counts, color=colors)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    for place, count in enumerate(counts):
        axes.annotate(
            f"{count:,}", (count, place), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_title("Videos by label")
    axes.set_xlabel("videos (one of several labels counts for each)")


def _durations(axes: Any, seconds: Mapping[Level, list[float]]) -> None:
    lengths = {level: np.array([s for s in values if s > 0]) for level, values in seconds.items()}
    axes.set_title("Length of spans by level")
    axes.set_xlabel("length")
    axes.set_ylabel("share of the level")
    if not any(len(values) for values in lengths.values()):
        _nothing(axes, "no annotations: rows alone have no spans")
        return
    everything = np.concatenate(list(lengths.values()))
    edges = np.geomspace(everything.min() * 0.98, everything.max() * 1.02, 33)
    axes.set_xscale("log")
    _histograms(axes, lengths, edges, "{:.1f} s")
    ticks = [tick for tick in _SECONDS if edges[0] <= tick <= edges[-1]]
    axes.set_xticks(ticks, [_clock(tick) for tick in ticks])
    axes.minorticks_off()


def _words(axes: Any, words: Mapping[Level, list[int]], what: str) -> None:
    counts = {level: np.array(values) for level, values in words.items()}
    axes.set_title(f"Words per {what} by level")
    axes.set_xlabel("words")
    axes.set_ylabel("share of the level")
    if not any(len(values) for values in counts.values()):
        _nothing(axes, "no texts")
        return
    highest = max(int(values.max()) for values in counts.values() if len(values))
    width = highest // 40 + 1  # whole words, or the bars would comb
    _histograms(axes, counts, np.arange(0, highest + 2 * width, width), "{:.0f} words")


def _histograms(axes: Any, values: Mapping[Level, Any], edges: Any, unit: str) -> None:
    """One filled step line a level, as a share of that level, so that levels of unlike sizes compare."""
    for level, numbers in values.items():
        if len(numbers):
            middle = unit.format(np.median(numbers))
            label = f"{level}: {len(numbers):,}, median {middle}"
            shares = np.full(len(numbers), 1 / len(numbers))
            common = {"bins": edges, "weights": shares, "color": COLORS[level]}
            axes.hist(numbers, histtype="stepfilled", alpha=0.25, **common)
            axes.hist(numbers, histtype="step", linewidth=1.6, label=label, **common)
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, fontsize=9)


def _nothing(axes: Any, why: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.annotate(why, (0.5, 0.5), xycoords="axes fraction", ha="center", color="#666666")


def _clock(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
