"""The endpoint against a server in another process that is well, and one that is not."""

import base64
import io
import logging
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from holmesvau import registry
from holmesvau.errors import ConfigError, InputError, ModelDownError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm.endpoint import Endpoint, load
from holmesvau.vlm.endpoint.connection import Address
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel, join
from tests.vlm.endpoint.conftest import TEXT, Make, Moody, ask

KEY = "sk-very-secret-4711"


# --- when all is well ---


@pytest.mark.parametrize("mood", ["well", "unmarked", "whole"])
def test_an_answer_arrives_whole_however_the_server_sends_it(
    moody: Moody, endpoint: Make, frames: FrameBatch, mood: str
) -> None:
    moody.expect(mood, "*")
    model: VisionLanguageModel = endpoint()
    visual = model.encode(frames)
    assert model.answer(visual, "What happens?") == TEXT
    pieces = list(model.stream(visual, "What happens?"))
    assert "".join(pieces) == TEXT and all(pieces)
    assert len(pieces) == 1 if mood == "whole" else len(pieces) >= 4


def test_frames_stand_in_the_request_by_the_prompt_law(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    model = endpoint(side=64)
    model.answer(
        model.encode(frames), "And who?", history=[("What happens?", "A fire.")], options=GenerationOptions()
    )
    asked = moody.asked()
    assert asked["path"] == "/v1/chat/completions" and "Authorization" not in asked["headers"]
    first, reply, last = asked["body"]["messages"]
    assert reply == {"role": "assistant", "content": "A fire."}
    assert last == {"role": "user", "content": "And who?"}
    texts = [part["text"] for part in first["content"] if part["type"] == "text"]
    assert texts == ["Frame1: ", "\nFrame2: ", "\nFrame3: ", "\nWhat happens?"]
    assert [part["type"] for part in first["content"]] == ["text", "image_url"] * 3 + ["text"]
    for number, part in enumerate(first["content"][1::2]):
        head, _, data = part["image_url"]["url"].partition(",")
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert head == "data:image/jpeg;base64" and picture.size == (64, 64)
        wanted = Image.fromarray(frames.frames[number]).resize((64, 64), Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(picture, float) - np.asarray(wanted, float)).mean() < 3


def test_options_are_passed_on_and_left_out_where_they_say_nothing(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    ask(endpoint(), frames, max_new_tokens=7)
    body = moody.asked()["body"]
    assert {key: body[key] for key in body if key != "messages"} == {
        "model": "tiny-model",
        "stream": True,
        "max_tokens": 7,
        "temperature": 0.0,
    }
    ask(endpoint(), frames, temperature=0.5, top_p=0.9, repetition_penalty=1.1, seed=3)
    body = moody.asked(1)["body"]
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.5, 0.9, 3)
    assert body["repetition_penalty"] == 1.1


def test_many_questions_go_together_and_come_back_in_order(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    moody.expect("echo", "*")
    model = endpoint(at_once=3)
    questions = ["first", "second", "third", "another first", "fifth"]
    started = time.monotonic()
    assert model.answer_many(model.encode(frames), questions) == questions
    assert time.monotonic() - started < 2 * 0.3 + 1.0
    assert model.answer_many(model.encode(frames), []) == []
    assert moody.requests() == 5


def test_frames_are_kept_in_groups_and_rows_as_other_models_keep_them(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    model = endpoint()
    visual = join([model.encode(frames), model.encode(frames)]).select([3, 2])
    assert len(visual.tokens) == 2 and visual.index.tolist() == [0, 32]
    model.answer(visual, "What?")
    assert len(moody.asked()["body"]["messages"][0]["content"]) == 5
    nothing = FrameBatch(frames.frames[:0], frames.index[:0], frames.seconds[:0])
    assert ask(model, nothing, "Hello") == TEXT
    assert moody.asked(1)["body"]["messages"] == [{"role": "user", "content": "Hello"}]


def test_a_consumer_that_stops_hangs_up(moody: Moody, endpoint: Make, frames: FrameBatch) -> None:
    moody.expect("endless", "*")
    model = endpoint()
    stream = model.stream(model.encode(frames), "What?")
    assert next(stream)
    assert not (moody.folder / "hung-up").exists()
    stream.close()
    deadline = time.monotonic() + 5
    while not (moody.folder / "hung-up").exists():
        assert time.monotonic() < deadline, "the server still writes"
        time.sleep(0.01)


def test_a_question_with_markers_is_refused_before_anything_is_sent(
    moody: Moody, endpoint: Make, frames: FrameBatch
) -> None:
    with pytest.raises(InputError, match="<IMG_CONTEXT>"):
        ask(endpoint(), frames, "What <IMG_CONTEXT> is that?")
    assert moody.requests() == 0


# --- the size of a request ---


def test_frames_are_made_smaller_until_they_fit(
    moody: Moody, endpoint: Make, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (4, 200, 300, 3), np.uint8)
    frames = FrameBatch(pictures, np.arange(4), np.arange(4) / 10)
    sizes, shapes = [], []
    for number, megabytes in enumerate([16, 0.14, 0.08, 0.05]):
        caplog.clear()
        ask(endpoint(side=200, max_request_mb=megabytes), frames)
        content = moody.asked(number)["body"]["messages"][0]["content"]
        urls = [part["image_url"]["url"] for part in content[1::2]]
        assert sum(map(len, urls)) <= megabytes * 1e6
        sizes.append(sum(map(len, urls)))
        shapes.append(Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2]))).size)
        assert ("max_request_mb" in caplog.text) == (number > 0)
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4
    assert shapes[0] == shapes[1] == (200, 200) and shapes[-1][0] < 200
    with pytest.raises(InputError, match=r"4 frames do not fit into a request of 0.001 MB"):
        ask(endpoint(side=200, max_request_mb=0.001), frames)


def test_the_shape_of_frames_is_kept_where_asked_and_small_ones_are_not_blown_up(endpoint: Make) -> None:
    frame = np.zeros((1, 90, 160, 3), np.uint8)
    batch = FrameBatch(frame, np.array([0]), np.array([0.0]))

    def size(**settings: object) -> tuple[int, int]:
        return Image.open(io.BytesIO(endpoint(**settings).encode(batch).tokens[0])).size

    assert size(square=False, side=80) == (80, 45)
    assert size(square=False, side=448) == (160, 90)
    assert size(square=True, side=448) == (448, 448)


# --- keys ---


def exchange(model: Endpoint, frames: FrameBatch) -> str:
    try:
        return ask(model, frames)
    except ModelError as error:
        texts = [str(error)]
        cause = error.__cause__
        while cause is not None:
            texts.append(f"{cause!r} {cause}")
            cause = cause.__cause__
        return " ".join(texts)


@pytest.mark.parametrize("mood", ["well", "status:401", "status:500", "status:400", "odd-json:{}"])
def test_the_key_travels_in_the_header_and_appears_nowhere(
    moody: Moody,
    endpoint: Make,
    frames: FrameBatch,
    mood: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOLMESVAU_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    moody.expect(mood, "*")
    model = endpoint(retries=1)
    with caplog.at_level(logging.DEBUG):
        said = exchange(model, frames)
    assert moody.asked()["headers"]["Authorization"] == f"Bearer {KEY}"
    for text in (said, caplog.text, repr(model), str(model.info()), model.name):
        assert KEY not in text and "sk-another" not in text
    if mood.startswith("status"):
        assert "not with Bearer ***" in said


def test_the_general_key_is_used_where_there_is_no_key_of_ours(
    moody: Moody, endpoint: Make, frames: FrameBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ask(endpoint(), frames)
    assert moody.asked()["headers"]["Authorization"] == f"Bearer {KEY}"


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOLMESVAU_API_KEY", "sk-1\nInjected: yes")
    with pytest.raises(InputError, match="HOLMESVAU_API_KEY") as caught:
        Endpoint("http://localhost:1")
    assert "sk-1" not in str(caught.value)


def test_a_key_on_an_open_line_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOLMESVAU_API_KEY", KEY)
    Endpoint("http://127.0.0.1:8000")
    Endpoint("https://models.test/v1")
    assert caplog.text == ""
    Endpoint("http://models.test/v1")
    assert "unencrypted" in caplog.text and KEY not in caplog.text


# --- finding the server ---


def test_credentials_in_an_address_are_dropped_and_said_to_be(
    moody: Moody, frames: FrameBatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = Endpoint(moody.url.replace("http://", "http://me:pass%20word@"), "tiny-model")
    assert model.info() == {"name": "tiny-model", "backend": "endpoint", "source": moody.url}
    assert ask(model, frames) == TEXT
    assert "Authorization" not in moody.asked()["headers"]
    assert "are not used" in caplog.text and "pass%20" not in caplog.text and "me:" not in caplog.text


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://h.test/api/v2/", "https://h.test/api/v2"),
        ("http://h.test/v1/chat/completions", "http://h.test/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://a:b@h.test", "http://h.test/v1"),
    ],
)
def test_addresses_are_taken_as_people_write_them(url: str, text: str) -> None:
    assert str(Address(url)) == text


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://h/v1", "http://", "http://h:port/v1", "http://h:99999", "x://me:pw@h"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="address") as caught:
        Address(url)
    assert "pw" not in str(caught.value)


def test_the_only_model_of_a_server_needs_no_name(moody: Moody, frames: FrameBatch) -> None:
    model = registry.get("models", "endpoint")(moody.url.removesuffix("/v1"), device="cpu")
    assert model.name == "tiny-model" and model.num_frames == 16
    assert ask(model, frames) == TEXT
    assert load(f"{moody.url}#org/name").name == "org/name"


def test_among_several_models_one_must_be_named(moody: Moody) -> None:
    moody.serve("one", "two")
    with pytest.raises(ModelError, match=r"serves 2 models \(one, two\)\. Name it: .*#NAME"):
        load(moody.url)
    moody.serve("none")
    with pytest.raises(ModelError, match="lists none"):
        load(moody.url)
    assert load(f"{moody.url}#two").name == "two"


def test_a_wrong_key_is_told_before_the_scan(moody: Moody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLMESVAU_API_KEY", KEY)
    moody.serve("locked")
    with pytest.raises(ModelError, match=r"answers 401: bad key Bearer \*\*\*\. Set HOLMESVAU_API_KEY"):
        load(f"{moody.url}#named")


def test_a_server_without_a_list_needs_the_name(moody: Moody) -> None:
    moody.serve("missing")
    with pytest.raises(ModelError, match="answers 404: Not Found"):
        load(moody.url)
    assert load(f"{moody.url}#named").name == "named"


def test_a_server_that_is_down_is_found_out_later_by_its_first_answer(
    moody: Moody, frames: FrameBatch, caplog: pytest.LogCaptureFixture
) -> None:
    address = Address(moody.url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
    model = load(f"http://127.0.0.1:{closed}/v1?retries=0")
    assert "no words until it answers" in caplog.text
    assert model.name == f"http://127.0.0.1:{closed}/v1"
    with pytest.raises(ModelDownError):
        ask(model, frames)
    model._wire._address = address
    assert ask(model, frames) == TEXT and model.name == "tiny-model"


def test_settings_stand_behind_the_address(moody: Moody) -> None:
    model = load(f"{moody.url}?num_frames=8&square=false&first_word=600#name")
    assert (model.num_frames, model.config.square, model.config.first_word) == (8, False, 600.0)
    with pytest.raises(ConfigError, match="did you mean num_frames") as caught:
        load(f"{moody.url}?num_frame=8")
    assert moody.url in str(caught.value)
    with pytest.raises(ConfigError, match="retries = 'many'"):
        load(f"{moody.url}?retries=many")


def test_what_is_the_servers_business_is_refused() -> None:
    with pytest.raises(InputError, match="dtype='float32' is the server's business"):
        load("http://localhost:1", dtype="float32")
    with pytest.raises(InputError, match="say where it is"):
        load(None)


def test_certificates_are_checked(tmp_path: Path, frames: FrameBatch) -> None:
    import ssl

    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-batch"),
            *("-subj", "/CN=localhost", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    worker = threading.Thread(target=serve, daemon=True)
    worker.start()
    model = Endpoint(f"https://127.0.0.1:{listening.getsockname()[1]}", "m")
    with pytest.raises(ModelDownError, match="certificate that cannot be trusted"):
        ask(model, frames)
    worker.join(5)
    listening.close()


SCHEMA = {"type": "object", "properties": {"what": {"type": "string"}}}


@pytest.mark.parametrize("mood", ["well", "whole", "unmarked"])
def test_a_completion_is_whole_whether_or_not_the_server_streams(moody, endpoint, frames, mood):
    moody.expect(mood)
    model = endpoint()
    found = model.complete(model.encode(frames), "What happens?", schema=SCHEMA)
    assert (found.text, found.cut) == (TEXT, mood == "unmarked")
    body = moody.asked()["body"]
    assert body["stream"] is False and body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_a_completion_counts_tokens_and_names_the_model(moody, endpoint, frames):
    usage = '"usage":{"prompt_tokens":7,"completion_tokens":3},"model":"m-1"'
    moody.expect(f'odd-json:{{"choices":[{{"message":{{"content":"Fire."}}}}],{usage}}}')
    model = endpoint()
    found = model.complete(model.encode(frames), "What happens?")
    assert (found.text, found.tokens_in, found.tokens_out, found.model) == ("Fire.", 7, 3, "m-1")
    assert "response_format" not in moody.asked()["body"]


@pytest.mark.parametrize("mood", ["cut:2", "clean-cut:2", "status:503"])
def test_a_completion_that_breaks_off_is_asked_for_again(moody, endpoint, frames, mood):
    moody.expect(mood, "whole")
    model = endpoint()
    assert model.complete(model.encode(frames), "What happens?").text == TEXT and moody.requests() == 2
