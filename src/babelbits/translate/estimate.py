"""Tokens and cost before anything is sent. Rules of thumb, and said to be.

A token is taken for 3.5 bytes of the source language; a translation for 1.5 times the tokens of its
source, more where tokenizers know a language badly. Units that need a second attempt are not
counted. What limits are held against while requests are sent is not this but the most that each can
cost (`engines.endpoint.model`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.engines.endpoint import Price
from babelbits.translate.job import Job
from babelbits.translate.prompts import SEVERAL
from babelbits.translate.units import Unit

_BYTES_PER_TOKEN = 3.5
_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """About what a job takes."""

    units: int
    requests: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None
    """None where no price is known."""


def estimate(units: Sequence[Unit], job: Job, *, price: Price | None) -> Estimate:
    """About what `units` take, the back-translations included."""
    n_requests = sum(len(unit.requests()) for unit in units)
    text = (
        sum(len(piece.encode()) for unit in units for piece in unit.texts.values())
        / _BYTES_PER_TOKEN
    )
    rules = n_requests * len(SEVERAL) / _BYTES_PER_TOKEN
    prompt, output = rules + text, _GROWTH * text
    if job.back_translation is not None:
        prompt, output, n_requests = 2 * rules + (1 + _GROWTH) * text, output + text, 2 * n_requests
    tokens = round(prompt), round(output)
    return Estimate(
        units=len(units),
        requests=n_requests,
        prompt_tokens=tokens[0],
        output_tokens=tokens[1],
        cost=None if price is None else price.of(*tokens),
    )
