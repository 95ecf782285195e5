"""`holmesvau eval`: the paper's figures for any system's predictions, beside the published ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from holmesvau.cli import eval_ablation, eval_sim, eval_tables, options
from holmesvau.cli.eval_options import Confidence, Lenient, Resamples, Seed
from holmesvau.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from holmesvau.evaluate.facts import Recorder
    from holmesvau.evaluate.meteor import MeteorMethod
    from holmesvau.evaluate.predictions import Coverage, Mode
    from holmesvau.evaluate.resampling import BootstrapConfig
    from holmesvau.evaluate.text import TextComparison, Weighting
    from holmesvau.hivau import GroundTruth, Instruction
    from holmesvau.hivau.problems import Problem

app = typer.Typer(
    name="eval",
    help="Score predictions as the paper does, with intervals.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command()(eval_sim.sim)
app.command()(eval_ablation.ablation)


@app.command()
def detection(
    predictions: Annotated[str, typer.Argument(help="JSONL, a video a line.")],
    ucf: Annotated[str | None, typer.Option("--ucf", help="The list UCF_Annotation.txt.")] = None,
    xd: Annotated[str | None, typer.Option("--xd", help="The list XD_Annotation.txt.")] = None,
    sim: Annotated[
        str | None, typer.Option("--sim", help="A folder of `sim generate`, whose list is exact by event.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Of the simulated videos.")] = "test",
    against: Annotated[
        str | None, typer.Option("--against", help="Predictions of another run, for a paired test.")
    ] = None,
    num_frames: Annotated[
        str | None,
        typer.Option("--num-frames", help="A JSON file, video name -> frames, for lists without counts."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", help="Rate of videos whose line has none; 30 (UCF), 24 (XD), their own (sim)."),
    ] = None,
    lenient: Lenient = False,
    resamples: Resamples = 1000,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Frame AUC and AP, by video and class, false alarms, delays and events."""
    from holmesvau.evaluate.curves import load_curves
    from holmesvau.evaluate.detection import compare
    from holmesvau.evaluate.resampling import BootstrapConfig
    from holmesvau.evaluate.suite import evaluate_detection, to_json

    config = BootstrapConfig(resamples=resamples, confidence=confidence, seed=seed)
    odd: list[Problem] = []
    truth = _truth(predictions, ucf, xd, num_frames, sim=sim, split=split, odd=odd)
    _settle(ucf or "", odd, lenient)
    rate = _rate(ucf, sim, split) if fps is None else fps
    curves, coverage = load_curves(predictions, truth, fps=rate, mode=_mode(lenient))
    _warn(coverage)
    report = evaluate_detection(truth, curves, coverage, bootstrap=config)
    comparison = None
    if against is not None:
        others, other_coverage = load_curves(against, truth, fps=rate, mode=_mode(lenient))
        _warn(other_coverage)
        labels = {v.name: v.frame_labels() for v in truth if v.name in curves and v.name in others}
        if not labels:
            raise InputError(f"{against}: shares no usable video with {predictions}.")
        comparison = compare(
            labels,
            {name: curves[name].scores for name in labels},
            {name: others[name].scores for name in labels},
            bootstrap=config,
        )
    if as_json:
        extra = {} if comparison is None else {"against": to_json(comparison), "compared": len(labels)}
        options.print_json({**to_json(report), **extra})
    else:
        eval_tables.print_detection(report)
        if comparison is not None:
            eval_tables.print_comparison(comparison, len(labels))


@app.command()
def text(
    predictions: Annotated[str, typer.Argument(help="JSONL, an instruction row a line: id and answer.")],
    rows: Annotated[
        str, typer.Option("--rows", help="The instruction file, merge_instruction_…_final.jsonl.")
    ],
    duplicates: Annotated[
        Literal["as-released", "once"],
        typer.Option("--duplicates", help="How rows count that repeat another's video, task and answer."),
    ] = "as-released",
    against: Annotated[
        str | None,
        typer.Option("--against", help="Another run's answers to the same rows, for a paired test."),
    ] = None,
    meteor: Annotated[
        Literal["approximation", "reference"],
        typer.Option("--meteor", help="`reference` needs Java and holmesvau[reference-metrics]."),
    ] = "approximation",
    harness_log: Annotated[
        bool,
        typer.Option(
            "--harness-log", help="PREDICTIONS (and OTHER) are sample logs of an lmms-eval-like harness."
        ),
    ] = False,
    judge: Annotated[
        str | None,
        typer.Option("--judge", help="A model that checks facts: `endpoint:URL`, a checkpoint folder …"),
    ] = None,
    judge_record: Annotated[
        str | None,
        typer.Option("--judge-record", help="JSONL of what it is asked and says; goes on from there."),
    ] = None,
    judge_replay: Annotated[
        str | None, typer.Option("--judge-replay", help="Such a file instead of a judge: nobody is asked.")
    ] = None,
    lenient: Lenient = False,
    resamples: Resamples = 1000,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """BLEU, CIDEr, METEOR, ROUGE-L by level and task, and whether judgements judge rightly."""
    from holmesvau.evaluate import facts
    from holmesvau.evaluate.resampling import BootstrapConfig
    from holmesvau.evaluate.suite import to_json
    from holmesvau.evaluate.text import counted, score_rows
    from holmesvau.hivau import load_instructions

    said = _judge(judge, judge_record, judge_replay)
    config = BootstrapConfig(resamples=resamples, confidence=confidence, seed=seed)
    odd: list[Problem] = []
    asked = load_instructions(rows, problems=odd)
    _settle(rows, odd, lenient)
    kept, answers, coverage = _answers(predictions, asked, harness_log, lenient)
    comparison = None
    if against is not None:
        others, other_answers, _ = _answers(against, asked, harness_log, lenient)
        one, two = (kept, answers, predictions), (others, other_answers, against)
        comparison, compared = _compared(one, two, duplicates, meteor, config)
    report = score_rows(kept, answers, duplicates=duplicates, meteor=meteor, bootstrap=config)
    found = None
    if said is not None:
        pairs = counted(kept, answers, duplicates)
        found = facts.score_rows(
            [row for row, _ in pairs], [answer for _, answer in pairs], facts.Judge(said), bootstrap=config
        )
        for problem in found.problems:
            sys.stderr.write(f"{problem}\n")
    if as_json:
        extra = {} if found is None else {"facts": to_json(found)}
        if comparison is not None:
            extra |= {"against": to_json(comparison), "compared": compared}
        options.print_json({"coverage": to_json(coverage), **to_json(report), **extra})
    else:
        eval_tables.print_text(report, coverage)
        if comparison is not None:
            eval_tables.print_text_comparison(comparison, compared)
        if found is not None:
            eval_tables.print_facts(found)


@app.command()
def table(
    number: Annotated[
        Literal["1", "2", "3", "4"], typer.Argument(help="1: detection; 2: text; 3: levels; 4: samplers.")
    ],
    ucf: Annotated[str | None, typer.Option("--ucf", help="`eval detection --json` on UCF-Crime.")] = None,
    xd: Annotated[str | None, typer.Option("--xd", help="`eval detection --json` on XD-Violence.")] = None,
    report: Annotated[
        str | None,
        typer.Option("--report", help="`eval text --json` for table 2, `eval ablation --json` for 3 and 4."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What our row is called.")] = "holmesvau",
    form: Annotated[
        Literal["markdown", "latex", "csv", "json"], typer.Option("--format", help="How it is written.")
    ] = "markdown",
    intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Our figures with their intervals, as far as the report has them."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Our row beside the published ones; without a report, the published ones."""
    from holmesvau.evaluate import tables

    if (number == "1" and report) or (number != "1" and (ucf or xd)):
        raise InputError("Table 1 takes --ucf and --xd, the others take --report.")
    if number == "1" and (ucf or xd):
        made = tables.detection_table(
            name,
            ucf=None if ucf is None else tables.load_report(ucf),
            xd=None if xd is None else tables.load_report(xd),
        )
    elif report and number == "2":
        made = tables.text_table(name, tables.load_report(report))
    elif report:
        made = tables.study_table(name, number, tables.load_report(report))
    else:
        made = tables.published(number)
    sys.stdout.write(made.render("json" if as_json else form, intervals=intervals))


def _answers(
    predictions: str, asked: list[Instruction], harness_log: bool, lenient: bool
) -> tuple[list[Instruction], list[str], Coverage]:
    """The rows that have an answer, and the answers; what was odd goes to standard error."""
    from tempfile import TemporaryDirectory

    from holmesvau.evaluate.harness_logs import import_log
    from holmesvau.evaluate.predictions import load_answers

    with TemporaryDirectory() as folder:
        source = predictions
        if harness_log:
            source = str(import_log(predictions, Path(folder) / Path(predictions).name, rows=asked)[1])
        found = load_answers(source, asked, mode=_mode(lenient))
    _warn(found[2])
    return found


def _compared(
    one: tuple[list[Instruction], list[str], str],
    two: tuple[list[Instruction], list[str], str],
    duplicates: Weighting,
    meteor: MeteorMethod,
    config: BootstrapConfig,
) -> tuple[TextComparison, int]:
    """A run (its rows, answers and file) minus another on the rows that both answer; how many those are."""
    from holmesvau.evaluate.text import compare_rows

    first, second = ({row.id: text for row, text in zip(run[0], run[1], strict=True)} for run in (one, two))
    shared = [row for row in one[0] if row.id in second]
    if not shared:
        raise InputError(f"{two[2]}: shares no usable row with {one[2]}.")
    comparison = compare_rows(
        shared,
        [first[row.id] for row in shared],
        [second[row.id] for row in shared],
        duplicates=duplicates,
        meteor=meteor,
        bootstrap=config,
    )
    return comparison, len(shared)


def _judge(model: str | None, record: str | None, replay: str | None) -> Recorder | None:
    """What answers the questions about facts: a model, a record of one, or nobody."""
    from holmesvau import loading
    from holmesvau.evaluate.facts import Recorder, asker

    if model is None and record is None and replay is None:
        return None
    if (model is None) == (replay is None) or (replay is not None and record is not None):
        raise InputError(
            "Give --judge MODEL (with --judge-record FILE to keep what it says) or --judge-replay FILE."
        )
    if model is None:
        return Recorder(replay)
    speaker = loading.load(model)[2]
    if speaker is None:
        raise MissingPartError(
            f"--judge {model}: there is no such describing model. Give a folder or endpoint:URL."
        )
    return Recorder(record, asker(speaker), judge=speaker.name)


def _mode(lenient: bool) -> Mode:
    return "lenient" if lenient else "strict"


def _truth(
    predictions: str,
    ucf: str | None,
    xd: str | None,
    num_frames: str | None,
    *,
    sim: str | None,
    split: str,
    odd: list[Problem],
) -> list[GroundTruth]:
    from holmesvau.evaluate.curves import lengths
    from holmesvau.hivau import ucf_crime, xd_violence

    if sum(given is not None for given in (ucf, xd, sim)) != 1:
        raise InputError("Give either --ucf UCF_Annotation.txt, --xd XD_Annotation.txt or --sim FOLDER.")
    if sim is not None:
        from holmesvau.sim import load_truth

        return load_truth(sim, split)
    if ucf is not None:
        return ucf_crime.load(ucf, problems=odd)
    assert xd is not None
    if num_frames is not None:
        return xd_violence.load(xd, num_frames=_counts(num_frames))
    sys.stderr.write(
        "The list has no frame counts: the predictions' own are taken, and videos without any are not in the "
        "test set. Give --num-frames FILE for the whole set.\n"
    )
    own = lengths(predictions)
    return [video for video in xd_violence.load(xd, num_frames=own) if video.num_frames is not None]


def _rate(ucf: str | None, sim: str | None, split: str) -> float | dict[str, float]:
    """Frames a second where a line does not tell: those of the test set."""
    if sim is not None:
        from holmesvau.sim import frame_rates

        return frame_rates(sim, split)
    return 30.0 if ucf else 24.0


def _settle(path: str, odd: list[Problem], lenient: bool) -> None:
    """Entries of the test file itself that cannot be used: end here, or name them."""
    unusable = [problem for problem in odd if problem.severity == "error"]
    if unusable and not lenient:
        raise InputError(
            f"{path}: {len(unusable)} of its entries cannot be used, and a figure would not be of the whole "
            f"test set. Mend it, or take --lenient, which leaves them out. The first: {unusable[0]}"
        )
    for problem in unusable:
        sys.stderr.write(f"{problem} Left out of the test set.\n")


def _counts(path: str) -> dict[str, int]:
    from holmesvau.hivau.files import read_text

    try:
        counts: Any = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}).") from error
    usable = isinstance(counts, dict) and all(
        isinstance(count, int) and not isinstance(count, bool) and count > 0 for count in counts.values()
    )
    if not usable:
        raise InputError(f"{path}: an object of video names and whole numbers of frames is wanted.")
    return dict(counts)


def _warn(coverage: Coverage) -> None:
    for problem in coverage.problems:
        sys.stderr.write(f"{problem}\n")
