"""A cross-encoder: reads a query and a text together and says how well the one answers the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.models.resolve import BaseModel
from tailorlm.models.run import batches


class CrossEncoder:
    """A sequence-classification model over pairs of texts.

    Choose it to put the first few dozen of a search in order again: it sees both texts at once and is much better than vectors, and
    each pair costs a forward pass. Source: Nogueira & Cho 2019, arXiv:1901.04085.
    """

    def __init__(self, base: BaseModel, body: Any, tokenizer: Any, max_length: int):
        self.base, self.body, self.tokenizer, self.max_length = base, body, tokenizer, max_length

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """(pairs,) float32, higher is better: the model's one output, or of two labels the second against the first.

        Of a pair that is too long the longer text is cut first.
        """
        import torch

        if not pairs:
            return np.zeros(0, np.float32)
        encoded = [
            self.tokenizer(query, text, truncation="longest_first", max_length=self.max_length) for query, text in pairs
        ]
        found = np.zeros(len(pairs), np.float32)
        with torch.inference_mode():
            for index in batches([len(one["input_ids"]) for one in encoded]):
                batch = self.tokenizer.pad([encoded[i] for i in index], return_tensors="pt").to(self.body.device)
                logits = self.body(**batch).logits.float().cpu().numpy()
                found[index] = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        return found


def load_cross_encoder(base: BaseModel, max_length: int = 512) -> CrossEncoder:
    """Load a cross-encoder folder in float32. Raises TailorError for a model without a trained head, or of more than two labels."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    from tailorlm.models.encoder import positions

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # what matters of its report is checked below
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        body, report = AutoModelForSequenceClassification.from_pretrained(
            base.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TailorError(
            f"{base.folder} cannot be loaded as a cross-encoder", got=str(error).splitlines()[0]
        ) from None
    finally:
        logging.set_verbosity(level)
    if report["missing_keys"] or body.config.num_labels > 2:
        raise TailorError(
            f"{base.name} is no cross-encoder",
            got=f"{body.config.num_labels} labels, {len(report['missing_keys'])} tensors without weights",
            allowed="a sequence-classification model with one output (or two), trained on pairs",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    body.config.pad_token_id = tokenizer.pad_token_id
    body.eval()
    length = min(max_length, int(tokenizer.model_max_length), positions(body))
    return CrossEncoder(base, body.to("cuda") if torch.cuda.is_available() else body, tokenizer, length)
