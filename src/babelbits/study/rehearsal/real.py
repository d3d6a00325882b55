"""A real variant checked as a miniature would have been, where there could be no miniature.

It runs in a process of its own, once a variant: what it found is remembered by the variant's files.
The conversion to GGUF is compared with the checkpoint when it is made, and not again here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError
from babelbits.formats.trust import Trust
from babelbits.records import digest
from babelbits.study.config.spec import VariantSpec
from babelbits.study.rehearsal import memory
from babelbits.study.rehearsal.outcomes import Stage
from babelbits.study.rehearsal.parent import conclude_attempts, iterate_attempts


def examine(
    base: Path,
    variant: VariantSpec,
    *,
    folder: Path,
    weights_hash: str,
    engine: EngineSettings,
    texts: Mapping[str, Sequence[str]],
    trust: Trust,
) -> None:
    """Check the variant in `folder` against what its recipe says.

    Raises
    ------
    EngineError
        If a check fails; says which.
    """
    stage = Stage(
        base=base,
        engine=engine,
        texts={language: tuple(passages) for language, passages in texts.items()},
        trust=trust,
        made=folder.resolve(),
    )
    key = digest([memory.make_key(stage, variant), weights_hash], length=32)
    result = memory.find(key)
    if result is None:
        ((_, attempts),) = iterate_attempts(stage, {key: variant})
        result = conclude_attempts(variant, attempts, memory.name_architecture(base))
        if result.outcome == "works":
            memory.keep(key, result)
    if result.fault is not None:
        raise EngineError(
            f"the variant is not what its recipe says: {result.fault.what}",
            where=str(folder),
            hint="it was made, and must not be measured so; use another recipe, or --no-rehearse",
        )
