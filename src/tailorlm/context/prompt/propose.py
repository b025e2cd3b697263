"""Instructions proposed from what is known of a task: its kind, its columns, its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LISTED = 100
"""Labels that an instruction lists; with more the prompt would be a list and little else."""


@dataclass(frozen=True)
class TaskWords:
    """What an instruction can be made of.

    kind: `classify`, `extract`, `generate`, or another task's name. inputs: the columns that are asked with; answer: the one to be
    written. labels: label to words for it (the same where there are none), in the order in which they are listed. passages: whether
    the prompt will hold passages. nothing: what to write where the text holds no answer (`extract`). scale: what numbers there are (`score`),
    such as `from 1 to 5`.
    """

    kind: str
    inputs: Sequence[str] = ("text",)
    answer: str = "answer"
    labels: Mapping[str, str] = field(default_factory=dict)
    passages: bool = False
    nothing: str = ""
    scale: str = ""


def propose(task: TaskWords) -> list[str]:
    """Wordings of an instruction for a task, plain ones first; each says what to do and in what form to answer.

    They are in English and know nothing of the domain: choose one to begin with, let `optimise` find the best for your model, or
    write your own, which may say what the labels mean and what to do in doubt.
    """
    if task.kind in ("tag", "many_labels"):
        return _several(task)
    if task.labels:
        return _classify(task)
    if task.kind == "extract":
        told = f" Where the text does not answer it, write: {task.nothing}" if task.nothing else ""
        found = [
            "Answer the question with the shortest span of the text that answers it, copied to the letter.",
            "Find the answer in the text. Write exactly the words of the text that answer the question, and nothing else.",
            "Read the text, then the question. Copy the answer from the text word by word.",
            "Answer with words copied from the text. No sentence around them, no explanation.",
        ]
        return [line + told for line in found]
    given, wanted = _and([_words(name) for name in task.inputs]), _words(task.answer)
    if task.kind == "score":
        scale = f", {task.scale}" if task.scale else ""
        return [
            f"Read the {given} and give the {wanted} as a number{scale}. Answer with the number alone.",
            f"Which {wanted} does the {given} have? Write one number{scale}; no range, no words.",
            f"Judge the {given}. The {wanted} is a number{scale}. Write that number and nothing else.",
        ]
    source = " from the passages" if task.passages else ""
    return [
        f"Given the {given}, write the {wanted}{source}.",
        f"Write the {wanted} for the {given} you are given{source}. Write nothing else.",
        f"You are given: {given}. Answer with the {wanted} alone{source}, as short as the examples or the question ask for.",
        f"Read the {given} with care. Then write the {wanted}{source}; do not explain it.",
    ]


def _classify(task: TaskWords) -> list[str]:
    given = _and([_words(name) for name in task.inputs])
    names = list(task.labels)
    told = any(words != name for name, words in task.labels.items())
    if len(names) > LISTED:
        listed = f"{len(names)} labels, such as {', '.join(names[:5])}"
        return [
            f"Give the {given} its label. There are {listed}. Answer with the label alone.",
            f"Which label does the {given} have? Answer like the examples, with one label and nothing else.",
        ]
    line = ", ".join(names)
    lines = "\n".join(f"- {name}: {task.labels[name]}" if task.labels[name] != name else f"- {name}" for name in names)
    found = [
        f"Classify the {given}. Answer with one of these labels and nothing else: {line}.",
        f"Which of these labels fits the {given} best?\n{lines}\nAnswer with the label alone.",
        f"Read the {given} and decide what it is about. The labels:\n{lines}\nWrite exactly one label, spelled as in the list.",
        f"You sort texts into {len(names)} labels: {line}. Answer with the label of the {given}, no explanation.",
    ]
    # Where labels are explained, the wordings that show the explanations come first.
    return [found[1], found[2], found[0], found[3]] if told else found


def _several(task: TaskWords) -> list[str]:
    """Answers that are a list: of spans with a type each, or of all labels that apply."""
    given, names = _and([_words(name) for name in task.inputs]), list(task.labels)
    listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    if task.kind == "many_labels":
        form = 'Answer with a JSON list of labels, such as ["a", "b"], and [] where none applies.'
        return [
            f"Which of these labels apply to the {given}: {listed}? {form}",
            f"Read the {given} and give it every label that fits. The labels: {listed}. {form}",
        ]
    form = 'Answer with a JSON list of objects {"text": ..., "label": ...}, in the order in which they stand, and [] where there is none.'
    return [
        f"Find everything in the {given} that is one of: {listed}. Copy its words to the letter. {form}",
        f"Mark the words of the {given} that name one of these types: {listed}. {form} Copy the words as they are written.",
    ]


def _words(column: str) -> str:
    return " ".join(column.replace("_", " ").replace("-", " ").split()) or "text"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
