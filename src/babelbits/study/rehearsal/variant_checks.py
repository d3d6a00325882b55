"""The checks of a variant on a miniature, in order, each a sentence where it fails.

1. modules: what the recipe means is quantized, weights and inputs, and nothing else is.
2. weights: logits are those of the dequantized file; activations: a layer is its own arithmetic.
3. conversion: GGUF in float32 computes what the baseline's engine computes.
4. generation: rows that end at different times, shared and plain, do not crash and say the same.
5. attention: the default attention is the eager one, on the baseline.
6. prompt: what is asked stands in the prompt that the chat template writes.

Tolerances are for float32, and wider where activations are quantized or the engine computes in 16
bits: a part that is wrong changes logits by a third, not by a hundredth.
"""

import errno
import gc
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.engines import open_engine as engines
from babelbits.engines.base import EngineSettings
from babelbits.engines.templates import find_template, load_template
from babelbits.errors import BabelbitsError, RecipeError, StoreError
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.llamacpp import gguf_file
from babelbits.recipes import scope
from babelbits.recipes.calibration import CalibrationSpec, matrix_file
from babelbits.recipes.catalogue import RECIPES, RecipeInfo, Value
from babelbits.recipes.family import family_of
from babelbits.recipes.gguf_compare import gelu_from_table, has_gelu
from babelbits.recipes.linear_weights import SMALL_SHARE
from babelbits.recipes.make import make
from babelbits.records import Failure
from babelbits.study.config.engines import engine_name
from babelbits.study.config.spec import ModelSpec, VariantSpec
from babelbits.study.rehearsal import comparing, samples
from babelbits.study.rehearsal.dequantize import read_plain, write_plain_gguf
from babelbits.study.rehearsal.engine_replies import (
    logprobs_of,
    mean_difference,
    scores_of,
    texts_of,
    unshared,
)
from babelbits.study.rehearsal.miniature import Miniature, NotSmall, build
from babelbits.study.rehearsal.outcomes import NO_ROOM, Check, Depth, Failed, RehearsalFault
from babelbits.study.rehearsal.quantized_layers import check_blocks, check_modules

_REFERENCE = "transformers"
"""The engine whose logits variants are compared with."""
_WINDOWS, _LONGEST = 4, 48
_EXACT = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.03}
"""Largest relative difference of logits from the dequantized weights', by the engine's dtype."""
_ROUGH = {"llm.int8": 0.15, "nf4": 0.06, "k-quant": 0.15}
"""The same where a kernel rounds more than its format says."""
_ROUGH_LAYER = {"llm.int8": 0.03, "nf4": 0.03}
"""The same of one layer on its own inputs, which are rounded to 8 bits or bfloat16."""
_SAME_NATS, _SAME_GELU, _SAME_ROUGHLY = 2e-4, 2e-3, 0.05
"""Mean difference of log-probabilities a token between engines in float32, with GELU that llama.cpp
computes otherwise, and in 16 bits."""
_EAGER = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.03}
_SHARED_NATS, _SHARED_LLAMA, _SHARED_ROUGHLY = 1e-3, 1e-2, 0.5
"""Largest difference of a score between the shared and the plain path, nats: in transformers and
float32; in llama.cpp, whose products depend on the number of rows; and where inputs are rounded."""
_REACTIONS, _REACTIONS_OF_SCORE = 4, 20
"""How many times a model's own reaction to 8-bit inputs may be seen where kernels round."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
_MOST_LEFT = 0.5
"""Share of a miniature's weights in layers that a group size does not fit, where it fits the real
ones."""
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


class Rehearsal:
    """A miniature, its baseline, and the variants that are made of it.

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
        self.base, self._place, self._depth = base, place, depth
        self._settings = settings.trusting(trust)
        self._seed, self._asked, self._chat = seed, texts, chat
        self._allow_token_differences = allow_token_differences
        self._tell = at
        self._at: Check = "miniature"
        self._texts = samples.texts(texts)
        self._real = real
        self._most_left = SMALL_SHARE
        self._built = Miniature(folder=base, layers=0) if real else None
        self._baseline: Any = None
        self._windows: list[list[int]] = []
        self._logits: list[Any] = []
        self._reacts: comparing.Reaction | None = None
        self._converted: str | None = None
        self.notes: list[str] = []

    # --- what callers use ---

    def rehearse(self, variant: Variant) -> tuple[RehearsalFault | None, list[str]]:
        """Make a variant of the miniature and check it; the fault, and what there is to note."""
        self.notes = []
        return self._guarded(lambda: self._rehearse(variant)), self.notes

    def examine(self, folder: Path, variant: Variant) -> tuple[RehearsalFault | None, list[str]]:
        """Check a variant of the miniature that is made already."""
        self.notes = []
        return self._guarded(lambda: self._examine(folder, variant)), self.notes

    def close(self) -> None:
        """Free the baseline."""
        if self._baseline is not None:
            self._baseline.close()
        self._baseline, self._logits = None, []
        gc.collect()

    # --- a variant ---

    def _guarded(self, work: Callable[[], None]) -> RehearsalFault | None:
        try:
            work()
        except NotSmall as error:
            return RehearsalFault(check="miniature", what=str(error))
        except Failed as error:
            return RehearsalFault(
                check=self._at, what=error.what, hint=error.hint, known=error.known
            )
        except (MemoryError, StoreError) as error:
            return RehearsalFault(check="miniature", what=self._line(f"{NO_ROOM}: {error}"))
        except BabelbitsError as error:
            return RehearsalFault(check=self._at, what=self._line(error.what), hint=error.hint)
        except Exception as error:  # noqa: BLE001  whatever a library raises is what we look for
            if isinstance(error, OSError) and error.errno in _FULL:
                return RehearsalFault(check="miniature", what=self._line(f"{NO_ROOM}: {error}"))
            return RehearsalFault(
                check=self._at, what=self._line(f"{type(error).__name__}: {error}")
            )
        return None

    def _line(self, text: str) -> str:
        """One line without the places of a rehearsal, which are gone when it is read."""
        mini = self._place / self._depth.replace(" ", "-")
        for path in (mini, self._place):
            text = text.replace(str(path), "MINIATURE")
        return " ".join(text.split())[:400]

    def _rehearse(self, variant: Variant) -> None:
        if variant.info.method == "none":
            self._whole_baseline()
            return
        self._shapes(variant)
        folder = self._place / "variant"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._begin("making")
            self._make(variant, folder)
            self._examine(folder, variant)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, check: Check) -> None:
        self._at = check
        self._tell(check)

    def _shapes(self, variant: Variant) -> None:
        """The recipe's rules on the real shapes, which a miniature does not have."""
        if family_of(variant.recipe).rehearsal != "layers":
            return
        self._begin("shapes")
        try:
            real = scope.skeleton(self.base, trust=self._settings.trust)
        except Exception:  # noqa: BLE001  a model that cannot be laid out is found out elsewhere
            return
        try:
            scope.intended(real, recipe=variant.recipe, settled=variant.parameters)
        except RecipeError as error:
            raise Failed(error.what, hint=error.hint, known=True) from error
        if not self._real:  # of a miniature, small layers are a larger share
            self._most_left = _MOST_LEFT

    def _make(self, variant: Variant, folder: Path) -> None:
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
                trust=self._settings.trust,
                allow_token_differences=self._allow_token_differences,
                device=self._settings.device,
                most_unrouted=1.0,  # of the few samples here
                most_left=self._most_left,
            )
        except RecipeError as error:
            if error.what.startswith("group size"):  # of a layer that the real shapes let pass
                raise NotSmall(f"on narrow layers, {error.what}") from error
            raise

    def _examine(self, folder: Path, variant: Variant) -> None:
        self._begin("loading")
        name = engine_name(
            self._settings,
            ModelSpec(),
            VariantSpec(label=variant.recipe, recipe=variant.recipe),
        )
        engine = engines.load(folder, engine=name, settings=self._settings)
        family = family_of(variant.recipe)
        known = family.rehearsal if name == family.default_engine else "answers"
        try:
            if known == "file":
                self._examine_gguf(engine, folder, variant)
            elif known == "layers":
                self._examine_transformers(engine, folder, variant)
            else:
                self._answers(engine)
                return
            self._generation(engine, exact=_is_exact(variant, engine))
        finally:
            engine.close()
            gc.collect()

    # --- the miniature and its baseline ---

    @property
    def miniature(self) -> Miniature:
        """Built when it is first needed."""
        if self._built is None:
            before = self._at
            self._begin("miniature")
            self._built = build(
                self.base,
                self._place,
                depth=self._depth,
                trust=self._settings.trust,
            )
            self._begin(before)
        return self._built

    def baseline(self) -> Any:
        """The engine of the baseline, loaded and measured when it is first needed."""
        if self._baseline is None:
            folder = self.miniature.folder
            self._baseline = engines.load(folder, engine=_REFERENCE, settings=self._settings)
            self.measure()
        return self._baseline

    def measure(self) -> None:
        """Compute the baseline's logits on a few windows, which variants are compared with."""
        self._windows = _windows(self._baseline, self._texts)
        self._logits = comparing.logits_of(self._baseline.loaded.model, self._windows)

    def _reaction(self) -> comparing.Reaction:
        """What the miniature makes of rounding."""
        if self._reacts is None:
            model = self.baseline().loaded.model
            self._reacts = comparing.reaction_of(model, self._windows, self._logits)
        return self._reacts

    def _whole_baseline(self) -> None:
        self._begin("loading")
        engine = self.baseline()
        self._begin("attention")
        self._attention(engine)
        exact = str(engine.loaded.dtype) == "torch.float32"
        self._generation(engine, exact=exact)
        if self._settings.name not in ("auto", _REFERENCE):
            other = engines.load(
                self.miniature.folder, engine=self._settings.name, settings=self._settings
            )
            try:
                self._answers(other)
            finally:
                other.close()
        if self._chat:
            self._begin("prompt")
            self._prompt()

    def _attention(self, engine: Any) -> None:
        """Check 5."""
        model = engine.loaded.model
        own = getattr(model.config, "_attn_implementation", "eager")
        if own == "eager":
            return
        try:
            model.set_attn_implementation("eager")
            eager = comparing.logits_of(model, self._windows)
        except (ValueError, NotImplementedError, AttributeError):
            self.notes.append("it has no eager attention to compare with")
            return
        finally:
            model.set_attn_implementation(own)
        difference = comparing.relative_difference(self._logits, eager)
        if difference > self._tolerance(_EAGER, engine):
            raise Failed(
                f"the default attention ({own}) computes something else than the model's own "
                f"(eager): logits differ by {difference:.1%}"
            )

    def _prompt(self) -> None:
        """Check 6."""
        if find_template(self.base) is None:
            return
        template = load_template(self.base, options={}, trust=self._settings.trust)
        for text in self._texts:
            rendered = template.render([{"role": "user", "content": text}])
            if text.strip() not in rendered:
                raise Failed(
                    f"the chat template writes a prompt without what is asked: {rendered[-80:]!r}",
                    hint="set template = false in [chat], or mend the template",
                    known=True,
                )

    # --- checks ---

    def _examine_transformers(self, engine: Any, folder: Path, variant: Variant) -> None:
        self._begin("modules")
        model = engine.loaded.model
        meant = scope.intended(
            self.baseline().loaded.model,
            recipe=variant.recipe,
            settled=variant.parameters,
            most_left=self._most_left,
        )
        weights, inputs = scope.quantized_modules(model)
        check_modules(meant, weights, "weights")
        if variant.info.activation_bits is None:
            check_modules(replace(meant, quantized=()), inputs, "inputs")
        else:
            check_modules(meant, inputs, "inputs")
        self._begin("weights")
        self._weights(engine, folder, variant, names=sorted(weights))
        if variant.info.activation_bits is not None and variant.info.method != "llm.int8":
            self._begin("activations")
            self._activations(model, sorted(inputs), variant)

    def _weights(
        self, engine: Any, folder: Path, variant: Variant, *, names: Sequence[str]
    ) -> None:
        """Check 2, with the inputs of layers as they are computed."""
        plain, _ = read_plain(folder)
        twin = comparing.plain_twin(
            folder, self.miniature.folder, self._place, plain=plain, settings=self._settings
        )
        comparing.same_attention(twin, engine.loaded.model)
        expected = comparing.logits_of(twin, self._windows)
        if variant.info.method in _ROUGH_LAYER:
            self._layers(engine.loaded.model, twin, names, bound=_ROUGH_LAYER[variant.info.method])
        del twin
        with comparing.inputs_as_computed(engine.loaded.model):
            logits = comparing.logits_of(engine.loaded.model, self._windows)
        difference = comparing.relative_difference(logits, expected)
        tolerance = self._tolerance(_EXACT, engine)
        if variant.info.method in _ROUGH:
            rough = _REACTIONS * self._reaction().relative  # each layer was looked at by itself
            tolerance = max(tolerance, _ROUGH[variant.info.method], rough)
        if difference > tolerance:
            raise Failed(
                "the loaded variant is not the dequantized file: their logits differ by "
                f"{difference:.1%}"
            )
        changed = comparing.relative_difference(expected, self._logits)
        if changed == 0:
            raise Failed("quantizing changed nothing")
        self.notes.append(f"quantizing changed the miniature's logits by {changed:.1%}")

    def _layers(self, model: Any, twin: Any, names: Sequence[str], *, bound: float) -> None:
        """Check 2, layer by layer, where a kernel rounds more than its format says."""
        found = comparing.weight_differences(model, twin, names, self._windows)
        worst = max(found, key=lambda name: found[name], default=None)
        if worst is not None and not found[worst] <= bound:
            raise Failed(
                f"the loaded variant is not the dequantized file: outputs of '{worst}' differ by "
                f"{found[worst]:.1%} from those of its dequantized weights"
            )

    def _activations(self, model: Any, names: Sequence[str], variant: Variant) -> None:
        """Check 2, layer by layer: outputs are those of quantized inputs."""
        kind = comparing.INPUTS.get(variant.recipe, "int8")
        exact = str(model.dtype) == "torch.float32"
        found = comparing.layer_differences(model, names, self._windows, kind=kind)
        for name, (ours, none) in found.items():
            if none < 1e-5 or ours > (max(0.3 * none, 1e-4) if exact else 3 * none):
                raise Failed(
                    f"the inputs of '{name}' are not quantized as the recipe says: its outputs "
                    f"differ by {ours:.1%} from those of quantized inputs, by {none:.1%} from "
                    "those of inputs as they are"
                )

    def _examine_gguf(self, engine: Any, folder: Path, variant: Variant) -> None:
        self._begin("modules")
        file = folder / gguf_file.MODEL
        if variant.info.method == "k-quant":
            check_blocks(file)
        if not self._real:  # which is part of making a real one
            self._begin("conversion")
            self._conversion()
        if variant.info.method == "k-quant":
            self._begin("weights")
            self._gguf_weights(engine, folder)

    def _conversion(self) -> None:
        """Check 3, once a miniature."""
        if self._converted is None:
            self._converted = self._compare_conversion()
        if self._converted:
            raise Failed(self._converted)

    def _compare_conversion(self) -> str:
        """What is wrong with the miniature in llama.cpp and float32; '' if nothing is."""
        folder = self._place / "float32"
        shutil.rmtree(folder, ignore_errors=True)
        variant = Variant(recipe="gguf", parameters={"type": "f32"})
        name = family_of(variant.recipe).default_engine
        try:
            self._make(variant, folder)
            engine = engines.load(folder, engine=name, settings=self._settings)
            try:
                return self._other_engine(engine)
            finally:
                engine.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _other_engine(self, engine: Any) -> str:
        requests = samples.whole(self._texts)
        ours = self.baseline().score_text(requests)
        theirs = engine.score_text(requests)
        for text, one, other in zip(self._texts, ours, theirs, strict=True):
            failed = next((reply for reply in (one, other) if isinstance(reply, Failure)), None)
            if failed is not None:
                return f"a text cannot be scored by both engines: {failed.message}"
            if len(one.logprobs) != len(other.logprobs):
                return f"llama.cpp reads {text[:40]!r} as other tokens"
        read = logprobs_of(theirs)
        mean = mean_difference(logprobs_of(ours), read)
        dtype = str(self.baseline().loaded.dtype).removeprefix("torch.")
        exact = dtype == engine.identity.dtype == "float32"
        gelu = has_gelu(self.baseline().loaded.model)
        tolerance = (_SAME_GELU if gelu else _SAME_NATS) if exact else _SAME_ROUGHLY
        same, beside = mean <= tolerance, ""
        if exact and gelu and not same:
            same, beside = self._beside_table(requests, read)
        if not same:
            return (
                "the converted model computes something else than the baseline: in float32 its "
                f"log-probabilities differ by {mean:.2g} nats a token{beside}"
            )
        self.notes.append(
            f"GGUF in float32 differs by {mean:.1e} nats a token from the baseline{beside}"
        )
        return ""

    def _beside_table(self, requests: Sequence[Any], read: Sequence[float]) -> tuple[bool, str]:
        """Whether a file computes the baseline with llama.cpp's table of GELU, and a clause of it.

        Rounding inside a model makes more of the last digits than float32 does, so that it is tried
        how much.
        """
        model = self.baseline().loaded.model
        with gelu_from_table(model):
            table = logprobs_of(self.baseline().score_text(requests))
            with comparing.shaken(model):
                shaken = logprobs_of(self.baseline().score_text(requests))
        rest, floor = mean_difference(table, read), mean_difference(table, shaken)
        return rest <= _SAME_NATS + _REACTIONS * floor, (
            f"; by {rest:.1e} from it with GELU from a table in half precision, as llama.cpp has "
            f"it, which makes {floor:.1e} of a millionth in the embeddings"
        )

    def _gguf_weights(self, engine: Any, folder: Path) -> None:
        """Check 2 in llama.cpp: the same file with every tensor in float32."""
        import numpy as np

        target = self._place / "plain-gguf"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.gguf", "manifest.json"))
        try:
            write_plain_gguf(folder / gguf_file.MODEL, target / gguf_file.MODEL)
            twin = engines.load(target, engine=engine.identity.name, settings=self._settings)
            try:
                requests = samples.whole(self._texts)
                ours, theirs = (logprobs_of(one.score_text(requests)) for one in (engine, twin))
            finally:
                twin.close()
        finally:
            shutil.rmtree(target, ignore_errors=True)
        spread = float(np.std(theirs))
        difference = float(np.sqrt(np.mean(np.subtract(ours, theirs) ** 2)))
        if not difference <= max(_ROUGH["k-quant"] * spread, _REACTIONS * self._reaction().nats):
            raise Failed(
                "llama.cpp computes something else than the dequantized file: log-probabilities "
                f"differ by {difference:.2g} nats a token"
            )

    def _generation(self, engine: Any, *, exact: bool) -> None:
        """Check 4."""
        self._begin("generation")
        plain = unshared(engine)
        asked = samples.prompts(self._texts)
        texts = [texts_of(one.generate(asked)) for one in (engine, plain)]
        questions = samples.questions(self._texts)
        scores = [scores_of(one.score(questions)) for one in (engine, plain)]
        apart = max(abs(a - b) for a, b in zip(*scores, strict=True))
        roughly = max(_SHARED_ROUGHLY, _REACTIONS_OF_SCORE * self._reaction().nats)
        finely = _SHARED_LLAMA if type(engine).__name__ == "LlamaEngine" else _SHARED_NATS
        if not apart <= (finely if exact else roughly):
            raise Failed(
                f"scores behind a shared beginning differ by {apart:.2g} nats from those of "
                "whole texts"
            )
        different = sum(a != b for a, b in zip(*texts, strict=True))
        if exact and different:
            raise Failed(
                f"{different} of {len(asked)} generations behind a shared beginning differ from "
                "those of whole prompts"
            )

    def _answers(self, engine: Any) -> None:
        """Whatever the format and the engine: it generates, and scores continuations and texts."""
        self._begin("generation")
        texts_of(engine.generate(samples.prompts(self._texts)))
        scores_of(engine.score(samples.questions(self._texts)))
        logprobs_of(engine.score_text(samples.whole(self._texts)))

    def _tolerance(self, table: Mapping[str, float], engine: Any) -> float:
        return table[str(engine.loaded.dtype).removeprefix("torch.")]


# --- helpers -------------------------------------------------------------------------------------


def _short(spec: CalibrationSpec | None) -> CalibrationSpec | None:
    """A few short samples; of bundled text where the source is far away or is no text."""
    if spec is None:
        return None
    if spec.source.startswith("hub:") or matrix_file(spec) is not None:
        return CalibrationSpec(language="en", samples=_SAMPLES, tokens=_TOKENS)
    return replace(spec, samples=_SAMPLES, tokens=_TOKENS)


def _windows(engine: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of a few texts."""
    encoded = [engine.encoder.windows([request])[0] for request in samples.whole(texts)]
    found = [list(one[0].tokens)[:_LONGEST] for one in encoded if not isinstance(one, Failure)]
    if not found:
        raise Failed("the tokenizer makes nothing of any text")
    return found[:_WINDOWS]


def _is_exact(variant: Variant, engine: Any) -> bool:
    """Whether the shared and the plain path of a variant differ by rounding alone."""
    info = variant.info
    if family_of(variant.recipe).rehearsal == "file":
        whole = variant.parameters.get("type") == "f32"  # f16 is multiplied in 16 bits
        return whole and engine.identity.dtype == "float32"
    rounds = info.activation_bits is not None or info.method == "nf4"
    return not rounds and engine.identity.dtype == "float32"
