"""GPTQ and AWQ checkpoints as models of plain weights, on every device and without their library.

gptqmodel, which transformers would load them with, needs newer torch and transformers than the
other formats are held to, and its layers for a CPU compute in 16 bits whatever is asked for. Here
the weights are unpacked to the type that the model computes in; speed and memory are not those of
the format.
"""

from pathlib import Path
from typing import Any

import torch

from babelbits.formats.text_model import find_auto_class
from babelbits.formats.unpacked import read_unpacked


def load_unpacked(
    folder: Path, config: Any, *, method: str, dtype: torch.dtype, own_code: bool
) -> tuple[Any, dict[str, Any]]:
    """The model in a folder, and transformers' report of its loading.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    config : transformers.PretrainedConfig
        Of the checkpoint; loses its `quantization_config`.
    method : str
        One of `formats.unpacked.UNPACKED`.
    dtype : torch.dtype
        What the model will compute in.
    own_code : bool
        Run the Python that the checkpoint brings.

    Raises
    ------
    ModelError
        If the weights are packed in a layout that is not read.
    """
    from transformers import GenerationConfig

    quantization = config.quantization_config
    said = quantization if isinstance(quantization, dict) else quantization.to_dict()
    state = read_unpacked(folder, method=method, said=said, dtype=dtype)
    del config.quantization_config
    with torch.device("meta"):
        kind = type(find_auto_class(config).from_config(config, trust_remote_code=own_code))
    model, report = kind.from_pretrained(
        None, config=config, state_dict=state, dtype=dtype, output_loading_info=True
    )
    if (folder / "generation_config.json").is_file():  # which is looked for beside weights only
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model, report
