"""Test sets that the field scores models on, by name: where they lie and which columns hold what must not be trained on.

Facts alone; no row of any set is shipped. Ids, configurations, splits and columns are those that the evaluation harness of
EleutherAI reads (lm_eval/tasks, August 2026), or of the set's own card; the licence stands on the card.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tailorlm.core.errors import TailorError, UsageError, unknown_name
from tailorlm.data.hub import read_hub
from tailorlm.data.read import read
from tailorlm.data.rows import Rows


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One known test set. hub: id, with `:configuration` behind it. split: the one that is scored. columns: its texts."""

    hub: str
    columns: tuple[str, ...]
    about: str
    split: str = "test"

    @property
    def card(self) -> str:
        """The page that says what it is, who made it and under which licence."""
        return f"https://huggingface.co/datasets/{self.hub.partition(':')[0]}"


BENCHMARKS = {
    "ag_news": Benchmark("fancyzhx/ag_news", ("text",), "news topics, 4 labels"),
    "arc_challenge": Benchmark("allenai/ai2_arc:ARC-Challenge", ("question",), "school science, hard questions"),
    "arc_easy": Benchmark("allenai/ai2_arc:ARC-Easy", ("question",), "school science, easy questions"),
    "banking77": Benchmark("mteb/banking77", ("text",), "intents of bank customers, 77 labels"),
    "boolq": Benchmark("aps/super_glue:boolq", ("passage", "question"), "yes or no, with a passage", "validation"),
    "cnn_dailymail": Benchmark("abisee/cnn_dailymail:3.0.0", ("article", "highlights"), "news summaries"),
    "commonsense_qa": Benchmark("tau/commonsense_qa", ("question",), "common sense, 5 choices", "validation"),
    "drop": Benchmark("EleutherAI/drop", ("passage", "question"), "reading with arithmetic", "validation"),
    "gsm8k": Benchmark("openai/gsm8k:main", ("question", "answer"), "school mathematics in words"),
    "hellaswag": Benchmark("Rowan/hellaswag", ("ctx",), "how a story goes on", "validation"),
    "humaneval": Benchmark("openai/openai_humaneval", ("prompt", "canonical_solution"), "Python functions, run"),
    "ifeval": Benchmark("google/IFEval", ("prompt",), "instructions that can be checked", "train"),
    "imdb": Benchmark("stanfordnlp/imdb", ("text",), "film reviews, 2 labels"),
    "lambada": Benchmark("EleutherAI/lambada_openai:default", ("text",), "the last word of a passage"),
    "math500": Benchmark("HuggingFaceH4/MATH-500", ("problem", "solution"), "competition mathematics"),
    "mbpp": Benchmark("google-research-datasets/mbpp:full", ("text", "code"), "small Python programs, run"),
    "medmcqa": Benchmark("openlifescienceai/medmcqa", ("question",), "medical entrance examinations", "validation"),
    "mmlu": Benchmark("cais/mmlu:all", ("question",), "57 subjects, 4 choices"),
    "nq_open": Benchmark(
        "google-research-datasets/nq_open", ("question",), "questions to a search engine", "validation"
    ),
    "openbookqa": Benchmark("allenai/openbookqa:main", ("question_stem",), "elementary science, 4 choices"),
    "piqa": Benchmark("baber/piqa", ("goal",), "physical common sense", "validation"),
    "race_high": Benchmark("EleutherAI/race:high", ("article",), "reading, school examinations"),
    "sciq": Benchmark("allenai/sciq", ("support", "question"), "science, 4 choices"),
    "siqa": Benchmark("lighteval/siqa", ("context", "question"), "social common sense", "validation"),
    "squad": Benchmark("rajpurkar/squad", ("context", "question"), "answers inside a passage", "validation"),
    "sst2": Benchmark("nyu-mll/glue:sst2", ("sentence",), "film reviews, sentences, 2 labels", "validation"),
    "triviaqa": Benchmark("mandarjoshi/trivia_qa:rc.nocontext", ("question",), "trivia", "validation"),
    "truthfulqa": Benchmark("truthfulqa/truthful_qa:generation", ("question",), "common misbeliefs", "validation"),
    "winogrande": Benchmark("allenai/winogrande:winogrande_xl", ("sentence",), "who a pronoun means", "validation"),
}
_ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".csv", ".tsv", ".parquet", ".arrow")


def find_benchmark(name: str, folder: str | Path | None = None) -> Path | str:
    """Where the rows of a known test set are: a file or folder below `folder`, or, without one, `hub:id`.

    In `folder` they may stand as `gsm8k.jsonl` (or .csv, .json, .parquet, ...), as `gsm8k/test.jsonl`, or as a folder `gsm8k/` of
    test rows alone. Raises UsageError for an unknown name, TailorError with what to type where there is nothing.
    """
    if name not in BENCHMARKS:
        raise unknown_name("known test set", name, BENCHMARKS)
    known = BENCHMARKS[name]
    if folder is None:
        if importlib.util.find_spec("datasets") is None:
            raise _not_here(name, "the package 'datasets' is not installed")
        return f"hub:{known.hub}"
    place = Path(folder).expanduser()
    stems = dict.fromkeys([place / name, place / name / known.split, place / name / "test"])
    found = [file for stem in stems for ending in _ENDINGS if (file := stem.with_name(stem.name + ending)).is_file()]
    if found:
        return found[0]
    if (place / name).is_dir() and not list((place / name).glob("train*")):
        return place / name
    hint = f"get the split '{known.split}' from {known.card} and put it there as {name}.jsonl"
    raise TailorError(f"{folder} holds no rows of {name}", got=_instead(place, name), hint=hint)


def read_benchmark(name: str, folder: str | Path | None = None) -> Rows:
    """The rows of a known test set, from where `find_benchmark` finds them; raises what it raises, and what reading raises."""
    place = find_benchmark(name, folder)
    if isinstance(place, Path):
        return read(place)
    try:
        return read_hub(place, BENCHMARKS[name].split)
    except UsageError:
        raise
    except TailorError as fault:
        raise _not_here(name, fault.what + (f" ({fault.got})" if fault.got else "")) from None


def _not_here(name: str, got: str) -> TailorError:
    known = BENCHMARKS[name]
    return TailorError(
        f"the rows of {name} are not here, and are not shipped with the program",
        got=got,
        hint=f"pip install 'tailorlm[hub]' where there is a network; else get the split '{known.split}' from {known.card}, "
        f"put it as {name}.jsonl into a folder, and say --set decontaminate.folder=FOLDER",
    )


def _instead(place: Path, name: str) -> str:
    if not place.is_dir():
        return "no such folder"
    if (place / name).is_dir():
        return f"{name}/ with train rows in it, and no file called {BENCHMARKS[name].split}"
    return f"no {name}.jsonl, .csv, .json or .parquet, and no {name}/"
