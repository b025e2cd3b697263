"""The last check of a fit: the saved folder, read by a fresh process, gives the same answers as the model that was saved.

Most faults of saving (a tensor left out, a head of the wrong labels, a setting that only the running program knew) show in no other way. Run as
a program, this module answers for the folder on its command line: inputs as JSON on standard input, answers as JSON on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tailorlm.core.errors import CheckError
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.searching import SearchAnswering

# Rows asked, and how far scores may lie apart, as a share: products of other sizes and routes differ in rounding.
ROWS, TOLERANCE = 8, 1e-3
# What started this fit as one of several processes is none of the fresh process's business.
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def check_reload(folder: Path, adaptation: Adaptation, inputs: Sequence[Any]) -> None:
    """CheckError unless a fresh process that reads the folder answers the first few inputs as the adaptation does.

    Costs the start of a process and the loading of the model, some seconds. No input reaches a file, an argument or a message.
    """
    asked = list(inputs[:ROWS])
    if not asked:
        return
    here = answers(adaptation, asked)
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    environment = {k: v for k, v in os.environ.items() if k not in LAUNCHED} | {"PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-m", "tailorlm.recipes.reload", str(folder)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise CheckError(f"{folder} cannot be read by a fresh process", got=said[-1] if said else "no answer")
    there = json.loads(done.stdout)
    differing = [i for i in range(len(asked)) if not _same(here, there, i)]
    if differing:
        raise CheckError(
            f"{folder}, read by a fresh process, answers otherwise than the model that was saved",
            got=f"{len(differing)} of {len(asked)} rows",
            hint="do not use this folder; it is a defect of tailorlm worth reporting (`tailor doctor` says what to send)",
        )


def answers(adaptation: Adaptation, inputs: Sequence[Any]) -> dict[str, Any]:
    """`values` and, where there are any, `scores` of the answers to these inputs, as JSON has them; of a search the vectors of the queries,
    which say the same and spare reading the whole pool."""
    if isinstance(adaptation.answering, SearchAnswering) and adaptation.answering.meant:
        vectors = adaptation.answering.vectors(adaptation.answering.task.queries(inputs))
        return {"values": [None] * len(inputs), "scores": [[float(one) for one in row] for row in vectors]}
    found = adaptation.answering.answer(inputs)
    scores = None if found.scores is None else [[float(score) for score in row] for row in found.scores]
    return {"values": json.loads(json.dumps(list(found.values))), "scores": scores}


def _same(here: dict[str, Any], there: dict[str, Any], place: int) -> bool:
    if here["scores"] is None or there["scores"] is None:
        return _alike(here["values"][place], there["values"][place])
    one, other = here["scores"][place], there["scores"][place]
    largest = max(1.0, *(abs(score) for score in one))
    return len(one) == len(other) and all(abs(a - b) <= TOLERANCE * largest for a, b in zip(one, other, strict=True))


def _alike(one: Any, other: Any) -> bool:
    """Equal, but for the rounding of numbers."""
    if isinstance(one, float) and isinstance(other, int | float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def main() -> None:
    """Answer for a folder."""
    adaptation = Adaptation.load(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(answers(adaptation, json.load(sys.stdin))))


if __name__ == "__main__":
    main()
