"""The page on evaluation is run: its code, its lines of predictions."""

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/evaluation.md").read_text()


def test_code_of_the_page_runs():
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(snippet, "evaluation.md", "exec"), names)
    assert names["found"].auc == 10.5 / 12 and names["texts"].rouge_l > 0


def test_lines_of_the_page_keep_the_schemas():
    curve, answer = (json.loads(line) for line in re.findall(r"^\{.*\}$", PAGE, re.MULTILINE))
    for kind, line in (("detection", curve), ("text", answer)):
        schema = json.loads((ROOT / f"schemas/{kind}-prediction.schema.json").read_text())
        Draft202012Validator(schema).validate(line)
