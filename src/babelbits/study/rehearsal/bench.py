"""A miniature with its baseline, and where the checks of it stand: what every check is given.

Everything is made when it is first needed. Which checks there are says `variant_checks`.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.engines import open_engine as engines
from babelbits.engines.base import EngineSettings
from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.recipes.calibration import CalibrationSpec, find_matrix_file
from babelbits.recipes.catalogue import RECIPES, RecipeInfo, Value
from babelbits.recipes.linear_weights import SMALL_SHARE
from babelbits.recipes.make import make
from babelbits.records import Failure
from babelbits.study.rehearsal import comparing, samples
from babelbits.study.rehearsal.miniature import Miniature, NotSmall, build
from babelbits.study.rehearsal.outcomes import Check, Depth, Failed

REFERENCE = "transformers"
"""The engine whose logits variants are compared with."""
_WINDOWS, _LONGEST = 4, 48
_SAMPLES, _TOKENS = 8, 128
"""Of calibration text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is rehearsed."""

    recipe: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    calibration: CalibrationSpec | None = None

    @property
    def info(self) -> RecipeInfo:
        """Its recipe."""
        return RECIPES[self.recipe]


class RehearsalBench:
    """A miniature and its baseline.

    Parameters
    ----------
    base : Path
        Folder of the real checkpoint.
    place : Path
        A folder for miniatures and variants, removed by the caller.
    real : bool
        The base stands for itself: variants are made of it already, and only checked.
    """

    def __init__(
        self,
        *,
        base: Path,
        place: Path,
        depth: Depth,
        settings: EngineSettings,
        seed: int = 0,
        texts: Mapping[str, Sequence[str]] = MappingProxyType({}),
        chat: bool = False,
        trust: Trust = UNTRUSTED,
        allow_token_differences: bool = False,
        at: Callable[[Check], None] = lambda _check: None,
        real: bool = False,
    ) -> None:
        self.base, self.place, self._depth = base, place, depth
        self.settings = settings.trusting(trust)
        self._seed, self._asked, self.chat = seed, texts, chat
        self._allow_token_differences = allow_token_differences
        self._tell = at
        self.at: Check = "miniature"
        self.texts = samples.choose_texts(texts)
        self.real = real
        self.most_left = SMALL_SHARE
        self._built = Miniature(folder=base, layers=0) if real else None
        self._baseline: Any = None
        self.windows: list[list[int]] = []
        self.logits: list[Any] = []
        self._reacts: comparing.Reaction | None = None
        self.converted: str | None = None
        self.notes: list[str] = []

    def close(self) -> None:
        """Free the baseline."""
        if self._baseline is not None:
            self._baseline.close()
        self._baseline, self.logits = None, []
        gc.collect()

    def begin(self, check: Check) -> None:
        """Say which check comes now: a fault, or a crash, is one of it."""
        self.at = check
        self._tell(check)

    def make(self, variant: Variant, folder: Path) -> None:
        """Make a variant of the miniature in a folder.

        Raises
        ------
        NotSmall
            If a layer of the miniature is too narrow for it.
        BabelbitsError
            If it cannot be made.
        """
        mini = self.miniature
        try:
            make(
                mini.folder,
                recipe=variant.recipe,
                parameters=variant.parameters,
                calibration=_short(variant.calibration),
                out=folder,
                variant_id="rehearsal",
                base_label="miniature",
                base_hash="",
                seed=self._seed,
                texts=self._asked,
                trust=self.settings.trust,
                allow_token_differences=self._allow_token_differences,
                device=self.settings.device,
                most_unrouted=1.0,  # of the few samples here
                most_left=self.most_left,
            )
        except RecipeError as error:
            # Of layers that the real shapes let pass.
            if error.what.startswith("group size") or "Hadamard" in error.what:
                raise NotSmall(f"on narrow layers, {error.what}") from error
            raise

    @property
    def miniature(self) -> Miniature:
        """Built when it is first needed."""
        if self._built is None:
            before = self.at
            self.begin("miniature")
            self._built = build(
                self.base,
                self.place,
                depth=self._depth,
                trust=self.settings.trust,
            )
            self.begin(before)
        return self._built

    def baseline(self) -> Any:
        """The engine of the baseline, loaded and measured when it is first needed."""
        if self._baseline is None:
            folder = self.miniature.folder
            self._baseline = engines.load(folder, engine=REFERENCE, settings=self.settings)
            self.measure()
        return self._baseline

    def measure(self) -> None:
        """Compute the baseline's logits on a few windows, which variants are compared with."""
        self.windows = _windows(self._baseline, self.texts)
        self.logits = comparing.compute_logits(self._baseline.loaded.model, self.windows)

    def find_reaction(self) -> comparing.Reaction:
        """What the miniature makes of rounding."""
        if self._reacts is None:
            model = self.baseline().loaded.model
            self._reacts = comparing.measure_reaction(model, self.windows, self.logits)
        return self._reacts


# --- helpers -------------------------------------------------------------------------------------


def _short(spec: CalibrationSpec | None) -> CalibrationSpec | None:
    """A few short samples; of bundled text where the source is far away or is no text."""
    if spec is None:
        return None
    if spec.source.startswith("hub:") or find_matrix_file(spec) is not None:
        return CalibrationSpec(language="en", samples=_SAMPLES, tokens=_TOKENS)
    return replace(spec, samples=_SAMPLES, tokens=_TOKENS)


def _windows(engine: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of a few texts."""
    encoded = [
        engine.encoder.windows([request])[0] for request in samples.make_text_requests(texts)
    ]
    found = [list(one[0].tokens)[:_LONGEST] for one in encoded if not isinstance(one, Failure)]
    if not found:
        raise Failed("the tokenizer makes nothing of any text")
    return found[:_WINDOWS]
