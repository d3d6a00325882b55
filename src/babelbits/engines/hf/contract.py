"""What the engine relies on in any model: logits where they are asked for, and no look ahead.

Classes of transformers promise both, and some break it in silence: Qwen2-Audio ignores
`logits_to_keep` and gives the logits of other positions, and PaliGemma lets a token see those that
come after it. A checkpoint's own code may not know the argument at all.
"""

import inspect
from functools import wraps
from typing import Any

import torch

from babelbits.errors import ModelError

_TOKENS = 8
_LOOK_AHEAD = 0.05
"""Mean change of log-probabilities, nats, that rounding of activations alone does not explain."""


def keep_logits(model: Any) -> None:
    """Have `forward(logits_to_keep=...)` give what was asked, where the class does not."""
    forward = model.forward
    if "logits_to_keep" in inspect.signature(forward).parameters:
        return

    @wraps(forward)
    def asked(*args: Any, logits_to_keep: int | torch.Tensor = 0, **named: Any) -> Any:
        output = forward(*args, **named)
        output.logits = _kept(output.logits, logits_to_keep)
        return output

    model.forward = asked


def _kept(logits: torch.Tensor, keep: int | torch.Tensor) -> torch.Tensor:
    """The last `keep` positions (0: all), or those with the numbers in `keep`."""
    return logits[:, -keep:] if isinstance(keep, int) else logits[:, keep]


@torch.inference_mode()
def refuse_look_ahead(model: Any, *, where: str) -> None:
    """Raise if a token's logits depend on the tokens that follow it.

    Raises
    ------
    ModelError
        If they do: a score would be of a text that the model has read already.
    """
    size = int(model.config.get_text_config().vocab_size)
    tokens = torch.arange(1, _TOKENS + 1, device=model.device)[None] * max(1, size // 32) % size
    other = tokens.clone()
    other[0, -1] = (other[0, -1] + size // 2) % size
    first, second = (
        model(input_ids=row, use_cache=False).logits[0, :-1].float().log_softmax(-1)
        for row in (tokens, other)
    )
    change = (first - second).abs().mean().item()
    if change > _LOOK_AHEAD:
        raise ModelError(
            f"no causal language model: what it says of a token depends on later ones (by "
            f"{change:.2g} nats)",
            where=where,
            hint="Babelbits measures models that read from the first token to the last",
        )
