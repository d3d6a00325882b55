"""The checks of a variant on a miniature, in order, each a sentence where it fails.

1. modules: what the recipe means is quantized, weights and inputs, and nothing else is.
2. weights: logits are those of the dequantized file; activations: a layer is its own arithmetic.
3. conversion: GGUF in float32 computes what the baseline's engine computes.
4. generation: rows that end at different times, shared and plain, do not crash and say the same.
5. attention: the default attention is the eager one, on the baseline.
6. prompt: what is asked stands in the prompt that the chat template writes.

1 and 2 are in `layer_checks` and, with 3, in `gguf_checks`; 4 to 6 in `answer_checks`.
"""

import errno
import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from babelbits.engines import open_engine as engines
from babelbits.errors import BabelbitsError, RecipeError, StoreError
from babelbits.recipes import scope
from babelbits.recipes.family import find_family
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import ModelSpec, VariantSpec
from babelbits.study.rehearsal.answer_checks import (
    check_answers,
    check_attention,
    check_generation,
    check_prompt,
)
from babelbits.study.rehearsal.bench import REFERENCE, RehearsalBench, Variant
from babelbits.study.rehearsal.gguf_checks import check_gguf
from babelbits.study.rehearsal.layer_checks import check_layers
from babelbits.study.rehearsal.miniature import NotSmall
from babelbits.study.rehearsal.outcomes import NO_ROOM, Failed, RehearsalFault

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
_MOST_LEFT = 0.5
"""Share of a miniature's weights in layers that a group size does not fit, where it fits the real
ones."""


class Rehearsal(RehearsalBench):
    """A bench on which variants are made and checked; see `RehearsalBench` for its parameters."""

    def rehearse(self, variant: Variant) -> tuple[RehearsalFault | None, list[str]]:
        """Make a variant of the miniature and check it; the fault, and what there is to note."""
        self.notes = []
        return self._guarded(lambda: self._rehearse(variant)), self.notes

    def examine(self, folder: Path, variant: Variant) -> tuple[RehearsalFault | None, list[str]]:
        """Check a variant of the miniature that is made already."""
        self.notes = []
        return self._guarded(lambda: self._examine(folder, variant)), self.notes

    def _guarded(self, work: Callable[[], None]) -> RehearsalFault | None:
        try:
            work()
        except NotSmall as error:
            return RehearsalFault(check="miniature", what=str(error))
        except Failed as error:
            return RehearsalFault(
                check=self.at, what=error.what, hint=error.hint, known=error.known
            )
        except (MemoryError, StoreError) as error:
            return RehearsalFault(check="miniature", what=self._line(f"{NO_ROOM}: {error}"))
        except BabelbitsError as error:
            return RehearsalFault(check=self.at, what=self._line(error.what), hint=error.hint)
        except Exception as error:  # noqa: BLE001  whatever a library raises is what we look for
            if isinstance(error, OSError) and error.errno in _FULL:
                return RehearsalFault(check="miniature", what=self._line(f"{NO_ROOM}: {error}"))
            return RehearsalFault(
                check=self.at, what=self._line(f"{type(error).__name__}: {error}")
            )
        return None

    def _line(self, text: str) -> str:
        """One line without the places of a rehearsal, which are gone when it is read."""
        mini = self.place / self._depth.replace(" ", "-")
        for path in (mini, self.place):
            text = text.replace(str(path), "MINIATURE")
        return " ".join(text.split())[:400]

    def _rehearse(self, variant: Variant) -> None:
        if variant.info.method == "none":
            self._whole_baseline()
            return
        self._shapes(variant)
        folder = self.place / "variant"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self.begin("making")
            self.make(variant, folder)
            self._examine(folder, variant)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _shapes(self, variant: Variant) -> None:
        """The recipe's rules on the real shapes, which a miniature does not have."""
        if find_family(variant.recipe).rehearsal != "layers":
            return
        self.begin("shapes")
        try:
            real = scope.build_skeleton(self.base, trust=self.settings.trust)
        except Exception:  # noqa: BLE001  a model that cannot be laid out is found out elsewhere
            return
        try:
            scope.plan_scope(real, recipe=variant.recipe, settled=variant.parameters)
        except RecipeError as error:
            raise Failed(error.what, hint=error.hint, known=True) from error
        if not self.real:  # of a miniature, small layers are a larger share
            self.most_left = _MOST_LEFT

    def _examine(self, folder: Path, variant: Variant) -> None:
        self.begin("loading")
        name = name_engine(
            self.settings,
            ModelSpec(),
            VariantSpec(label=variant.recipe, recipe=variant.recipe),
        )
        engine = engines.load(folder, engine=name, settings=self.settings)
        family = find_family(variant.recipe)
        known = family.rehearsal if name == family.default_engine else "answers"
        try:
            if known == "file":
                check_gguf(self, engine, folder, variant)
            elif known == "layers":
                check_layers(self, engine, folder, variant)
            else:
                check_answers(self, engine)
                return
            check_generation(self, engine, exact=_is_exact(variant, engine))
        finally:
            engine.close()
            gc.collect()

    def _whole_baseline(self) -> None:
        self.begin("loading")
        engine = self.baseline()
        self.begin("attention")
        check_attention(self, engine)
        exact = str(engine.loaded.dtype) == "torch.float32"
        check_generation(self, engine, exact=exact)
        if self.settings.name not in ("auto", REFERENCE):
            other = engines.load(
                self.miniature.folder, engine=self.settings.name, settings=self.settings
            )
            try:
                check_answers(self, other)
            finally:
                other.close()
        if self.chat:
            self.begin("prompt")
            check_prompt(self)


def _is_exact(variant: Variant, engine: Any) -> bool:
    """Whether the shared and the plain path of a variant differ by rounding alone."""
    info = variant.info
    if find_family(variant.recipe).rehearsal == "file":
        whole = variant.parameters.get("type") == "f32"  # f16 is multiplied in 16 bits
        return whole and engine.identity.dtype == "float32"
    rounds = info.activation_bits is not None or info.method == "nf4"
    return not rounds and engine.identity.dtype == "float32"
