"""What the judge is asked, in which form it must reply, and what becomes of a reply that does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Kind = Literal["who", "what", "where", "when", "class"]
Verdict = Literal["stated", "contradicted", "absent"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ABSENT: Verdict = "absent"
MOST_FACTS = 40
# Texts in, one reply each, in their order.
Ask = Callable[[Sequence[str]], list[str]]
# Marks of pictures and turns are no words, and a model's prompt must not hold strange ones.
_MARKS = re.compile(r"<[|/]?\w+[|]?>")
Reply = TypeVar("Reply", bound=BaseModel)

EXTRACT = """\
You check descriptions of surveillance video. List the facts that the following text states, as short \
sentences that can be checked one by one. Kinds of facts:
- who: persons, vehicles or animals and how they look
- what: what somebody does or what happens
- where: the place
- when: the time, the order or the duration
- class: whether there is an anomaly, and of which kind
State nothing that the text does not say. Reply with JSON alone, in this form:
{"facts": [{"kind": "who", "fact": "A man wears a red jacket."}]}

Text: """
CHECK = """\
You check descriptions of surveillance video. Below are numbered facts and a text. Say of each fact whether \
the text states it ("stated", in whatever words), says something that cannot be true together with it \
("contradicted"), or neither ("absent"). Judge by the text alone. Reply with JSON alone, one verdict for \
each fact, in this form:
{"verdicts": [{"number": 1, "verdict": "stated"}]}

"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a reference says."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A reply that cannot be used: `kind` for counting, `message` for people."""

    kind: Literal["not-json", "wrong-form", "no-facts", "wrong-numbers"]
    message: str


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _FactForm(_Form):
    kind: Kind
    fact: Annotated[str, Field(min_length=1, max_length=500)]


class _FactsForm(_Form):
    facts: Annotated[list[_FactForm], Field(max_length=MOST_FACTS)]


class _VerdictForm(_Form):
    number: int
    verdict: Verdict


class _VerdictsForm(_Form):
    verdicts: list[_VerdictForm]


class Judge:
    """Lists facts and checks them. `ask` gives a reply to each of several prompts (`record.asker`)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def extract(self, texts: Sequence[str]) -> list[tuple[Fact, ...] | Failure]:
        """The facts of each text. A text of which the judge finds none is a failure, too."""
        return [_facts(reply) for reply in self._ask([extract_prompt(text) for text in texts])]

    def check(
        self, facts: Sequence[Sequence[Fact]], texts: Sequence[str]
    ) -> list[tuple[Verdict, ...] | Failure]:
        """What each text says of each of its facts. An empty text states none: nobody is asked about it."""
        asked = [number for number, text in enumerate(texts) if text.strip()]
        replies = self._ask([check_prompt(facts[number], texts[number]) for number in asked])
        found: list[tuple[Verdict, ...] | Failure] = [tuple(ABSENT for _ in some) for some in facts]
        for number, reply in zip(asked, replies, strict=True):
            found[number] = _verdicts(reply, len(facts[number]))
        return found


def extract_prompt(text: str) -> str:
    """The prompt that asks for the facts of a text."""
    return EXTRACT + _quoted(text)


def check_prompt(facts: Sequence[Fact], text: str) -> str:
    """The prompt that asks what a text says of each fact."""
    listed = "".join(f"{number}. ({fact.kind}) {fact.text}\n" for number, fact in enumerate(facts, start=1))
    return f"{CHECK}Facts:\n{listed}\nText: {_quoted(text)}"


def _quoted(text: str) -> str:
    """As a JSON string: what a text says is no instruction to the judge."""
    return json.dumps(_MARKS.sub(" ", text).strip(), ensure_ascii=False)


def _facts(reply: str) -> tuple[Fact, ...] | Failure:
    form = _read(reply, _FactsForm)
    if isinstance(form, Failure):
        return form
    if not form.facts:
        return Failure("no-facts", "The judge finds no fact in the reference.")
    return tuple(Fact(part.kind, " ".join(part.fact.split())) for part in form.facts)


def _verdicts(reply: str, count: int) -> tuple[Verdict, ...] | Failure:
    form = _read(reply, _VerdictsForm)
    if isinstance(form, Failure):
        return form
    by_number = {part.number: part.verdict for part in form.verdicts}
    if len(form.verdicts) != count or set(by_number) != set(range(1, count + 1)):
        numbers = ", ".join(str(part.number) for part in form.verdicts[:20])
        return Failure(
            "wrong-numbers", f"Facts 1 to {count} want one verdict each; it has those of {numbers}."
        )
    return tuple(by_number[number] for number in range(1, count + 1))


def _read(reply: str, form: type[Reply]) -> Reply | Failure:
    """The reply's JSON in its form: models put fences or a sentence around it, which does no harm."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        value = json.loads(reply[start : end + 1] if start >= 0 else reply)
    except (json.JSONDecodeError, RecursionError):
        return Failure("not-json", f"The reply is not JSON: {_beginning(reply)}")
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        return Failure("wrong-form", f"{place}: {first['msg']}: {_beginning(reply)}")


def _beginning(reply: str) -> str:
    line = " ".join(reply.split())
    return repr(line if len(line) <= 80 else f"{line[:80]} …")
