"""How far two models' insides are apart on the same tokens: pure functions of their tensors.

The baseline comes first. Distances are never negative and 0 where nothing differs. All is computed
in float32. Nothing here loads a model or knows where a tensor is from.
"""

from typing import Any

import torch


def relative_error(baseline: torch.Tensor, variant: torch.Tensor) -> torch.Tensor:
    """Length of the difference over the length of the baseline's vector, along the last axis.

    Returns
    -------
    tensor of shape (...)
        0 or more; infinite or NaN where the baseline's vector is 0.
    """
    first, second = baseline.float(), variant.float()
    return _length(second - first) / _length(first)


def cosine_distance(baseline: torch.Tensor, variant: torch.Tensor) -> torch.Tensor:
    """1 less the cosine of the angle between two vectors, along the last axis; in [0, 2].

    Computed from the distance of the unit vectors, which does not lose small angles to rounding.
    """
    first, second = baseline.float(), variant.float()
    first = first / _length(first)[..., None]
    second = second / _length(second)[..., None]
    apart: torch.Tensor = ((first - second) ** 2).sum(dim=-1) / 2
    return apart


def _length(vectors: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return found


def peak_over_median(states: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of a vector's entries over their median magnitude; 1 or more."""
    sizes = states.float().abs()
    return sizes.amax(dim=-1) / sizes.median(dim=-1).values


def kurtosis(states: torch.Tensor) -> torch.Tensor:
    """Fourth central moment over the squared variance; 3 for a normal distribution.

    Pearson's, with population moments, as `scipy.stats.kurtosis(fisher=False)`.
    """
    centred = states.float() - states.float().mean(dim=-1, keepdim=True)
    found: torch.Tensor = (centred**4).mean(dim=-1) / (centred**2).mean(dim=-1) ** 2
    return found


def attention_entropy(weights: torch.Tensor) -> torch.Tensor:
    """Shannon entropy of each row, nats: 0 for one key, log(keys) for all alike."""
    found: torch.Tensor = -torch.special.xlogy(weights.float(), weights.float()).sum(dim=-1)
    return found


def attention_variance(weights: torch.Tensor) -> torch.Tensor:
    """Variance of a row's weights over the keys up to its own position.

    Parameters
    ----------
    weights : tensor of shape (..., tokens, tokens)
        Rows sum to 1; later keys have weight 0. Layers with a window have 0 outside of it too.
    """
    length = weights.shape[-1]
    keys = torch.arange(1, length + 1, device=weights.device, dtype=torch.float32)
    return (weights.float() ** 2).sum(dim=-1) / keys - 1 / keys**2


def jensen_shannon(baseline: torch.Tensor, variant: torch.Tensor) -> torch.Tensor:
    """Jensen-Shannon distance of two distributions along the last axis; base 2, in [0, 1].

    References
    ----------
    Endres & Schindelin (2003), IEEE Trans. Inf. Theory 49:1858: the root of the divergence is a
    metric.
    """
    first, second = baseline.float(), variant.float()
    middle = (first + second) / 2
    entropies = (attention_entropy(first) + attention_entropy(second)) / 2
    bits = (attention_entropy(middle) - entropies) / torch.log(torch.tensor(2.0))
    return bits.clamp(0, 1).sqrt()


def top_tokens(states: torch.Tensor, *, norm: Any, head: Any, rows: int) -> torch.Tensor:
    """The most likely token that the model's own head sees in hidden states: the logit lens.

    Parameters
    ----------
    states : tensor of shape (tokens, width)
    norm, head : modules
        The final norm, or None where the states have passed it; the output embeddings.
    rows : int
        Tokens whose logits exist at one time.

    References
    ----------
    nostalgebraist (2020), interpreting GPT: the logit lens.
    """
    found = []
    for piece in torch.split(states, rows):
        seen = piece if norm is None else norm(piece)
        found.append(head(seen).argmax(dim=-1))
    return torch.cat(found)


def signal_to_noise(baseline: torch.Tensor, variant: torch.Tensor) -> float | None:
    """Power of the baseline's weights over the power of the error, decibels.

    None where the weights are equal (no noise), or the baseline's are all 0 (no signal).
    """
    first = baseline.double()
    noise = float(((variant.double() - first) ** 2).sum())
    signal = float((first**2).sum())
    if noise == 0 or signal == 0:
        return None
    return float(10 * torch.log10(torch.tensor(signal / noise, dtype=torch.float64)))
