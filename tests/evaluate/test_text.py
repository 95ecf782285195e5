"""Text figures against pycocoevalcap's on real pairs, and against small sums done by hand."""

import json
import math
import shutil
import sys

import numpy as np
import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, MissingPartError
from holmesvau.evaluate import meteor, meteor_reference, ngrams, text
from holmesvau.evaluate.judgements import judgement_metrics
from holmesvau.evaluate.resampling import BootstrapConfig, draw
from holmesvau.evaluate.tokens import tokenize
from holmesvau.hivau import Instruction

QUICK = BootstrapConfig(resamples=100)


@pytest.fixture(scope="module", params=["same-kind", "truncated"])
def parity(request):
    from tests.conftest import SHARED

    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with parity vectors is absent")
    cases = json.loads((SHARED / "parity/text-metrics.json").read_text())["cases"]
    return next(case for case in cases if case["name"] == request.param)


def test_tokens_equal_the_published_tokenizer(parity):
    for side in ("hypothesis", "reference"):
        for pair, tokens in zip(parity["pairs"], parity["ptb_tokens"][side], strict=True):
            assert " ".join(tokenize(pair[side])) == tokens


def test_figures_equal_pycocoevalcap(parity):
    pairs, expected = parity["pairs"], parity["expected"]
    found = text.score([pair["hypothesis"] for pair in pairs], [pair["reference"] for pair in pairs])
    assert found.bleu == pytest.approx(expected["bleu"], abs=1e-9)
    assert found.bleu_sum == pytest.approx(expected["bleu_sum"], abs=1e-9)
    assert found.cider == pytest.approx(expected["cider"], abs=1e-9)
    assert found.rouge_l == pytest.approx(expected["rouge_l"], abs=1e-9)
    # The approximation is within a tenth of METEOR here, and says that it is none.
    assert (
        found.meteor == pytest.approx(expected["meteor"], rel=0.1) and "approximation" in found.meteor_method
    )


@pytest.mark.slow
def test_reference_meteor_equals_the_published_one(parity):
    pytest.importorskip("pycocoevalcap", reason="the extra reference-metrics is not installed")
    if shutil.which("java") is None:
        pytest.skip("no Java")
    pairs = parity["pairs"]
    said, meant = ([pair[side] for pair in pairs] for side in ("hypothesis", "reference"))
    found = text.score(said, meant, meteor="reference")
    assert found.meteor == pytest.approx(parity["expected"]["meteor"], abs=1e-12)
    assert found.meteor_method == "METEOR 1.5"
    few = text.score(said[:20], meant[:20], meteor="reference", bootstrap=QUICK)
    assert few.intervals["meteor"].low < few.meteor < few.intervals["meteor"].high


# What METEOR 1.5 itself replied to five pairs, and said of each and of all together.
METEOR_REPLIES = """\
8.0 11.0 3.0 5.0 3.0 3.0 2.0 2.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 4.0 5.0 5.0
5.0 5.0 2.0 2.0 3.0 3.0 2.0 2.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 1.0 5.0 5.0
2.0 8.0 0.0 4.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0
9.0 12.0 3.0 7.0 1.0 1.0 3.0 3.0 0.0 0.0 0.0 0.0 2.0 2.0 0.0 0.0 1.0 1.0 0.0 0.0 5.0 7.0 7.0
1.0 3.0 1.0 1.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0
""".splitlines()
METEOR_OF_EACH, METEOR_OF_ALL = [0.21069993264655087, 1, 0, 0.25318104056373303, 0], 0.2155823557156668


def test_reference_meteor_of_any_set_follows_from_its_counts():
    counts = meteor_reference.parsed(METEOR_REPLIES)
    assert meteor_reference.figure(counts).tolist() == pytest.approx(METEOR_OF_EACH, abs=1e-14)
    assert meteor_reference.figure(counts.sum(0)) == pytest.approx(METEOR_OF_ALL, abs=1e-14)
    for reply in ("", "Error: specify SCORE or EVAL", METEOR_REPLIES[0].rpartition(" ")[0]):
        with pytest.raises(ValueError):
            meteor_reference.parsed([*METEOR_REPLIES, reply])


def test_reference_meteor_has_an_interval_like_every_figure(monkeypatch):
    monkeypatch.setattr(
        meteor_reference, "counts", lambda said, meant: meteor_reference.parsed(METEOR_REPLIES)
    )
    found = text.score(["a"] * 5, ["a b"] * 5, meteor="reference", bootstrap=QUICK)
    assert found.meteor == pytest.approx(METEOR_OF_ALL) and found.meteor_method == "METEOR 1.5"
    between = found.intervals["meteor"]
    counts = meteor_reference.parsed(METEOR_REPLIES)
    repeated = [
        float(meteor_reference.figure(np.repeat(counts, times, axis=0).sum(0))) for times in draw(5, QUICK)
    ]
    assert (between.low, between.high) == pytest.approx(tuple(np.quantile(repeated, [0.025, 0.975])))
    assert between.low < between.high


def test_reference_meteor_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor.meteor", None)
    with pytest.raises(MissingPartError, match=r"holmesvau\[reference-metrics\]"):
        text.score(["a man"], ["a man"], meteor="reference")


def test_reference_meteor_names_missing_java(monkeypatch):
    pytest.importorskip("pycocoevalcap", reason="the extra reference-metrics is not installed")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPartError, match="Java"):
        text.score(["a man"], ["a man"], meteor="reference")


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        (
            "It's 1,000.5 people -- don't (can't) [go].",
            "it 's 1,000.5 people do n't -lrb- ca n't -rrb- -lsb- go -rsb-",
        ),
        ("Between 18.0s-29.3s, the 1.4-second clip", "between 18.0s-29 .3 s the 1.4-second clip"),
        ("At 06:57:00 on 2014/07/08, 3-4 persons’ cars", "at 06:57:00 on 2014/07/08 3-4 persons cars"),
        ("Mr. Smith, J. Doe etc. cannot; o'clock", "mr. smith j. doe etc. can not o'clock"),
        ("a\nclose-up: “Fight/Riot” …", "a close-up fight/riot"),
        ("Мегабанк. dérogéz & $5", "мегабанк dérogéz & $ 5"),
        ("...", ""),
        ("", ""),
    ],
)
def test_tokens_of_hard_cases(sentence, tokens):
    assert " ".join(tokenize(sentence)) == tokens


def test_bleu_by_hand():
    # 3 of 4 words, 1 of 3 pairs, and one word shorter than the reference.
    counts = ngrams.bleu_counts([tuple("abxc")], [[tuple("abcde")]])
    assert counts.tolist() == [[3, 1, 0, 0, 4, 3, 2, 1, 4, 5]]
    brevity = math.exp(1 - 5 / 4)
    assert ngrams.bleu(counts.sum(0))[:2] == pytest.approx([0.75 * brevity, math.sqrt(0.75 / 3) * brevity])
    # A word counts as often as the reference that has it most often.
    counts = ngrams.bleu_counts([tuple("aaa")], [[tuple("ab"), tuple("aacd")]])
    assert counts[0, 0] == 2 and counts[0, -1] == 2  # lengths 2 and 4 are as near to 3: the shorter counts


@pytest.mark.parametrize(
    ("first", "second", "length"), [("abcd", "xbyd", 2), ("", "a", 0), ("aab", "aba", 2)]
)
def test_longest_common_subsequence(first, second, length):
    assert ngrams.common_length(tuple(first), tuple(second)) == length


def test_longest_common_subsequence_equals_the_table():
    random = np.random.default_rng(0)
    for _ in range(50):
        first, second = (tuple(random.integers(0, 4, random.integers(0, 90)).astype(str)) for _ in range(2))
        table = np.zeros((len(first) + 1, len(second) + 1), int)
        for i, a in enumerate(first):
            for j, b in enumerate(second):
                table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
        assert ngrams.common_length(first, second) == table[-1, -1]


def test_several_references_take_the_best():
    one = text.score(["a man runs away"], ["dogs sleep"])
    both = text.score(["a man runs away"], [["dogs sleep", "a man runs away"]])
    assert one.bleu[0] == pytest.approx(0, abs=1e-6) and both.bleu[3] == pytest.approx(1)
    assert (one.rouge_l, both.rouge_l) == (0, 1) and both.meteor == 1


def test_empty_answers_are_worth_nothing_and_break_nothing():
    found = text.score(["", "..."], ["a man runs", "a fire burns"], bootstrap=QUICK)
    assert (found.bleu_sum, found.cider, found.meteor, found.rouge_l) == (0, 0, 0, 0)
    half = text.score(["", "a fire burns"], ["a man runs", "a fire burns"])
    assert 0 < half.rouge_l < 1 and half.pairs == 2


def test_approximated_meteor_falls_with_order_and_form():
    exact, stems, order = (
        meteor.approximation([tokenize(said)], [[tokenize("two men were fighting loudly")]])[0]
        for said in (
            "two men were fighting loudly",
            "two men were fights loud",
            "loudly fighting were men two",
        )
    )
    assert exact == 1 and 0 < stems < 1 and 0 < order < 1
    assert meteor.approximation([()], [[("a",)]])[0] == 0


def test_intervals_hold_their_figures_and_widen_with_clusters():
    words = ["man", "fire", "car", "street", "runs", "burns", "falls", "shop", "night", "camera"]
    random = np.random.default_rng(0)
    meant = [" ".join(random.choice(words, 8)) for _ in range(20)]
    said = [line if random.random() < 0.5 else " ".join(random.choice(words, 8)) for line in meant]
    alone = text.score(said, meant, bootstrap=QUICK)
    assert set(alone.intervals) == {
        "bleu_1",
        "bleu_2",
        "bleu_3",
        "bleu_4",
        "bleu_sum",
        "cider",
        "rouge_l",
        "meteor",
    }
    assert alone.intervals["bleu_sum"].low < alone.bleu_sum < alone.intervals["bleu_sum"].high
    assert alone.intervals["cider"].low < alone.cider < alone.intervals["cider"].high
    # Twenty copies of each pair in one cluster teach nothing new.
    clusters = [number for number in range(20) for _ in range(20)]
    copied = text.score(
        [said[n] for n in clusters], [meant[n] for n in clusters], bootstrap=QUICK, clusters=clusters
    )
    assert copied.intervals["rouge_l"].low == pytest.approx(alone.intervals["rouge_l"].low)
    assert copied.intervals["rouge_l"].high == pytest.approx(alone.intervals["rouge_l"].high)


def row(number, level, task, answer, video="Fire001"):
    folder = {"clip": "clips", "event": "events", "video": "videos"}[level]
    part = {"clip": "_E0C0", "event": "_E0", "video": ""}[level]
    return Instruction(number, level, task, f"own/{folder}/test/{video}{part}.mp4", "What?", answer)


ROWS = [
    row(0, "clip", "caption", "a man lights a fire"),
    row(1, "clip", "caption", "a man lights a fire"),
    row(2, "clip", "caption", "a car stands in the street", "Calm001"),
    row(3, "event", "judgement", "An anomaly exists: Arson."),
    row(4, "video", "judgement", "There is no anomaly.", "Calm001"),
]


def test_rows_by_level_and_task_and_duplicates_both_ways():
    answers = ["a man lights a fire", "a man lights a fire", "", "Arson is seen, an anomaly.", "No anomaly."]
    released = text.score_rows(ROWS, answers)
    pairs = ["clip caption", "event judgement", "video judgement"]
    assert set(released.groups) == {"all", "clip", "event", "video", "caption", "judgement", *pairs}
    assert (released.groups["clip"].pairs, released.groups["clip"].rouge_l) == (3, pytest.approx(2 / 3))
    once = text.score_rows(ROWS, answers, duplicates="once")
    assert (once.groups["clip"].pairs, once.groups["clip"].rouge_l) == (2, pytest.approx(1 / 2))
    assert (once.duplicates, once.repeated, once.repeated_exactly) == ("once", 1, 1)
    assert released.judgements["judgement"].accuracy == 1 and released.judgements["judgement"].class_rows == 1


def test_judgements_by_hand():
    meant = ["An anomaly exists, named Arson.", "There is no anomaly.", "An anomaly: Riot and Abuse.", "Hm."]
    said = ["An anomaly exists, named Shooting.", "A car drives by.", "The anomaly is Abuse.", "No anomaly."]
    found = judgement_metrics(said, meant, bootstrap=QUICK)
    assert (found.rows, found.undecided, found.unreadable_references) == (3, 1, 1)
    assert found.accuracy == pytest.approx(2 / 3)
    assert (found.recall, found.specificity, found.class_accuracy) == (1, 0, 0.5)
    assert found.accuracy_interval.low <= found.accuracy <= found.accuracy_interval.high


def test_released_rows_against_themselves(shared):
    rows = hivau.load_instructions(shared / "data/hivau70k/merge_instruction_test_final.jsonl", problems=[])
    found = text.score_rows(rows, [row.answer for row in rows], duplicates="once")
    assert found.repeated_exactly == 99
    assert found.groups["all"].bleu_sum == pytest.approx(4) and found.groups["event"].rouge_l == 1
    assert found.judgements["judgement"].accuracy == found.judgements["judgement"].class_accuracy == 1
    assert found.judgements["judgement"].unreadable_references == 0


@pytest.mark.parametrize(
    ("said", "meant", "message"),
    [
        ([], [], "0 hypotheses"),
        (["a"], ["a", "b"], "1 hypotheses and 2"),
        (["a"], [[]], "Hypothesis 0 has no"),
    ],
)
def test_unusable_lists_are_refused(said, meant, message):
    with pytest.raises(InputError, match=message):
        text.score(said, meant)
