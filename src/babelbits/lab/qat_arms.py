"""Make the arms of a QAT lab: train control and QAT, round the control, write checkpoints.

Every arm is a folder that is whole or absent: made under a hidden name beside it and renamed. A
training that was killed goes on from its last checkpoint, and what is there is not made again. Each
folder holds `arm.json`, which says how it came about, beside the checkpoint. Never evaluates.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babelbits.formats.packed_integers import unpack_columns
from babelbits.formats.trust import UNTRUSTED
from babelbits.lab.fake_quantization import (
    GROUP_SIZE,
    WEIGHT_BITS,
    QuantizedWeight,
    convert,
    describe,
    prepare,
)
from babelbits.lab.int4_checkpoint import write_int4
from babelbits.lab.qat_design import Arm, Mix, QatDesign, find_base_folder, find_folder
from babelbits.lab.qat_text import (
    LanguageText,
    TokenStream,
    make_encoder,
    read_token_stream,
    start_token,
)
from babelbits.lab.training import TrainingProgress, TrainingRecord, TrainingSettings, train_model
from babelbits.quiet import quiet
from babelbits.recipes.base_loading import load_model, load_tokenizer
from babelbits.recipes.calibration import MIX, Calibration, CalibrationSpec
from babelbits.records import JSON, CalibrationRecord, digest
from babelbits.store.atomic import store_errors, sync_folder

RECORD = "arm.json"
WINDOWS = 128
"""Windows of training text that GPTQ sees, each as long as a training sequence."""
_WEIGHTS = "model.safetensors"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What all arms of a lab are made from."""

    lab: Path
    design: QatDesign
    base: Path
    """Folder of the unquantized model."""
    texts: Mapping[str, LanguageText]
    say: Say
    progress: Callable[[str, TrainingProgress], None]
    """Told the name of the arm and how far its training is; what it raises ends the training."""


def make_arms(making: Making, mix: Mix, seed: int) -> None:
    """All arms of one mix and seed that are missing.

    Raises
    ------
    TrainingError
        If the loss or the gradient is no number any more.
    MissingExtraError
        If torchao or llm-compressor is not installed.
    RecipeError
        If the format does not fit the model.
    """
    folder = find_folder(making.lab, mix, seed)
    arms: dict[Arm, Callable[[Path], JSON]] = {}
    stream = _stream(making, mix, seed)
    arms["control"] = lambda out: _control(making, stream, seed, folder, out)
    arms["ptq"] = lambda out: _ptq(folder / "control", out)
    arms["gptq"] = lambda out: _gptq(folder / "control", out, stream=stream, making=making)
    arms["qat"] = lambda out: _qat(making, stream, seed, folder, out)
    for arm, make in arms.items():
        told = {
            "arm": arm,
            "mix": mix,
            "seed": seed,
            "tokens": dict(stream.by_language),
            "passes": dict(stream.passes),
        }
        _make(folder / arm, make, told=told, say=making.say)


def make_untrained(making: Making) -> None:
    """The model itself, in float32, rounded to nearest and by GPTQ on the balanced text."""
    folder = find_base_folder(making.lab)
    stream = _stream(making, "balanced", making.design.seeds[0])
    plain = folder / "plain"
    arms: dict[str, Callable[[Path], JSON]] = {
        "plain": lambda out: _plain(making.base, out),
        "ptq": lambda out: _ptq(plain, out),
        "gptq": lambda out: _gptq(plain, out, stream=stream, making=making),
    }
    for arm, make in arms.items():
        _make(folder / arm, make, told={"arm": arm, "mix": None, "seed": None}, say=making.say)


def make_settings(design: QatDesign, stream: TokenStream, seed: int) -> TrainingSettings:
    """How control and QAT are trained: the same."""
    return TrainingSettings(
        steps=design.steps,
        data=stream.id,
        seed=seed,
        optimizer="adamw",
        learning_rate=design.learning_rate,
        warmup_steps=design.warmup_steps,
        decay_share=design.decay_share,
        checkpoint_every=25,
        log_every=10,
    )


def _stream(making: Making, mix: Mix, seed: int) -> TokenStream:
    design = making.design
    tokenizer = load_tokenizer(making.base, trust=UNTRUSTED)
    return read_token_stream(
        [making.texts[code] for code in design.languages_of(mix)],
        make_encoder(tokenizer),
        start=start_token(tokenizer),
        n_tokens=design.steps * design.rows * (design.length + 1),
        seed=seed,
    )


def _make(target: Path, make: Callable[[Path], JSON], *, told: JSON, say: Say) -> None:
    """Make one arm, unless it is there."""
    if (target / RECORD).is_file():
        return
    say(f"making {target.parent.name} · {target.name}")
    with _whole(target) as folder:
        record = {**told, **make(folder)}
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (folder / RECORD).write_text(text, "utf-8")


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """An empty folder that becomes `target` when the block ends well."""
    hidden = target.with_name(f".{target.name}.making")
    with store_errors(target):
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
    yield hidden
    with store_errors(target):
        sync_folder(hidden)
        hidden.rename(target)
        sync_folder(target.parent)


# --- the arms ----------------------------------------------------------------------------------


def _control(making: Making, stream: TokenStream, seed: int, folder: Path, out: Path) -> JSON:
    model = _load(making.base)
    record = _train(making, model, stream, seed, folder / "training" / "control")
    _save(model, making.base, out)
    return {"training": asdict(record)}


def _qat(making: Making, stream: TokenStream, seed: int, folder: Path, out: Path) -> JSON:
    model = _load(making.base)
    prepare(model)
    record = _train(making, model, stream, seed, folder / "training" / "qat")
    weights = convert(model)
    write_int4(out, plain=folder / "control", weights=weights, others=_others(model, weights))
    return {"training": asdict(record), "format": dict(describe())}


def _plain(base: Path, out: Path) -> JSON:
    _save(_load(base), base, out)
    return {}


def _ptq(plain: Path, out: Path) -> JSON:
    write_int4(out, plain=plain, weights=convert(_load(plain)))
    return {"format": dict(describe())}


def _gptq(plain: Path, out: Path, *, stream: TokenStream, making: Making) -> JSON:
    """GPTQ's codes of the recipe 'w4-g' in groups of 32, in the same format as the other arms."""
    from babelbits.recipes.make import describe_base, make

    seen = make_calibration(stream, length=making.design.length)
    made = out / "w4-g"
    make(
        plain,
        recipe="w4-g",
        parameters={"group_size": GROUP_SIZE},
        calibration=CalibrationSpec(language=seen.record.language, source=seen.record.source),
        drawn=seen,
        out=made,
        variant_id=out.name,
        base_label=plain.name,
        base_hash=describe_base(plain).weights_hash,
        seed=0,
        device="cpu",
    )
    weights = read_gptq(made)
    shutil.rmtree(made)
    write_int4(out, plain=plain, weights=weights)
    return {"format": dict(describe()), "calibration": asdict(seen.record)}


def make_calibration(stream: TokenStream, *, length: int) -> Calibration:
    """The first windows of a training's tokens, as text that GPTQ sees."""
    size = length + 1
    count = min(WINDOWS, stream.tokens.size // size)
    rows = stream.tokens[: count * size].reshape(count, size)[:, :length]
    windows = tuple(tuple(int(one) for one in row) for row in rows)
    record = CalibrationRecord(
        language=MIX.join(stream.by_language),
        source="the first tokens of the training text",
        text_hash=digest([list(one) for one in windows], length=32),
        n_samples=count,
        tokens_per_sample=length,
        n_tokens=count * length,
        seed=0,
    )
    spoken = tuple((0,) * length for _ in windows)
    return Calibration(windows=windows, record=record, spoken=spoken)


def read_gptq(folder: Path) -> dict[str, QuantizedWeight]:
    """Codes and scales of a checkpoint that the recipe 'w4-g' made, by layer."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(folder / _WEIGHTS)
    ending = ".weight_packed"
    found = {}
    for name in (one for one in tensors if one.endswith(ending)):
        layer = name.removesuffix(ending)
        codes = unpack_columns(tensors[name].numpy(), WEIGHT_BITS) - 2 ** (WEIGHT_BITS - 1)
        found[layer] = QuantizedWeight(
            codes=torch.from_numpy(codes).to(torch.int8), scales=tensors[f"{layer}.weight_scale"]
        )
    return found


def _train(
    making: Making, model: Any, stream: TokenStream, seed: int, folder: Path
) -> TrainingRecord:
    import torch

    design = making.design

    def batches(step: int) -> torch.Tensor:
        return torch.from_numpy(stream.batch(step, rows=design.rows, length=design.length))

    name = "/".join(folder.relative_to(making.lab).parts)
    return train_model(
        model,
        batches,
        settings=make_settings(design, stream, seed),
        folder=folder,
        progress=lambda now: making.progress(name, now),
    )


def _load(folder: Path) -> Any:
    with quiet():
        return load_model(folder, trust=UNTRUSTED, dtype="float32")


def _save(model: Any, base: Path, out: Path) -> None:
    """A plain checkpoint in float32 with the base model's tokenizer."""
    with quiet():
        model.save_pretrained(out)
        load_tokenizer(base, trust=UNTRUSTED).save_pretrained(out)


def _others(model: Any, weights: Mapping[str, QuantizedWeight]) -> dict[str, Any]:
    """What a model has beside its quantized weights; tied weights once."""
    layers: Sequence[str] = [f"{name}." for name in weights]
    return {
        name: one
        for name, one in model.named_parameters()
        if not any(name.startswith(layer) for layer in layers)
    }
