"""Whether files that somebody made are a variant of the study's model, told without loading them.

Another architecture, other shapes or another vocabulary is another model: an error. Weights that no
quantization changes and that differ all the same (norms, embeddings) are other training: allowed,
and said. Reads headers, tokenizer files and small tensors; no torch, and no network. Tokens of the
study's prompts are compared later, where tokenizers may be loaded (`token_check`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.errors import ModelError
from babelbits.formats.description import ModelDescription
from babelbits.formats.float_values import FLOATS, agree, read_values
from babelbits.formats.own_code import read_object
from babelbits.formats.text_model import find_text_config
from babelbits.formats.weight_records import StoredTensor, list_weight_files, read_header
from babelbits.llamacpp import gguf_file
from babelbits.llamacpp.gguf_parts import list_parts
from babelbits.study.planning.base_model import BaseModel
from babelbits.words import agreeing, plural

OTHER_TRAINING = "differs from the baseline by more than quantization"
"""The label of a variant whose unquantized weights are not the baseline's."""
_HF_KEYS: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden size": ("hidden_size", "n_embd", "d_model"),
    "attention heads": ("num_attention_heads", "n_head"),
    "key-value heads": ("num_key_value_heads",),
    "feed-forward size": ("intermediate_size", "n_inner", "ffn_dim"),
}
_GGUF_KEYS: Mapping[str, str] = {
    "layers": "block_count",
    "hidden size": "embedding_length",
    "attention heads": "attention.head_count",
    "key-value heads": "attention.head_count_kv",
    "feed-forward size": "feed_forward_length",
}
_NORM = re.compile(r"norm|(^|\.)ln_|layer_?norm", re.IGNORECASE)
_SMOOTHED = re.compile(
    r"(layers|blocks|h|blk)\.\d+\..*(input_layernorm|post_attention_layernorm|ln_1|ln_2|"
    r"pre_feedforward_layernorm|attn_norm|ffn_norm)"
)
"""Norms that AWQ and SmoothQuant divide by the scales that they move into the weights behind."""
_EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings)\.weight$"
)
_ROWS = 512
"""Of embeddings and plain matrices that are compared."""
_MATRICES = 6
"""Plain matrices that are compared, from the first on."""
_ANOTHER = 0.01
"""Share of tokens with other texts from which a vocabulary is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """What distinguishes a variant's files from the baseline's, beside how weights are stored."""

    other_training: str | None
    """What shows that it was trained further; None where nothing does."""
    notes: tuple[str, ...]
    """What a reader of its numbers should know, one sentence each."""


def compare(base: BaseModel, variant: BaseModel, description: ModelDescription) -> ModelComparison:
    """Compare a variant's files with the baseline's.

    Parameters
    ----------
    base, variant : BaseModel
        Folders of checkpoints or GGUF files, in any pairing.
    description : ModelDescription
        Of the variant.

    Raises
    ------
    ModelError
        If they are two models; says by what.
    """
    _compare_sizes(base, variant)
    _compare_shapes(base, variant)
    notes = [*_vocabulary_notes(base.folder, variant.folder)]
    notes += [*_special_notes(base.folder, variant.folder)]
    trained, note = _training(base, variant, smooths=description.smooths)
    return ModelComparison(other_training=trained, notes=(*notes, *([note] if note else [])))


def _is_file(model: BaseModel) -> bool:
    return not model.folder.is_dir()


def _another(variant: BaseModel, what: str) -> ModelError:
    return ModelError(
        f"this is another model than the baseline: {what}",
        where=str(variant.folder),
        hint="name a variant of the model in [model], or the model that it was made from there",
    )


# --- sizes and shapes --------------------------------------------------------------------------


def _compare_sizes(base: BaseModel, variant: BaseModel) -> None:
    both_kinds = _is_file(base) != _is_file(variant)
    kinds = [str(_kind(model)) for model in (base, variant)]
    if not both_kinds and kinds[0] != kinds[1]:
        raise _another(variant, f"its architecture is {kinds[1]}, the baseline's {kinds[0]}")
    old, new = read_sizes(base.folder, base.config), read_sizes(variant.folder, variant.config)
    for name, value in old.items():
        if name not in new or (both_kinds and name == "feed-forward size"):
            continue  # which of several sizes a mixture's header has differs between the formats
        if new[name] != value:
            raise _another(variant, f"it has {name} {new[name]}, the baseline {value}")


def _kind(model: BaseModel) -> Any:
    return model.config.get("model_type")


def read_sizes(place: Path, config: Mapping[str, Any]) -> dict[str, int]:
    """Layers, hidden size, heads and feed-forward size, as far as the files say them."""
    if place.is_dir():
        text = find_text_config(config)
        found = {
            name: next((text[key] for key in keys if isinstance(text.get(key), int)), None)
            for name, keys in _HF_KEYS.items()
        }
        extra = text.get("num_nextn_predict_layers")
        if isinstance(extra, int) and found["layers"] is not None:
            found["layers"] += extra  # llama.cpp counts layers that predict further tokens
    else:
        reader = gguf_file.open_gguf(place)
        kind = gguf_file.read_metadata(reader, "general.architecture")
        found = {
            name: gguf_file.read_metadata(reader, f"{kind}.{key}")
            for name, key in _GGUF_KEYS.items()
        }
    if found["key-value heads"] is None:
        found["key-value heads"] = found["attention heads"]
    return {name: value for name, value in found.items() if isinstance(value, int)}


def _compare_shapes(base: BaseModel, variant: BaseModel) -> None:
    """Weights of one name must have one shape, but for rows that fill up a vocabulary."""
    if _is_file(base) != _is_file(variant):
        return
    old, new = _shapes(base.folder), _shapes(variant.folder)
    for name in old.keys() & new.keys():
        one, other = old[name], new[name]
        if one != other and not (one[1:] == other[1:] and _is_of_tokens(name)):
            raise _another(
                variant, f"'{name}' is {' x '.join(map(str, other))} there, and "
                f"{' x '.join(map(str, one))} in the baseline",
            )  # fmt: skip


def _shapes(place: Path) -> dict[str, tuple[int, ...]]:
    """Of weights that are stored as they are: packed ones have shapes of their own."""
    if not place.is_dir():
        return {one.name: one.shape for one in gguf_file.read_tensors(place)}
    return {name: one.shape for name, one in _stored(place).items() if one.dtype in FLOATS}


def _is_of_tokens(name: str) -> bool:
    return bool(_EMBEDDING.search(name)) or name.startswith(("lm_head", "output.", "token_embd"))


def _stored(folder: Path) -> dict[str, StoredTensor]:
    found: dict[str, StoredTensor] = {}
    for file in list_weight_files(folder):
        found |= read_header(file)
    return found


# --- vocabulary --------------------------------------------------------------------------------


def read_tokens(place: Path) -> dict[int, str]:
    """Texts of tokens by number; nothing where the files do not list them."""
    if not place.is_dir():
        texts = gguf_file.read_metadata(gguf_file.open_gguf(place), "tokenizer.ggml.tokens")
        return dict(enumerate(map(str, texts or ())))
    parsed = read_object(place / "tokenizer.json")
    model = parsed.get("model")
    listed = model.get("vocab") if isinstance(model, Mapping) else None
    found: dict[int, str] = {}
    if isinstance(listed, Mapping):
        found = {n: str(text) for text, n in listed.items() if isinstance(n, int)}
    elif isinstance(listed, list):
        found = {number: str(entry[0]) for number, entry in enumerate(listed)}
    for entry in parsed.get("added_tokens") or ():
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), int):
            found[entry["id"]] = str(entry.get("content"))
    return found


def _vocabulary_notes(base: Path, variant: Path) -> Iterable[str]:
    old, new = read_tokens(base), read_tokens(variant)
    if not old or not new:
        return
    both = old.keys() & new.keys()
    other = sorted(n for n in both if old[n] != new[n])
    if not other and len(both) >= min(len(old), len(new)) and abs(len(old) - len(new)) == 0:
        return
    lacking = len(old.keys() - new.keys())
    if len(other) + lacking > _ANOTHER * len(old):
        example = f", e.g. token {other[0]}: {new[other[0]]!r}, {old[other[0]]!r}" if other else ""
        count = len(other) + lacking
        raise ModelError(
            f"this is another model than the baseline: {count:,} of its "
            f"{plural(len(old), 'token')} {agreeing(count, 'is', 'are')} not in its place{example}",
            where=str(variant),
            hint="name a variant of the model in [model]",
        )
    if other:
        first = other[0]
        yield (
            f"{plural(len(other), 'token')} of its vocabulary {agreeing(len(other), 'is', 'are')} "
            f"not the baseline's: token {first} is {new[first]!r}, and {old[first]!r} there"
        )


def _special_notes(base: Path, variant: Path) -> Iterable[str]:
    """What the tokens that begin and end texts are, where the two differ."""
    old, new = read_special_tokens(base), read_special_tokens(variant)
    for name, word in (("bos", "begins"), ("eos", "ends")):
        if name in old and name in new and old[name] != new[name]:
            yield f"token {new[name]!r} {word} a text there, and {old[name]!r} in the baseline"


def read_special_tokens(place: Path) -> dict[str, str]:
    """Texts of the tokens that begin and end a text ('bos', 'eos'), as far as the files say."""
    if place.is_dir():
        settings = read_object(place / "tokenizer_config.json")
        named = {name: settings.get(f"{name}_token") for name in ("bos", "eos")}
        plain = {n: v.get("content") if isinstance(v, Mapping) else v for n, v in named.items()}
        return {name: value for name, value in plain.items() if isinstance(value, str)}
    reader = gguf_file.open_gguf(place)
    texts = gguf_file.read_metadata(reader, "tokenizer.ggml.tokens") or ()
    numbers = {
        name: gguf_file.read_metadata(reader, f"tokenizer.ggml.{name}_token_id")
        for name in ("bos", "eos")
    }
    return {n: str(texts[i]) for n, i in numbers.items() if i is not None and 0 <= i < len(texts)}


# --- other training ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Values:
    """A small tensor's numbers with the type that they are stored in."""

    values: np.ndarray[Any, Any]
    dtype: str


def _training(
    base: BaseModel, variant: BaseModel, *, smooths: bool
) -> tuple[str | None, str | None]:
    """What shows other training, and what else is odd about weights that are not quantized."""
    pairs = list(_pairs(base, variant))
    if not pairs:
        return None, "no weight is stored unquantized in both: other training would not be seen"
    changed = [
        name
        for name, one, other in pairs
        if not (smooths and _SMOOTHED.search(name)) and not _same(name, one, other)
    ]
    if not changed:
        return None, None
    norms = [(one, other) for name, one, other in pairs if _NORM.search(name)]
    if norms and all(np.all(other.values == 1) for _, other in norms):
        return None, (
            "its norms are folded into the weights behind them, as rotations do: whether it was "
            "trained further cannot be told"
        )
    count = f"{len(changed)} of {plural(len(pairs), 'unquantized weight')} compared"
    are = agreeing(len(changed), "is", "are")
    return f"{count} {are} not the baseline's, e.g. '{changed[0]}'", None


def _same(name: str, one: _Values, other: _Values) -> bool:
    if one.values.shape != other.values.shape:
        rows = min(len(one.values), len(other.values))
        one = _Values(one.values[:rows], one.dtype)
        other = _Values(other.values[:rows], other.dtype)
    if agree(one.values, other.values, dtypes=(one.dtype, other.dtype)):
        return True
    # llama.cpp's converter adds 1 to the norms of some families (Gemma, Nemotron).
    return bool(_NORM.search(name)) and agree(
        one.values + 1, other.values, dtypes=("BF16", other.dtype)
    )


def _pairs(base: BaseModel, variant: BaseModel) -> Iterable[tuple[str, _Values, _Values]]:
    """Weights that both store unquantized, under the baseline's names."""
    if _is_file(base) and _is_file(variant):
        old, new = _small_of_file(base.folder), _small_of_file(variant.folder)
        names = {name: name for name in old}
    elif not _is_file(base) and not _is_file(variant):
        old, new = _small_of_folder(base.folder), _small_of_folder(variant.folder)
        names = {name: name for name in old}
    elif _is_file(variant):
        old, new = _small_of_folder(base.folder), _small_of_file(variant.folder)
        names = _names_in_file(old, variant.folder)
    else:
        new, old = _small_of_folder(variant.folder), _small_of_file(base.folder)
        names = {there: here for here, there in _names_in_file(new, base.folder).items()}
        return [
            (name, new[names[name]], old[name])
            for name in old
            if name in names and _NORM.search(name)
        ]
    return [
        (name, old[name], new[other])
        for name, other in names.items()
        if other in new and (not _is_file(variant) or _is_file(base) or _NORM.search(name))
    ]


def _small_of_folder(folder: Path) -> dict[str, _Values]:
    """Norms, the first rows of embeddings and of a few matrices that are stored plainly."""
    found: dict[str, _Values] = {}
    n_matrices = 0
    for name, tensor in sorted(_stored(folder).items()):
        if tensor.dtype not in FLOATS or not tensor.size:
            continue
        matrix = len(tensor.shape) == 2 and name.endswith("proj.weight")
        n_matrices += matrix
        wanted = (
            (len(tensor.shape) == 1 and bool(_NORM.search(name)))
            or bool(_EMBEDDING.search(name))
            or (matrix and n_matrices <= _MATRICES)
        )
        if wanted:
            found[name] = _Values(read_values(tensor, rows=_ROWS), tensor.dtype)
    return found


def _small_of_file(file: Path) -> dict[str, _Values]:
    """The norms of a GGUF file, which are in float32 whatever the type of the rest."""
    found = {}
    for part in list_parts(file):
        for tensor in gguf_file.open_gguf(part).tensors:
            if tensor.tensor_type.name == "F32" and _NORM.search(tensor.name):
                values = np.array(tensor.data, np.float32).reshape(-1)
                found[str(tensor.name)] = _Values(values, "F32")
    return found


def _names_in_file(names: Iterable[str], file: Path) -> dict[str, str]:
    """Names of a checkpoint's weights to those in a GGUF file, by llama.cpp's own table."""
    gguf = gguf_file.import_package()
    reader = gguf_file.open_gguf(file)
    kind = gguf_file.read_metadata(reader, "general.architecture")
    known = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    if kind not in known:
        return {}
    layers = gguf_file.read_metadata(reader, f"{kind}.block_count") or 0
    table = gguf.get_tensor_name_map(known[kind], int(layers))
    found = {name: table.get_name(name, try_suffixes=(".weight", ".bias")) for name in names}
    return {name: there for name, there in found.items() if there}
