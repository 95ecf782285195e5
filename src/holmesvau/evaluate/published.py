"""The paper's Tables 1 and 2 and, for Table 1, higher figures published elsewhere.

Figures are percentages in Table 1 and, in Table 2, BLEU (the sum of BLEU-1..4), CIDEr, METEOR and ROUGE-L at
clip, event and video level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Number = Literal["1", "2"]
LEVELS_SHOWN = ("clip", "event", "video")
METRICS_SHOWN = ("BLEU", "CIDEr", "METEOR", "ROUGE")


@dataclass(frozen=True, slots=True)
class Row:
    """One method's figures, in the order of the table's columns; None where there is none."""

    method: str
    figures: tuple[float | None, ...]
    source: str = "paper"


COLUMNS: dict[Number, tuple[str, ...]] = {
    "1": ("XD-Violence AP", "UCF-Crime AUC"),
    "2": tuple(f"{metric} {level}" for metric in METRICS_SHOWN for level in LEVELS_SHOWN),
}
DECIMALS: dict[Number, int] = {"1": 2, "2": 3}
CAPTIONS: dict[Number, str] = {
    "1": "Anomaly detection, per cent (the paper's Table 1).",
    "2": "Anomaly understanding at clip, event and video level (the paper's Table 2). "
    "BLEU is the sum of BLEU-1 to BLEU-4.",
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
}
