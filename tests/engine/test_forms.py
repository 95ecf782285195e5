"""Answers as models give them, read tolerantly; and prompts, which a user may edit."""

import jsonschema
import pytest

from holmesvau.engine import forms, prompting
from holmesvau.engine.forms import Misshapen
from holmesvau.errors import ConfigError

PARTS = {"judgement": "An anomaly exists.", "description": "A man falls.", "analysis": "It is wet."}


@pytest.mark.parametrize(
    "reply",
    [
        '{"judgement": "An anomaly exists.", "description": "A man falls.", "analysis": "It is wet."}',
        'Sure!\n```json\n{"judgement": "An anomaly exists.", "description": "A man\\nfalls.", '
        '"analysis": "It is wet."}\n```\nDone.',
        '{"Judgment": "An anomaly exists.", "description": "A man falls.", "analysis": "It is wet."',
        '{"judgement": "An anomaly exists.", "description": "A man falls.", "analysis": "It is wet.',
        "Judgement: An anomaly exists.\nDescription: A man falls.\nAnalysis: It is wet.",
        '**Judgment:** "An anomaly exists."\n\n### Description - A man falls.\n3. *analysis*: It is wet.\n',
        "- judgement: An anomaly exists.\n- description: A man falls.\n- analysis: It is wet.\njudgement: B",
    ],
)
def test_a_summary_is_read_in_many_shapes(reply):
    assert forms.read(reply, "event", normal=False) == PARTS


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("A man falls on the wet floor.", "neither the JSON"),
        ('{"judgement": "An anomaly exists.", "description": "A man falls."}', "analysis: Field required"),
        (
            '{"judgement": ["x"], "description": "A man falls.", "analysis": "b"}',
            "judgement: Input should be",
        ),
        ('{"judgement": "", "description": "A man falls.", "analysis": "b"}', "judgement: String should"),
        ("[1, 2]", "neither the JSON"),
        ("{" * 5000, "neither the JSON"),
    ],
)
def test_what_has_not_the_parts_is_refused_with_a_sentence(reply, complaint):
    with pytest.raises(Misshapen, match=complaint):
        forms.read(reply, "video", normal=False)


def test_a_normal_summary_needs_no_analysis_and_drops_one():
    reply = '{"judgement": "No anomaly.", "description": "A man waits.", "analysis": "None."}'
    assert forms.read(reply, "event", normal=True) == {
        "judgement": "No anomaly.",
        "description": "A man waits.",
    }


def test_a_caption_is_any_words_in_one_line():
    assert forms.read(' "A man\n walks." ', "clip", normal=False) == {"caption": "A man walks."}


@pytest.mark.parametrize("normal", [False, True])
def test_the_schema_that_servers_get_says_what_the_form_takes(normal):
    schema = forms.schema(normal)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "maxLength" not in str(schema), "servers that make grammars of schemas die of it"
    good = {part: text for part, text in PARTS.items() if part in schema["properties"]}
    jsonschema.validate(good, schema)
    forms.form(normal).model_validate(good)
    for bad in ({}, good | {"more": "x"}, good | {"judgement": ""}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
        with pytest.raises(ValueError, match="validation error"):
            forms.form(normal).model_validate(bad)


def test_prompts_are_files_of_the_project_with_packaged_ones_beneath(tmp_path):
    prompting.copy_defaults(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(prompting.NAMES)
    (tmp_path / "caption.md").write_text('version: 7 b\n---\n Say {language}: {"a": 1} {duration}\n')
    prompting.copy_defaults(tmp_path)
    (tmp_path / "video.md").unlink()
    found = prompting.load(tmp_path)
    assert found["caption"].version == "7 b" and found["video"].version == "1"
    assert found["caption"].filled(language="English", duration="2.0") == 'Say English: {"a": 1} 2.0'
    assert len({prompt.digest for prompt in found.values()}) == len(found)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("caption", "Say it.", "begins with a line `version"),
        ("event", "version: 1\n---\nSum up {captions}.", r"must say where \{label\} go"),
        ("event", "version: 1\n---\nSum up {captions} {label} {mood}.", r"nothing fills \{mood\}"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_told_with_its_file(tmp_path, name, text, complaint):
    (tmp_path / f"{name}.md").write_text(text)
    with pytest.raises(ConfigError, match=rf"{name}\.md: .*{complaint}"):
        prompting.load(tmp_path)
