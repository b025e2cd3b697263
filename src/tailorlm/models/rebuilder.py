"""A small decoder that writes a text from its vector, over the embeddings of the encoder that made the vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.mode import Learner
from tailorlm.models.vocabulary import label_losses


class Rebuilder(Learner):
    """The body of a text model, and a decoder that sees the vector first and then the tokens written so far.

    Parameters of the body go by the names they have in the text model; `made` are those of the decoder. Tokens come in and go out through
    the body's own embeddings. length: tokens of the longest text.
    """

    def __init__(self, model: TextModel, blocks: int, length: int):
        super().__init__()
        self.body = model.body
        transformer = model.transformer
        embeddings = transformer.get_input_embeddings().weight  # type: ignore[operator]
        rows, inner = embeddings.shape
        width = model.width
        heads = int(getattr(model.config, "num_attention_heads", 0) or 1)
        self.decoder = Decoder(inner, width, heads, blocks, length)
        self.bias = nn.Parameter(torch.zeros(rows))
        self._embeddings = [embeddings]  # in a list, so that it goes by the body's name alone
        self.made = sorted(name for name, _ in self.named_parameters() if not name.startswith("body."))
        self.to(model.device)

    def losses(self, vectors: Tensor, rows: Sequence[np.ndarray]) -> Tensor:
        """Cross-entropy of writing each row from its vector, (rows,), in nats, summed over its tokens.

        vectors: (rows, width). rows: token ids of each text, none empty.
        """
        device, lengths = vectors.device, [len(row) for row in rows]
        ids = torch.zeros(len(rows), max(lengths), dtype=torch.long, device=device)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64)).to(device)
        states = self.decoder(vectors, nn.functional.embedding(ids[:, :-1], self._embeddings[0]))
        real = torch.arange(ids.shape[1], device=device)[None] < torch.tensor(lengths, device=device)[:, None]
        found = label_losses(states[real], self._embeddings[0], self.bias, ids[real])
        of = torch.repeat_interleave(torch.arange(len(rows), device=device), torch.tensor(lengths, device=device))
        return found.new_zeros(len(rows)).index_add(0, of, found)


class Decoder(nn.Module):
    """From a vector and embedded tokens to states that tell the next tokens. inner: width of embeddings. width: of the vector and of blocks."""

    def __init__(self, inner: int, width: int, heads: int, blocks: int, length: int):
        super().__init__()
        self.widen, self.turn = nn.Linear(inner, width), nn.Linear(width, inner)
        self.places, self.norm = nn.Embedding(length + 1, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True, norm_first=True)
            for _ in range(blocks)
        )
        # Trained embeddings come in and go out as they are; what is added to them begins small.
        nn.init.normal_(self.places.weight, std=0.02)
        for layer in (self.widen, self.turn):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, vectors: Tensor, shown: Tensor) -> Tensor:
        """vectors: (rows, width). shown: (rows, longest - 1, inner) tokens but the last. Returns (rows, longest, inner)."""
        states = torch.cat([vectors[:, None], self.widen(shown)], 1)
        states = states + self.places.weight[: states.shape[1]]
        later = nn.Transformer.generate_square_subsequent_mask(states.shape[1], device=vectors.device)
        for block in self.blocks:
            states = block(states, src_mask=later, is_causal=True)
        found: Tensor = self.turn(self.norm(states))
        return found
