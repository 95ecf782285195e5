"""Reports of `holmesvau eval` as tables for people, on standard output."""

from __future__ import annotations

import math
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from holmesvau.evaluate.ablation import CoverageReport, StudyReport
    from holmesvau.evaluate.detection import Comparison
    from holmesvau.evaluate.facts import FactReport
    from holmesvau.evaluate.predictions import Coverage
    from holmesvau.evaluate.resampling import Difference, Interval
    from holmesvau.evaluate.simulated import SimulatedReport
    from holmesvau.evaluate.suite import DetectionReport
    from holmesvau.evaluate.text import TextComparison, TextReport

WIDTH = 120


def print_detection(report: DetectionReport) -> None:
    """Areas by reading and class, alarms, events."""
    console = _console()
    console.print(f"Videos: {report.coverage}")
    areas = _table("", "frames of", "videos", "AUC", "", "AP", "")
    readings = {"all videos": report.frames, "anomalous videos": report.anomalous_only}
    for name, found in readings.items():
        if found is not None:
            _areas_row(areas, name, found.videos, found)
    macro = report.macro
    _areas_row(areas, "mean over videos", macro.ap_videos, macro)
    for name, found in report.video_level.items():
        _areas_row(areas, f"video level, {name}", found.videos, found)
    for name, of_class in report.by_class.items():
        _areas_row(areas, name, of_class.alone.videos, of_class.alone)
        together = of_class.with_normal
        spread = (_between(of_class.with_normal_auc_interval), _between(of_class.with_normal_ap_interval))
        areas.add_row(
            "  with normal videos", "", _percent(together.auc), spread[0], _percent(together.ap), spread[1]
        )
    console.print(areas, "")
    alarms = _table(
        "", "events found", "threshold", "false alarms an hour", "", "median delay", "", "90 % within"
    )
    for alarm in report.alarms:
        hourly = alarm.false_alarms_per_hour
        alarms.add_row(
            f"{alarm.found} of {alarm.events}",
            f"{alarm.threshold:.3g}",
            "—" if hourly is None else f"{hourly:.2f}",
            _between(alarm.false_alarms_per_hour_interval, 1),
            f"{alarm.delay_median_seconds:.1f} s",
            _between(alarm.delay_median_interval, 1, 1),
            f"{alarm.delay_90_percent_seconds:.1f} s",
        )
    console.print(alarms, "")
    named = f"{report.events.predicted} events from {report.events_from}, {report.events.annotated} annotated"
    events = _table(named, "overlap", "precision", "recall", "F1", "", "AP", "", "class AP")
    for at in report.events.at:
        class_ap = "—" if at.class_ap is None else _percent(at.class_ap)
        rates = (_percent(at.precision), _percent(at.recall), _percent(at.f1))
        events.add_row(
            f"{at.tiou:g}",
            *rates,
            _between(at.f1_interval),
            _percent(at.ap),
            _between(at.ap_interval),
            class_ap,
        )
    console.print(events)
    console.print(f"mAP {_percent(report.events.map)} {_between(report.events.map_interval)}")
    for note in report.notes:
        console.print(note)


def print_comparison(found: Comparison, videos: int) -> None:
    """The paired test, after the tables of run A."""
    console = _console()
    table = _table(f"This run minus the other, {videos} videos", "figure", "difference", "", "p")
    for name, gap in (("AUC", found.auc), ("AP", found.ap)):
        table.add_row(name, *_gap(gap))
    console.print("", table)


def print_text(report: TextReport, coverage: Coverage) -> None:
    """Figures by group, then judgements."""
    console = _console()
    console.print(f"Rows: {coverage}")
    console.print(
        f"{report.repeated} rows repeat another's video, task and answer "
        f"({report.repeated_exactly} its question as well); they count {report.duplicates}."
    )
    first = next(iter(report.groups.values()))
    console.print(f"BLEU is the sum of BLEU-1 to BLEU-4. METEOR: {first.meteor_method}.")
    table = _table("", "rows of", "pairs", "BLEU", "", "CIDEr", "", "METEOR", "", "ROUGE-L", "")
    for name, scores in report.groups.items():
        spread = scores.intervals
        table.add_row(
            name,
            f"{scores.pairs:,}",
            f"{scores.bleu_sum:.3f}",
            _between(spread.get("bleu_sum"), 1, 3),
            f"{scores.cider:.3f}",
            _between(spread.get("cider"), 1, 3),
            f"{scores.meteor:.3f}",
            _between(spread.get("meteor"), 1, 3),
            f"{scores.rouge_l:.3f}",
            _between(spread.get("rouge_l"), 1, 3),
        )
    console.print(table, "")
    judged = _table(
        "Judgements", "rows of", "rows", "accuracy", "", "recall", "specificity", "undecided", "class", ""
    )
    for name, found in report.judgements.items():
        judged.add_row(
            name,
            f"{found.rows:,}",
            _percent(found.accuracy),
            _between(found.accuracy_interval),
            _percent(found.recall),
            _percent(found.specificity),
            f"{found.undecided:,}",
            _percent(found.class_accuracy),
            _between(found.class_accuracy_interval),
        )
    if report.judgements:
        console.print(judged)


def print_text_comparison(found: TextComparison, rows: int) -> None:
    """The paired tests, after the tables of run A."""
    console = _console()
    columns = [part for name in ("BLEU", "CIDEr", "METEOR", "ROUGE-L") for part in (name, "", "p")]
    table = _table(f"This run minus the other, {rows:,} rows of both", "rows of", "pairs", *columns)
    for name, group in found.groups.items():
        shown = [group.figures[key] for key in ("bleu_sum", "cider", "meteor", "rouge_l")]
        table.add_row(name, f"{group.pairs:,}", *(cell for gap in shown for cell in _gap(gap, 1, 3)))
    console.print("", table)
    columns = [part for name in ("accuracy", "class") for part in (name, "", "p")]
    judged = _table("Judgements", "rows of", "rows", *columns)
    for name, of in found.judgements.items():
        cells = [cell for gap in (of.accuracy, of.class_accuracy) for cell in _gap(gap)]
        judged.add_row(name, f"{of.rows:,}", *cells)
    if found.judgements:
        console.print("", judged)


def print_facts(report: FactReport) -> None:
    """Shares of facts by group and by kind, and what the judge left open."""
    console = _console()
    left = len(report.left_out)
    table = _table(
        f"Facts of {report.wanted - left} of {report.wanted} rows, {left} left out", "rows of", "rows"
    )
    for column in ("facts", "stated", "", "contradicted", ""):
        table.add_column(column, justify="right")
    kinds = {f"  {kind}": found for kind, found in report.kinds.items()}
    for name, found in {**report.groups, "kinds of facts": None, **kinds}.items():
        if found is None:
            table.add_row(name)
            continue
        table.add_row(
            name,
            f"{found.rows:,}",
            f"{found.facts:,}",
            _percent(found.stated),
            _between(found.stated_interval),
            _percent(found.contradicted),
            _between(found.contradicted_interval),
        )
    console.print("", table)
    for kind, count in report.failures.items():
        console.print(f"{count} rows left out: {kind}")


def print_study(report: StudyReport) -> None:
    """Ours and, where the paper has the cell, its figures in the columns behind."""
    from holmesvau.evaluate.published import COLUMNS, ROWS

    console = _console()
    console.print(f"{report.title}: {report.model}, {report.videos} videos")
    columns = [f"{metric} {level}" for metric in ("BLEU", "CIDEr") for level in report.levels]
    known = {}
    if report.table is not None:
        names = COLUMNS[report.table]
        known = {row.method: dict(zip(names, row.figures, strict=True)) for row in ROWS[report.table]}
    table = _table("", "cell", *columns, "first token, ms", "scan, s a minute", "events seen")
    for column in columns if known else ():
        table.add_column(f"paper: {column}", justify="right")
    for cell in report.cells:
        figures = [
            getattr(cell.text.get(level), key, None)
            for key in ("bleu_sum", "cider")
            for level in report.levels
        ]
        first, scan = cell.latency.first_word, cell.latency.scan_per_minute
        theirs = known.get(cell.published or "", {})
        table.add_row(
            cell.name,
            *map(_plain, figures),
            "—" if first is None else f"{first:.0f}",
            "—" if scan is None else f"{scan:.2f}",
            f"{cell.seen} of {cell.events}",
            *(_plain(theirs.get(column)) for column in (columns if known else ())),
        )
    console.print(table)
    if report.contrasts:
        console.print("", _contrasts(report))
    for note in report.notes:
        console.print(note)


def _contrasts(report: StudyReport) -> Table:
    """The paired tests between cells."""
    columns = [
        part for level in report.levels for name in ("BLEU", "CIDEr") for part in (f"{name} {level}", "", "p")
    ]
    seen = ("events seen", "", "p", "same frames")
    table = _table("One cell minus another", "cell", "minus", *columns, *seen)
    for pair in report.contrasts:
        found = [pair.text[level].figures if level in pair.text else {} for level in report.levels]
        gaps = [figures.get(key) for figures in found for key in ("bleu_sum", "cider")]
        cells = [cell for gap in gaps for cell in (("—", "", "") if gap is None else _gap(gap, 1, 3))]
        cells += ("—", "", "") if pair.seen is None else _gap(pair.seen)
        table.add_row(pair.better, pair.worse, *cells, f"{pair.same_frames} of {pair.rows}")
    return table


def print_coverage(report: CoverageReport) -> None:
    """Share of events that get a frame, a row for each sampler and number of frames."""
    console = _console()
    for source, auc in report.frame_auc.items():
        title = f"{source}: {report.hours[source]:.2f} h, frame AUC {_percent(auc)}"
        table = _table(
            title, "sampler", "frames", "events seen", "share", "", "frames an event", "frames inside"
        )
        for cell in report.cells:
            if cell.source == source:
                table.add_row(
                    cell.method,
                    f"{cell.num_frames}",
                    f"{cell.seen} of {cell.events}",
                    _percent(cell.share),
                    _between(cell.share_interval),
                    f"{cell.frames_an_event:.2f}",
                    _percent(cell.inside),
                )
        console.print("", table)


def _plain(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def print_simulated(report: SimulatedReport) -> None:
    """The figures with their intervals, then by class, by scene and by hard negative."""
    console = _console()
    console.print(f"{report.videos} videos, {report.seconds_of_video / 60:.1f} minutes")
    for note in report.notes:
        console.print(note)
    table = _table("", "figure", "value", "")
    for name, value in report.figures.items():
        text = "cider" in name or name == "ece"
        factor, decimals = (1.0, 3) if text else (100.0, 2)
        shown = "—" if value is None or math.isnan(value) else f"{factor * value:.{decimals}f}"
        table.add_row(name, shown, _between(report.intervals.get(name), factor, decimals))
    console.print(table, "")
    for title, groups in (
        ("scene", report.by_scene),
        ("scenes", report.by_kind_of_scene),
        ("light", report.by_light),
    ):
        shown_groups = _table(
            "", title, "videos", "frame AUC", "judgement", "events", "class", "hard negatives"
        )
        for name, group in groups.items():
            judged, classed = (
                _percent(group.figures[key]) for key in ("judgement_accuracy", "class_accuracy")
            )
            false = _percent(group.figures["hard_negative_false_rate"])
            called = f"{false} of {group.hard_negatives}" if group.hard_negatives else "—"
            shown_groups.add_row(
                name, f"{group.videos}", _percent(group.frame_auc), judged, f"{group.events}", classed, called
            )
        console.print(shown_groups, "")
    classes = _table("", "class", "events", "found", "class right", "CIDEr")
    for name, entry in report.by_class.items():
        shares = [_percent(entry[key]) for key in ("event_recall", "class_accuracy")]
        cider = entry["event_cider"]
        classes.add_row(name, f"{entry['events']:.0f}", *shares, "—" if cider is None else f"{cider:.3f}")
    console.print(classes, "")
    negatives = _table("", "hard negative", "count", "called abnormal")
    for name, count in report.hard_negatives.items():
        negatives.add_row(name, f"{count['count']:.0f}", f"{count['called']:.0f}")
    console.print(negatives)


def _areas_row(table: Table, name: str, videos: int, found: object) -> None:
    from holmesvau.evaluate.detection import FrameMetrics, MacroMetrics

    assert isinstance(found, FrameMetrics | MacroMetrics)
    auc, ap = _percent(found.auc), _percent(found.ap)
    table.add_row(name, f"{videos}", auc, _between(found.auc_interval), ap, _between(found.ap_interval))


def _percent(value: float | None) -> str:
    return "—" if value is None or math.isnan(value) else f"{100 * value:.2f}"


def _between(found: Interval | None, factor: float = 100, decimals: int = 2) -> str:
    return "" if found is None else f"[{factor * found.low:.{decimals}f}, {factor * found.high:.{decimals}f}]"


def _gap(found: Difference, factor: float = 100, decimals: int = 2) -> tuple[str, str, str]:
    """A difference, its interval and its p-value."""
    value = "—" if math.isnan(found.value) else f"{factor * found.value:+.{decimals}f}"
    p_value = "—" if found.p_value is None else f"{found.p_value:.3f}"
    return value, _between(found.interval, factor, decimals), p_value


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _console() -> Console:
    from rich.console import Console

    # Wide enough for every table: rich would fold names into narrow columns where output is piped.
    width = max(WIDTH, shutil.get_terminal_size().columns)
    return Console(file=sys.stdout, width=width, soft_wrap=True, highlight=False, markup=False, emoji=False)
