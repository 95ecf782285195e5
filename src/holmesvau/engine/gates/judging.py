"""One text through all gates that need nothing but the text and what it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from holmesvau.engine.gates import claims, language, times
from holmesvau.engine.gates.config import Gate, GatesConfig, Verdict
from holmesvau.engine.gates.words import runs, words
from holmesvau.hivau.schema import Level
from holmesvau.types import Span
from holmesvau.vlm.judgement import CLASSES, parse_judgement

_EXCUSE = re.compile(
    r"\b(?:as an ai|i(?:'m| am) (?:sorry|unable|not able)"
    r"|i (?:cannot|can't|can not) (?:see|help|assist|view|provide)"
    r"|no (?:description|caption|text|image|picture)s? (?:(?:is|was|are|were) )?(?:available|provided|given)"
    r"|n/a|lorem ipsum)\b",
    re.IGNORECASE,
)
# A model that is stuck says the same again and again.
_LEAST_FOR_REPEATS = 20


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a text is about and was made from.

    `span` in seconds, of the whole video for a video; `labels` are its classes, none where it is normal;
    `sources` the captions or summaries it was made from, empty for captions and for
    texts that were not made from them; `prompt` our own sentences.
    """

    level: Level
    span: Span
    language: str
    labels: Sequence[str] = ()
    normal: bool = False
    sources: Sequence[str] = field(default=())
    prompt: str = ""


def judge(parts: Mapping[str, str], subject: Subject, config: GatesConfig) -> list[Verdict]:
    """What each gate says, one verdict a gate; `form` and `near-duplicate` are judged elsewhere."""
    asked: list[tuple[Gate, Iterator[str]]] = [
        ("empty", _empty(parts, config)),
        ("copied", _copied(parts, subject, config)),
        ("too-long", _too_long(parts, config)),
        ("language", _foreign(parts, subject)),
        ("contradiction", _contradiction(parts, subject)),
        ("unsupported", _unsupported(parts, subject, config)),
        ("out-of-span", _out_of_span(parts, subject)),
    ]
    verdicts = []
    for gate, complaints in asked:
        if gate not in config.off:
            message = next(complaints, "")
            verdicts.append(Verdict(gate, not message, message))
    return verdicts


def _empty(parts: Mapping[str, str], config: GatesConfig) -> Iterator[str]:
    for part, text in parts.items():
        if len(words(text)) < config.least_words:
            yield f"The {part} says nothing."
        if excuse := _EXCUSE.search(text):
            yield f"The {part} is an excuse and no {part}: {excuse[0]!r}."
        found = words(text)
        repeated = len(found) - len({tuple(found[i : i + 3]) for i in range(len(found))})
        if len(found) >= _LEAST_FOR_REPEATS and repeated > len(found) / 2:
            yield f"The {part} says the same again and again."


def _copied(parts: Mapping[str, str], subject: Subject, config: GatesConfig) -> Iterator[str]:
    ours = runs(subject.prompt, 6)
    for part, text in parts.items():
        said = runs(text, 6)
        # How a judgement is to be worded is what the instruction says.
        if part != "judgement" and ours and said and len(said & ours) / len(said) > config.copied:
            yield f"The {part} repeats the instruction instead of following it."
    if len(set(map(_plain, parts.values()))) < len(parts):
        yield "Two of its parts are the same."
    if len(subject.sources) > 1 and any(
        _plain(parts.get("description", "")) == _plain(source) for source in subject.sources
    ):
        yield "The description is a copy of one of the descriptions it should sum up."


def _too_long(parts: Mapping[str, str], config: GatesConfig) -> Iterator[str]:
    for part, text in parts.items():
        count, most = len(words(text)), config.most_words(part)
        if count > most:
            yield f"The {part} has {count} words; {most} are the most."


def _foreign(parts: Mapping[str, str], subject: Subject) -> Iterator[str]:
    if complaint := language.foreign(" ".join(parts.values()), subject.language):
        yield complaint


def _contradiction(parts: Mapping[str, str], subject: Subject) -> Iterator[str]:
    if subject.level == "clip":
        return
    verdict = parse_judgement(parts["judgement"])
    if verdict.is_anomalous is None:
        yield "The judgement does not say whether there is an anomaly."
    elif verdict.is_anomalous == subject.normal:
        state = "normal" if subject.normal else f"abnormal ({', '.join(subject.labels)})"
        yield f"The judgement contradicts what is known: this is {state}."
    elif not subject.normal:
        known = [label for label in subject.labels if label in CLASSES]
        if known and verdict.label is not None and verdict.label not in known:
            yield f"The judgement names {verdict.label}; the class is {', '.join(known)}."
        elif verdict.label is None and not _names(parts["judgement"], subject.labels):
            yield f"The judgement does not name the class, {', '.join(subject.labels)}."


def _names(text: str, labels: Sequence[str]) -> bool:
    """Whether a class is named by its own name: those that `parse_judgement` does not know."""
    plain = _plain(text).replace(" ", "")
    return any(_plain(label).replace(" ", "") in plain for label in labels)


def _unsupported(parts: Mapping[str, str], subject: Subject, config: GatesConfig) -> Iterator[str]:
    if not subject.sources:
        return
    for part in ("description", "analysis"):
        if unseen := claims.unseen(parts.get(part, ""), subject.sources, subject.labels):
            yield f"The {part} speaks of {', '.join(unseen)}, which no clip shows."
    share, own = claims.own_share(parts["description"], subject.sources, subject.labels)
    if share > config.unsupported:
        yield f"The description says what no clip shows ({', '.join(own[:6])})."


def _out_of_span(parts: Mapping[str, str], subject: Subject) -> Iterator[str]:
    for part, text in parts.items():
        if found := times.outside(text, subject.span):
            yield (
                f"The {part} names the time {found[0]:g} s, which lies outside "
                f"{subject.span.start:g} to {subject.span.end:g} s."
            )


def _plain(text: str) -> str:
    return " ".join(words(text))
