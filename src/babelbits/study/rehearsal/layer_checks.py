"""Checks of a variant that transformers runs: modules, weights, and inputs of layers.

Modules: what the recipe means is quantized, weights and inputs, and nothing else is. Weights:
logits are those of the dequantized file. Activations: a layer is its own arithmetic.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.recipes import scope
from babelbits.study.rehearsal import comparing
from babelbits.study.rehearsal.bench import RehearsalBench, Variant
from babelbits.study.rehearsal.dequantize import read_plain
from babelbits.study.rehearsal.outcomes import Failed
from babelbits.study.rehearsal.quantized_layers import check_modules
from babelbits.study.rehearsal.tolerances import (
    EXACT,
    REACTIONS,
    ROUGH,
    ROUGH_LAYER,
    choose_tolerance,
)


def check_layers(bench: RehearsalBench, engine: Any, folder: Path, variant: Variant) -> None:
    """Checks 1 and 2, of a variant loaded in transformers from a folder."""
    bench.begin("modules")
    model = engine.loaded.model
    meant = scope.plan_scope(
        bench.baseline().loaded.model,
        recipe=variant.recipe,
        settled=variant.parameters,
        most_left=bench.most_left,
    )
    weights, inputs = scope.find_quantized_modules(model)
    check_modules(meant, weights, "weights")
    if variant.info.activation_bits is None:
        check_modules(replace(meant, quantized=()), inputs, "inputs")
    else:
        check_modules(meant, inputs, "inputs")
    bench.begin("weights")
    _check_weights(bench, engine, folder, variant, names=sorted(weights))
    if variant.info.activation_bits is not None and variant.info.method != "llm.int8":
        bench.begin("activations")
        _check_activations(bench, model, sorted(inputs), variant)


def _check_weights(
    bench: RehearsalBench, engine: Any, folder: Path, variant: Variant, *, names: Sequence[str]
) -> None:
    """Check 2, with the inputs of layers as they are computed."""
    plain, _ = read_plain(folder)
    twin = comparing.build_plain_twin(
        folder, bench.miniature.folder, bench.place, plain=plain, settings=bench.settings
    )
    comparing.share_attention(twin, engine.loaded.model)
    expected = comparing.compute_logits(twin, bench.windows)
    if variant.info.method in ROUGH_LAYER:
        _check_each_layer(
            bench, engine.loaded.model, twin, names, bound=ROUGH_LAYER[variant.info.method]
        )
    del twin
    with comparing.inputs_as_computed(engine.loaded.model):
        logits = comparing.compute_logits(engine.loaded.model, bench.windows)
    difference = comparing.measure_difference(logits, expected)
    tolerance = choose_tolerance(EXACT, engine)
    if variant.info.method in ROUGH:
        rough = REACTIONS * bench.find_reaction().relative  # each layer was looked at by itself
        tolerance = max(tolerance, ROUGH[variant.info.method], rough)
    if difference > tolerance:
        raise Failed(
            "the loaded variant is not the dequantized file: their logits differ by "
            f"{difference:.1%}"
        )
    changed = comparing.measure_difference(expected, bench.logits)
    if changed == 0:
        raise Failed("quantizing changed nothing")
    bench.notes.append(f"quantizing changed the miniature's logits by {changed:.1%}")


def _check_each_layer(
    bench: RehearsalBench, model: Any, twin: Any, names: Sequence[str], *, bound: float
) -> None:
    """Check 2, layer by layer, where a kernel rounds more than its format says."""
    found = comparing.measure_weights(model, twin, names, bench.windows)
    worst = max(found, key=lambda name: found[name], default=None)
    if worst is not None and not found[worst] <= bound:
        raise Failed(
            f"the loaded variant is not the dequantized file: outputs of '{worst}' differ by "
            f"{found[worst]:.1%} from those of its dequantized weights"
        )


def _check_activations(
    bench: RehearsalBench, model: Any, names: Sequence[str], variant: Variant
) -> None:
    """Check 2, layer by layer: outputs are those of quantized inputs."""
    kind = comparing.INPUTS.get(variant.recipe, "int8")
    exact = str(model.dtype) == "torch.float32"
    found = comparing.measure_layers(model, names, bench.windows, kind=kind)
    for name, (ours, none) in found.items():
        if none < 1e-5 or ours > (max(0.3 * none, 1e-4) if exact else 3 * none):
            raise Failed(
                f"the inputs of '{name}' are not quantized as the recipe says: its outputs "
                f"differ by {ours:.1%} from those of quantized inputs, by {none:.1%} from "
                "those of inputs as they are"
            )
