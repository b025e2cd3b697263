"""The `tailor` command: its verbs, and how faults leave it."""

from __future__ import annotations

import importlib
import io
import os
import sys

import typer

from tailorlm.core.errors import TailorError, UsageError, near_misses
from tailorlm.core.machine import processes

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
# What several processes may do together; everything else would be done by each of them once more.
TOGETHER = {"fit", "doctor"}

# Verb to the function that does it and its line in the help. Only the verb that was typed is imported.
VERBS = {
    "prep": (
        "tailorlm.cli.prep:prep",
        "Prepare rows: repair, filter, deduplicate, redact, split, audit; every change kept.",
    ),
    "compare": ("tailorlm.cli.compare:compare", "Compare ways of adapting a model on your rows: the main job."),
    "fit": ("tailorlm.cli.fit:fit", "Fit one method or recipe and keep the adaptation."),
    "predict": ("tailorlm.cli.predict:predict", "Predict rows with an adaptation."),
    "eval": ("tailorlm.cli.evaluate:evaluate", "Score an adaptation on labelled rows."),
    "index": ("tailorlm.cli.index:index", "Passages of your documents: build, add, remove, search, score, info."),
    "runs": ("tailorlm.cli.runs:runs", "List runs, or show one."),
    "doctor": ("tailorlm.cli.doctor:doctor", "Report the environment, for bug reports and for yourself."),
}


def build(verb: str | None) -> typer.Typer:
    """The command line with one verb's real function; the others stand in the help alone."""
    app = typer.Typer(
        name="tailor",
        help="Tailor a language model to your domain, and prove how well it fits.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, (target, line) in VERBS.items():
        module, _, function = target.partition(":")
        command = getattr(importlib.import_module(module), function) if name == verb else _elsewhere
        if isinstance(command, typer.Typer):  # a verb with verbs of its own
            app.add_typer(command, name=name, help=line)
        else:
            app.command(name, help=line)(command)
    return app


def _elsewhere() -> None:
    """Stands for a verb that was not typed."""


def run() -> None:
    """Run the command line; users see messages and exit codes, never a traceback."""
    _quiet()
    _robust()
    try:
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
        if verb is not None and verb not in VERBS:
            near = near_misses(verb, VERBS)
            _say(
                f"error: there is no command '{verb}'\n  expected: {', '.join(VERBS)}"
                + (f"\n  try:      tailor {near[0]}" if near else "")
            )
            raise SystemExit(EXIT_USAGE)
        if verb is not None and verb not in TOGETHER and processes()[1] > 1:
            raise UsageError(
                f"`tailor {verb}` runs in one process",
                got=f"{processes()[1]} of them",
                hint="start it without torchrun",
            )
        code = build(verb)(prog_name="tailor", standalone_mode=False)
        if code == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C
            _interrupted()
        sys.stdout.flush()
    except TailorError as fault:
        if not (processes()[0] and isinstance(fault, UsageError)):  # typed once, said once
            _say(f"error: {fault}")
        code = fault.exit_code
    except KeyboardInterrupt:
        code = _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    except MemoryError:
        _say(
            "error: the machine has too little memory for this\n  try:      a smaller model, --methods features-lr, or shorter texts"
        )
        code = EXIT_FAILURE
    except Exception as fault:
        code = _click_fault(fault)
    raise SystemExit(code or 0)


def _click_fault(fault: Exception) -> int:
    """Usage faults as Click words them; anything else is a defect of ours, shown in one line unless TAILOR_DEBUG is set."""
    shown = getattr(fault, "format_message", None)
    if shown is not None:
        _say(
            f"error: {shown()}\n  try:      tailor {' '.join(a for a in sys.argv[1:2] if not a.startswith('-'))} --help".rstrip()
        )
        return int(getattr(fault, "exit_code", 2))
    if type(fault).__name__ == "Exit":
        return int(getattr(fault, "exit_code", 0))
    if type(fault).__name__ == "Abort":
        return _interrupted()
    if os.environ.get("TAILOR_DEBUG"):
        raise fault
    _say(f"error: {type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else '(no message)'}")
    _say(
        "  this is a defect of tailorlm; TAILOR_DEBUG=1 shows where it arose, `tailor doctor` what to send with a report"
    )
    return EXIT_FAILURE


def _interrupted() -> int:
    _say("interrupted; finished runs are kept, and the same command goes on from there")
    return EXIT_INTERRUPTED


def _say(text: str) -> None:
    rank, _ = processes()
    sys.stderr.write(f"[process {rank}] {text}\n" if rank else f"{text}\n")


def _robust() -> None:
    """A terminal that cannot show a character (an ASCII locale, a name that is no UTF-8) gets its escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _quiet() -> None:
    # Progress bars and advice of the libraries underneath would break ours; nothing phones home.
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    # By default OpenMP's threads wait for each other spinning, which makes training thirteen times slower as soon as another program
    # takes a core; waiting briefly costs 15% on an idle machine (docs/log.md).
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
