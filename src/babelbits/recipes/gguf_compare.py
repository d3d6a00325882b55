"""Whether a converted GGUF file computes what its checkpoint computes, before it is quantized.

A converter that misreads one number of a config writes a file that loads, reads the same tokens and
is another model: what quantization is then charged with is the converter's. So the same windows of
text, one a language, go through the checkpoint in transformers (float32, eager attention) and
through the file in llama.cpp, and the log-probabilities of the text's own tokens are compared: the
mean absolute difference, nats a token, language by language.

llama.cpp multiplies a 16-bit weight with activations that it rounds to 16 bits, and on a CPU takes
GELU from a table in float16. How much that moves is not guessed: the checkpoint is run a second
time with the same roundings, and the difference of the two runs, times a margin, is allowed beside
the tolerance of float32. A rounding and an error of the same size cannot be told apart by that.

Memory: the checkpoint is widened to float32 as a whole where that fits into what the machine has
free; else a block at a time, so that little more than the checkpoint's own size is needed. Where
that does not fit either nothing is compared, which the record says.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.errors import RecipeError
from babelbits.formats.text_model import find_text_config
from babelbits.formats.trust import Trust
from babelbits.llamacpp.forward import compute_next_logprobs, select_logprobs
from babelbits.recipes import tensors as checkpoint
from babelbits.recipes.base_loading import load_model
from babelbits.records import ConversionRecord

TOLERANCE = 2e-4
"""Nats a token: what two float32 implementations may differ by."""
_QUARTILE = 0.75
MARGIN = 4
"""How often the measured rounding may be exceeded: another order of sums rounds otherwise."""
TOKENS, FEWEST_TOKENS = 128, 32
"""Of a window. Little, because every language has one, and a wrong file shows at once."""
_ALL_TOKENS = 2048
"""What the windows of many languages are shortened to, together."""
_FEWEST = 8
_SPARE = 1.2
"""Memory to have for a byte of weights: activations, logits, and what loading takes."""
_TABLE = 2e-3
"""Nats: GELU from a table where the activation is no module that could be rounded."""
_TABLE_END = 10.0
"""Where llama.cpp's table of GELU ends."""
_HALVES = {"f16": "float16", "bf16": "bfloat16"}
_PRODUCTS = ("linear", "matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm")
"""Functions of torch that multiply with a weight."""
_FIXED = {
    "exaone4": "sliding pattern by its published number of layers",
    "gemma2": "sliding pattern and scale of attention by its published number of layers",
    "gemma3": "sliding pattern and scale of attention by its published number of layers",
    "gemma3n": "pattern of layers by its published number of layers",
    "cohere2": "sliding pattern from its published models",
    "smollm3": "layers without positions from its published models",
    "llama4": "chunks of attention (8,192 tokens) and layers without positions from its published "
    "models",
    "olmo3": "sliding pattern from its published models",
}
"""What llama.cpp decides by the beginning of `model_type`, and not by the config."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A checkpoint's log-probabilities on windows, in nats; one array of (tokens - 1,) a window."""

    exact: Sequence[Array]
    rounded: Sequence[Array]
    """The same with llama.cpp's roundings."""


def cut_windows(
    texts: Mapping[str, Sequence[str]], tokenizer: Any, *, opening: Sequence[int], context: int
) -> dict[str, list[int]]:
    """One window of tokens a language, with what the tokenizer puts before a text.

    Languages with fewer than eight tokens of text are left out.
    """
    share = _ALL_TOKENS // max(1, len(texts))
    longest = min(max(FEWEST_TOKENS, min(share, TOKENS)), context)
    windows = {}
    for language, some in texts.items():
        window = list(opening)
        for text in some:
            window += tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(window) >= longest:
                break
        if len(window) - len(opening) >= _FEWEST:
            windows[language] = window[:longest]
    return windows


def compare(
    base: Path,
    file: Path,
    *,
    kind: str,
    windows: Mapping[str, Sequence[int]],
    threads: int,
    config: Mapping[str, Any],
    trust: Trust,
) -> ConversionRecord:
    """Hold a converted file against its checkpoint.

    Parameters
    ----------
    file : Path
        The GGUF file made of it.
    kind : str
        'f32', 'f16' or 'bf16': the file's weights.
    windows : mapping
        Token ids by language; `cut_windows`.
    config : mapping
        The checkpoint's `config.json`.

    Raises
    ------
    RecipeError
        If they differ by more than roundings explain.
    ModelError
        If transformers or llama.cpp cannot load its part.
    EngineError
        If llama.cpp cannot compute a window.
    """
    if not windows:
        return ConversionRecord(not_compared="there was no text to compare them on")
    lacking = _lacking_memory(base)
    if lacking:
        return ConversionRecord(not_compared=lacking)
    logprobs = list(compute_next_logprobs(file, list(windows.values()), threads=threads))
    with _opened(base, trust=trust) as model:
        reference = _reference(model, list(windows.values()), kind=kind)
        table = _TABLE if _has_hidden_gelu(model) else 0.0
    record = ConversionRecord(
        differences=_quartiles(windows, logprobs, reference.exact),
        rounding=_quartiles(windows, reference.rounded, reference.exact),
        tokens=sum(len(window) - 1 for window in windows.values()),
    )
    check(record, config=config, extra=table, where=str(base))
    return record


def check(
    record: ConversionRecord, *, config: Mapping[str, Any], extra: float = 0.0, where: str = ""
) -> None:
    """Raise if a conversion differs by more than float32's tolerance and its roundings.

    Raises
    ------
    RecipeError
        Names the architecture, the language that differs most, and by how much.
    """
    over = {
        language: difference
        for language, difference in record.differences.items()
        if not difference <= compute_allowed(record) + extra
    }
    if not over:
        return
    worst = max(over, key=lambda language: (math.isnan(over[language]), over[language]))
    names = config.get("architectures") or [config.get("model_type", "the model")]
    raise RecipeError(
        f"llama.cpp's converter makes another model of {names[0]}: its log-probabilities differ "
        f"from the checkpoint's by {over[worst]:.2g} nats a token ({worst}; at most "
        f"{compute_allowed(record) + extra:.2g} is rounding)",
        where=where,
        hint=_advice(config),
    )


def compute_allowed(record: ConversionRecord) -> float:
    """Nats a token that a right conversion may differ by, whatever the language."""
    return TOLERANCE + MARGIN * max(record.rounding.values(), default=0.0)


def _advice(config: Mapping[str, Any]) -> str:
    text = find_text_config(config)
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    if rope.get("truncate") is False:
        return (
            f"llama.cpp rounds the bounds of YaRN's ramp to whole dimensions{_ramp(text, rope)}, "
            "and this config says that they are not (`truncate` is false); use recipes of "
            "transformers for this model"
        )
    kind = str(text.get("model_type", config.get("model_type")))
    for beginning, what in sorted(_FIXED.items(), reverse=True):
        if kind.startswith(beginning):
            return (
                f"llama.cpp decides this architecture's {what}, not by the config: a model with "
                "others cannot be a GGUF file; use recipes of transformers for this model"
            )
    return (
        "llama.cpp computes this architecture differently from transformers, or the config has a "
        "setting that its converter does not read: use recipes of transformers for this model"
    )


def _ramp(text: Mapping[str, Any], rope: Mapping[str, Any]) -> str:
    """Between which dimensions YaRN goes over to its scaled frequencies, here and in llama.cpp.

    Peng et al. 2023, equation 17, as `_compute_yarn_parameters` of transformers has it.
    """
    width, base = text.get("head_dim"), rope.get("rope_theta", text.get("rope_theta"))
    context = rope.get("original_max_position_embeddings")
    if not (width and base and context):
        return ""
    low, high = (
        width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base))
        for turns in (rope.get("beta_fast", 32), rope.get("beta_slow", 1))
    )
    return f" ({low:.2f} to {high:.2f} become {math.floor(low)} to {math.ceil(high)})"


def _quartiles(
    windows: Mapping[str, object], some: Sequence[Array], others: Sequence[Array]
) -> dict[str, float]:
    return {
        language: float(np.quantile(np.abs(one - other), _QUARTILE))
        for language, one, other in zip(windows, some, others, strict=True)
    }


# --- the checkpoint ------------------------------------------------------------------------------


@contextmanager
def _opened(base: Path, *, trust: Trust) -> Iterator[Any]:
    """The checkpoint in transformers, which computes in float32, as exactly as it can."""
    whole = _float32_bytes(base) * _SPARE <= _free_memory()
    model = load_model(
        base,
        trust=trust,
        dtype="float32" if whole else "auto",
    )
    if model._can_set_attn_implementation():
        model.set_attn_implementation("eager")  # the only one that knows every setting
    with ExitStack() as hooks:
        if not whole:
            _compute_by_blocks(model, hooks)
        yield model


def _reference(model: Any, windows: Sequence[Sequence[int]], *, kind: str) -> Reference:
    import torch

    def run() -> list[Array]:
        rows = []
        for window in windows:
            ids = torch.tensor([list(window)])
            logits = model(input_ids=ids, use_cache=False).logits[0]
            rows.append(select_logprobs(logits.float().numpy(), window))
        return rows

    with torch.no_grad():  # in which views of weights can be told from other tensors
        exact = run()
        with _rounded(model, kind=kind):
            return Reference(exact=exact, rounded=run())


@contextmanager
def _rounded(model: Any, *, kind: str) -> Iterator[None]:
    """Let a model round where llama.cpp does: what a weight is multiplied with, and GELU."""
    import torch

    with gelu_from_table(model), ExitStack() as hooks:
        if kind in _HALVES:
            hooks.enter_context(_products_rounded(getattr(torch, _HALVES[kind])))
        yield


@contextmanager
def gelu_from_table(model: Any) -> Iterator[None]:
    """While it lasts, a model's GELU is that of llama.cpp on a CPU: a table in half precision.

    The table has a value for each half-precision input between -10 and 10; beyond, GELU is its
    input or zero (`ggml_vec_gelu_f32`). Only GELU that is a module of its own is replaced.
    """
    import torch

    def look_up(module: Any, given: Any, result: Any) -> Any:
        found = _round(module.forward(_round(given[0], torch.float16)), torch.float16)
        return torch.where(given[0].abs() < _TABLE_END, found, result)

    with ExitStack() as hooks:
        for module in filter(_is_gelu, model.modules()):
            hooks.callback(module.register_forward_hook(look_up).remove)
        yield


def _products_rounded(dtype: Any) -> Any:
    """A context in which all that is multiplied with a weight is rounded to `dtype` before."""
    from torch.nn import Parameter
    from torch.overrides import TorchFunctionMode

    def is_weight(value: Any) -> bool:
        """A parameter, or a view of one, such as one expert's part."""
        return isinstance(value, Parameter) or isinstance(getattr(value, "_base", None), Parameter)

    class Rounding(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Any,
            types: Any,
            args: Any = (),
            kwargs: Any = None,
        ) -> Any:
            if getattr(func, "__name__", "") in _PRODUCTS and any(map(is_weight, args)):
                args = tuple(one if is_weight(one) else _round(one, dtype) for one in args)
            return func(*args, **(kwargs or {}))

    return Rounding()


def _round(value: Any, dtype: Any) -> Any:
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value.to(dtype).to(value.dtype)


def _is_gelu(module: Any) -> bool:
    return "gelu" in type(module).__name__.casefold()


def has_gelu(model: Any) -> bool:
    """Whether a model computes GELU somewhere, which llama.cpp reads from a table on a CPU."""
    return _names_gelu(model) or any(map(_is_gelu, model.modules()))


def _has_hidden_gelu(model: Any) -> bool:
    """Whether the config names GELU and no module of the model is one."""
    return _names_gelu(model) and not any(map(_is_gelu, model.modules()))


def _names_gelu(model: Any) -> bool:
    text = model.config.get_text_config().to_dict()
    return any("gelu" in str(value).casefold() for key, value in text.items() if "act" in key)


# --- memory --------------------------------------------------------------------------------------


def _compute_by_blocks(model: Any, hooks: ExitStack) -> None:
    """Widen each block to float32 while it computes, and all that is in none at once.

    Weights are narrowed again to what they were, which loses nothing. What is derived from the
    config (rotary frequencies, scales of embeddings) was rounded on loading and is made anew.
    """
    import torch

    _renew_buffers(model)
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    blocks = max(lists, key=lambda one: sum(weight.numel() for weight in one.parameters()))
    inside = {id(weight) for weight in blocks.parameters()}
    kept = {id(weight): weight.dtype for weight in blocks.parameters()}
    for weight in model.parameters():
        if id(weight) not in inside:
            weight.data = weight.data.float()

    def widen(block: Any, *_: Any) -> None:
        for weight in block.parameters():
            weight.data = weight.data.float()

    def narrow(block: Any, *_: Any) -> None:
        for weight in block.parameters():
            weight.data = weight.data.to(kept[id(weight)])

    for block in blocks:
        hooks.callback(block.register_forward_pre_hook(widen).remove)
        hooks.callback(block.register_forward_hook(narrow).remove)


def _renew_buffers(model: Any) -> None:
    """Buffers as a model has them that is built in float32; its weights take no memory."""
    from accelerate import init_empty_weights

    with init_empty_weights():
        fresh = type(model)(model.config).float()
    exact = dict(fresh.named_buffers())
    stored = model.state_dict().keys()
    for name, buffer in model.named_buffers():
        if name in stored:
            buffer.data = buffer.data.float() if buffer.is_floating_point() else buffer.data
        elif name in exact:
            buffer.data = exact[name].data


def _lacking_memory(base: Path) -> str | None:
    """Why the checkpoint is not loaded to compare it; None if it fits."""
    needed, free = _stored_bytes(base) * _SPARE, _free_memory()
    if needed <= free:
        return None
    return (
        f"the checkpoint needs {needed / 1e9:,.0f} GB of memory to be compared with the file, and "
        f"{free / 1e9:,.0f} GB are free"
    )


def _stored_bytes(base: Path) -> int:
    patterns = ("*.safetensors", "*.bin")
    return sum(file.stat().st_size for pattern in patterns for file in base.glob(pattern))


def _float32_bytes(base: Path) -> int:
    if not checkpoint.list_weight_files(base):
        return 2 * _stored_bytes(base)
    return 4 * sum(math.prod(tensor.shape) for tensor in checkpoint.read_tensors(base))


def _free_memory() -> float:
    """Bytes that a process can take without swapping; endless where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    free = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return math.inf if free is None else 1024 * int(free.split()[1])
