"""llm-compressor's recipes: integers and 8-bit floats in the format compressed-tensors.

Embeddings, norms and `lm_head` stay as they are in the base model (so GPTQ's authors do; Paper A
does not say), and only the linear layers of the transformer blocks are quantized.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from babelbits import devices
from babelbits.recipes import module_bits, rotation
from babelbits.recipes.base_loading import load_model, load_tokenizer
from babelbits.recipes.family import Family, Job, Made, draw_text
from babelbits.recipes.info import ParameterInfo, RecipeInfo
from babelbits.recipes.scope import build_skeleton, plan_scope
from babelbits.recipes.smoothing import refuse_smoothing
from babelbits.recipes.versions import find_making
from babelbits.records import TensorRecord

GROUP_SIZE = ParameterInfo(
    type=int,
    default=128,
    minimum=8,
    help="input columns that share a scale; must divide every quantized layer's input size",
)


def _fixed(size: int) -> Mapping[str, ParameterInfo]:
    """The group size of a format that has only one: every layer must have so many inputs."""
    about = "numbers that share a scale; the format has no other"
    return {"group_size": ParameterInfo(type=int, default=size, choices=(size,), help=about)}


def _modules(*, integers: bool) -> ParameterInfo:
    """Bits of single modules, where a study gives any."""
    others = "4, 8 or 16 bits" if integers else "16 bits (no others in this format)"
    return ParameterInfo(
        type=str,
        default="",
        problem=partial(module_bits.find_problem, integers=integers),
        only_if_given=True,
        help=f"{others} for modules by their names, 16 leaving them as they are: "
        "{ down_proj = 8, lm_head = 16 }",
    )


_SYMMETRIC = ParameterInfo(
    type=bool, default=True, help="int codes around zero (true), or with a zero point (false)"
)
_GPTQ: Mapping[str, ParameterInfo] = {
    "dampening": ParameterInfo(
        type=float,
        default=0.01,
        minimum=0.0,
        maximum=1.0,
        help="share of the mean diagonal added to the Hessian's diagonal",
    ),
    "block_size": ParameterInfo(
        type=int, default=128, minimum=1, help="columns quantized before the rest is corrected"
    ),
    "actorder": ParameterInfo(
        type=str,
        default="static",
        choices=("none", "static"),
        help="column order: as stored (GPTQ's authors' default), or largest activation first "
        "with the groups as stored (llm-compressor's default)",
    ),
}

_RECIPES = (
    RecipeInfo(
        name="w8",
        summary="int8 weights, one scale an output channel, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        aliases=("W8", "W8A16", "int8"),
    ),
    RecipeInfo(
        name="w8a8",
        summary="int8 weights as in w8, and int8 activations scaled a token at a time",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        aliases=("W8A8",),
    ),
    RecipeInfo(
        name="w8a8-sq",
        summary="w8a8 after SmoothQuant has moved outliers from activations into weights",
        family="compressed-tensors",
        method="smoothquant",
        weight_bits=8.0,
        activation_bits=8,
        needs_calibration=True,
        parameters={
            "smoothing_strength": ParameterInfo(
                type=float,
                default=0.5,
                minimum=0.0,
                maximum=1.0,
                help="SmoothQuant's alpha: 0 leaves all difficulty in the activations, 1 moves "
                "all of it into the weights",
            )
        },
        aliases=("W8A8-sq", "SmoothQuant"),
    ),
    RecipeInfo(
        name="w4",
        summary="int4 weights, one scale an output channel, GPTQ",
        family="compressed-tensors",
        method="gptq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters=_GPTQ,
        aliases=("W4",),
    ),
    RecipeInfo(
        name="w4-g",
        summary="int4 weights, one scale a group of input columns, GPTQ",
        family="compressed-tensors",
        method="gptq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters={"group_size": GROUP_SIZE, **_GPTQ},
        aliases=("W4-g", "GPTQ", "W4A16"),
    ),
    RecipeInfo(
        name="w4-rtn",
        summary="int4 weights, one scale an output channel, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
    ),
    RecipeInfo(
        name="w4-g-rtn",
        summary="int4 weights, one scale a group of input columns, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        parameters={"group_size": GROUP_SIZE},
        aliases=("RTN",),
    ),
    RecipeInfo(
        name="awq",
        summary="int4 weights in groups, after AWQ has scaled up the channels that matter",
        family="compressed-tensors",
        method="awq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters={"group_size": GROUP_SIZE, "symmetric": _SYMMETRIC},
        aliases=("AWQ",),
    ),
    RecipeInfo(
        name="fp8",
        summary="8-bit float (E4M3) weights by output channel, and activations by token",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        aliases=("FP8", "FP8-dynamic", "W8A8-FP8"),
    ),
    RecipeInfo(
        name="w8a8-static",
        summary="int8 weights as in w8, and int8 activations with one scale a layer, calibrated",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        needs_calibration=True,
        aliases=("W8A8-static",),
    ),
    RecipeInfo(
        name="fp8-block",
        summary="E4M3, weights in blocks of 128 x 128, activations in groups of 128",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        parameters=_fixed(128),
        aliases=("FP8_BLOCK",),
    ),
    RecipeInfo(
        name="mxfp8",
        summary="E4M3 weights and activations, a power of two for 32 of them (OCP MX)",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        parameters=_fixed(32),
        aliases=("MXFP8",),
    ),
    RecipeInfo(
        name="w4a8",
        summary="int4 weights in groups as in w4-g-rtn, and int8 activations scaled a token at a "
        "time; stored a byte a weight",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        activation_bits=8,
        parameters={"group_size": GROUP_SIZE},
        aliases=("W4A8",),
    ),
    RecipeInfo(
        name="spinquant",
        summary="w4a8 by GPTQ after random Hadamard rotations (SpinQuant's R1 and R2, not learned) "
        "have spread outliers; stored a byte a weight",
        family="compressed-tensors",
        method=rotation.METHOD,
        weight_bits=4.0,
        activation_bits=8,
        needs_calibration=True,
        parameters={"group_size": GROUP_SIZE, **_GPTQ},
        aliases=("SpinQuant",),
    ),
    RecipeInfo(
        name="nvfp4a16",
        summary="4-bit float (E2M1) weights, an E4M3 scale for 16 of them",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        parameters=_fixed(16),
        aliases=("NVFP4A16",),
    ),
    RecipeInfo(
        name="nvfp4",
        summary="E2M1 weights as in nvfp4a16, and activations alike, their range calibrated",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        activation_bits=4,
        needs_calibration=True,
        parameters=_fixed(16),
        aliases=("NVFP4",),
    ),
    RecipeInfo(
        name="mxfp4",
        summary="E2M1 weights and activations, a power of two for 32 of them (OCP MX)",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        activation_bits=4,
        parameters=_fixed(32),
        aliases=("MXFP4",),
    ),
)


_FLOATS = ("fp8", "fp8-block", "mxfp8", "mxfp4", "nvfp4", "nvfp4a16")


def add_modules(info: RecipeInfo) -> RecipeInfo:
    """A recipe that takes bits of single modules, too."""
    own = _modules(integers=info.name not in _FLOATS)
    return replace(info, parameters={**info.parameters, module_bits.PARAMETER: own})


class CompressedTensors(Family):
    """What llm-compressor makes and vLLM serves unchanged."""

    name = "compressed-tensors"
    format = "compressed-tensors"
    title = "llm-compressor"
    recipes = tuple(map(add_modules, _RECIPES))
    examples: ClassVar[tuple[str, ...]] = ("w8", "w4-g")
    decisive: ClassVar[tuple[str, ...]] = (
        *("torch", "transformers", "llmcompressor", "compressed-tensors"),
    )
    main_library = "llmcompressor"
    rehearsal = "layers"

    def check(
        self,
        config: Mapping[str, Any],
        info: RecipeInfo,
        settled: Mapping[str, Any],
    ) -> None:
        """Refuse to smooth or rotate models of which nobody knows what reads what."""
        refuse_smoothing(config, info)
        rotation.refuse_rotation(config, info)

    def version(self, info: RecipeInfo, config: Mapping[str, Any]) -> int:
        """2 for mixtures of experts and for models that were calibrated without a mask."""
        return find_making(config, sees_text=info.needs_calibration)

    def make(self, job: Job, folder: Path) -> Made:
        """Quantize block by block on the device; see `recipes.compressed`."""
        from babelbits.recipes.compressed import save_compressed

        tokenizer = load_tokenizer(job.base, trust=job.trust)
        calibration = draw_text(job, tokenizer)
        device = devices.resolve_torch_device(job.device)
        empty = build_skeleton(job.base, trust=job.trust)
        recipe, left = job.info.name, job.most_left
        plan_scope(empty, recipe=recipe, settled=job.parameters, most_left=left)  # which may refuse
        # llm-compressor moves one block at a time to the device: the model stays in main memory.
        model = load_model(job.base, trust=job.trust)
        scope, experts = save_compressed(
            model,
            folder,
            info=job.info,
            parameters=job.parameters,
            calibration=calibration,
            tokenizer=tokenizer,
            device=device,
            seed=job.seed,
            trust=job.trust,
            most_unrouted=job.most_unrouted,
            most_left=left,
        )
        tokenizer.save_pretrained(folder)
        record = None if calibration is None else replace(calibration.record, experts=experts)
        notes = (rotation.NOTE,) if job.info.method == rotation.METHOD else ()
        return Made(calibration=record, scope=scope, notes=notes, device=device)

    def size(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
        settled: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
    ) -> int:
        """The same, and an output layer of its own where the rotated model had none."""
        total = super().size(tensors, info, settled, config=config)
        return total + (
            rotation.count_untied_bytes(tensors) if info.method == rotation.METHOD else 0
        )


FAMILY = CompressedTensors()
