"""The report as GitHub Markdown, in which nothing that the user's rows say comes to life."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tailorlm.comparison.report.format import NOTHING, one_line

LONGEST_TEXT = 300

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$@!&])")
_FENCE = re.compile("`+")


def page(v: dict[str, Any]) -> str:
    """The whole page. v: what `view` made."""
    parts = [
        *_head(v),
        *_ways(v),
        f"## How to read this\n\n{' '.join(v['reading'])}",
        *_data(v),
        *_labels(v),
        *_found(v),
        *_sure(v),
        *_quotes(v),
        *_steps(v),
        *_groups(v),
        *(
            _answered("Rows on which the ways disagree", v["disagreements"], "There is no such row.")
            if v["scored"] > 1
            else []
        ),
        *(_answered(v["all_wrong_title"], v["all_wrong"], "There is no such row.") if v["scored"] else []),
        *_search(v),
        *_recipes(v),
        *_repeat(v),
        *_failed(v),
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text on one line in which every character that means something to Markdown is escaped."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def code(text: str, *, in_table: bool = False) -> str:
    """Text as a code span. Markup, links, mentions and line breaks in it are dead; in tables, pipes are escaped."""
    line = one_line(text) or NOTHING
    if in_table:
        line = line.replace("|", "\\|")
    fence = "`" * (max((len(found) for found in _FENCE.findall(line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def block(text: str, language: str = "") -> str:
    """Text as a fenced block, whatever fences it holds itself."""
    fence = "`" * max(3, max((len(found) for found in _FENCE.findall(text)), default=0) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are escaped already; `right`: the columns of numbers."""
    marks = ["---:" if i in right else "---" for i in range(len(header))]
    return "\n".join("| " + " | ".join(cell or " " for cell in row) + " |" for row in (header, marks, *rows))


def _head(v: dict[str, Any]) -> list[str]:
    answer = v["answer"]
    said = f"**Use {escaped(answer['title'])}**{answer['joint']} " if answer["title"] else ""
    parts = [
        f"# {escaped(v['title'])}: {escaped(v['what'])}",
        escaped(v["fairness"]),
        f"## The answer\n\n{said}{escaped(answer['reason'])}",
    ]
    figures = [
        f"- {f['label']}: **{f['value']}**" + (f" ({f['note']})" if f["note"] else "") for f in answer["figures"]
    ]
    parts += ["\n".join(figures)] if figures else []
    return parts + (["Next:\n\n" + block("\n".join(v["next"]), "sh")] if v["next"] else [])


def _ways(v: dict[str, Any]) -> list[str]:
    second = [v["metric"]["second_title"]] if v["metric"]["second"] else []
    header = ["Way", v["metric"]["title"], *second, "Difference to best", "Adjusted p", "Verdict"]
    header += ["Fit, with search", "Last fit", "Per row", "Peak memory", "Trained", "Stored"]
    header += v["more"].values()
    rows = []
    for way in v["ways"]:
        name = f"**{escaped(way['title'])}** (recommended)" if way["recommended"] else escaped(way["title"])
        name += f" {code(way['called'], in_table=True)}" if way["called"] else ""
        cells = [
            name,
            way["score_text"],
            *([way["second_text"]] if second else []),
            way["difference_text"],
            way["p_text"],
            way["verdict"],
        ]
        costs = ("fit_text", "last_fit_text", "per_row_text", "memory_text", "trainable_text", "stored_text")
        rows.append([*cells[:1], *(_shown(cell) for cell in cells[1:]), *(way[key] for key in (*costs, *v["more"]))])
    last = len(header) - len(v["more"])
    told = [f"- {escaped(title)}: {escaped(words)}" for title, words in v["told"]]
    shown = table([escaped(name) for name in header], rows, list(range(last - 6, last)))
    return ["## All ways, side by side", shown, *(["\n".join(told)] if told else []), *_tasks(v)]


def _tasks(v: dict[str, Any]) -> list[str]:
    """Other tasks that ways learnt besides, each on rows held out of its own."""
    if not v["tasks"]:
        return []
    header = ["Way", "Task", "Metric", "Rows", "Before its stage", "Behind it", "At the end", "Forgotten"]
    keys = ("rows", "began", "own", "end", "lost")
    rows = [
        [escaped(one["title"]), escaped(one["task"]), one["metric"], *(one[key] for key in keys)] for one in v["tasks"]
    ]
    return ["### Other tasks", table(header, rows, list(range(3, 8)))]


def _shown(cell: str) -> str:
    # Brackets of an interval are no link: nothing in round brackets follows. A '<' would open an element.
    return cell.replace("<", "\\<").replace("|", "\\|")


def _data(v: dict[str, Any]) -> list[str]:
    rows = [
        [part["title"], part["rows"], code(part["source"], in_table=True), code(part["fingerprint"], in_table=True)]
        for part in v["data"]["parts"]
    ]
    parts = ["## The rows", table(["Part", "Rows", "From", "Fingerprint"], rows, [1])]
    lines = [f"- {escaped(note)}" for note in v["data"]["notes"]]
    for finding in v["data"]["findings"]:
        lines.append(f"- {code(finding['code'])} {escaped(finding['message'])}")
        lines += [f"  - {code(row)}" for row in finding["rows"]]
    return parts + (["\n".join(lines)] if lines else [])


def _labels(v: dict[str, Any]) -> list[str]:
    parts = []
    if v["per_label"]:
        rows = [[code(r["label"], in_table=True), r["n"], r["precision"], r["recall"], r["f1"]] for r in v["per_label"]]
        about = f": {escaped(v['answer']['title'])}" if v["answer"]["title"] else ""
        parts += [
            f"## Label by label{about}",
            table(["Label", "Rows", "Precision", "Recall", "F1"], rows, [1, 2, 3, 4]),
        ]
    if v["most_confused"]:
        lines = [f"- {pair['count']} × {code(pair['gold'])} → {code(pair['predicted'])}" for pair in v["most_confused"]]
        parts += ["### Labels taken for one another", "\n".join(lines)]
    return parts


def _sure(v: dict[str, Any]) -> list[str]:
    words = [shown["words"] for shown in (v["reliability"], v["coverage"]) if shown]
    about = f": {escaped(v['answer']['title'])}" if v["answer"]["title"] else ""
    return (
        [f"## How sure, and how right{about}", "\n".join(f"- {escaped(one)}" for one in words)] if words else []
    ) + (
        [
            "### Level by level",
            table(
                ["Level", "Names", "Rows that reach it", "Right"],
                [[row[key] for key in ("level", "names", "n", "right")] for row in v["levels"]],
                [1, 2, 3],
            ),
        ]
        if v["levels"]
        else []
    )


def _found(v: dict[str, Any]) -> list[str]:
    rows = [[escaped(row["where"]), row["n"], row["share"]] for row in v["found_at"]]
    if not rows:
        return []
    told = table(["First right passage at place", "Queries", "Share"], rows, [1, 2])
    missed = [row for row in v["retrieved"] if row["missed"]][:10]
    lines = [f"- {code(row['text'])}: {row['where']}; first comes {code(_first(row))}" for row in missed]
    return ["## What was found", told, *(["Found latest, or not at all:\n\n" + "\n".join(lines)] if lines else [])]


def _first(row: dict[str, Any]) -> str:
    return str(row["passages"][0]["text"])[:160] if row["passages"] else "nothing"


def _quotes(v: dict[str, Any]) -> list[str]:
    keys = ("rows", "n", "quoted", "not_in_text", "no_answer", "token_f1", "exact_match")
    header = ["Rows", "Number", "Quoted", "Not in the text", "No answer", "Token F1", "Exact match"]
    rows = [[escaped(row["rows"]), *(row[key] for key in keys[1:])] for row in v["quotes"]]
    return ["## What was quoted", table(header, rows, list(range(1, 7)))] if rows else []


def _steps(v: dict[str, Any]) -> list[str]:
    parts = ["## Step by step"] if v["steps"] else []
    header = ["Step", "Task", "Base", "Learnt from rows", "Test rows", "Scores on them"]
    for told in v["steps"]:
        rows = [
            [
                code(row["name"], in_table=True),
                row["task"],
                code(row["base"], in_table=True),
                row["learnt"],
                row["came"],
                _shown(row["scores"]),
            ]
            for row in told["rows"]
        ]
        parts += [f"### {escaped(told['title'])}", table(header, rows, [3, 4])]
        parts += [escaped(told["words"])] if told["words"] else []
    return parts


def _groups(v: dict[str, Any]) -> list[str]:
    parts = ["## Where it goes wrong"] if v["groups"] else []
    for group in v["groups"]:
        rows = [
            [
                code(row["group"], in_table=True),
                row["n"],
                f"{row['scores'][0]} {_shown(row['interval'])}",
                *row["scores"][1:],
            ]
            for row in group["rows"]
        ]
        header = [f"By {escaped(group['by'])}", "Rows", *(escaped(way) for way in group["ways"])]
        parts.append(table(header, rows, range(1, len(header))))
    return parts


def _answered(title: str, rows: list[dict[str, Any]], nothing: str) -> list[str]:
    if not rows:
        return [f"## {title}\n\n{nothing}"]
    lines = []
    for row in rows:
        lines.append(f"- {code(row['id'])} {code(one_line(row['text'], LONGEST_TEXT))}")
        lines.append(f"  - in the file: {code(row['gold'])}")
        for answer in row["answers"]:
            sign = "right" if answer["right"] else "wrong"
            by = ", ".join(escaped(way) for way in answer["ways"])
            score = f", {answer['score']}" if answer["score"] else ""
            lines.append(f"  - {sign}: {code(answer['label'])} by {by}{score}")
            lines += [f"    - cites for {escaped(one)}" for one in answer["cited"]]
    return [f"## {title}", "\n".join(lines)]


def _search(v: dict[str, Any]) -> list[str]:
    if not v["search"]:
        return []
    lines = [f"- **{escaped(way['title'])}**: {escaped(way['summary'])}" for way in v["search"]]
    return ["## What the search tried", "\n".join(lines)]


def _recipes(v: dict[str, Any]) -> list[str]:
    told = [_folded(recipe["title"], block(recipe["yaml"], "yaml")) for recipe in v["recipes"]]
    return ["## Recipes", *told] if told else []


def _folded(title: str, content: str) -> str:
    inert = one_line(title).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details><summary>{inert}</summary>\n\n{content}\n\n</details>"


def _repeat(v: dict[str, Any]) -> list[str]:
    parts = ["## How to repeat this"] + ([block(v["repeat"], "sh")] if v["repeat"] else [])
    for title, entries in (("Settings", v["settings"]), ("Environment", v["environment"])):
        lines = [f"- {escaped(key)}: {code(value)}" for key, value in entries]
        parts += [f"### {title}", "\n".join(lines)] if lines else []
    return parts


def _failed(v: dict[str, Any]) -> list[str]:
    told = [f"### {escaped(way['title'])}\n\n{block(way['error'])}" for way in v["failed"]]
    return ["## Ways that failed", *told] if told else []
