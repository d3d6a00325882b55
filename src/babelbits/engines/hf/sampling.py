"""Choosing the next token: the most likely one, or a draw that is the same in every batch.

A draw is fixed by the request's content, its seed and the sample's number, never by its neighbours
(up to the last bits of the logits, which depend on the shapes of matrix products).
"""

from collections.abc import Sequence

import numpy as np
import torch

from babelbits.records import GenerateRequest, digest


class Sampler:
    """Draws the tokens of one continuation by inverse transform sampling."""

    def __init__(self, request: GenerateRequest, sample: int) -> None:
        content = [request.prompt, request.stop, request.max_new_tokens]
        seed = digest([content, request.temperature, request.top_p, request.seed, sample])
        self._seed = int(seed, 16)
        self._temperature = request.temperature
        self._top_p = request.top_p
        self.restart()

    def restart(self) -> None:
        """Begin the same draws again."""
        self._rng = np.random.default_rng(self._seed)

    def draw(self, logits: torch.Tensor) -> int:
        """One token id from logits of shape (vocabulary,).

        top_p keeps the smallest set of most likely tokens whose probability reaches it (nucleus
        sampling, arXiv 1904.09751).
        """
        scaled = torch.softmax(logits.double() / self._temperature, dim=-1)
        ordered, ids = torch.sort(scaled, descending=True, stable=True)
        cumulative = ordered.cumsum(0).cpu().numpy()
        kept = int(np.searchsorted(cumulative, self._top_p)) + 1 if self._top_p < 1 else None
        cumulative = cumulative[:kept]
        place = np.searchsorted(cumulative, self._rng.random() * cumulative[-1], side="right")
        return int(ids[min(int(place), len(cumulative) - 1)])


def choose(logits: torch.Tensor, samplers: Sequence[Sampler | None]) -> list[int | None]:
    """The next token of every row, None where its logits are not finite.

    Parameters
    ----------
    logits : tensor of shape (rows, vocabulary)
    samplers : one a row
        None chooses the most likely token.
    """
    highest, best = logits.max(dim=-1)
    finite = torch.isfinite(highest).tolist()
    chosen: list[int | None] = [
        b if ok else None for b, ok in zip(best.tolist(), finite, strict=True)
    ]
    for i, sampler in enumerate(samplers):
        if sampler is not None and finite[i]:
            chosen[i] = sampler.draw(logits[i])
    return chosen
