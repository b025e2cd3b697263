"""The prompt: instruction, examples, passages and query put together as messages; what the answer cites; wordings tried out."""

from tailorlm.context.prompt.candidates import candidates
from tailorlm.context.prompt.citations import Citation, Citations, read_citations, without_citations
from tailorlm.context.prompt.fitting import Kept, Shown, fit, show
from tailorlm.context.prompt.messages import Message, PromptSettings, assemble
from tailorlm.context.prompt.optimise import Candidate, Optimised, Trial, optimise
from tailorlm.context.prompt.prompter import Prompt, Prompter
from tailorlm.context.prompt.propose import TaskWords, propose

__all__ = [
    "Candidate",
    "Citation",
    "Citations",
    "Kept",
    "Message",
    "Optimised",
    "Prompt",
    "PromptSettings",
    "Prompter",
    "Shown",
    "TaskWords",
    "Trial",
    "assemble",
    "candidates",
    "fit",
    "optimise",
    "propose",
    "read_citations",
    "show",
    "without_citations",
]
