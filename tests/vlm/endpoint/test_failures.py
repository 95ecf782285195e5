"""The endpoint against a server that fails: what passes is tried again, what does not ends soon."""

import logging
import re
import socket
import time
from email.utils import formatdate

import numpy as np
import pytest

from holmesvau.errors import ModelDownError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm.endpoint import Endpoint, EndpointConfig
from holmesvau.vlm.endpoint.connection import LONGEST_REPLY
from holmesvau.vlm.endpoint.wire import retry_after
from tests.vlm.endpoint.conftest import TEXT, Make, Moody, ask

# --- when it passes ---


@pytest.mark.parametrize(
    "mood",
    [
        "status:500",
        "status:503",
        "status:429",
        "bare-status:502",
        "close",
        "rubbish",
        "page",
        "torn-json",
        "short",
        "cut:0",
        "cut:2",
        "clean-cut:3",
        "cut-event",
        "error-event:",
        "error-event:500",
        'odd-json:{"choices":[{"delta":{"content":[1]}}]}',
        'odd-json:{"choices":[7]}',
        "odd-json:[]",
    ],
)
def test_what_passes_is_tried_again(moody: Moody, endpoint: Make, frames: FrameBatch, mood: str) -> None:
    moody.expect(mood, mood)
    assert ask(endpoint(), frames) == TEXT
    assert moody.requests() == 3


@pytest.mark.parametrize("mood", ["cut:1", "cut:4", "clean-cut:4", "cut-event", "error-event:500"])
def test_a_stream_that_breaks_goes_on_without_repeating(
    moody: Moody, endpoint: Make, frames: FrameBatch, mood: str
) -> None:
    moody.expect(mood, "status:500", "cut:2")
    model = endpoint()
    assert "".join(model.stream(model.encode(frames), "What happens?")) == TEXT
    assert moody.requests() == 4


def test_a_stream_that_begins_another_answer_is_not_mixed(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    moody.expect("cut:2", "another", "cut:2", "another")
    model = endpoint()
    given = []
    with pytest.raises(ModelDownError, match="gave another one"):
        given.extend(model.stream(model.encode(frames), "What?"))
    assert given == [] or TEXT.startswith("".join(given))
    # Nothing has been given out yet where the whole answer is waited for.
    assert ask(model, frames) == "Nothing happens."


def test_retry_after_is_honoured(moody: Moody, endpoint: Make, frames: FrameBatch) -> None:
    moody.expect("later:1")
    started = time.monotonic()
    assert ask(endpoint(), frames) == TEXT
    assert time.monotonic() - started >= 1.0


def test_retry_after_that_is_too_long_is_told_at_once(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    moody.expect("later:3600")
    with pytest.raises(ModelDownError, match=r"answers 429: slow down and asks to wait 3600 s"):
        ask(endpoint(), frames)
    assert moody.requests() == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2), (" 1.5 ", 1.5), ("soon", None), ("", None), ("inf", None), ("-3", None)]
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=3)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_pauses_grow_and_differ(
    moody: Moody, endpoint: Make, frames: FrameBatch, caplog: pytest.LogCaptureFixture
) -> None:
    moody.expect("status:500", "*")
    with caplog.at_level(logging.WARNING), pytest.raises(ModelDownError, match=r"\(4 attempts\)"):
        ask(endpoint(pause=0.2, retries=3), frames)
    told = re.findall(r"trying again in ([\d.]+) s", caplog.text)
    assert len(told) == 3 and moody.requests() == 4
    for attempt, wait in enumerate(map(float, told)):
        assert 0.1 * 2**attempt - 0.06 <= wait <= 0.2 * 2**attempt + 0.06


# --- when it does not pass ---


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("hang", "says no word within 0.4 s"),
        ("hang-after-role", "says no word within 0.4 s"),
        ("drip-head", "says no word within 0.4 s"),
        ("hang-in-answer", "falls silent for 0.3 s"),
        ("drip", "is not done within 1.5 s"),
        ("drip-word", "is not done within 1.5 s"),
    ],
)
def test_every_way_of_being_slow_ends_in_time(
    moody: Moody, endpoint: Make, frames: FrameBatch, mood: str, said: str
) -> None:
    moody.expect(mood, "*")
    model = endpoint(first_word=0.4, silence=0.3, total=1.5)
    visual = model.encode(frames)
    started = time.monotonic()
    with pytest.raises(ModelDownError, match=re.escape(said)):
        model.answer(visual, "What?")
    assert time.monotonic() - started < 3.0
    assert moody.requests() == 1


def test_a_server_that_accepts_nothing_is_not_waited_for(frames: FrameBatch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = []
        for _ in range(3):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(full.getsockname())
            others.append(other)
        settings = EndpointConfig(connect=0.3, retries=1, pause=0.01, first_word=1.0, total=5.0)
        model = Endpoint(f"http://127.0.0.1:{full.getsockname()[1]}", "m", config=settings)
        started = time.monotonic()
        with pytest.raises(ModelDownError, match=r"no connection within 0\.3 s|no word within 1 s"):
            ask(model, frames)
        assert time.monotonic() - started < 4
        for other in others:
            other.close()


def test_a_server_that_is_not_there(frames: FrameBatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = EndpointConfig(retries=2, pause=0.01)
    with pytest.raises(ModelDownError, match=rf"http://127.0.0.1:{port}/v1: the server cannot be reached"):
        ask(Endpoint(f"http://127.0.0.1:{port}", "m", config=settings), frames)
    with pytest.raises(ModelDownError, match="refused"):
        ask(Endpoint(f"http://127.0.0.1:{port}", config=settings), frames)


def test_an_answer_without_end_is_cut(moody: Moody, endpoint: Make, frames: FrameBatch) -> None:
    moody.expect("endless", "*")
    with pytest.raises(ModelDownError, match=f"sends more than {LONGEST_REPLY >> 20} MB"):
        ask(endpoint(), frames)
    assert moody.requests() == 1


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("status:401", "answers 401.*Set HOLMESVAU_API_KEY"),
        ("status:403", "answers 403.*Set HOLMESVAU_API_KEY"),
        ("status:404", r"answers 404.*address is right.*\(#NAME\)"),
        ("status:400", "answers 400: no, not with.*too many for its context"),
        ("status:413", "answers 413.*max_request_mb"),
        ("bare-status:418", "answers 418. Give"),
        ("error-event:400", "reports an error: engine died"),
        ("away", "sends on to http://elsewhere.test/v1"),
    ],
)
def test_a_refusal_is_not_tried_again(
    moody: Moody, endpoint: Make, frames: FrameBatch, mood: str, said: str
) -> None:
    moody.expect(mood, "*")
    with pytest.raises(ModelError, match=said) as caught:
        ask(endpoint(), frames)
    assert not isinstance(caught.value, ModelDownError)
    assert moody.requests() == 1


def test_a_server_that_will_not_read_a_large_request_is_heard(moody: Moody, endpoint: Make) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (8, 400, 400, 3), np.uint8)
    many = FrameBatch(pictures, np.arange(8), np.arange(8) / 10)
    moody.expect("too-large-unread", "*")
    with pytest.raises(ModelError, match=r"answers 413|closes the connection without an answer"):
        ask(endpoint(side=400, quality=95, retries=1), many)


def test_the_first_failure_of_many_questions_is_raised(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    moody.expect("status:401", "*")
    model = endpoint(at_once=2)
    with pytest.raises(ModelError, match="answers 401"):
        model.answer_many(model.encode(frames), ["a", "b", "c", "d"])
    assert moody.requests() <= 2


def test_a_server_that_dies_while_it_answers(moody: Moody, endpoint: Make, frames: FrameBatch) -> None:
    moody.expect("drip", "*")
    model = endpoint(retries=1)
    stream = model.stream(model.encode(frames), "What?")
    assert next(stream) == "x"
    moody.process.kill()
    with pytest.raises(ModelDownError, match="cannot be reached"):
        list(stream)
