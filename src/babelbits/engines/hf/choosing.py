"""The next token of many rows: the most likely one, or the draw of a `Sampler`."""

from collections.abc import Sequence

import torch

from babelbits.engines.sampling import Sampler


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
            chosen[i] = sampler.draw(logits[i].double().cpu().numpy())
    return chosen
