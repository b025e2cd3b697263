"""What `tailor fit` says before and after training: the rows, what is learned of them with one row as the model sees it, what it takes; then how
fast it was, and which rows stayed hardest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tailorlm.cli.show_mask import marked
from tailorlm.core.atomic import readable_size

if TYPE_CHECKING:
    from tailorlm.training.job import Told

# Characters of a row that is shown: of a stretch that is not learned its beginning and its end, of one that is learned its beginning.
LEAD, TAIL, LEARNED = 60, 160, 200
NAMED = 3


class Before:
    """Turns events into what is said before the first step: once, however many fits a search makes."""

    def __init__(self) -> None:
        self._fits, self._told = 0, 0
        self._said: set[str] = set()

    def lines(self, event: Mapping[str, Any]) -> list[Text]:
        """The lines of an event, none for one that says nothing new. A `preflight` that can show a row shows it."""
        kind = event["event"]
        self._fits += kind in ("trial", "last-fit")
        if kind not in LINES or (kind != "plan" and self._told not in (0, self._fits)):
            return []  # the next fit learns from the same rows
        self._told = self._fits if kind == "preflight" else self._told
        found = [line for line in LINES[kind](event) if line.plain not in self._said]
        self._said |= {line.plain for line in found}
        return found


def _plan(event: Mapping[str, Any]) -> Iterator[Text]:
    labels = event["labels"]
    balance = f", {labels['count']} labels of {_span(labels)}" if labels else ""
    yield Text(f"{event['rows']:,} rows{balance}; {event['validation']:,} of them judge while settings are chosen")
    for note in event["notes"]:
        yield Text(f"  {note}", "yellow")
    if event["seconds"] is not None:
        from tailorlm.cli.show import duration

        yield Text(f"  about {duration(event['seconds'])} on this machine (Ctrl-C stops; the same command goes on)")


def _span(labels: Mapping[str, int]) -> str:
    if labels["least"] == labels["most"]:
        return f"{labels['most']:,} rows each"
    return f"{labels['least']:,} to {labels['most']:,} rows (median {labels['median']:,})"


def _preflight(event: Told) -> Iterator[Text]:
    learning = f"{event['parameters']:,} numbers learn from" if event["parameters"] else "learns from"
    yield Text(f"  {learning} {event['rows']:,} rows: {_learned(event)}", "dim")
    if event.example is not None:
        yield Text(f"  e.g. {event.row}  ", "dim").append_text(marked(shortened(event.example()), colours=False))


def _learned(event: Mapping[str, Any]) -> str:
    least, median, most = event["learned_per_row"]
    if event["learned"] == "labels":
        each = "one a row" if least == most == 1 else f"{least:,} to {most:,} a row (median {median:,})"
        return (
            f"{event['labels']:,} labels, {each}; {event['tokens']:,} tokens read, {event['longest']:,} in the longest"
        )
    ends = event["ends"]
    told = f"{event['labels']:,} of {event['tokens']:,} tokens are learned, {least:,} to {most:,} a row (median {median:,})"
    if ends is None:
        return told
    where = "the end of each" if ends == event["rows"] else f"the end of {ends:,} rows" if ends else "no end of text"
    return f"{told}, {where} among them"


def _cut(event: Mapping[str, Any]) -> Iterator[Text]:
    """Rows that are longer than the model is given."""
    yield Text(f"  {cut_line(event)}", "yellow")


def cut_line(event: Mapping[str, Any]) -> str:
    """What a `cut` event says."""
    line = (
        f"{event['rows']:,} of {event['of']:,} {event['what']} are too long (max_length {event['max_length']:,}): "
        f"{event['tokens']:,} of their tokens are not read"
    )
    answers = event.get("answers")
    return f"{line}; {answers:,} answers break off and never learn to stop" if answers else line


def _needs(event: Mapping[str, Any]) -> Iterator[Text]:
    parts = ", ".join(f"{name} {readable_size(event[name])}" for name in ("weights", "gradients", "optimiser"))
    least, available = readable_size(event["least"]), readable_size(event["available"])
    yield Text(f"  takes at least {least} of memory of {available} ({parts})", "dim")
    if event["exact"]:
        yield Text(f"  {_exact(event)}", "dim")


def _exact(event: Mapping[str, Any]) -> str:
    """What float32 costs beside bfloat16, as it was measured on the device that trains."""
    ratio, device = event["bfloat16"], "GPU" if event["device"] == "cuda" else "processor"
    if ratio is None:
        return "computes in float32, as asked"
    faster = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times slower"
    return f"computes in float32, as asked; products in bfloat16 are {faster} on this {device}"


LINES: dict[str, Any] = {"plan": _plan, "preflight": _preflight, "cut": _cut, "needs": _needs}


# ---- one row, as the model sees it


def shortened(shown: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The same on a few lines: line breaks as a sign, what a terminal would take for a command left out, long stretches without their middle."""
    found = []
    for part, learned in shown:
        text = "".join(c if c.isprintable() else "⏎" if c == "\n" else " " for c in part)
        if learned and len(text) > LEARNED:
            text = text[:LEARNED] + "…"
        elif len(text) > LEAD + TAIL:
            text = f"{text[:LEAD]} … {text[-TAIL:]}"
        found.append((text, learned))
    return found


# ---- after the last step


def ended(record: Mapping[str, Any], folder: Path) -> list[str]:
    """How fast training was, and the rows that stayed hardest; nothing where nothing was trained. record: of the run in `folder`."""
    training = record["training"]
    if training is None:
        return []
    speed = [speed_line(training)] if "busy_seconds" in training else []  # a run that was kept by an earlier version
    return [*speed, *_hardest(training["hardest_rows"], folder)]


def speed_line(training: Mapping[str, Any]) -> str:
    """Tokens a second, the share of the machine's peak where it is known, seconds."""
    share = training.get("share_of_peak")
    kind = training["computed_in"]
    peak = f"computed in {kind}" if share is None else f"{share:.0%} of this machine's peak in {kind}"
    return f"{training['tokens_per_second']:,.0f} tokens/s, {peak}, {training['busy_seconds']:,.1f} s of steps"


def _hardest(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    if not rows:
        return []
    named = ", ".join(f"{row['id']} ({row['loss']:.2f})" for row in rows[:NAMED])
    return [f"stayed hardest (loss): {named}; look for wrong labels there, {len(rows)} are in {folder / 'run.json'}"]
