"""The paper's Tables 1 to 4 and, for Table 1, higher figures published elsewhere.

Figures are percentages in Table 1, otherwise BLEU (the sum of BLEU-1..4), CIDEr, METEOR and ROUGE-L at clip,
event and video level, and milliseconds until the first token in Table 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Number = Literal["1", "2", "3", "4"]
LEVELS_SHOWN = ("clip", "event", "video")
METRICS_SHOWN = ("BLEU", "CIDEr", "METEOR", "ROUGE")


@dataclass(frozen=True, slots=True)
class Row:
    """One method's figures, in the order of the table's columns; None where there is none.

    `intervals` are those of our own figures, where they have any: nothing was published with one.
    """

    method: str
    figures: tuple[float | None, ...]
    source: str = "paper"
    intervals: tuple[tuple[float, float] | None, ...] = ()


COLUMNS: dict[Number, tuple[str, ...]] = {
    "1": ("XD-Violence AP", "UCF-Crime AUC"),
    "2": tuple(f"{metric} {level}" for metric in METRICS_SHOWN for level in LEVELS_SHOWN),
    "3": tuple(f"{metric} {level}" for metric in METRICS_SHOWN[:2] for level in LEVELS_SHOWN),
    "4": ("BLEU video", "CIDEr video", "first token, ms"),
}
# By column; the last holds for the columns after it.
DECIMALS: dict[Number, tuple[int, ...]] = {"1": (2,), "2": (3,), "3": (3,), "4": (3, 3, 0)}
CAPTIONS: dict[Number, str] = {
    "1": "Anomaly detection, per cent (the paper's Table 1).",
    "2": "Anomaly understanding at clip, event and video level (the paper's Table 2). "
    "BLEU is the sum of BLEU-1 to BLEU-4.",
    "3": "Levels trained on: clip (C), event (E), video (V) (the paper's Table 3). "
    "BLEU is the sum of BLEU-1 to BLEU-4.",
    "4": "Samplers and numbers of frames N, at video level (the paper's Table 4). "
    "BLEU is the sum of BLEU-1 to BLEU-4.",
}
# What our transcript of a table leaves open.
NOTES: dict[Number, tuple[str, ...]] = {
    "4": (
        "At N = 32 the paper has a BLEU of .558 that is ATS's or uniform's; it is left out here.",
        "The paper's latency leaves the dense scan out, and is of another machine.",
    ),
}
ELSEWHERE = "elsewhere"
ROWS: dict[Number, Sequence[Row]] = {
    "1": (
        Row("UR-DMU", (81.66, 86.97)),
        Row("CLIP-TSA", (82.19, 87.58)),
        Row("VadCLIP", (84.51, 88.02)),
        Row("LAVAD", (62.01, 80.28)),
        Row("Holmes-VAU", (87.68, 88.96)),
        Row("Holmes-VAD", (90.67, 89.51), ELSEWHERE),
        Row("GS-MoE", (None, 91.58), ELSEWHERE),
        Row("PI-VAD", (90.33, 85.37), ELSEWHERE),
    ),
    "2": (
        Row(
            "LLaVA-NeXT-Video 7B",
            (0.435, 0.091, 0.120, 0.102, 0.015, 0.031, 0.117, 0.085, 0.096, 0.198, 0.080, 0.106),
        ),
        Row(
            "Qwen2-VL 7B",
            (0.312, 0.082, 0.155, 0.044, 0.020, 0.044, 0.133, 0.092, 0.112, 0.163, 0.081, 0.137),
        ),
        Row(
            "InternVL2 8B",
            (0.331, 0.101, 0.145, 0.052, 0.022, 0.035, 0.141, 0.095, 0.101, 0.182, 0.102, 0.122),
        ),
        Row(
            "Holmes-VAU 2B",
            (0.913, 0.804, 0.566, 0.467, 1.519, 1.437, 0.190, 0.165, 0.121, 0.329, 0.370, 0.355),
        ),
    ),
    "3": (
        Row("C", (0.984, 0.261, 0.351, 0.459, 0.120, 0.106)),
        Row("E", (0.508, 0.576, 0.292, 0.097, 1.183, 0.872)),
        Row("V", (0.280, 0.222, 0.279, 0.039, 0.708, 0.884)),
        Row("C+E", (0.889, 0.741, 0.349, 0.470, 1.285, 0.889)),
        Row("C+V", (0.906, 0.341, 0.522, 0.472, 0.962, 1.093)),
        Row("E+V", (0.394, 0.797, 0.505, 0.081, 1.472, 1.074)),
        Row("C+E+V", (0.913, 0.804, 0.566, 0.467, 1.519, 1.437)),
    ),
    "4": (
        Row("top-k, N = 8", (0.462, 1.229, 244)),
        Row("uniform, N = 8", (0.491, 1.276, 244)),
        Row("ATS, N = 8", (0.514, 1.324, 244)),
        Row("top-k, N = 16", (0.476, 1.302, 566)),
        Row("uniform, N = 16", (0.511, 1.345, 566)),
        Row("ATS, N = 16", (0.566, 1.437, 566)),
        Row("top-k, N = 32", (0.481, 1.332, 1402)),
        Row("uniform, N = 32", (None, None, 1402)),
        Row("ATS, N = 32", (None, None, 1402)),
    ),
}
