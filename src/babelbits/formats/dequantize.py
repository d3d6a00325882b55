"""Write a quantized checkpoint as a plain one: `python -m babelbits.formats.dequantize IN OUT`.

The weights are those that the quantized model computes with, so the copy is the right base for
variants of a model that is published quantized only. transformers does the arithmetic; what is ours
is that the copy holds plain weights under the names that the model had before, and nothing else.
Saving what transformers has dequantized writes codes again (5.17: its reversed conversion), or
leaves scales behind.

The whole model is held in memory, 2 bytes a weight.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelbits.errors import BabelbitsError, ModelError
from babelbits.formats.quantized import DEQUANTIZED, describe_method, find_method
from babelbits.formats.text_model import find_auto_class

_COPIED = (
    "tokenizer*",
    "*.model",
    "*.tiktoken",
    "*.jinja",
    "vocab.*",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tekken.json",
    "generation_config.json",
)


def dequantize(folder: Path, out: Path, *, dtype: str = "bfloat16") -> None:
    """Write the checkpoint in `folder` to the new folder `out`, with plain weights.

    Parameters
    ----------
    folder : Path
        A checkpoint quantized by one of `quantized.DEQUANTIZED`.
    out : Path
        Must not exist.
    dtype : str
        Of the weights written: 'bfloat16', 'float16' or 'float32'.

    Raises
    ------
    ModelError
        If it is not quantized, transformers cannot undo it, or `out` is there.
    """
    from transformers import AutoConfig

    if out.exists():
        raise ModelError("the folder is there already", where=str(out), hint="name a new one")
    method = find_method(_read_config(folder), folder=folder)
    if method not in DEQUANTIZED:
        raise ModelError(
            f"transformers cannot undo {describe_method(method)}"
            if method
            else "it is not quantized",
            where=str(folder),
        )
    config = AutoConfig.from_pretrained(folder)
    model = find_auto_class(config).from_pretrained(
        folder, dtype=dtype, device_map="cpu", **_settings(method)
    )
    if method == "bitsandbytes":
        model = model.dequantize().to(model.dtype)
    _save(model, config, out)
    for pattern in _COPIED:
        for file in folder.glob(pattern):
            shutil.copy(file, out)


def _settings(method: str) -> dict[str, Any]:
    import transformers

    names = {
        "compressed-tensors": "CompressedTensorsConfig",
        "fp8": "FineGrainedFP8Config",
        "mxfp8": "FineGrainedFP8Config",
        "mxfp4": "Mxfp4Config",
    }
    if method not in names:
        return {}
    return {"quantization_config": getattr(transformers, names[method])(dequantize=True)}


def _save(model: Any, config: Any, out: Path) -> None:
    """Save the weights that the unquantized architecture has, under their original names."""
    import torch
    from transformers.conversion_mapping import get_model_conversion_mapping

    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = type(model)(config).state_dict()
    state = {name: weight for name, weight in model.state_dict().items() if name in plain}
    if missing := sorted(plain.keys() - state.keys()):
        raise ModelError(f"transformers left '{missing[0]}' quantized", where=str(out))
    model._weight_conversions = get_model_conversion_mapping(model, add_legacy=False)
    model.save_pretrained(out, state_dict=state)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"config.json cannot be read: {error}", where=str(folder)) from error
    if not isinstance(found, dict):
        raise ModelError("config.json is not a JSON object", where=str(folder))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description="Write a quantized checkpoint with plain weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    given = parser.parse_args(arguments)
    try:
        dequantize(given.folder, given.out, dtype=given.dtype)
    except BabelbitsError as error:
        sys.stderr.write(f"error: {error}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
