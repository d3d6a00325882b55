"""Rehearse a study: make and run every variant on a miniature of the base, before paying for it.

The base's own config is shrunk to one period of its layers and random weights, with the real
tokenizer. Every variant is made of that miniature by the study's own code, loaded in the engine
that will run it, and checked: what is quantized, that logits are those of the dequantized file,
that a GGUF file computes what the baseline computes, that generation survives rows that end at
different times, that the default attention is exact, and that a chat prompt holds what was asked.

    outcomes    what is said: `RehearsalResult`, `RehearsalFault`; the rules that make one of them
    shrinking   a config becomes a smaller one with the same divisibility and the same period
    miniature   ... and that a checkpoint with random weights
    samples     short texts and prompts to rehearse with
    dequantize  the weights that a variant's files hold, unpacked here and not by its loader
    comparing   logits against logits, module by module where activations are quantized
    quantized_layers  whether what is quantized is what the recipe means
    engine_replies  the answers of an engine, or the check that failed
    bench       a miniature with its baseline: what every check is given
    tolerances  how far what is the same may be apart
    layer_checks, gguf_checks, answer_checks  the checks
    variant_checks  all of one variant, in order
    child       the process in which all that happens: a crash there is the variant's fault
    parent      starts it, again after a crash; `rehearse_variants` and `rehearse_variant`
    memory      results that are known already, by content and versions
    real        a real variant checked where there could be no miniature
    studies     the rehearsal of a plan, for the commands

For callers outside this package:

`rehearse_variants(base, variants, ...) -> Iterator[RehearsalResult]` rehearses specs of a study's
variants (the spec whose recipe is 'baseline' too) in one child process for all, restarted where it
dies. `rehearse_variant(base, variant, ...) -> RehearsalResult` is that for one variant. Neither
needs torch here.

A `RehearsalResult` has `outcome` 'works', 'fails' (refuse it) or 'unrehearsable' (go on, and check
the real variant before its first cell), and `fault` with `check`, `what` and `hint` where it does
not work.
"""

from babelbits.study.rehearsal.outcomes import Outcome, RehearsalFault, RehearsalResult
from babelbits.study.rehearsal.parent import rehearse_variant, rehearse_variants

__all__ = ["Outcome", "RehearsalFault", "RehearsalResult", "rehearse_variant", "rehearse_variants"]
