"""Which layer of a checkpoint goes to which device, and a model that lies on several of them.

accelerate chooses the layers and moves activations between devices by hooks; where weights lie in
host memory or on disk its hooks copy a layer to the GPU while that computes. What is added here is
what our engine needs besides: its inputs go to the first device, and the positions at which logits
are wanted stay on the host, because the last layer is elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from babelbits.engines.placement import Placement, place
from babelbits.errors import ModelError
from babelbits.words import bytes_size, plural

Device = int | str
"""Number of a GPU, 'cpu' or 'disk'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMap:
    """The device of each part of a model."""

    parts: Mapping[str, Device]
    """Name of a module to its device; as accelerate writes it."""
    disk: Path | None = None
    """Folder for weights that stay on disk."""

    @property
    def first(self) -> torch.device:
        """Where inputs go: the first GPU, or the CPU where there is none."""
        numbers = [one for one in self.parts.values() if isinstance(one, int)]
        return torch.device("cuda", min(numbers)) if numbers else torch.device("cpu")

    def arguments(self) -> dict[str, Any]:
        """What `from_pretrained` is given."""
        there = {} if self.disk is None else {"offload_folder": str(self.disk)}
        return {"device_map": dict(self.parts), **there}


def build_skeleton(config: Any, *, auto: Any, trust_remote_code: bool) -> Any:
    """The model of a config without memory for its weights, those tied that share one.

    Parameters
    ----------
    auto : class
        The `AutoModel...` that builds it.
    """
    with torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=trust_remote_code)
    model.tie_weights()
    return model


def measure_sizes(skeleton: Any, *, dtype: torch.dtype) -> tuple[int, int]:
    """Bytes of all weights of a model, and of its largest part that stays whole.

    Tied weights count once.
    """
    whole = set(skeleton._no_split_modules or ())
    parts = [_n_bytes(one, dtype) for one in skeleton.modules() if type(one).__name__ in whole]
    heads = (skeleton.get_input_embeddings(), skeleton.get_output_embeddings())
    parts += [_n_bytes(one, dtype) for one in heads if one is not None]
    return _n_bytes(skeleton, dtype), max(parts, default=0)


def _n_bytes(module: Any, dtype: torch.dtype) -> int:
    """Of a module's own and its parts' weights, each once."""
    held = (*module.parameters(), *module.buffers())
    return sum(
        one.numel() * (dtype.itemsize if one.is_floating_point() else one.element_size())
        for one in held
    )


def map_layers(skeleton: Any, memory: Mapping[Device, int], *, dtype: torch.dtype) -> DeviceMap:
    """Layers to devices, in order, GPUs filled evenly where that has room; by accelerate.

    Parameters
    ----------
    skeleton : PreTrainedModel
        On the meta device, its tied weights tied.
    memory : mapping
        Bytes that each device may take; what fits none goes to 'disk'.
    dtype : torch.dtype
        Of the weights.
    """
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = list(skeleton._no_split_modules or ())
    even: Any = dict(memory)
    even = get_balanced_memory(
        skeleton, max_memory=even, no_split_module_classes=whole, dtype=dtype
    )
    found: dict[str, Device] = {}
    for room in (even, dict(memory)):
        found = infer_auto_device_map(
            skeleton, max_memory=room, no_split_module_classes=whole, dtype=dtype
        )
        if "disk" not in found.values():
            break
    return DeviceMap(parts=found)


def make_memory_map(placement: Placement, *, weights: int, scale: float = 1.0) -> dict[Device, int]:
    """A placement as accelerate takes it.

    Parameters
    ----------
    weights : int
        Bytes of the whole model: nothing that no GPU has room for goes to disk.
    scale : float
        How many times as large the weights are in the computation's type as they lie there, where
        they are computed with as they are stored (bitsandbytes).
    """
    memory: dict[Device, int] = {
        number: int(room * scale) for number, room in placement.cards.items()
    }
    if placement.host:
        memory["cpu"] = weights
    return memory


def find_split(
    skeleton: Any,
    *,
    dtype: torch.dtype,
    stored: int | None,
    unpacks: bool,
    cards: Sequence[int],
    host: int,
    where: str,
) -> tuple[DeviceMap | None, str | None]:
    """The layers' devices where the first GPU does not hold a model, and what to know of it.

    Parameters
    ----------
    skeleton : PreTrainedModel
        On the meta device.
    stored : int, optional
        Bytes of the files of a quantized checkpoint; None where it is not quantized.
    unpacks : bool
        Whether a quantized checkpoint is computed with as floats, beside what is stored.
    cards, host : sequence of int, int
        Free bytes of each GPU, and of the host.
    where : str
        The checkpoint, for the error.

    Raises
    ------
    ModelError
        If all devices together do not hold it.
    """
    whole, layer = measure_sizes(skeleton, dtype=dtype)
    plain = stored is None
    needed = whole if stored is None else stored + (whole if unpacks else 0)
    scale = whole / needed
    there = (
        f"{plural(len(cards), 'GPU')} with {bytes_size(sum(cards))} free"
        + (" together" if len(cards) > 1 else "")
        + (f", and {bytes_size(host)} of host memory" if plain else "")
    )
    too_large = ModelError(
        f"its weights take {bytes_size(needed)}, which is more than {there} can hold",
        where=where,
        hint="what fits: more or larger GPUs (`plan --machine` estimates them); a smaller dtype; "
        "a quantized variant; `name = 'vllm'`, or a GGUF file of fewer bits",
    )
    found = place(needed, layer=round(layer / scale), cards=cards, host=host if plain else 0)
    if found is None:
        raise too_large
    if not found.is_split:
        return None, None
    mapped = map_layers(skeleton, make_memory_map(found, weights=whole, scale=scale), dtype=dtype)
    if "disk" in mapped.parts.values():
        raise too_large
    on_host = sum(
        _n_bytes(skeleton.get_submodule(name), dtype)
        for name, device in mapped.parts.items()
        if device == "cpu"
    )
    return mapped, replace(found, host=on_host).in_words()


def find_input_device(model: Any) -> torch.device:
    """Where a model's inputs go: of a split one, where its hooks would send them."""
    hook = getattr(model, "_hf_hook", None)
    device = getattr(hook, "execution_device", None)
    if device is None:
        found: torch.device = model.device
        return found
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)


def keep_positions_on_host(model: Any) -> None:
    """Have `forward(logits_to_keep=...)` of a split model take positions wherever they are.

    The hook of the whole model would send them to the first device; the last layer's output, which
    they index, is on another, and only positions in host memory index any device.
    """
    hook = getattr(model, "_hf_hook", None)
    if hook is None:
        return
    skipped = hook.skip_keys or []
    hook.skip_keys = [*([skipped] if isinstance(skipped, str) else skipped), "logits_to_keep"]
    forward = model.forward

    @wraps(forward)
    def split(*args: Any, logits_to_keep: int | torch.Tensor = 0, **named: Any) -> Any:
        if isinstance(logits_to_keep, torch.Tensor):
            logits_to_keep = logits_to_keep.cpu()
        return forward(*args, logits_to_keep=logits_to_keep, **named)

    model.forward = split
