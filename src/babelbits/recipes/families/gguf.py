"""llama.cpp's recipes: a GGUF file as it is, and its block types with importance matrices.

llama.cpp quantizes embeddings and output too. Variants are made from a checkpoint, which is
converted first, or from a GGUF file.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.llamacpp import converter, gguf_file, library
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.recipes import gguf_base, gguf_blocks
from babelbits.recipes.base_loading import load_tokenizer
from babelbits.recipes.calibration import find_matrix_file
from babelbits.recipes.family import HF, Family, Job, Made, draw_text
from babelbits.recipes.gguf import note_conversion, note_matrix
from babelbits.recipes.gguf_quantize import parse_tensor_types
from babelbits.recipes.info import ParameterInfo, RecipeInfo
from babelbits.recipes.linear_weights import is_linear
from babelbits.records import TensorRecord

_BLOCK_BITS = {
    "q8_0": 8.5,
    "q6_k": 6.5625,
    "q5_k": 5.5,
    "q4_k": 4.5,
    "iq4_xs": 4.25,
    "q3_k": 3.4375,
    "iq3_s": 3.4375,
    "q2_k": 2.625,
    "iq2_s": 2.5,
}
"""Bits a weight of llama.cpp's block types, scales and all (ggml-common.h)."""
_OUTPUT_BITS = 6.5625
"""Its mixtures below q8_0 keep the output, or embeddings that serve as output, in q6_k."""
_GGUF_TYPES = ("f16", "bf16", "f32")
_GGUF_KIND = ParameterInfo(
    type=str, default="f16", choices=_GGUF_TYPES, help="type of the converted weights"
)
_K_QUANT: Mapping[str, ParameterInfo] = {
    "source_type": ParameterInfo(
        type=str,
        default="f16",
        choices=_GGUF_TYPES,
        help="type that the checkpoint is converted to before it is quantized",
    ),
    "tensor_types": ParameterInfo(
        type=str,
        default="",
        help="types that win over the mixture, by pattern: 'token_embd=q8_0,attn_v=q6_k'",
    ),
}


def _k_quant(
    name: str, bits: float, summary: str, *aliases: str, needs_matrix: bool = False
) -> RecipeInfo:
    """A type of llama.cpp; written with '-' or '_', in capitals or not, it is the same recipe."""
    return RecipeInfo(
        name=name,
        summary=f"llama.cpp's {name.upper()}: {summary}",
        family="gguf",
        method="k-quant",
        weight_bits=bits,
        needs_calibration=needs_matrix,
        may_calibrate=True,
        mixture=name.upper(),
        parameters=_K_QUANT,
        aliases=aliases,
    )


_RECIPES = (
    RecipeInfo(
        name="gguf",
        summary="the model as it is in llama.cpp's format: the baseline of GGUF variants",
        family="gguf",
        method="convert",
        weight_bits=16.0,
        parameters={"type": _GGUF_KIND},
        aliases=("gguf-f16",),
    ),
    _k_quant("q8_0", 8, "blocks of 32 with a scale each"),
    _k_quant("q6_k", 6, "blocks of 256, 6 bits"),
    _k_quant("q5_k_m", 5, "5 bits, some tensors in 6", "q5_k"),
    _k_quant("q5_k_s", 5, "5 bits"),
    _k_quant("q4_k_m", 4, "4 bits, some tensors in 6", "q4_k"),
    _k_quant("q4_k_s", 4, "4 bits, a few tensors in 5"),
    _k_quant("iq4_xs", 4, "4 bits on a curved grid"),
    _k_quant("q3_k_l", 3, "3 bits, some tensors in 5"),
    _k_quant("q3_k_m", 3, "3 bits, some tensors in 4 and 5", "q3_k"),
    _k_quant("q3_k_s", 3, "3 bits"),
    _k_quant("iq3_s", 3, "3 bits from a codebook"),
    _k_quant("q2_k", 2, "2 bits, some tensors in 3 and 4"),
    _k_quant("q2_k_s", 2, "2 bits; needs an importance matrix", needs_matrix=True),
    _k_quant("iq2_s", 2, "2 bits from a codebook; needs an importance matrix", needs_matrix=True),
)


class Gguf(Family):
    """What llama.cpp makes and runs."""

    name = "gguf"
    format = "gguf"
    title = "llama.cpp"
    recipes = _RECIPES
    examples = ("q8_0", "q4_k_m")
    decisive = ("transformers", library.DISTRIBUTION)
    main_library = library.DISTRIBUTION
    reads = (HF, gguf_base.GGUF)
    default_engine = "llama.cpp"
    text_model_only = True
    has_own_tokenizer = True
    reads_layer_count = True
    rehearsal = "file"

    def libraries(self, base: Path) -> tuple[str, ...]:
        """Torch and transformers only where there is a checkpoint to convert."""
        own = ("gguf", library.DISTRIBUTION)
        return own if gguf_base.is_gguf(base) else ("torch", "transformers", *own)

    def lacks(self, base: Path) -> tuple[str, ...]:
        """The library in the version that is known here; the converter for a checkpoint."""
        problem = library.find_lack()
        if problem is not None:
            return (problem,)
        if gguf_base.is_gguf(base) or converter.is_there():
            return ()
        return ("llama.cpp's converter is not here yet: the run gets it first (77 MB, once)",)

    def prepare(self, base: Path, *, tell: Callable[[str], None]) -> None:
        """Load the library, and get the converter if it is needed."""
        library.load()
        super().prepare(base, tell=tell)
        if not gguf_base.is_gguf(base) and not converter.is_there():
            tell(
                f"getting llama.cpp's converter (77 MB, once), which comes with the source of "
                f"{library.DISTRIBUTION} {library.VERSION} only"
            )
            converter.get()

    def check(
        self, config: Mapping[str, Any], info: RecipeInfo, settled: Mapping[str, Any]
    ) -> None:
        """Refuse to convert what is converted, and types that are none."""
        if gguf_base.GGUF in config:
            gguf_base.check(config, info, settled)
        parse_tensor_types(str(settled.get("tensor_types", "")))

    def make(self, job: Job, folder: Path) -> Made:
        """Convert, compute the importance matrix, quantize; see `recipes.gguf`."""
        if gguf_base.is_gguf(job.base):
            with open_vocabulary(job.base) as vocabulary:
                return _make(job, folder, tokenizer=vocabulary)
        tokenizer = load_tokenizer(job.base, trust=job.trust)
        tokenizer.save_pretrained(folder)
        return _make(job, folder, tokenizer=tokenizer)

    def tensors(self, folder: Path) -> tuple[tuple[TensorRecord, ...], tuple[TensorRecord, ...]]:
        """Those of the GGUF file."""
        found = gguf_file.read_tensors(folder / gguf_file.MODEL)
        return found, tuple(filter(gguf_file.is_quantized, found))

    def quantizes(self, info: RecipeInfo) -> bool:
        """Not where the model is only converted."""
        return info.method != "convert"

    def n_threads(self) -> int:
        """llama.cpp's own."""
        return library.count_threads()

    def notes(
        self, job: Job, made: Made, tensors: tuple[TensorRecord, ...]
    ) -> tuple[str | None, ...]:
        """Also of a base model that is quantized, and of weights that do not fit blocks."""
        return (
            gguf_base.make_note(job.config),
            gguf_blocks.describe_found(tensors, job.info.name),
            *super().notes(job, made, tensors),
        )

    def expects(self, tensors: Sequence[TensorRecord], info: RecipeInfo) -> str | None:
        """Weights whose rows are no multiple of a block's length."""
        return gguf_blocks.describe_expected(tensors, info.name)

    def size(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
        settled: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
    ) -> int:
        """By the mixture's main type, norms in fp32."""
        return sum(_bytes(one, info, settled) for one in self.kept(tensors, config))


def _bytes(tensor: TensorRecord, info: RecipeInfo, settled: Mapping[str, Any]) -> int:
    weights = math.prod(tensor.shape)
    if len(tensor.shape) < 2:
        return 4 * weights
    if info.mixture is None:
        return weights * (4 if settled["type"] == "f32" else 2)
    name = info.mixture.casefold()
    main = next(bits for block, bits in _BLOCK_BITS.items() if name.startswith(block))
    bits = main if is_linear(tensor) else max(main, _OUTPUT_BITS)
    return math.ceil(weights * bits / 8)


def _make(job: Job, folder: Path, *, tokenizer: Any) -> Made:
    from babelbits.recipes.gguf import record_of_file, save_gguf

    ready = find_matrix_file(job.calibration) if job.calibration is not None else None
    calibration = None if ready is not None else draw_text(job, tokenizer)
    made = save_gguf(
        job.base,
        folder,
        info=job.info,
        parameters=job.parameters,
        calibration=calibration,
        ready=ready,
        tokenizer=tokenizer,
        texts=job.texts,
        config=job.config,
        trust=job.trust,
        allow_token_differences=job.allow_token_differences,
        most_unrouted=job.most_unrouted,
    )
    record = None if calibration is None else calibration.record
    if ready is not None and job.calibration is not None and made.matrix is not None:
        record = record_of_file(job.calibration, ready, made.matrix)
    return Made(
        calibration=None if record is None else replace(record, experts=made.experts),
        conversion=made.conversion,
        notes=(
            *note_conversion(made.conversion),
            *note_matrix(made.experts, made.without_data),
        ),
    )


FAMILY = Gguf()
