"""A reward model as judge: a classifier with one output scores each answer to its prompt.

The higher score is the vote; scores no further apart than a band are a tie. Scores of a reward
model have no unit and no zero, and are comparable on one prompt only. An answer that does not fit
into the model's context is not cut, for another text would be scored: its pair is dropped.
The checkpoint must hold safetensors and bring no code of its own. torch is imported here late.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from babelbits import devices
from babelbits.engines.content import Shape, check_shown, find_shape
from babelbits.errors import MissingExtraError, ModelError
from babelbits.judge.asking import Progress
from babelbits.judge.direct import TwoScores
from babelbits.judge.ledger import Ledger
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.quiet import quiet
from babelbits.records import digest
from babelbits.study.planning.hashes import FileHashes
from babelbits.words import agreeing, plural

_BATCH = 8
_NO_LIMIT = 10**9

Text = tuple[str, str]
"""A prompt and an answer."""


class RewardModel:
    """A sequence classifier with one output; make one with `load_reward_model`."""

    def __init__(self, model: Any, tokenizer: Any, *, folder: Path) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.name = folder.name
        self.templated = bool(getattr(tokenizer, "chat_template", None))
        """Whether the tokenizer writes prompt and answer as two turns of a chat."""
        limit = min(
            getattr(model.config, "max_position_embeddings", None) or _NO_LIMIT,
            tokenizer.model_max_length,
        )
        self.context_length = int(limit)
        self._folder = folder

    @property
    def identity(self) -> dict[str, Any]:
        """What may change a score."""
        hashes = FileHashes()
        files = [*self._folder.glob("*.safetensors"), *self._folder.glob("*.json")]
        files += self._folder.glob("*.jinja")
        return {
            "kind": "reward",
            "files": digest({file.name: hashes.of(file) for file in files}),
            "templated": self.templated,
            "dtype": str(self._model.dtype),
            "device": self._model.device.type,
        }

    def encode(self, text: Text) -> list[int]:
        """Token ids of a prompt with its answer."""
        prompt, answer = text
        if not self.templated:
            return list(self._tokenizer(prompt, answer)["input_ids"])
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        written = self._written(self._shape.of(turns))
        check_shown(written, turns)
        # The template writes its own special tokens.
        return list(self._tokenizer(written, add_special_tokens=False)["input_ids"])

    @cached_property
    def _shape(self) -> Shape:
        """How the template takes what is said."""
        return find_shape(self._written)

    def _written(self, turns: list[dict[str, Any]]) -> str:
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False))

    def score(self, encoded: Sequence[list[int]]) -> list[float]:
        """Rewards of encoded texts, in order."""
        import torch

        width = max(map(len, encoded))
        padding = self._tokenizer.pad_token_id
        padding = self._model.config.pad_token_id if padding is None else padding
        filler = 0 if padding is None else int(padding)
        ids = [row + [filler] * (width - len(row)) for row in encoded]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in encoded]
        device = self._model.device
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
            ).logits
        return [float(value) for value in logits[:, 0].float()]

    @property
    def batch(self) -> int:
        """Texts a forward pass: one where the model cannot tell padding from text."""
        return _BATCH if self._model.config.pad_token_id is not None else 1


def load_reward_model(folder: Path, *, device: str = "auto") -> RewardModel:
    """Load a reward model from a local folder.

    Raises
    ------
    ModelError
        If it is no sequence classifier with one output, brings its own code, holds no safetensors
        or cannot be loaded.
    MissingExtraError
        If torch or transformers is not installed.
    """
    _check(folder)
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(
            "a reward model needs torch and transformers", hint="pip install 'babelbits[run]'"
        ) from error
    chosen = devices.resolve_torch_device(device)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32 if chosen == "cpu" else torch.bfloat16,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"cannot be loaded: {error}", where=str(folder)) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{plural(len(missing), 'weight')} "
            f"{agreeing(len(missing), 'is', 'are')} missing, e.g. {missing[0]}",
            where=str(folder),
            hint="a reward model is a sequence classifier with a trained head",
        )
    if model.config.num_labels != 1:
        raise ModelError(
            f"has {plural(model.config.num_labels, 'output')}; a reward model has one",
            where=str(folder),
        )
    return RewardModel(model.to(chosen).eval(), tokenizer, folder=folder)


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(
            "no config.json here: not a transformers checkpoint",
            where=str(folder),
            hint="name the folder of a sequence-classification model",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError("no weights (*.safetensors) here", where=str(folder))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.get("auto_map"):
        raise ModelError("brings its own Python code, which is not run", where=str(folder))


def reward_pairs(
    pairs: Iterable[AnswerPair],
    model: RewardModel,
    *,
    ledger: Ledger,
    band: float = 0.0,
    progress: Progress | None = None,
) -> dict[str, TwoScores]:
    """Score both answers of every pair that is not identical; by `pair_id`.

    Parameters
    ----------
    band : float
        Scores no further apart than this are a tie, in the model's own unit.
    """
    unique = {pair.pair_id: pair for pair in pairs if not pair.identical}
    texts = list(dict.fromkeys(text for pair in unique.values() for text in _texts(pair)))
    scores = _scores(texts, model, ledger, progress=progress)
    return {
        pair_id: _two([scores[text] for text in _texts(pair)], model=model, band=band)
        for pair_id, pair in unique.items()
    }


def _texts(pair: AnswerPair) -> tuple[Text, Text]:
    return (
        (pair.prompt, pair.baseline_answer.strip()),
        (pair.prompt, pair.variant_answer.strip()),
    )


def _scores(
    texts: Sequence[Text], model: RewardModel, ledger: Ledger, *, progress: Progress | None
) -> dict[Text, float | None]:
    """Rewards by text; None where a text is too long. Texts of like length share a batch."""
    scores: dict[Text, float | None] = {text: ledger.value(digest(text)) for text in texts}
    encoded = {text: model.encode(text) for text, value in scores.items() if value is None}
    todo = [text for text in encoded if len(encoded[text]) <= model.context_length]
    todo.sort(key=lambda text: len(encoded[text]))
    for start in range(0, len(todo), model.batch):
        some = todo[start : start + model.batch]
        for text, value in zip(some, model.score([encoded[one] for one in some]), strict=True):
            ledger.add_value(digest(text), value)
            scores[text] = value
        if progress is not None:
            progress(start + len(some), len(todo))
    return scores


def _two(scores: Sequence[float | None], *, model: RewardModel, band: float) -> TwoScores:
    baseline, variant = scores
    too_long = baseline is None or variant is None
    return TwoScores(
        baseline=baseline,
        variant=variant,
        band=band,
        failure="refused",  # the model will not take it, this time or the next
        reason=f"longer than the model's {plural(model.context_length, 'token')}"
        if too_long
        else "",
    )
