"""What a checkpoint says, by one plain forward pass of transformers a sequence.

No cache, no batch, no padding, attention and experts written out ("eager"), float32: nothing that
an engine may do faster is done here. Tokens are made as lm-evaluation-harness makes them for causal
models.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any


class Oracle:
    """A checkpoint's own log-probabilities (nats) and greedy continuations.

    Parameters
    ----------
    folder : Path
        Of a transformers checkpoint, multimodal or not; only its text model is asked.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.model = _load(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self._prefix = eos if bos is None else bos
        kind, text = self.model.config.model_type, self.model.config.get_text_config()
        self._scale = text.logit_scale if kind == "aya_vision" else 1.0
        """Which transformers' class of Cohere's models with images leaves out."""

    def score(self, context: str, continuation: str) -> float:
        """Sum of the log-probabilities of a continuation; neither text ends in a space."""
        before = self._ids(context)
        whole = self._ids(context + continuation)
        return sum(self._token_log_p(whole)[len(before) - 1 :])

    def text_log_p(self, text: str) -> list[float]:
        """Log-probability of each token of a text, the first one after BOS (or EOS)."""
        return self._token_log_p([self._prefix, *self._ids(text)])

    def greedy(self, prompt: str, n: int, *, ends: Collection[int] = ()) -> list[int]:
        """Ids of the most likely continuation: `n`, or up to the first of `ends`, included."""
        ids = self._ids(prompt)
        made: list[int] = []
        while len(made) < n:
            made.append(int(self._logits([*ids, *made])[-1].argmax()))
            if made[-1] in ends:
                break
        return made

    def text(self, tokens: list[int]) -> str:
        """Tokens as text, special ones left out."""
        decoded: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return decoded

    def _ids(self, text: str) -> list[int]:
        bos = self.tokenizer.bos_token
        doubled = bos is not None and text.startswith(bos)
        ids: list[int] = self.tokenizer(text, add_special_tokens=not doubled)["input_ids"]
        return ids

    def _token_log_p(self, ids: list[int]) -> list[float]:
        log_p = self._logits(ids[:-1]).log_softmax(-1)
        return [float(row[token]) for row, token in zip(log_p, ids[1:], strict=True)]

    def _logits(self, ids: list[int]) -> Any:
        """Logits after each token, (len(ids), vocabulary), float64."""
        import torch

        with torch.inference_mode():
            found = self.model(input_ids=torch.tensor([ids]), use_cache=False).logits
        return found[0].double() * self._scale


def _load(folder: Path) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(folder)
    if type(config) in AutoModelForImageTextToText._model_mapping:
        auto = AutoModelForImageTextToText
    else:
        auto = AutoModelForCausalLM
    model, report = auto.from_pretrained(
        folder,
        dtype="float32",
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    assert not report["missing_keys"], report["missing_keys"]
    return model.eval()
