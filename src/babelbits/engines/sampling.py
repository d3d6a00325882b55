"""Drawing the next token: a draw that is the same in every batch.

A draw is fixed by the request's content, its seed and the sample's number, never by its neighbours
(up to the last bits of the logits, which depend on the shapes of matrix products).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from babelbits.records import GenerateRequest, digest


class Sampler:
    """Draws the tokens of one continuation by inverse transform sampling."""

    def __init__(self, request: GenerateRequest, sample: int) -> None:
        content = [request.prompt, request.stop, request.max_new_tokens]
        seed = digest([content, request.temperature, request.top_p, request.seed, sample])
        self.seed = int(seed, 16)
        self.temperature = request.temperature
        self.top_p = request.top_p
        self.restart()

    def restart(self) -> None:
        """Begin the same draws again."""
        self._rng = np.random.default_rng(self.seed)

    def draw(self, logits: ArrayLike) -> int:
        """One token id from logits of shape (vocabulary,).

        top_p keeps the smallest set of most likely tokens whose probability reaches it (nucleus
        sampling, arXiv 1904.09751).
        """
        shares = softmax(np.asarray(logits, np.float64) / self.temperature)
        ids = np.argsort(-shares, kind="stable")
        cumulative = shares[ids].cumsum()
        kept = int(np.searchsorted(cumulative, self.top_p)) + 1 if self.top_p < 1 else None
        cumulative = cumulative[:kept]
        place = np.searchsorted(cumulative, self._rng.random() * cumulative[-1], side="right")
        return int(ids[min(int(place), len(cumulative) - 1)])
