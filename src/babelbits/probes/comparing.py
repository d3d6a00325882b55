"""Two models on the same sequences: rows a token and layer, rows a sequence, layer and head.

The models see the same tokens, so that a row's distance is of what they compute and not of what
they read. A value that is not defined (the attention of the embeddings, a median of 0) is None.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from babelbits.probes import measures
from babelbits.probes.insides import Insides, Seen
from babelbits.probes.sequences import ProbedSequence

TOKEN_MEASURES = (
    "relative_error",
    "cosine_distance",
    "lens_agrees",
    "peak_baseline",
    "peak_variant",
    "kurtosis_baseline",
    "kurtosis_variant",
    "attention_entropy_baseline",
    "attention_entropy_variant",
    "attention_variance_baseline",
    "attention_variance_variant",
    "attention_js",
)
"""Columns of measures of a token in a layer; those of attention are means over heads."""
HEAD_MEASURES = (
    "entropy_baseline",
    "entropy_variant",
    "variance_baseline",
    "variance_variant",
    "js",
)
"""Columns of measures of a head on a sequence: means over the rows of its attention."""

_MAP_ELEMENTS = 2**27
"""Attention weights of a batch of one model: half a gigabyte in float32, or one sequence."""

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedInsides:
    """Measures of one sequence."""

    sequence: ProbedSequence
    tokens: Mapping[str, Values]
    """By name, shape (layers + 1, tokens); NaN where a value is not defined."""
    heads: Mapping[str, Values] | None
    """By name, shape (layers, heads); None where attention was not looked at."""


def compare(
    baseline: Insides,
    variant: Insides,
    sequences: Sequence[ProbedSequence],
    *,
    token_budget: int,
    attention_limit: int,
) -> list[ComparedInsides]:
    """Measures of every sequence, in order.

    Parameters
    ----------
    baseline, variant : Insides
        One and the same: the second time every sequence is computed alone, so that what rounding
        in another batch does is seen.
    token_budget : int
        Tokens in one forward pass: bounds memory.
    attention_limit : int
        Longest sequence whose attention is looked at.
    """
    alone = baseline.alone or variant.alone
    found: dict[int, ComparedInsides] = {}
    maps = baseline.n_maps if attention_limit else 0
    for numbers in _batches(sequences, token_budget=1 if alone else token_budget, maps=maps):
        batch = [sequences[number] for number in numbers]
        tokens = [one.tokens for one in batch]
        attention = len(tokens[0]) <= attention_limit
        before = baseline.look(tokens, attention=attention)
        after = (
            _look_alone(baseline, tokens, attention=attention)
            if variant is baseline
            else variant.look(tokens, attention=attention)
        )
        by_token, heads = _attended(before, after)
        measured = _measured(baseline, variant, before, after) | by_token
        for row, number in enumerate(numbers):
            found[number] = ComparedInsides(
                sequence=batch[row],
                tokens={name: values[row] for name, values in measured.items()},
                heads=None if heads is None else {k: v[row] for k, v in heads.items()},
            )
    return [found[number] for number in range(len(sequences))]


def _look_alone(model: Insides, sequences: Sequence[Sequence[int]], *, attention: bool) -> Seen:
    """The same as a batch, each sequence in a forward pass of its own."""
    each = [model.look([one], attention=attention) for one in sequences]
    maps = [one.attention for one in each]
    together = None
    if all(one is not None for one in maps):
        together = tuple(torch.cat(one) for one in zip(*[m for m in maps if m], strict=True))
    states = tuple(torch.cat(one) for one in zip(*(one.states for one in each), strict=True))
    return Seen(states=states, attention=together)


def _batches(
    sequences: Sequence[ProbedSequence], *, token_budget: int, maps: int
) -> Iterator[list[int]]:
    """Numbers of sequences of one length, as many as the budget allows: nothing is padded.

    Nor more than fit into `_MAP_ELEMENTS` with `maps` attention maps each.
    """
    by_length: dict[int, list[int]] = {}
    for number, one in enumerate(sequences):
        by_length.setdefault(len(one.tokens), []).append(number)
    for length, numbers in by_length.items():
        size = min(token_budget // length, _MAP_ELEMENTS // max(1, maps * length**2))
        for start in range(0, len(numbers), max(1, size)):
            yield numbers[start : start + max(1, size)]


@torch.inference_mode()
def _measured(first: Insides, second: Insides, before: Seen, after: Seen) -> dict[str, Values]:
    """Measures of states by name, shape (sequences, layers + 1, tokens)."""
    layers = [
        _of_layer(first, second, before.states[layer], after.states[layer], layer=layer)
        for layer in range(len(before.states))
    ]
    return {name: np.stack([one[name] for one in layers], axis=1) for name in layers[0]}


@torch.inference_mode()
def _attended(before: Seen, after: Seen) -> tuple[dict[str, Values], dict[str, Values] | None]:
    """Measures of attention by token, as of states, and by head, shape (sequences, layers, heads).

    NaN by token and None by head where it was not looked at.
    """
    shape = (before.states[0].shape[0], len(before.states), before.states[0].shape[1])
    by_token = {f"attention_{name}": np.full(shape, np.nan, np.float32) for name in HEAD_MEASURES}
    if before.attention is None or after.attention is None:
        return by_token, None
    by_head: dict[str, list[Values]] = {name: [] for name in HEAD_MEASURES}
    for block, (old, new) in enumerate(zip(before.attention, after.attention, strict=True)):
        for name, values in _of_attention(old, new).items():
            by_token[f"attention_{name}"][:, block + 1] = _plain(values.mean(dim=1))
            by_head[name].append(_plain(values.mean(dim=2)))
    return by_token, {name: np.stack(each, axis=1) for name, each in by_head.items()}


def _of_layer(
    first: Insides, second: Insides, old: torch.Tensor, new: torch.Tensor, *, layer: int
) -> dict[str, Values]:
    """Shape (sequences, tokens) each."""
    seen = [
        one.lens(states.flatten(0, 1), layer=layer) for one, states in ((first, old), (second, new))
    ]
    if seen[0] is None or seen[1] is None:
        same = torch.full(old.shape[:2], torch.nan)
    else:
        same = (seen[0] == seen[1]).float().view(old.shape[:2])
    return {
        "relative_error": _plain(measures.relative_error(old, new)),
        "cosine_distance": _plain(measures.cosine_distance(old, new)),
        "lens_agrees": _plain(same),
        "peak_baseline": _plain(measures.peak_over_median(old)),
        "peak_variant": _plain(measures.peak_over_median(new)),
        "kurtosis_baseline": _plain(measures.kurtosis(old)),
        "kurtosis_variant": _plain(measures.kurtosis(new)),
    }


def _of_attention(old: torch.Tensor, new: torch.Tensor) -> dict[str, torch.Tensor]:
    """Shape (sequences, heads, tokens) each."""
    return {
        "entropy_baseline": measures.attention_entropy(old),
        "entropy_variant": measures.attention_entropy(new),
        "variance_baseline": measures.attention_variance(old),
        "variance_variant": measures.attention_variance(new),
        "js": measures.jensen_shannon(old, new),
    }


def _plain(values: torch.Tensor) -> Values:
    """As numpy; what is not finite is NaN."""
    array: Values = values.float().cpu().numpy().astype(np.float32)
    array[~np.isfinite(array)] = np.nan
    return array


def measure_weight_errors(baseline: Insides, variant: Insides) -> list[dict[str, Any]]:
    """A row a linear layer: its name, weights, and signal to noise in decibels.

    `state` is 'changed', 'equal' (no noise: no ratio), or 'packed' where the variant's weights are
    never there as plain numbers.
    """
    rows = []
    for (name, old), (other, new) in zip(baseline.weights(), variant.weights(), strict=True):
        if name != other:
            raise ValueError(f"layers of other names: {name}, {other}")
        readable = old is not None and new is not None and old.shape == new.shape
        ratio = measures.signal_to_noise(old, new) if readable else None  # type: ignore[arg-type]
        state = "packed" if not readable else "equal" if ratio is None else "changed"
        size = 0 if old is None else old.numel()
        rows.append({"module": name, "n_weights": size, "snr_db": ratio, "state": state})
    return rows
