"""A miniature of the base on disk: its config shrunk, random weights, its own tokenizer's files.

Weights are drawn so that the model computes something: activations of the size of one, attention
that looks around, soft caps and sinks that matter, logits that differ by a few nats. It knows
nothing, which is all that a rehearsal needs. A folder is whole or not there.
"""

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.formats.logit_scale import scale_logits
from babelbits.formats.trust import Trust
from babelbits.recipes.manifests import MANIFEST
from babelbits.records import JSON
from babelbits.study.rehearsal.outcomes import Depth
from babelbits.study.rehearsal.shrinking import (
    count_layers,
    find_period,
    find_sections,
    keep_one_dense,
    shrink,
)

MOST_WEIGHTS = 1_500_000_000
"""Weights of the largest miniature that is built."""
_DEEPEST = 25
"""Layers beyond which a pattern is too long to rehearse: those of Gemma 3n."""
_DEEPEST_WHOLE = 128
_LOGIT_SPREAD = 2.5
"""Standard deviation of the logits at a position, nats."""
_CAPPED = 6.0
"""How much larger queries are where attention scores are capped, so that the cap bites."""
_NOT_COPIED = ("config.json", "generation_config.json", MANIFEST)
_COPIED = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py")


class NotSmall(Exception):  # noqa: N818  it is no error, but a reason
    """Why a base has no miniature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miniature:
    """A checkpoint that stands for the base."""

    folder: Path
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What is known of the base's layers."""

    real: int
    """Their number."""
    period: int
    """Layers from the first in which every kind occurs."""

    def layers(self, depth: Depth) -> int:
        """Layers of a miniature of some depth.

        Raises
        ------
        NotSmall
            If that is too many.
        """
        wanted = {
            "one period": self.period,
            "two periods": 2 * self.period,
            "all layers": self.real,
        }[depth]
        if wanted > (_DEEPEST_WHOLE if depth == "all layers" else _DEEPEST):
            raise NotSmall(f"the pattern of its layers repeats after {self.period} only")
        return wanted


def build(base: Path, place: Path, *, depth: Depth, trust: Trust) -> Miniature:
    """Have the miniature of a depth in `place`; built if it is not there.

    Raises
    ------
    NotSmall
        If the base cannot be shrunk; says why.
    """
    folder = place / depth.replace(" ", "-")
    if (folder / "config.json").is_file():
        count = json.loads((folder / "config.json").read_text("utf-8"))["babelbits_layers"]
        return Miniature(folder=folder, layers=int(count))
    config = read_config(base, trust=trust)
    layers = find_pattern(base, trust=trust).layers(depth)
    raw: JSON = json.loads((base / "config.json").read_text("utf-8"))
    reasons: list[str] = []
    for bold in (True, False):
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            shrunk = shrink(raw, config, layers=layers, bold=bold)
            _write(base, partial, shrunk, layers=layers, trust=trust)
        except NotSmall as error:
            reasons.append(str(error))
        except Exception as error:  # noqa: BLE001  whatever a model's own code says to odd widths
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            reasons.append(f"{type(error).__name__}: {first}")
        else:
            partial.replace(folder)
            return Miniature(folder=folder, layers=layers)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    raise NotSmall(reasons[0])


# --- the base ------------------------------------------------------------------------------------


def read_config(base: Path, *, trust: Trust) -> Any:
    """What transformers reads from the base's config."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(
        base, local_files_only=True, trust_remote_code=trust.remote_code
    )


def find_pattern(base: Path, *, trust: Trust) -> Pattern:
    """How the base's layers repeat, seen on its modules and its config.

    Raises
    ------
    NotSmall
        If its layers cannot be found.
    """
    config = read_config(base, trust=trust)
    text, _ = find_sections({}, config)
    real = count_layers(text)
    keep_one_dense(text)
    for name, value in text.raw.items():
        with suppress(AttributeError, ValueError):
            setattr(text.config, name, value)
    import torch

    try:
        with torch.device("meta"):
            model = _new(config, trust=trust)
    except Exception as error:
        raise NotSmall(f"its modules cannot be laid out: {error}") from error
    lists = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == real
    ]
    if not lists:
        raise NotSmall(f"its {real} layers cannot be told apart")
    layers = max(lists, key=lambda one: sum(weight.numel() for weight in one.parameters()))
    kinds = [_kind(layers[i], text.config, i, real) for i in range(real)]
    repeats = find_period(kinds)
    return Pattern(real=real, period=min(repeats, max(2, real)))


def _kind(layer: Any, config: Any, index: int, real: int) -> tuple[Any, ...]:
    """What makes a layer like another: modules, shapes, switches, and the config's word."""
    modules = tuple(
        (name, type(module).__name__, _switches(module)) for name, module in layer.named_modules()
    )
    shapes = tuple((name, tuple(weight.shape)) for name, weight in layer.named_parameters())
    said = tuple(
        str(value[index])
        for name, value in sorted(vars(config).items())
        if isinstance(value, list | tuple) and len(value) == real
    )
    return modules, shapes, said


def _switches(module: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, value)
        for name, value in sorted(vars(module).items())
        if not name.startswith("_")
        and not any(word in name for word in ("idx", "index", "layer_id"))
        and (value is None or isinstance(value, bool | str))
    )


def _new(config: Any, *, trust: Trust) -> Any:
    """A model of the class that the checkpoint names, without its weights."""
    import transformers

    names = getattr(config, "architectures", None) or []
    cls = getattr(transformers, names[0], None) if names else None
    if cls is not None and type(config) is cls.config_class:
        return cls._from_config(config)
    return transformers.AutoModelForCausalLM.from_config(
        config, trust_remote_code=trust.remote_code
    )


# --- the files -----------------------------------------------------------------------------------


def _write(base: Path, folder: Path, config: JSON, *, layers: int, trust: Trust) -> None:
    """Config, weights and tokenizer files."""
    import torch

    text = json.dumps({**config, "babelbits_layers": layers}, ensure_ascii=False, indent=1)
    _copy(base, folder)
    (folder / "config.json").write_text(text, "utf-8")
    read = read_config(folder, trust=trust)
    section, _ = find_sections({}, read)
    if count_layers(section) != layers:
        raise NotSmall("its config does not say the number of its layers in a way that is known")
    dtype = getattr(read, "dtype", None) or torch.float32
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point or dtype.itemsize < 2:
        dtype = torch.float32
    with torch.device("meta"):
        weights = sum(w.numel() for w in _new(read, trust=trust).parameters())
    if weights > MOST_WEIGHTS:
        raise NotSmall(f"its smallest form has {weights:,} weights")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = _new(read, trust=trust).eval()
        _draw(model)
        scale_logits(model)
        _spread(model)
        model.to(dtype).save_pretrained(folder)
    (folder / "config.json").write_text(text, "utf-8")
    generation = base / "generation_config.json"
    if generation.is_file():
        shutil.copyfile(generation, folder / generation.name)
    else:
        (folder / generation.name).unlink(missing_ok=True)


def _copy(base: Path, folder: Path) -> None:
    """Everything beside config and weights, by link where links are allowed."""
    for pattern_ in _COPIED:
        for file in base.glob(pattern_):
            target = folder / file.name
            if file.name in _NOT_COPIED or file.name.endswith(".index.json") or target.exists():
                continue
            try:
                target.symlink_to(file.resolve())
            except OSError:
                shutil.copyfile(file, target)


# --- the weights ---------------------------------------------------------------------------------


def _draw(model: Any) -> None:
    """Weights that make every part matter."""
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    tied = head is not None and head.weight is model.get_input_embeddings().weight
    turned = {name for name, module in model.named_modules() if isinstance(module, Conv1D)}
    text = model.config.get_text_config()
    capped = getattr(text, "attn_logit_softcapping", None) is not None
    for name, weight in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        if weight.ndim >= 2:
            weight.normal_(std=_std(model, owner, weight, turned=turned, tied=tied))
            if capped and owner.endswith("q_proj"):
                weight.mul_(_CAPPED)
        elif "sink" in leaf:
            weight.normal_(mean=1.0)
        elif weight.numel() > 1 and bool((weight == weight[0]).all()):
            scale = 0.1 if float(weight[0]) == 0 else 0.15 * abs(float(weight[0]))
            weight.add_(weight.new_empty(weight.shape).normal_(std=scale))
    _soften(model)


def _soften(model: Any) -> None:
    """Let attention look around where scores are not divided by the root of a head's width.

    Gemma 3n and 4 leave that to the norms of queries. With norms of the size of one each token
    attends to one other, and what rounding makes of that hides what a library does wrong.
    """
    for module in model.modules():
        norm = getattr(module, "q_norm", None)
        weight = getattr(norm, "weight", None)
        if getattr(module, "scaling", None) == 1 and weight is not None:
            weight.mul_(weight.numel() ** -0.5)


def _std(model: Any, owner: str, weight: Any, *, turned: set[str], tied: bool) -> float:
    """Of a matrix's entries: its output is as large as its input."""
    module = model.get_submodule(owner) if owner else model
    kind = type(module).__name__
    if "Embedding" in kind:
        main = weight.shape[0] >= 1000 and weight is model.get_input_embeddings().weight
        return float(1.0 / weight.shape[1] ** 0.5) if main and tied else 0.3
    if weight.ndim == 2:
        inputs = weight.shape[0] if owner in turned else weight.shape[1]
        return float(1.0 / max(1, inputs) ** 0.5)
    if "Conv" in kind:
        return float(1.0 / weight[0].numel() ** 0.5)
    return float((weight.shape[-1] * weight.shape[-2]) ** -0.25)


def _spread(model: Any) -> None:
    """Scale what comes before the logits until they differ as a language model's do."""
    import torch

    head = model.get_output_embeddings()
    if head is None:
        return
    tied = head.weight is model.get_input_embeddings().weight
    scaled = (_last_norm(model) if tied else None) or head
    # Norms of Gemma's kind multiply by one more than their weight, which is about zero.
    adds_one = scaled is not head and abs(float(scaled.weight.mean())) < 0.3
    vocabulary = model.config.get_text_config().vocab_size
    tokens = torch.randint(vocabulary, (1, 24), generator=torch.Generator().manual_seed(1))
    for _ in range(2):  # a soft cap makes the first step too small
        logits = model(input_ids=tokens, use_cache=False).logits[0].float()
        spread = float(logits.std(dim=-1).mean())
        if not 0 < spread < float("inf"):
            raise NotSmall("with random weights it gives no finite logits")
        factor = min(100.0, max(0.01, _LOGIT_SPREAD / spread))
        _scale(scaled, factor, adds_one=adds_one)


def _last_norm(model: Any) -> Any:
    """The norm before the output layer; None where there is none with weights.

    Where the output layer is the input embedding, scaling that one would drown the layers.
    """
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    if decoder is None or decoder is model:
        return None
    norms = [one for one in decoder.children() if "norm" in type(one).__name__.casefold()]
    norms = [one for one in norms if getattr(one, "weight", None) is not None]
    return norms[-1] if norms else None


def _scale(module: Any, factor: float, *, adds_one: bool) -> None:
    """Multiply what a module gives."""
    weight = module.weight
    if adds_one:
        weight.add_(1).mul_(factor).sub_(1)
    else:
        weight.mul_(factor)
        if getattr(module, "bias", None) is not None:
            module.bias.mul_(factor)
