"""The gates by themselves: what each refuses, and what it must let pass."""

from dataclasses import replace

import pytest

from holmesvau.engine import gates
from holmesvau.engine.gates import GatesConfig, Subject, likeness
from holmesvau.engine.gates.times import times
from holmesvau.engine.gates.words import likeness as alike
from holmesvau.errors import InputError
from holmesvau.types import Span

CLIP = Subject(level="clip", span=Span(60, 65), language="en", prompt="Say what is seen in the pictures, who "
               "is there and what they do, and do not guess any reasons for it.")  # fmt: skip
ROBBED = Subject(
    level="event",
    span=Span(60, 80),
    language="en",
    labels=("Robbery",),
    sources=("A man in a hoodie points at the till.", "The cashier hands him banknotes and he runs out."),
)
CALM = Subject(
    level="video", span=Span(0, 90), language="en", normal=True, sources=("A woman waters the flowers.",)
)
GOOD = {
    "judgement": "Yes, an anomaly is present, namely a robbery.",
    "description": "A man in a hoodie points at the till, gets banknotes from the cashier and runs out.",
    "analysis": "Taking banknotes under threat is a crime.",
}
QUIET = {"judgement": "There is no anomaly.", "description": "A woman waters the flowers."}


def failing(parts, subject, **limits) -> dict[str, str]:
    verdicts = gates.judge(parts, subject, GatesConfig(**limits))
    assert len({verdict.gate for verdict in verdicts}) == len(verdicts)
    return {verdict.gate: verdict.message for verdict in verdicts if not verdict.passed}


def test_good_texts_pass():
    assert failing({"caption": "A man in a red coat crosses the street with a dog."}, CLIP) == {}
    assert failing(GOOD, ROBBED) == {} and failing(QUIET, CALM) == {}


@pytest.mark.parametrize(
    ("caption", "gate"),
    [
        ("", "empty"),
        ("Yes.", "empty"),
        ("I'm sorry, I cannot see any pictures here.", "empty"),
        ("A man walks. " * 12, "empty"),
        ("Say what is seen in the pictures, who is there and what they do.", "copied"),
        ("A man walks past the shop " + "and looks at another window of it " * 11, "too-long"),
        ("Ein Mann mit einer Tasche geht auf der Straße und sieht sich um.", "language"),
        ("Un homme marche dans la rue avec un chien et des enfants.", "language"),
        ("Um homem corre para a porta e a mulher abre a janela do carro.", "language"),
        ("一个男人走在街上", "language"),
        ("A man runs at 1:45 through the door.", "out-of-span"),
        ("A man runs out at 31.5 seconds.", "out-of-span"),
    ],
)
def test_captions_that_cannot_be_used_are_refused(caption, gate):
    assert gate in failing({"caption": caption}, CLIP)


@pytest.mark.parametrize(
    "caption",
    [
        "The clock on the wall shows 8:15 p.m. and the shop is empty.",
        "At 1:02 a man enters the shop, at 1:05 he leaves.",
        "After about 3 seconds a man enters the shop.",
        "A man in a shirt that says Straße walks by.",
        "Two men wait.",
        # "a" is an article in English and in Portuguese, and so is "as".
        "A man walks a dog across a car park as a van parks.",
        "A man carries a box across a yard, then a woman opens a door.",
    ],
)
def test_captions_with_odd_but_right_words_pass(caption):
    assert failing({"caption": caption}, CLIP) == {}


@pytest.mark.parametrize(
    ("part", "text", "gate"),
    [
        ("judgement", "There is no anomaly in this video.", "contradiction"),
        ("judgement", "Yes, an anomaly is present, namely arson.", "contradiction"),
        ("judgement", "An anomaly is present in this part.", "contradiction"),
        ("judgement", "A man stands at the till.", "contradiction"),
        ("description", "A man in a hoodie draws a gun and points at the till.", "unsupported"),
        (
            "description",
            "Two children play football near a fountain while pigeons fly overhead.",
            "unsupported",
        ),
        ("analysis", "The man stabbed the cashier with his knife for the banknotes.", "unsupported"),
        ("analysis", "Yes, an anomaly is present, namely a robbery.", "copied"),
        ("description", "A man in a hoodie points at the till.", "copied"),
        ("description", "At 2:30 a man in a hoodie points at the till and runs out.", "out-of-span"),
    ],
)
def test_summaries_that_cannot_be_used_are_refused(part, text, gate):
    complaints = failing(GOOD | {part: text}, ROBBED)
    assert gate in complaints and complaints[gate].endswith(".")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (
            "description",
            "No weapon is seen: without a gun or a knife the man points at the till, and runs out.",
        ),
        ("analysis", "The thief takes the banknotes, which is theft and a robbery."),
        ("judgement", "This is a robbery."),
    ],
)
def test_denials_and_what_the_class_says_are_no_claims(part, text):
    assert failing(GOOD | {part: text}, ROBBED) == {}


def test_a_judgement_may_be_worded_as_the_instruction_says():
    prompt = "Say in a judgement: yes, an anomaly is present in the part, namely a robbery. Describe it."
    subject = replace(ROBBED, prompt=prompt)
    worded = GOOD | {"judgement": "Yes, an anomaly is present in the part, namely a robbery."}
    assert failing(worded, subject) == {}


def test_a_normal_video_that_is_called_abnormal_is_refused():
    assert "contradiction" in failing(QUIET | {"judgement": "An anomaly is present, namely arson."}, CALM)


def test_classes_of_ones_own_are_known_by_their_names():
    subject = Subject(level="event", span=Span(0, 9), language="en", labels=("Bicycle theft",))
    parts = {"judgement": "An anomaly is present: a bicycle theft.", "description": "He cuts the lock off.",
             "analysis": "It is not his own."}  # fmt: skip
    assert "contradiction" not in failing(parts, subject)
    assert "contradiction" in failing(parts | {"judgement": "An anomaly is present."}, subject)


def test_gates_can_be_turned_off_and_limits_moved():
    long = {"caption": "A man walks past the shop " + " ".join(f"number {n}" for n in range(50))}
    assert failing(long, CLIP, caption_words=120) == {} and failing(long, CLIP, off=("too-long",)) == {}
    with pytest.raises(InputError, match=r"unsupported = 2"):
        GatesConfig(unsupported=2)


def test_times_are_read_as_seconds():
    text = "From 0:05 to 1:02:03, at 12 s, and at second 9; 5 men waited at 8:15 pm for 30 seconds."
    assert times(text) == [
        5.0, 3723.0, 12.0, 9.0,
    ]  # fmt: skip


def test_texts_that_are_alike_share_a_band_and_others_do_not():
    one = (
        "A man in a dark hoodie walks through the door of the flat, looks around the room for a while, takes "
        "a bag from the table near the window and leaves by the same door without hurry, while nobody "
        "else is seen."
    )
    other = one.replace("without hurry", "with no hurry")
    assert alike(one, other) > 0.8 and set(likeness.bands(one)) & set(likeness.bands(other))
    different = (
        "Cars wait at the crossing until the light is green, then a bus turns left and a cyclist follows."
    )
    assert alike(one, different) == 0 and not set(likeness.bands(one)) & set(likeness.bands(different))
    assert likeness.bands("") == [] and likeness.bands(one) == likeness.bands(one)
