"""What a model that somebody made is: how it was quantized, how far, and what it takes to run it.

For a checkpoint's folder or a GGUF file, from headers and configs alone; no torch, and no weight is
read. Says what the files do not tell, such as the text of a calibration, and never guesses it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats import weight_records as checkpoint
from babelbits.formats.quantization_config import read_quantization
from babelbits.formats.quantization_methods import METHODS, NeededLibrary, find_title
from babelbits.formats.quantized import find_method
from babelbits.formats.unpacked import UNPACKED, find_layout_problem
from babelbits.llamacpp import gguf_file
from babelbits.llamacpp.gguf_parts import list_parts
from babelbits.records import JSON, TensorRecord
from babelbits.words import plural

GGUF, PLAIN = "gguf", "hf"
SUFFIX = ".gguf"
_ONLINE = ("input", "output", "q_attn", "k_cache")
"""Places of compressed-tensors' transforms that are computed at run time."""
_UNDERSTOOD = ("gptq", "awq", "auto-round", "bitsandbytes", "compressed-tensors", "fp8", "mxfp4")
"""Methods of which `weight_records` knows how many weights a stored tensor holds."""
_MXFP_GROUP = 32

Setting = int | float | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model's files in the field's words."""

    format: str
    """As engines know it: 'hf' (plain), 'gguf', 'gptq', 'awq', 'fp8', 'compressed-tensors', ..."""
    title: str
    """What people call it: 'GPTQ', 'GGUF Q4_K_M', 'not quantized'."""
    settings: Mapping[str, Setting]
    """What the files say of it: 'bits', 'group_size', 'symmetric', ..."""
    tensors: tuple[TensorRecord, ...]
    """Every stored weight with its type; without shapes' meaning where it is packed by others."""
    bytes: int
    """Of all weights."""
    n_weights: int | None
    """None where the files are packed in a way that nobody here reads."""
    bits_per_weight: float | None
    """Stored bits over weights, scales and all; None as above."""
    quantized_bits_per_weight: float | None
    """The same over the quantized tensors; None where there is none, or as above."""
    needs: tuple[NeededLibrary, ...] = ()
    """What must be installed to run it."""
    gpu: str | None = None
    """Why it runs on a GPU only; None where a CPU will do."""
    unread: str | None = None
    """Why nobody here can run it, whatever is installed; None where it can be run."""
    unknown: tuple[str, ...] = ()
    """What the files do not say, one sentence each."""
    smooths: bool = False
    """Whether the method may move scales into the norms."""

    @property
    def is_quantized(self) -> bool:
        """Whether it holds fewer bits than floating point models compute in."""
        return self.format not in (PLAIN, GGUF) or self.quantized_bits_per_weight is not None

    def in_words(self) -> str:
        """In one line, e.g. 'GPTQ, bits 4, group_size 128, 4.65 bits per weight'."""
        said = [f"{name} {value}" for name, value in self.settings.items() if name != "method"]
        bits = [] if self.bits_per_weight is None else [f"{self.bits_per_weight:.2f} bits a weight"]
        return ", ".join((self.title, *said, *bits))


def find_format(place: Path) -> str:
    """Whether a model is in GGUF files or a checkpoint, by names alone: 'gguf' or 'hf'.

    Parameters
    ----------
    place : Path
        A folder, or a GGUF file. Nothing is read, and it need not be there.
    """
    is_file = place.suffix == SUFFIX and not place.is_dir()
    return GGUF if is_file or any(place.glob(f"*{SUFFIX}")) else PLAIN


def describe(place: Path, *, config: Mapping[str, Any] | None = None) -> ModelDescription:
    """Describe a model that lies on this machine.

    Parameters
    ----------
    place : Path
        Folder of a checkpoint, or a GGUF file (of one in parts, the first).
    config : mapping, optional
        `config.json`, where it was read already.

    Raises
    ------
    ModelError
        If a file is missing, damaged or cut short.
    MissingExtraError
        If it is a GGUF file, and the package that reads it is not installed.
    """
    if place.is_file() or place.suffix == SUFFIX:
        return _gguf(place)
    return _checkpoint(place, _config(place) if config is None else config)


def _config(folder: Path) -> JSON:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"config.json cannot be read: {error}", where=str(folder)) from error
    if not isinstance(found, dict):
        raise ModelError("config.json is not a JSON object", where=str(folder))
    return found


# --- checkpoints -------------------------------------------------------------------------------


def _checkpoint(folder: Path, config: Mapping[str, Any]) -> ModelDescription:
    word = find_method(config, folder=folder)
    tensors = checkpoint.read_tensors(folder) if checkpoint.list_weight_files(folder) else ()
    understood = bool(tensors) and (word is None or word in _UNDERSTOOD)
    quantized = tuple(filter(checkpoint.is_quantized, tensors)) if word is not None else ()
    method = METHODS.get(word or "")
    said = read_quantization(config) or {}
    return ModelDescription(
        format=PLAIN if word is None else word,
        title="not quantized" if word is None else find_title(word),
        settings={} if word is None else _settings(word, said),
        tensors=tensors,
        bytes=sum(tensor.bytes for tensor in tensors),
        n_weights=checkpoint.count(tensors) if understood else None,
        bits_per_weight=checkpoint.bits_per_weight(tensors) if understood else None,
        quantized_bits_per_weight=checkpoint.bits_per_weight(quantized) if understood else None,
        needs=() if method is None else method.needs,
        gpu=_gpu(word, said),
        unread=_unread(word, said),
        unknown=tuple(_not_said(word, said, understood=understood)),
        smooths=method is not None and method.smooths,
    )


def _settings(method: str, said: Mapping[str, Any]) -> dict[str, Setting]:
    """What a config says of its quantization, under one name whatever the method calls it."""
    found: dict[str, Any] = {"method": find_title(method)}
    match method:
        case "bitsandbytes":
            four = bool(said.get("load_in_4bit"))
            found |= {"bits": 4 if four else 8}
            found |= {"type": said.get("bnb_4bit_quant_type")} if four else {}
        case "compressed-tensors":
            found |= _of_groups(said)
        case "fp8" | "mxfp8":
            block = said.get("weight_block_size")
            scales = "per tensor" if not block else " x ".join(map(str, block))
            found |= {"bits": 8, "scales": scales, "activations": said.get("activation_scheme")}
        case "fbgemm_fp8":
            found |= {"bits": 8}
        case "mxfp4":
            found |= {"bits": 4, "group_size": _MXFP_GROUP}
        case "hqq":
            weights = (said.get("quant_config") or {}).get("weight_quant_params") or {}
            found |= {"bits": weights.get("nbits"), "group_size": weights.get("group_size")}
        case "torchao":
            found |= {"type": _torchao_type(said.get("quant_type"))}
        case _:
            found |= {
                "bits": said.get("bits", said.get("w_bit")),
                "group_size": said.get("group_size", said.get("q_group_size")),
                "symmetric": said.get("sym"),
                "act_order": said.get("desc_act"),
                "zero_point": said.get("zero_point"),
            }
    return {name: v for name, v in found.items() if isinstance(v, int | float | str)}


_FOR_GPUS = re.compile(r"Int4WeightOnly|Float8Dynamic|NVFP4Dynamic|MXDynamic|NVFP4Inference|MXFP")
"""torchao's configurations whose layers it loads or calls by kernels for GPUs only."""


def _gpu(method: str | None, said: Mapping[str, Any]) -> str | None:
    """Why a checkpoint runs on a GPU only; None where a CPU will do."""
    kind = _torchao_type(said.get("quant_type")) if method == "torchao" else None
    if kind is not None and _FOR_GPUS.search(kind):
        return f"{kind} has kernels for GPUs only"
    known = METHODS.get(method or "")
    return None if known is None else known.gpu


def _turns_at_run_time(said: Mapping[str, Any]) -> bool:
    """Whether a `transform_config` names transforms that are not merged into weights (QuIP's)."""
    config = said.get("transform_config")
    groups = config.get("config_groups") if isinstance(config, Mapping) else None
    schemes = groups.values() if isinstance(groups, Mapping) else ()
    return any(
        isinstance(one, Mapping) and str(one.get("location")) in _ONLINE
        for scheme in schemes
        if isinstance(scheme, Mapping)
        for one in scheme.get("apply") or ()
    )


def _unread(method: str | None, said: Mapping[str, Any]) -> str | None:
    """Why nobody here can run a checkpoint; None where it can be run."""
    if method in UNPACKED:
        return find_layout_problem(method, said)
    known = METHODS.get(method or "")
    if method == "compressed-tensors" and _turns_at_run_time(said):
        return "its weights are rotated, and transformers 5.17 leaves out the rotations at run time"
    return None if known is None else known.unread


def _of_groups(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of compressed-tensors: the weights of its first group, and whether activations are too."""
    groups = (said.get("config_groups") or {}).values()
    weights, inputs = (
        next((dict(one[part]) for one in groups if one.get(part)), dict[str, Any]())
        for part in ("weights", "input_activations")
    )
    return {
        "bits": weights.get("num_bits"),
        "type": weights.get("type"),
        "group_size": weights.get("group_size"),
        "symmetric": weights.get("symmetric"),
        "activation_bits": inputs.get("num_bits"),
    }


def _torchao_type(found: Any) -> str | None:
    """The name of torchao's configuration, however deep it is written."""
    while isinstance(found, Mapping):
        if isinstance(found.get("_type"), str):
            return str(found["_type"])
        found = next(iter(found.values()), None)
    return found if isinstance(found, str) else None


def _not_said(
    method: str | None, said: Mapping[str, Any], *, understood: bool
) -> Sequence[str | Any]:
    if method is None:
        return ()
    sentences = []
    if method not in METHODS:
        sentences.append(f"nothing is known here of the method '{method}'")
    elif METHODS[method].calibrates:
        text = said.get("dataset")
        sentences.append(
            f"its calibration text is named '{text}', which the files do not prove"
            if isinstance(text, str)
            else "the files do not say which text it was calibrated on, if any"
        )
    if not understood:
        sentences.append("its weights are packed in a way that is not read here")
    return sentences


# --- GGUF --------------------------------------------------------------------------------------


def _gguf(file: Path) -> ModelDescription:
    parts = list_parts(file)
    reader = gguf_file.open_gguf(parts[0])
    tensors = gguf_file.read_tensors(parts[0])
    announced = gguf_file.read_metadata(reader, "split.tensors.count")
    if announced is not None and int(announced) != len(tensors):
        raise ModelError(
            f"the GGUF parts hold {plural(len(tensors), 'tensor')}, and {announced} are announced",
            where=str(parts[0]),
            hint="get all parts of one model again",
        )
    quantized = tuple(filter(gguf_file.is_quantized, tensors))
    kind = name_file_type(reader, file.name, tensors)
    return ModelDescription(
        format=GGUF,
        title=f"GGUF {kind}",
        settings={"method": "GGUF", "type": kind, **_matrix(reader)},
        tensors=tensors,
        bytes=sum(tensor.bytes for tensor in tensors),
        n_weights=checkpoint.count(tensors),
        bits_per_weight=checkpoint.bits_per_weight(tensors),
        quantized_bits_per_weight=checkpoint.bits_per_weight(quantized),
        unknown=_matrix_unknown(reader) if quantized else (),
    )


def name_file_type(reader: Any, name: str, tensors: Sequence[TensorRecord]) -> str:
    """llama.cpp's name of a file's mixture of types, e.g. 'Q4_K_M'.

    As the header says; else as the file's name does; else the type of most weights.
    """
    number = gguf_file.read_metadata(reader, "general.file_type")
    try:
        word = str(gguf_file.import_package().LlamaFileType(number).name)
    except ValueError:
        word = ""
    if word and word != "GUESSED":
        return word.removeprefix("ALL_").removeprefix("MOSTLY_")
    return find_type_in_name(name) or gguf_file.main_type(tensors).upper()


def find_type_in_name(name: str) -> str | None:
    """The type that a file's name ends with, as people write it; None where it says none.

    Examples
    --------
    >>> find_type_in_name("Qwen3-4B-UD-Q4_K_XL.gguf")
    'Q4_K_XL'
    """
    stem = re.sub(r"-\d{5}-of-\d{5}$", "", name.rpartition("/")[2].removesuffix(".gguf"))
    found = re.search(
        r"(?:^|[-._])((?:IQ|Q|TQ)\d\w*|BF16|F16|F32|FP16|MXFP4\w*|NVFP4)$", stem, re.I
    )
    return None if found is None else found[1].upper()


def _matrix(reader: Any) -> dict[str, Setting]:
    """What `llama-quantize` records of an importance matrix."""
    text = gguf_file.read_metadata(reader, "quantize.imatrix.dataset")
    return {"imatrix_dataset": Path(str(text)).name} if text else {}


_MATRIX_KEYS = ("file", "dataset", "entries_count")
"""Of which `llama-quantize` writes those that it knows where it was given a matrix."""


def _matrix_unknown(reader: Any) -> tuple[str, ...]:
    if any(gguf_file.read_metadata(reader, f"quantize.imatrix.{key}") for key in _MATRIX_KEYS):
        return (
            "it was made with an importance matrix, of which the files hold no more than names",
        )
    return ("the file does not say whether an importance matrix was used",)
