"""Optimizers of small language models: Muon for the matrices of the blocks, AdamW for the rest.

Loads torch. Deterministic: nothing is drawn at random. Learning rates are those of each optimizer's
own paper; the schedule is a factor in [0, 1] on both.
"""

from collections.abc import Iterable
from typing import Literal

import torch

OptimizerName = Literal["muon+adamw", "adamw"]
_ELSEWHERE = ("embed", "lm_head")
"""Parts of names of matrices that are looked up or that give logits: not Muon's."""


def orthogonalize(matrix: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration of Muon (Jordan et al. 2024), in float32: no fast bf16 needed."""
    x: torch.Tensor = matrix / (matrix.norm() + 1e-7)
    transposed = x.shape[0] > x.shape[1]
    if transposed:
        x = x.T
    for a, b, c in [(3.4445, -4.7750, 2.0315)] * 4:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if transposed else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, then the nearest orthogonal matrix, as the update of a 2-D weight."""

    def __init__(
        self, params: Iterable[torch.nn.Parameter], *, lr: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, _closure: None = None) -> None:  # type: ignore[override]  # none is used
        """Update every weight from its gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                buffer = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonalize(weight.grad.lerp(buffer, group["momentum"]))
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * 0.01).add_(update, alpha=-group["lr"] * scale)


def make_optimizers(
    model: torch.nn.Module,
    *,
    optimizer: OptimizerName = "muon+adamw",
    learning_rate: float = 2e-3,
    muon_learning_rate: float = 7e-3,
) -> list[torch.optim.Optimizer]:
    """The optimizers of a model's weights that can be trained.

    Parameters
    ----------
    optimizer : str
        'muon+adamw': Muon for the matrices of the blocks, AdamW for embeddings, head and norms.
        'adamw': AdamW for all.
    learning_rate : float
        Of AdamW.
    muon_learning_rate : float
        0.02, usual at batches of 500,000 tokens, stalls at batches of 3,000; 0.007 does not.
    """
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    blocks = {
        name
        for name, weight in named
        if optimizer == "muon+adamw"
        and weight.ndim == 2
        and not any(part in name for part in _ELSEWHERE)
    }
    adamw = torch.optim.AdamW(
        [weight for name, weight in named if name not in blocks],
        lr=learning_rate,
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    if not blocks:
        return [adamw]
    return [Muon((w for name, w in named if name in blocks), lr=muon_learning_rate), adamw]


def compute_rate_factor(share: float, step: int, *, warmup_steps: int, decay_share: float) -> float:
    """Factor on the learning rate: up over the first steps, then level, then down to zero.

    Parameters
    ----------
    share : float
        Of the budget that is spent, in [0, 1].
    step : int
        From 0.
    decay_share : float
        Last share of the budget over which the rate falls linearly; 0: it stays.
    """
    rising = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    falling = min(1.0, max(0.0, (1 - share) / decay_share)) if decay_share else 1.0
    return rising * falling
