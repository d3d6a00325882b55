"""Train the models of `lab volume`, quantize them, and score lines that no training saw.

Every model has a folder named by its content id; what is in it is whole, and is not made again:

    models/<id>/training.json    the finished training (see `lab.training`)
    models/<id>/checkpoint/      the model for transformers, float32, with the bundled tokenizer
    models/<id>/scores/<recipe>.json    bits of every held-out line, and what the variant is

Variants are deleted once they are scored. Bits are base-2; bytes are UTF-8. Loads torch late.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelbits.bundled import find_bundled_model
from babelbits.errors import EngineError
from babelbits.lab import volume_corpora
from babelbits.lab.training import TrainingProgress, TrainingSettings, train_model
from babelbits.lab.volume_corpora import Encode, VolumeCorpus
from babelbits.lab.volume_plan import (
    VolumeArm,
    VolumeSettings,
    VolumeShape,
    identify_arm,
    make_training_settings,
)
from babelbits.quiet import quiet
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import find
from babelbits.recipes.make import make, read_manifest
from babelbits.records import JSON, TextRequest, TextScore, digest
from babelbits.store.atomic import write_atomically

if TYPE_CHECKING:
    import torch

CALIBRATION = "en"
"""Language of the bundled text that GPTQ sees: the same for every model."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
BASELINES = {"hf": "baseline", "gguf": "gguf"}
"""A variant is compared with its baseline in its own engine's format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeLab:
    """A folder of models, and the text that they are made of."""

    folder: Path
    settings: VolumeSettings
    corpora: Mapping[str, VolumeCorpus]
    encode: Encode
    tokenizer_hash: str

    def training(self, arm: VolumeArm) -> TrainingSettings:
        """How an arm is trained."""
        texts = {name: corpus.train_id for name, corpus in self.corpora.items()}
        return make_training_settings(
            self.settings, arm, corpora=texts, tokenizer=self.tokenizer_hash
        )

    def model_folder(self, arm: VolumeArm) -> Path:
        """Where an arm's model lies."""
        return self.folder / "models" / identify_arm(self.training(arm))


def load_bundled_encoder() -> tuple[Encode, str]:
    """The bundled tokenizer's encoding without special tokens, and the hash of its file."""
    from tokenizers import Tokenizer

    text = (find_bundled_model() / "tokenizer.json").read_text("utf-8")
    tokenizer = Tokenizer.from_str(text)

    def encode(lines: Sequence[str]) -> list[list[int]]:
        found = tokenizer.encode_batch(list(lines), add_special_tokens=False)
        return [one.ids for one in found]

    return encode, digest(json.loads(text))


def build_model(shape: VolumeShape, *, seed: int) -> Any:
    """A Llama with random weights of a seed, and the bundled tokenizer's number of tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    bundled = json.loads((find_bundled_model() / "config.json").read_text("utf-8"))
    config = LlamaConfig(
        hidden_size=shape.hidden, intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads, vocab_size=bundled["vocab_size"],
        max_position_embeddings=shape.length, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def train_arm(
    lab: VolumeLab, arm: VolumeArm, progress: Callable[[TrainingProgress], None] | None = None
) -> Path:
    """Train an arm's model, or find it trained; returns the checkpoint's folder."""
    folder = lab.model_folder(arm)
    checkpoint = folder / "checkpoint"
    if (checkpoint / "config.json").exists():
        return checkpoint
    import torch

    shape = lab.settings.shape
    model = build_model(shape, seed=arm.seed)
    tokens = torch.from_numpy(_rows(lab, arm))

    def batches(step: int) -> "torch.Tensor":
        return tokens[step * shape.rows : (step + 1) * shape.rows]

    train_model(model, batches, settings=lab.training(arm), folder=folder, progress=progress)
    _save(model, checkpoint)
    return checkpoint


def _rows(lab: VolumeLab, arm: VolumeArm) -> Any:
    width = lab.settings.shape.length + 1
    parts = [
        volume_corpora.cut_token_rows(
            lab.corpora[language].train,
            lab.encode,
            rows=rows,
            width=width,
            seed=(arm.seed, lab.settings.languages.index(language)),
        )
        for language, rows in arm.rows.items()
        if rows
    ]
    return volume_corpora.mix_rows(parts, seed=(arm.seed,))


def _save(model: Any, checkpoint: Path) -> None:
    """The checkpoint under its name only when it is whole."""
    hidden = checkpoint.with_name(".checkpoint.partial")
    shutil.rmtree(hidden, ignore_errors=True)
    with quiet():
        model.save_pretrained(hidden)
    for name in TOKENIZER_FILES:
        shutil.copyfile(find_bundled_model() / name, hidden / name)
    hidden.replace(checkpoint)


# --- scores -----------------------------------------------------------------------------------


def list_recipes(recipes: Sequence[str]) -> tuple[str, ...]:
    """Recipes with the baselines of their formats, baselines first."""
    return (*dict.fromkeys(find_baseline(one) for one in recipes), *recipes)


def find_baseline(recipe: str) -> str:
    """The recipe of the unquantized model in a recipe's format."""
    return BASELINES["gguf"] if find(recipe).family == "gguf" else BASELINES["hf"]


def score_arm(lab: VolumeLab, arm: VolumeArm) -> None:
    """Make every variant of an arm's model that is not scored yet, and score it."""
    for recipe in list_recipes(lab.settings.recipes):
        path = _score_file(lab, arm, recipe)
        if read_scores(lab, arm, recipe) is None:
            checkpoint = lab.model_folder(arm) / "checkpoint"
            with _variant(checkpoint, recipe) as (folder, about), quiet():
                found = _score(folder, lab)
            record = {"id": _score_id(lab, recipe), "recipe": recipe, **about, "bits": found}
            write_atomically(path, (json.dumps(record) + "\n").encode())


def read_scores(lab: VolumeLab, arm: VolumeArm, recipe: str) -> JSON | None:
    """Bits by language and line; None where these lines are not scored yet."""
    path = _score_file(lab, arm, recipe)
    if not path.exists():
        return None
    found: JSON = json.loads(path.read_text("utf-8"))
    return found if found["id"] == _score_id(lab, recipe) else None


def _score_file(lab: VolumeLab, arm: VolumeArm, recipe: str) -> Path:
    return lab.model_folder(arm) / "scores" / f"{recipe}.json"


def _score_id(lab: VolumeLab, recipe: str) -> str:
    """Of the lines and the variant, whose model is named by its folder."""
    lines = {name: lab.corpora[name].held_out_id for name in lab.settings.measured}
    return digest([recipe, CALIBRATION if find(recipe).needs_calibration else None, lines])


@contextmanager
def _variant(checkpoint: Path, recipe: str) -> Iterator[tuple[Path, JSON]]:
    """A variant's folder for as long as it is scored, and what to keep of its manifest."""
    if recipe == BASELINES["hf"]:
        yield checkpoint, {}
        return
    out = checkpoint.with_name(f"variant-{recipe}")
    shutil.rmtree(out, ignore_errors=True)  # left by a kill
    spec = CalibrationSpec(language=CALIBRATION) if find(recipe).needs_calibration else None
    try:
        manifest = read_manifest(out) or make(
            checkpoint, recipe=recipe, parameters={}, calibration=spec, out=out, variant_id=recipe,
            base_label="lab", base_hash=digest(str(checkpoint.parent.name)), seed=0, device="cpu",
        )  # fmt: skip
        about = {
            "bits_per_weight": manifest.bits_per_weight,
            "weights_hash": manifest.weights_hash,
            "library_versions": dict(manifest.library_versions),
        }
        yield out, about
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _score(folder: Path, lab: VolumeLab) -> dict[str, list[float]]:
    """Bits of every held-out line by language, in the engine of the folder's format."""
    from babelbits.engines.base import EngineSettings
    from babelbits.engines.open_engine import load

    name = "llama.cpp" if any(folder.glob("*.gguf")) else "transformers"
    settings = EngineSettings(name=name, device="cpu", dtype="auto")
    with closing(load(folder, engine=name, settings=settings)) as engine:
        return {
            language: [
                _bits(reply, language)
                for reply in engine.score_text(
                    [TextRequest(text=line) for line in lab.corpora[language].held_out]
                )
            ]
            for language in lab.settings.measured
        }


def _bits(reply: object, language: str) -> float:
    if not isinstance(reply, TextScore):
        raise EngineError(f"a held-out line in {language} could not be scored: {reply}")
    bits = -sum(reply.logprobs) / math.log(2)
    if not math.isfinite(bits):
        raise EngineError(f"a held-out line in {language} has no finite score")
    return bits


__all__ = [
    "VolumeLab",
    "find_baseline",
    "list_recipes",
    "load_bundled_encoder",
    "read_scores",
    "score_arm",
    "train_arm",
]
