"""Checks of what an engine answers, whatever the format: attention, prompts, generation.

Attention: the default is the eager one, on the baseline. Prompt: what is asked stands in the prompt
that the chat template writes. Generation: rows that end at different times, shared and plain, do
not crash and say the same.
"""

from typing import Any

from babelbits.engines.templates import find_template, load_template
from babelbits.study.rehearsal import comparing, samples
from babelbits.study.rehearsal.bench import RehearsalBench
from babelbits.study.rehearsal.engine_replies import (
    copy_unshared,
    list_logprobs,
    list_scores,
    list_texts,
)
from babelbits.study.rehearsal.outcomes import Failed
from babelbits.study.rehearsal.tolerances import (
    EAGER,
    REACTIONS_OF_SCORE,
    SHARED_LLAMA,
    SHARED_NATS,
    SHARED_ROUGHLY,
    choose_tolerance,
)


def check_attention(bench: RehearsalBench, engine: Any) -> None:
    """Check 5."""
    model = engine.loaded.model
    own = getattr(model.config, "_attn_implementation", "eager")
    if own == "eager":
        return
    try:
        model.set_attn_implementation("eager")
        eager = comparing.compute_logits(model, bench.windows)
    except (ValueError, NotImplementedError, AttributeError):
        bench.notes.append("it has no eager attention to compare with")
        return
    finally:
        model.set_attn_implementation(own)
    difference = comparing.measure_difference(bench.logits, eager)
    if difference > choose_tolerance(EAGER, engine):
        raise Failed(
            f"the default attention ({own}) computes something else than the model's own "
            f"(eager): logits differ by {difference:.1%}"
        )


def check_prompt(bench: RehearsalBench) -> None:
    """Check 6."""
    if find_template(bench.base) is None:
        return
    template = load_template(bench.base, options={}, trust=bench.settings.trust)
    for text in bench.texts:
        rendered = template.render([{"role": "user", "content": text}])
        if text.strip() not in rendered:
            raise Failed(
                f"the chat template writes a prompt without what is asked: {rendered[-80:]!r}",
                hint="set template = false in [chat], or mend the template",
                known=True,
            )


def check_generation(bench: RehearsalBench, engine: Any, *, exact: bool) -> None:
    """Check 4."""
    bench.begin("generation")
    plain = copy_unshared(engine)
    asked = samples.make_prompts(bench.texts)
    texts = [list_texts(one.generate(asked)) for one in (engine, plain)]
    questions = samples.make_questions(bench.texts)
    scores = [list_scores(one.score(questions)) for one in (engine, plain)]
    apart = max(abs(a - b) for a, b in zip(*scores, strict=True))
    roughly = max(SHARED_ROUGHLY, REACTIONS_OF_SCORE * bench.find_reaction().nats)
    finely = SHARED_LLAMA if type(engine).__name__ == "LlamaEngine" else SHARED_NATS
    if not apart <= (finely if exact else roughly):
        raise Failed(
            f"scores behind a shared beginning differ by {apart:.2g} nats from those of whole texts"
        )
    different = sum(a != b for a, b in zip(*texts, strict=True))
    if exact and different:
        raise Failed(
            f"{different} of {len(asked)} generations behind a shared beginning differ from "
            "those of whole prompts"
        )


def check_answers(bench: RehearsalBench, engine: Any) -> None:
    """Whatever the format and the engine: it generates, and scores continuations and texts."""
    bench.begin("generation")
    list_texts(engine.generate(samples.make_prompts(bench.texts)))
    list_scores(engine.score(samples.make_questions(bench.texts)))
    list_logprobs(engine.score_text(samples.make_text_requests(bench.texts)))
