"""How an answer leaves its language, token by token: of the baseline and of every variant.

A model reads a prompt and the answer that it wrote itself, as recorded. Before every token of the
answer its distribution says how much probability lies on tokens of other scripts (exactly) and on
tokens that are clearly another language's (by `token_language`), and by how much the best token
that is not clearly another's leads the best one that is. The text says where the first stretch in
another language begins. Exploratory but for the survival of answers, which is per variant against
the baseline.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from babelbits.engines.encoding import Encoder
from babelbits.probes import probe_files
from babelbits.probes.insides import Insides
from babelbits.probes.sequences import answer_of, answer_tokens
from babelbits.probes.token_language import TokenLanguages, find_other_script, read_token_languages
from babelbits.records import CellMeta, Failure, GenerateRequest, Item, ItemRow, digest
from babelbits.store import Store

VERSION = 1
"""Raised when the same answers would give other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Tokens that belong elsewhere, for one language; shape (vocabulary,) each."""

    script: NDArray[np.bool_]
    language: NDArray[np.bool_] | None
    """None where the language has no bundled text."""


def make_path(store: Store, meta: CellMeta, *, weights: str | None) -> Path:
    """Where a cell's tokens are kept."""
    name = digest({"cell": meta.cell_id, "weights": weights, "version": VERSION}, length=16)
    return probe_files.find_folder(store) / f"switching-{name}.parquet"


def make_attention_path(store: Store, meta: CellMeta, *, weights: str | None, limit: int) -> Path:
    """Where the attention of a cell's switching tokens is kept."""
    about = {"cell": meta.cell_id, "weights": weights, "version": VERSION, "limit": limit}
    return probe_files.find_folder(store) / f"attention-{digest(about, length=16)}.parquet"


class SwitchReader:
    """Reads the answers of cells with one model."""

    def __init__(self, model: Insides, encoder: Encoder) -> None:
        self._model = model
        self._encoder = encoder
        self._languages: TokenLanguages = read_token_languages(
            encoder.tokenizer, n_tokens=model.loaded.vocabulary
        )

    def read(
        self,
        items: Sequence[Item],
        rows: Mapping[str, ItemRow],
        *,
        language: str,
        stopping: Callable[[], bool],
    ) -> dict[str, list[Any]] | None:
        """A row a token of every recorded answer, by column; None where asked to stop.

        Items without an answer, or that are not generated, have no rows.
        """
        elsewhere = self._elsewhere(language)
        columns: dict[str, list[Any]] = {}
        for item in items:
            if stopping():
                return None
            request, row = item.requests[0], rows.get(item.item_id)
            if not isinstance(request, GenerateRequest) or row is None:
                continue
            for name, values in self._of_item(item, request, row, elsewhere).items():
                columns.setdefault(name, []).extend(values)
        return columns

    def _elsewhere(self, language: str) -> Elsewhere:
        known = language in self._languages.languages
        return Elsewhere(
            script=find_other_script(
                language,
                tokenizer=self._encoder.tokenizer,
                n_tokens=self._model.loaded.vocabulary,
            ),
            language=self._languages.clearly_other(language) if known else None,
        )

    def _of_item(
        self, item: Item, request: GenerateRequest, row: ItemRow, elsewhere: Elsewhere
    ) -> dict[str, list[Any]]:
        prompt = self._encoder.prompts([request])[0]
        if isinstance(prompt, Failure):
            return {}
        room = self._encoder.context_length - len(prompt.tokens)
        answer = answer_tokens(request.prompt, answer_of(row), self._encoder)[: max(0, room)]
        if not answer:
            return {}
        switch = None
        if elsewhere.language is not None:
            switch = self._languages.first_switch(answer, item.language)
        chances = self._model.chances([*prompt.tokens, *answer], last=len(answer))
        measured = measure_masses(chances, elsewhere)
        n = len(answer)
        return {
            "item_id": [item.item_id] * n,
            "unit": [item.unit] * n,
            "position": list(range(n)),
            "token": list(answer),
            **{name: values.tolist() for name, values in measured.items()},
            "n_tokens": [n] * n,
            "switched_at": [None if switch is None else switch.position] * n,
            "switched_to": [None if switch is None else switch.language] * n,
        }


def measure_masses(chances: torch.Tensor, elsewhere: Elsewhere) -> dict[str, NDArray[np.float64]]:
    """Probability on tokens that belong elsewhere, and the lead of those that do not.

    Parameters
    ----------
    chances : tensor of shape (tokens, vocabulary)
        Log-probabilities, nats.

    Returns
    -------
    mapping
        'other_script' and 'other_language' in [0, 1]; 'margin' in nats, negative where the most
        likely token is another language's. NaN where nothing is known of the language.
    """
    script = torch.from_numpy(elsewhere.script).to(chances.device)
    empty = np.full(len(chances), np.nan)
    found = {"other_script": _numpy(chances.exp()[:, script].sum(dim=-1))}
    if elsewhere.language is None or not elsewhere.language.any() or elsewhere.language.all():
        return found | {"other_language": empty, "margin": empty.copy()}
    other = torch.from_numpy(elsewhere.language).to(chances.device)
    lead = chances[:, ~other].amax(dim=-1) - chances[:, other].amax(dim=-1)
    return found | {
        "other_language": _numpy(chances.exp()[:, other].sum(dim=-1)),
        "margin": _numpy(lead),
    }


def _numpy(values: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.double().cpu().numpy()
    return found
