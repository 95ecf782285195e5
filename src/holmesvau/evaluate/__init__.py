"""Evaluation (paper §5): detection and text figures, with intervals, for any system's predictions.

evaluate.detection.frame_metrics(labels, scores)      # auc, ap
evaluate.text.score(hypotheses, references)           # bleu[4], bleu_sum, cider, meteor, rouge_l

`simulated` evaluates a whole pipeline on simulated CCTV, `facts` asks a judge, `ablation` repeats the paper's
studies; they are imported by name, since they load the pipeline.
"""

from __future__ import annotations

from holmesvau.evaluate import detection, text

__all__ = ["detection", "text"]
