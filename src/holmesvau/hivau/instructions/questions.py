"""What a user may ask, in many wordings (paper §3.2: 24 for captions, 10 for each other task).

None of them gives the answer away: a description is asked for in the same words whether or not something is
abnormal. Only an analysis takes the anomaly for granted, and only anomalous videos are asked for one. The
pipeline's own question (`vlm.prompts.QUESTIONS`) stands first in each pool, so that a trained model knows it.
"""

from __future__ import annotations

from holmesvau.errors import InputError
from holmesvau.hivau.schema import Level, Task
from holmesvau.vlm.prompts import QUESTIONS

_CAPTIONS = (
    "What does this short clip show?",
    "Say in one or two sentences what can be seen here.",
    "Put into words what goes on in these few seconds.",
    "Who or what is in the picture, and what are they doing?",
    "Write a caption for this clip.",
    "What would you tell someone who cannot see these frames?",
    "Note down the actions in this clip.",
    "What takes place from the first frame to the last?",
    "Name the people and things shown and say what they do.",
    "Give me the content of this clip in plain words.",
    "What is happening at this moment?",
    "Which actions are visible in this clip?",
    "Report what the camera saw in this clip.",
    "Tell me what you see here.",
    "How would you caption these frames?",
    "Sum up this clip in a sentence.",
    "What is going on in front of the camera?",
    "Describe the scene and what changes in it.",
    "Write down what these frames show, in order.",
    "What can an observer make out in this short piece of footage?",
    "State briefly what is seen.",
    "Describe the people, the place and the action.",
    "What did the camera record during these seconds?",
    "Explain in simple words what the clip contains.",
    "In a few words: what happens?",
)

_JUDGEMENTS = (
    "Is anything abnormal happening in {scene}? Name it if so.",
    "Does {scene} show an anomaly, and of which class?",
    "Decide whether {scene} is normal or abnormal, and give the class of what is abnormal.",
    "Would you raise an alarm over {scene}? If yes, for what?",
    "Judge {scene}: is it ordinary, or does something unusual occur, and what is it called?",
    "Tell me whether something out of the ordinary takes place in {scene} and what kind it is.",
    "Do you see anything in {scene} that should not happen? Say what kind of thing it is.",
    "Normal or abnormal: what is your verdict on {scene}? Name the class of an anomaly.",
    "Should a guard be called because of {scene}? Give the kind of incident if there is one.",
    "Check {scene} for anomalies and name the class of any you find.",
    "Which class of anomaly, if any, does {scene} contain?",
)

_DESCRIPTIONS = (
    "What happens in {scene}?",
    "Tell me what goes on in {scene}, step by step.",
    "Write a short report of what {scene} shows.",
    "Recount the course of events in {scene}.",
    "Who does what in {scene}?",
    "Describe the people and actions in {scene} in detail.",
    "Set out what can be seen in {scene} from beginning to end.",
    "What would a witness say about {scene}?",
    "Retell {scene} for someone who has not seen it.",
    "Sum up what takes place in {scene}.",
    "Give an account of {scene}.",
)

_ANALYSES = (
    "Why is what happens in {scene} abnormal?",
    "What makes {scene} different from everyday life?",
    "Give the grounds on which {scene} is called abnormal.",
    "Which details of {scene} speak for an anomaly, and why?",
    "What led to the anomaly in {scene}, and what makes it one?",
    "Argue why {scene} needs attention.",
    "What are the signs and likely causes of the anomaly in {scene}?",
    "On what do you base the verdict that {scene} is abnormal?",
    "Explain the harm or danger that makes {scene} abnormal.",
    "Reason from what is visible in {scene} to why it is not normal.",
    "Justify calling {scene} an anomaly.",
)

_SCENES: dict[Level, str] = {"event": "this part of the video", "video": "this video"}
_POOLS: dict[Task, tuple[str, ...]] = {
    "judgement": _JUDGEMENTS,
    "description": _DESCRIPTIONS,
    "analysis": _ANALYSES,
}


def pool(level: Level, task: Task) -> tuple[str, ...]:
    """The wordings in which `task` is asked at `level`, the pipeline's own first.

    Raises:
        InputError: for a task that the level does not have: clips are captioned, events and videos are not.
    """
    if task not in QUESTIONS[level]:
        raise InputError(f"A {level} is not asked for {task}, but for {', '.join(QUESTIONS[level])}.")
    if level == "clip":
        return (QUESTIONS[level][task], *_CAPTIONS)
    return (
        QUESTIONS[level][task],
        *(wording.format(scene=_SCENES[level]) for wording in _POOLS[task]),
    )
