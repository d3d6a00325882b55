"""Train a causal language model by steps: the same seed gives the same weights, killed or not.

The budget is a number of steps, so of tokens, never wall time: a faster machine trains the same
model. Every batch is a function of its step alone. A checkpoint holds weights, optimizers and step,
and replaces the one before it atomically; whoever is killed goes on from the last and gets bit for
bit what an uninterrupted run gets on this machine with as many threads. Loss is in nats per token.

Never evaluates, never writes a model for others: the caller has the trained weights in its model.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelbits.errors import NothingThereError, StudyError, TrainingError
from babelbits.records import JSON, digest
from babelbits.store.atomic import store_errors, write_atomically

if TYPE_CHECKING:
    import torch

    from babelbits.lab.optimizers import OptimizerName

CHECKPOINT, WEIGHTS, LOG, RECORD = "checkpoint.pt", "weights.pt", "log.jsonl", "training.json"

Batches = Callable[[int], "torch.Tensor"]
"""Tokens of a step, from 0: shape (rows, length + 1), always the same for the same step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a model is trained. All but the two intervals at the end change its weights."""

    steps: int
    """Of one batch each: the budget."""
    data: str = ""
    """Id of what the batches are made of; goes into the identity."""
    seed: int = 0
    """Of what the model itself draws while it trains (dropout). Weights at the start and the order
    of the text are the caller's."""
    optimizer: "OptimizerName" = "muon+adamw"
    learning_rate: float = 2e-3
    """Of AdamW."""
    muon_learning_rate: float = 7e-3
    warmup_steps: int = 40
    decay_share: float = 0.7
    """Last share of the steps over which the learning rate falls linearly to zero."""
    clip: float = 1.0
    """Longest gradient; a longer one is shortened to it."""
    checkpoint_every: int = 200
    log_every: int = 20

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise StudyError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "muon_learning_rate", "clip"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise StudyError(f"{name} must be a number above 0, not {value}")
        if not 0 <= self.decay_share <= 1:
            raise StudyError(f"decay_share must be between 0 and 1, not {self.decay_share}")

    def identity(self) -> JSON:
        """What changes the weights."""
        found = asdict(self)
        del found["checkpoint_every"], found["log_every"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """How far a training is."""

    step: int
    """Steps done."""
    steps: int
    tokens: int
    loss: float
    """Of the last step, nats per token."""
    learning_rate: float
    """Of AdamW at that step."""
    seconds: float
    """Spent in steps, over all tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A finished training, as `training.json` keeps it."""

    settings_id: str
    steps: int
    tokens: int
    """Predicted tokens over all steps."""
    loss: float
    """Mean over the last `log_every` steps, nats per token."""
    seconds: float
    resumed: int
    """How often it went on from a checkpoint."""
    weights_hash: str
    """Of all weights: two trainings with the same one gave the same model, bit for bit."""
    device: str
    n_threads: int
    torch_version: str


@dataclass(slots=True, kw_only=True)
class _State:
    """What a checkpoint holds beside weights and optimizers."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    resumed: int = 0


def train_model(
    model: "torch.nn.Module",
    batches: Batches,
    *,
    settings: TrainingSettings,
    folder: Path,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingRecord:
    """Train `model` in place, or load what an earlier call trained.

    Parameters
    ----------
    model : torch.nn.Module
        A causal model of transformers (called with `input_ids`, it has `logits`), with the weights
        that training starts from, on the device that computes.
    batches : callable
        Step, from 0, to tokens of shape (rows, length + 1).
    folder : Path
        Of this training alone: checkpoint, log, and in the end weights and record.
    progress : callable, optional
        Called after every step that is logged; what it raises ends the training, which goes on
        from the last checkpoint when it is called again.

    Raises
    ------
    TrainingError
        If the loss or the gradient is no number any more; names step and learning rate.
    NothingThereError
        If the folder holds a training with other settings.
    StoreError
        If the folder cannot be written.
    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    done = read_record(folder)
    if done is not None:
        _check_same(done.settings_id, settings, folder)
        model.load_state_dict(_read(folder / WEIGHTS)["model"])
        return done
    run = _Run(model=model, settings=settings, folder=folder)
    run.resume()
    return run.train(batches, progress)


def read_record(folder: Path) -> TrainingRecord | None:
    """The record of a finished training; None where none is finished."""
    path = folder / RECORD
    return TrainingRecord(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def hash_weights(model: "torch.nn.Module") -> str:
    """Hash of the names, shapes and bytes of all weights; tied weights count once a name."""
    import torch

    found = hashlib.blake2b(digest_size=16)
    for name, weight in sorted(model.state_dict().items()):
        found.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found.update(raw.numpy().tobytes())
    return found.hexdigest()


def _settings_id(settings: TrainingSettings) -> str:
    return digest(settings.identity())


def _check_same(found: str, settings: TrainingSettings, folder: Path) -> None:
    if found != _settings_id(settings):
        raise NothingThereError(
            "the folder holds a training with other settings",
            where=str(folder),
            hint="choose another folder, or delete this one",
        )


def _read(path: Path) -> dict[str, Any]:
    import torch

    with store_errors(path):
        found: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_atomically(path, buffer.getvalue())


class _Run:
    """One training between its first and its last step."""

    def __init__(
        self, *, model: "torch.nn.Module", settings: TrainingSettings, folder: Path
    ) -> None:
        from babelbits.lab.optimizers import make_optimizers

        self._model, self._settings, self._folder = model, settings, folder
        self._device = next(model.parameters()).device
        self._optimizers = make_optimizers(
            model,
            optimizer=settings.optimizer,
            learning_rate=settings.learning_rate,
            muon_learning_rate=settings.muon_learning_rate,
        )
        self._rates = [[group["lr"] for group in one.param_groups] for one in self._optimizers]
        self._state = _State()
        self._losses: list[float] = []
        """Of the last `log_every` steps."""

    def resume(self) -> None:
        """Go back to the last checkpoint, if there is one, and cut what the log says after it."""
        path = self._folder / CHECKPOINT
        if path.exists():
            saved = _read(path)
            _check_same(saved["settings"], self._settings, self._folder)
            self._model.load_state_dict(saved["model"])
            for one, state in zip(self._optimizers, saved["optimizers"], strict=True):
                one.load_state_dict(state)
            self._state = _State(**saved["state"])
            self._state.resumed += 1
            self._losses = list(saved["losses"])
        log = self._folder / LOG
        if log.exists():
            lines = log.read_bytes().split(b"\n")[:-1]
            kept = [one for one in lines if json.loads(one)["step"] <= self._state.step]
            write_atomically(log, b"".join(one + b"\n" for one in kept))

    def train(
        self, batches: Batches, progress: Callable[[TrainingProgress], None] | None
    ) -> TrainingRecord:
        """All steps that are missing, then weights and record."""
        settings, state = self._settings, self._state
        self._model.train()
        with (
            store_errors(self._folder / LOG),
            (self._folder / LOG).open("a", encoding="utf-8") as log,
        ):
            while state.step < settings.steps:
                now = self._step(batches(state.step))
                last = state.step == settings.steps
                if last or state.step % settings.log_every == 0:
                    print(json.dumps(asdict(now)), file=log, flush=True)
                if not last and state.step % settings.checkpoint_every == 0:
                    self._checkpoint()
                if progress is not None and (last or state.step % settings.log_every == 0):
                    progress(now)
        self._model.eval()
        return self._finish()

    def _step(self, tokens: "torch.Tensor") -> TrainingProgress:
        import torch

        settings, state = self._settings, self._state
        began = time.perf_counter()
        factor = self._factor()
        for one, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(one.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        tokens = tokens.to(self._device)
        with torch.random.fork_rng(devices=_cuda_of(self._device)):
            torch.manual_seed(int(digest([settings.seed, state.step], length=8), 16))
            logits = self._model(input_ids=tokens[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), settings.clip)
        value = float(loss.detach())
        self._check(value, float(norm), factor)
        for one in self._optimizers:
            one.step()
            one.zero_grad(set_to_none=True)
        state.step += 1
        state.tokens += tokens[:, 1:].numel()
        state.seconds += time.perf_counter() - began
        self._losses = [*self._losses, value][-settings.log_every :]
        return TrainingProgress(
            step=state.step, steps=settings.steps, tokens=state.tokens, loss=value,
            learning_rate=settings.learning_rate * factor, seconds=state.seconds,
        )  # fmt: skip

    def _factor(self) -> float:
        from babelbits.lab.optimizers import compute_rate_factor

        settings = self._settings
        return compute_rate_factor(
            self._state.step / settings.steps,
            self._state.step,
            warmup_steps=settings.warmup_steps,
            decay_share=settings.decay_share,
        )

    def _check(self, loss: float, norm: float, factor: float) -> None:
        """Stop before a loss that is no number spoils the weights."""
        if math.isfinite(loss) and math.isfinite(norm):
            return
        settings = self._settings
        rates = f"{settings.learning_rate * factor:.3g}"
        if settings.optimizer == "muon+adamw":
            rates += f" (Muon's {settings.muon_learning_rate * factor:.3g})"
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient is {norm}"
        raise TrainingError(
            f"{what} at step {self._state.step + 1} of {settings.steps}, "
            f"with a learning rate of {rates}",
            where=str(self._folder),
            hint="train with a smaller learning rate or a longer warm-up",
        )

    def _checkpoint(self) -> None:
        _write(
            self._folder / CHECKPOINT,
            {
                "settings": _settings_id(self._settings),
                "model": self._model.state_dict(),
                "optimizers": [one.state_dict() for one in self._optimizers],
                "state": asdict(self._state),
                "losses": self._losses,
            },
        )

    def _finish(self) -> TrainingRecord:
        """Weights first, the record that says they are whole last."""
        import torch

        record = TrainingRecord(
            settings_id=_settings_id(self._settings),
            steps=self._state.step,
            tokens=self._state.tokens,
            loss=sum(self._losses) / len(self._losses),
            seconds=self._state.seconds,
            resumed=self._state.resumed,
            weights_hash=hash_weights(self._model),
            device=str(self._device),
            n_threads=torch.get_num_threads(),
            torch_version=str(torch.__version__),
        )
        _write(self._folder / WEIGHTS, {"model": self._model.state_dict()})
        text = json.dumps(asdict(record), indent=2) + "\n"
        write_atomically(self._folder / RECORD, text.encode())
        (self._folder / CHECKPOINT).unlink(missing_ok=True)
        return record


def _cuda_of(device: "torch.device") -> list[int]:
    """CUDA devices whose random state a step may change."""
    return [device.index or 0] if device.type == "cuda" else []
