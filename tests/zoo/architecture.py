"""What an entry of the zoo says about an architecture, and the configuration most of them share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.vocabularies import Vocabulary

JSON = dict[str, Any]
HIDDEN = 256
"""Width of the residual stream: one block of a k-quant, two groups of 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """An architecture in small: real ratios and patterns, few layers.

    Attributes
    ----------
    name : str
        Short name, as in the table of `docs/models.md`.
    models : str
        Published models of this kind, by the names that people know.
    config : callable
        `config(n_layers, vocabulary)` gives the content of `config.json` as the hub has it, without
        the token ids and, where a multiple decides, the number of rows.
    tokenizer : str
        Key of `kinds.KINDS`.
    n_layers : int
        One period of the pattern of layers, or a little more.
    published_layers : int, optional
        Number of layers of a published model, where llama.cpp decides something by it.
    published_settings : pairs of str and value
        Settings of a published text model that llama.cpp takes for granted, where the entry's own
        are smaller so that short texts feel them.
    notes : frozenset of str
        Of 'moe', 'hybrid', 'mla', 'multimodal', 'auto_map', 'mtp'.
    multiple : int
        The rows of the embedding are filled up to a multiple of it.
    embedding_scale : float
        Factor that the model puts on its embeddings.
    sharper : pairs of str and float
        Factor on the weights whose name ends so: attention that feels a soft cap, for instance.
    renamed : pairs of str
        Prefix under which transformers saves a tensor, and the hub's.
    """

    name: str
    models: str
    config: Callable[[int, Vocabulary], JSON]
    tokenizer: str
    n_layers: int = 2
    published_layers: int | None = None
    published_settings: tuple[tuple[str, Any], ...] = ()
    notes: frozenset[str] = frozenset()
    multiple: int = 1
    embedding_scale: float = 1.0
    sharper: tuple[tuple[str, float], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


def dense(kind: str, architecture: str, n_layers: int, **more: Any) -> JSON:
    """`config.json` of a Llama-like model: two heads to one of keys, three times as wide inside.

    `more` overrides the common keys; None leaves a key out.
    """
    common: JSON = {
        "architectures": [architecture],
        "model_type": kind,
        "hidden_size": HIDDEN,
        "intermediate_size": 3 * HIDDEN,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "use_cache": True,
        "torch_dtype": "bfloat16",
    }
    return {name: value for name, value in (common | more).items() if value is not None}
