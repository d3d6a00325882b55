"""bitsandbytes' recipes: LLM.int8 and NF4, quantized while the model is loaded.

As with llm-compressor's, only the linear layers of the transformer blocks are quantized.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babelbits import devices
from babelbits.recipes import bnb
from babelbits.recipes.base_loading import load_tokenizer
from babelbits.recipes.family import Family, Job, Made, draw_text
from babelbits.recipes.info import ParameterInfo, RecipeInfo
from babelbits.recipes.linear_weights import is_linear
from babelbits.recipes.versions import find_making
from babelbits.records import TensorRecord

_NF4_BLOCK = 64
_NF4_SCALE_BYTES = 4
_RECIPES = (
    RecipeInfo(
        name="llm-int8",
        summary="LLM.int8 (bitsandbytes): int8 weights and activations, outlier columns in float",
        family="bitsandbytes",
        method="llm.int8",
        weight_bits=8.0,
        activation_bits=8,
        parameters={
            "threshold": ParameterInfo(
                type=float,
                default=6.0,
                minimum=0.0,
                help="activations at least this large keep their column in float; 0: none does",
            )
        },
        aliases=("LLM.int8", "LLM.int8()", "bnb-int8", "W8-Aya"),
    ),
    RecipeInfo(
        name="nf4",
        summary="NormalFloat4 (bitsandbytes): 16 quantiles of a normal, one scale for 64 weights",
        family="bitsandbytes",
        method="nf4",
        weight_bits=4.0,
        parameters={
            "double_quantization": ParameterInfo(
                type=bool, default=False, help="store the scales themselves in 8 bits"
            )
        },
        aliases=("NF4", "bnb-nf4", "QLoRA", "W4-Aya"),
    ),
)


class BitsAndBytes(Family):
    """What bitsandbytes loads and transformers runs."""

    name = "bitsandbytes"
    format = "bitsandbytes"
    title = "bitsandbytes"
    recipes = _RECIPES
    examples = ("nf4",)
    decisive = ("torch", "transformers", "bitsandbytes")
    main_library = "bitsandbytes"
    rehearsal = "layers"

    def version(self, info: RecipeInfo, config: Mapping[str, Any]) -> int:
        """2 for mixtures of experts."""
        return find_making(config, sees_text=info.needs_calibration)

    def make(self, job: Job, folder: Path) -> Made:
        """Quantize while loading; see `recipes.bnb`."""
        tokenizer = load_tokenizer(job.base, trust=job.trust)
        calibration = draw_text(job, tokenizer)
        device = devices.resolve_torch_device(job.device)
        scope = bnb.save_bitsandbytes(
            job.base,
            folder,
            info=job.info,
            parameters=job.parameters,
            config=job.config,
            device=device,
            trust=job.trust,
        )
        tokenizer.save_pretrained(folder)
        record = None if calibration is None else calibration.record
        return Made(calibration=record, scope=scope, device=device)

    def notes(
        self, job: Job, made: Made, tensors: tuple[TensorRecord, ...]
    ) -> tuple[str | None, ...]:
        """Also what a method's parameters mean for its numbers."""
        return (*super().notes(job, made, tensors), bnb.make_note(job.info.method, job.parameters))

    def size(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
        settled: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
    ) -> int:
        """NF4 has a scale in 32 bits for 64 weights."""
        if info.method != "nf4":
            return super().size(tensors, info, settled, config=config)
        return sum(
            _nf4_bytes(one) if is_linear(one) else one.bytes for one in self.kept(tensors, config)
        )

    def couples_rows(self, info: RecipeInfo, settled: Mapping[str, Any]) -> bool:
        """LLM.int8 looks for outlier columns in all rows of a batch; with 0 it keeps none."""
        return info.method == "llm.int8" and float(settled.get("threshold", 0)) > 0


def _nf4_bytes(tensor: TensorRecord) -> int:
    weights = math.prod(tensor.shape)
    return math.ceil(weights / 2) + math.ceil(weights / _NF4_BLOCK) * _NF4_SCALE_BYTES


FAMILY = BitsAndBytes()
