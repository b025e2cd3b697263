"""Spans of a token-classification model over texts of any length: windows, words, labels joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import positions
from tailorlm.models.resolve import BaseModel
from tailorlm.models.run import batches

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int, str]
_LONGEST = 512
_BUDGET = 4096
_AROUND = " \t\n\r\f\v.,;:!?()[]{}<>\"'`«»“”‘’„|/\\-–—"
"""What stands at the ends of a find and is not part of it: some tokenizers take it into the word."""


@dataclass(frozen=True)
class Piece:
    """One token's answer. word: its word in the text. chances: probability of each label type. begins: of a B- before it."""

    start: int
    end: int
    word: int
    chances: NDArray[np.float32]
    begins: NDArray[np.float32]


@dataclass(frozen=True)
class Tagger:
    """A token-classification model as a function from texts to spans (start, end, label), in characters.

    labels: the types of the model, without B-, I-, S-, E-, L-, U- before them and without O. columns: for each label of the
    model the type (-1: none) and whether it begins a span. floor: the least probability of a type. window: tokens at a time.

    A text longer than the window is read in windows that overlap by a quarter; where two saw a token, the one counts in
    which it stands further from the edge. A word is of the type of its first token, and only types compete for it: with
    a floor below 0.5 a word counts even where "no name" is likelier. I- goes on with a span, B- begins another.
    Choose it through `redact.names_model`. Instead of it, for what has a form: the kinds of `data/redact`.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    columns: tuple[tuple[int, bool], ...]
    window: int
    floor: float = 0.5

    def with_floor(self, floor: float) -> Tagger:
        """The same model with another floor."""
        return replace(self, floor=floor)

    def __call__(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of each text, in order and without overlap."""
        # Half characters cannot be handed to a tokenizer; '?' in their place keeps the offsets.
        asked = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        told = [i for i, text in enumerate(asked) if any(map(str.isalpha, text))]
        found: list[list[Span]] = [[] for _ in texts]
        for i, pieces in zip(told, self._pieces([asked[i] for i in told]), strict=True):
            found[i] = self._spans(asked[i], pieces)
        return found

    def _pieces(self, texts: list[str]) -> list[list[Piece]]:
        """The answers for all tokens of each text, each token once, in order."""
        if not texts:
            return []
        stride = self.window // 4
        windows = self.tokenizer(
            texts,
            truncation=True,
            max_length=self.window,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        best: list[dict[tuple[int, int], tuple[int, Piece]]] = [{} for _ in texts]
        ids = windows["input_ids"]
        for batch in batches([len(row) for row in ids], _BUDGET):
            chances, begins = self._answers([ids[i] for i in batch])
            for place, i in enumerate(batch):
                special, words = windows["special_tokens_mask"][i], windows.word_ids(i)
                kept = best[windows["overflow_to_sample_mapping"][i]]
                for at, (start, end) in enumerate(windows["offset_mapping"][i]):
                    word = words[at]
                    if special[at] or word is None or start == end:
                        continue
                    margin = min(at, len(words) - 1 - at)
                    if (start, end) not in kept or kept[start, end][0] < margin:
                        kept[start, end] = margin, Piece(start, end, word, chances[place, at], begins[place, at])
        return [[kept[key][1] for key in sorted(kept)] for kept in best]

    @torch.inference_mode()
    def _answers(self, rows: list[list[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probability of each type and of its beginning, (rows, tokens, types)."""
        device = next(self.model.parameters()).device
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        all_ = self.model(input_ids=ids, attention_mask=mask).logits.float().softmax(-1).cpu().numpy()
        chances = np.zeros((*all_.shape[:2], len(self.labels)), np.float32)
        begins = np.zeros_like(chances)
        for column, (type_, begin) in enumerate(self.columns):
            if type_ >= 0:
                chances[..., type_] += all_[..., column]
                begins[..., type_] += all_[..., column] if begin else 0
        return chances, begins

    def _spans(self, text: str, pieces: list[Piece]) -> list[Span]:
        """Words of one type that follow each other, joined."""
        spans: list[Span] = []
        open_ = -1
        last = None
        for piece in pieces:
            if piece.word == last:
                if open_ >= 0:
                    start, _, label = spans[-1]
                    spans[-1] = (start, piece.end, label)
                continue
            last = piece.word
            type_ = int(piece.chances.argmax())
            chance = float(piece.chances[type_])
            if chance < self.floor:
                open_ = -1
            elif type_ == open_ and piece.begins[type_] <= chance / 2:
                spans[-1] = (spans[-1][0], piece.end, self.labels[type_])
            else:
                spans.append((piece.start, piece.end, self.labels[type_]))
                open_ = type_
        return [span for span in (_trimmed(text, span) for span in spans) if span[0] < span[1]]


def load_tagger(base: BaseModel) -> Tagger:
    """The token-classification model of a folder, on the CPU or the first GPU.

    Raises TailorError for a folder that holds another kind of model, no labels, or a tokenizer without offsets.
    """
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        model, found = AutoModelForTokenClassification.from_pretrained(
            base.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except Exception as fault:  # transformers raises its own, builtin and safetensors' errors alike
        raise _no_tagger(base, type(fault).__name__) from None
    finally:
        logging.set_verbosity(level)
    # A head that its files do not hold is drawn at random: such a model finds nothing it was taught.
    if found["missing_keys"]:
        raise _no_tagger(base, f"its files hold no weights for {min(found['missing_keys'])}")
    if not tokenizer.is_fast:
        raise TailorError(
            f"the tokenizer of {base.name} does not say where its tokens stand", hint="save a tokenizer.json"
        )
    labels, columns = _types([model.config.id2label[i] for i in range(model.config.num_labels)])
    model.eval()
    if torch.cuda.is_available():
        model.to("cuda")
    window = min(_LONGEST, int(tokenizer.model_max_length), positions(model))
    return Tagger(model, tokenizer, labels, columns, window)


def _types(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[int, bool], ...]]:
    """The types behind a model's labels, and for each label its type (-1 for O) and whether it begins a span."""
    types: dict[str, int] = {}
    columns = []
    for name in names:
        front, dash, back = name.partition("-")
        prefixed = bool(dash) and len(front) == 1 and front.upper() in "BISELU"
        type_ = back if prefixed else name
        if type_.upper() in ("O", "OUTSIDE", "NONE"):
            columns.append((-1, False))
        else:
            columns.append((types.setdefault(type_, len(types)), prefixed and front.upper() in "BSU"))
    return tuple(types), tuple(columns)


def _trimmed(text: str, span: Span) -> Span:
    start, end, label = span
    while start < end and text[start] in _AROUND:
        start += 1
    while start < end and text[end - 1] in _AROUND:
        end -= 1
    return start, end, label


def _no_tagger(base: BaseModel, got: str) -> TailorError:
    return TailorError(
        f"{base.name} cannot be loaded as a model for names",
        got=got,
        allowed="a token-classification model (NER) with its tokenizer, in safetensors",
    )
