"""A loaded model that shows its hidden states, its attention and its weights.

Loads a variant as the transformers engine does, but computes attention in plain steps ("eager"),
for only these give its weights. Nothing is padded: sequences of one length go together.
Layers are counted as transformers counts hidden states: 0 is the embeddings, 1 to n are the
outputs of the blocks, and n has passed the final norm.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import LoadedModel, load_model
from babelbits.engines.hf.precision import chooses_by_batch
from babelbits.formats.quantized_forward import dequantize
from babelbits.probes import measures
from babelbits.quiet import quiet

_NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f", "embedding_norm")
"""What decoders of transformers call the norm after their last block."""
_LENS_ELEMENTS = 2**24
"""Logits of the lens that exist at one time."""
_INT8 = 127
"""Codes of LLM.int8 go from -127 to 127."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a model shows of a batch of sequences of one length."""

    states: tuple[torch.Tensor, ...]
    """A tensor a layer, shape (sequences, tokens, width)."""
    attention: tuple[torch.Tensor, ...] | None
    """A tensor a block, shape (sequences, heads, tokens, tokens); None where it was not asked for,
    or the blocks do not all have such weights."""


class Insides:
    """A model to look into. Computes with the weights that the engine computes with."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.model = loaded.model
        self._kind = ""
        self._packed = {name: _packed_weight(one) for name, one in _linear(loaded.model)}
        decoder = loaded.model.get_decoder()
        self.norm = next(
            (getattr(decoder, name) for name in _NORMS if hasattr(decoder, name)), None
        )
        self.head = loaded.model.get_output_embeddings()
        with quiet():  # the first forward pass unpacks some checkpoints
            self._compute_attention("eager")
            self.look([[0, 0]], attention=True)

    @property
    def alone(self) -> bool:
        """Whether numbers depend on what else is in a batch, so that sequences go one by one."""
        return chooses_by_batch(self.model.config)

    @property
    def n_layers(self) -> int:
        """Blocks."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def n_maps(self) -> int:
        """Attention maps of a sequence: heads of all blocks."""
        heads = getattr(self.model.config.get_text_config(), "num_attention_heads", 1)
        return self.n_layers * int(heads)

    @torch.inference_mode()
    def look(self, sequences: Sequence[Sequence[int]], *, attention: bool) -> Seen:
        """Hidden states of every token and layer, and attention if asked.

        Parameters
        ----------
        sequences : sequences of token ids
            All of one length.
        attention : bool
            Its weights take tokens² numbers a head; without them attention is computed in blocks.
        """
        self._compute_attention("eager" if attention else "sdpa")
        tokens = torch.tensor([list(one) for one in sequences], device=self.loaded.device)
        output = self.model(
            input_ids=tokens,
            use_cache=False,
            output_hidden_states=True,
            output_attentions=attention,
            logits_to_keep=1,
        )
        return Seen(
            states=tuple(output.hidden_states),
            attention=self._square(output.attentions, tokens.shape[1]) if attention else None,
        )

    def _compute_attention(self, kind: str) -> None:
        """In plain steps or in one; models that know only one way keep it."""
        if self._kind != kind:
            with suppress(ValueError):
                self.model.set_attn_implementation(kind)
            self._kind = kind

    def _square(self, maps: Any, length: int) -> tuple[torch.Tensor, ...] | None:
        """Attention maps, if every block has one of every token to every token."""
        fit = maps is not None and len(maps) == self.n_layers
        if not fit or any(one is None or one.shape[-2:] != (length, length) for one in maps):
            return None
        return tuple(maps)

    @torch.inference_mode()
    def lens(self, states: torch.Tensor, *, layer: int) -> torch.Tensor | None:
        """Most likely token by the logit lens, for states of shape (tokens, width).

        None where the model's final norm or its head is not found.
        """
        last = layer == self.n_layers
        if self.head is None or (self.norm is None and not last):
            return None
        rows = max(1, _LENS_ELEMENTS // self.loaded.vocabulary)
        return measures.top_tokens(
            states, norm=None if last else self.norm, head=self.head, rows=rows
        )

    @torch.inference_mode()
    def chances(self, tokens: Sequence[int], *, last: int) -> torch.Tensor:
        """Log-probabilities before each of the last tokens, nats; shape (last, vocabulary)."""
        self._compute_attention("sdpa")
        row = torch.tensor([list(tokens)], device=self.loaded.device)
        output = self.model(input_ids=row, use_cache=False, logits_to_keep=last + 1)
        logits: torch.Tensor = output.logits[0, -last - 1 : -1].float()
        return logits.log_softmax(dim=-1)

    def weights(self) -> Iterator[tuple[str, torch.Tensor | None]]:
        """The numbers that every linear layer multiplies with; None where they stay packed."""
        for name, module in _linear(self.model):
            packed = self._packed.get(name)
            weight: Any = packed if packed is not None else getattr(module, "weight", None)
            floating = weight is not None and weight.is_floating_point()
            yield name, weight.data if floating else None

    def close(self) -> None:
        """Free the model's memory."""
        del self.model, self.loaded, self._packed, self.norm, self.head
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def open_insides(folder: Path, *, settings: EngineSettings) -> Insides:
    """Load the model in a folder to look into.

    Raises
    ------
    ModelError
        If it cannot be loaded, or must not be under these settings.
    """
    with quiet():
        return Insides(load_model(folder, settings=replace(settings, split=False)))


def _linear(model: Any) -> Iterator[tuple[str, Any]]:
    """Linear layers by name, the output embeddings among them."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            yield name, module


def _packed_weight(module: Any) -> torch.Tensor | None:
    """Weights of bitsandbytes, whose first forward pass may repack them; None for all others."""
    weight: Any = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    if state is not None:
        return torch.as_tensor(dequantize(weight.data, state))
    scale = getattr(weight, "SCB", None)
    if scale is not None:
        return torch.as_tensor(weight.data.float() * scale.float()[:, None] / _INT8)
    return None
