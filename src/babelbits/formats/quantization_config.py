"""Whether `quantization_config` of a `config.json` can be right: types, and keys that it needs.

Checkpoints of strangers hold anything there; who reads it further relies on this check. Knows the
keys that Babelbits or transformers decide by, and lets all others pass. Opens no file.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.text_model import find_text_config

KEYS = ("quantization_config", "compression_config")
Check = Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_groups(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(group, Mapping)
        and all(
            group.get(part) is None or isinstance(group[part], Mapping)
            for part in ("weights", "input_activations", "output_activations")
        )
        for group in value.values()
    )


def _is_block(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_whole, value))


_BITS = ("bits", lambda value: value in (2, 3, 4, 5, 6, 7, 8) and _is_whole(value), "2 to 8")
_GROUP = ("group_size", lambda value: _is_whole(value) and (value > 0 or value == -1),
          "-1 or a whole number above 0")  # fmt: skip
_EXPECTED: Mapping[str, tuple[tuple[str, Check, str], ...]] = {
    "gptq": (_BITS, _GROUP, ("desc_act", _is_flag, "true or false"),
             ("sym", _is_flag, "true or false")),
    "awq": (_BITS, _GROUP, ("zero_point", _is_flag, "true or false")),
    "bitsandbytes": (
        ("load_in_4bit", _is_flag, "true or false"),
        ("load_in_8bit", _is_flag, "true or false"),
        ("llm_int8_threshold", _is_number, "a number"),
        ("bnb_4bit_compute_dtype", _is_text, "a text"),
    ),
    "compressed-tensors": (
        ("format", _is_text, "a text"),
    ),
    "fp8": (("weight_block_size", _is_block, "two whole numbers"),),
}  # fmt: skip
"""Of a method: key, what it must pass, in words. null passes everywhere."""
_GROUPS = ("config_groups", _are_groups, "an object of groups, each with objects")
"""Whatever the method says: readers ask for these first."""
_NEEDED = {"gptq": ("bits",)}


def read_quantization(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The checkpoint's own description of how it is quantized; None where it has none.

    Parameters
    ----------
    config : mapping
        `config.json`, which passed `check_quantization`.
    """
    for part in (config, find_text_config(config)):
        for key in KEYS:
            if isinstance(part.get(key), Mapping) and part[key]:
                found: Mapping[str, Any] = part[key]
                return found
    return None


def find_module_weights(groups: Mapping[str, Any], module: str) -> dict[str, Any]:
    """What compressed-tensors' `config_groups` say of a module's weights; {} if nothing.

    A group that names the module, as it is or by an expression, comes before one of all layers.
    """
    quantized = [dict(one) for one in groups.values() if one.get("weights")]
    for group in quantized:
        targets = list(map(str, group.get("targets") or ()))
        patterns = [one.removeprefix("re:") for one in targets if one.startswith("re:")]
        if module in targets or any(re.match(pattern, module) for pattern in patterns):
            return dict(group["weights"])
    return dict(quantized[0]["weights"]) if quantized else {}


def read_method(found: Mapping[str, Any]) -> str:
    """The method of such a description, in transformers' words."""
    if found.get("quant_method"):
        return str(found["quant_method"])
    by_flag = found.get("load_in_4bit") or found.get("load_in_8bit")
    return "bitsandbytes" if by_flag else "compressed-tensors"


def check_quantization(config: Mapping[str, Any], *, where: str) -> None:
    """Raise if the description of a checkpoint's quantization cannot be right.

    Parameters
    ----------
    config : mapping
        `config.json`.
    where : str
        Its path, for the message.

    Raises
    ------
    ModelError
        Names file and key.
    """
    for part in (config, find_text_config(config)):
        for key in KEYS:
            if part.get(key) is not None:
                _check(part[key], key, where=where)


def _check(given: Any, key: str, *, where: str) -> None:
    if not isinstance(given, Mapping):
        raise _wrong(where, key, "an object", given)
    method = given.get("quant_method")
    if method is not None and not isinstance(method, str):
        raise _wrong(where, f"{key}.quant_method", "a text", method)
    method = read_method(given)
    for name in _NEEDED.get(method, ()):
        if given.get(name) is None:
            raise ModelError(
                f"the model is already quantized ({method.upper()}), and '{key}.{name}' is missing",
                where=where,
                hint=_HINT,
            )
    for name, passes, words in (_GROUPS, *_EXPECTED.get(method, ())):
        value = given.get(name)
        if value is not None and not passes(value):
            raise _wrong(where, f"{key}.{name}", words, value)


_HINT = "get the checkpoint's config.json anew, or name the checkpoint it was made from"


def _wrong(where: str, key: str, words: str, value: Any) -> ModelError:
    return ModelError(f"'{key}' must be {words}, not {value!r:.60}", where=where, hint=_HINT)
