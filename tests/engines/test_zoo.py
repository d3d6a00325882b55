"""The engine says of every architecture what one plain forward pass a sequence says.

Expected values: `zoo.oracle`, transformers without cache, batch or padding, eager attention,
float32; tolerance 1e-4 nats a score and a token. Greedy rows end at different times.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.open_engine import load
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from zoo.build import chosen
from zoo.oracle import Oracle

TOLERANCE = 1e-4
LENGTH = 14
"""New tokens of a continuation that nothing ends."""

FEW = ("llama3", "qwen3.5-text", "deepseek-v3", "gemma2", "gpt-oss", "gemma3-mm")
"""One of each kind for a quick look: dense, hybrid, MLA, soft caps, sinks, multimodal."""
ALL = [pytest.param(name, marks=() if name in FEW[:1] else pytest.mark.slow) for name in chosen()]

SHOTS = "Frage: Was backt die Oma?\nAntwort: B\n\nВопрос: Кто идёт домой?\nAnswer: A\n\n" * 2
ITEMS = (
    "मेरी दादी हर शनिवार को रोटी पकाती हैं",
    "我的奶奶每个星期六早上都烤面包",
    "جدتي تخبز الخبز",
    "Bibi yangu huoka mkate kila Jumamosi asubuhi, na nyumba yote inanukia",
    "എന്റെ മുത്തശ്ശി 1234",
    "x",
)
CHOICES = (" A", " B", " die Oma", " रोटी", "\n\nwhatever it is")


@dataclass(frozen=True)
class Expected:
    """What the oracle says of a checkpoint, and the checkpoint with ends that are met."""

    folder: Path
    scores: list[float]
    texts: list[list[float]]
    greedy: list[list[int]]
    oracle: Oracle


def score_requests() -> list[ScoreRequest]:
    """Every choice after every item behind a shared prompt; some behind nothing shared."""
    shared = [ScoreRequest(context=SHOTS + item, continuation=c) for item in ITEMS for c in CHOICES]
    return shared + [ScoreRequest(context=item, continuation=" x") for item in ITEMS]


def prompts() -> list[str]:
    """Behind a shared prompt, and alone; of different lengths."""
    return [SHOTS + item for item in ITEMS] + list(ITEMS[:3])


def whole_texts() -> list[str]:
    """Short ones, and one beyond the sliding windows and chunks of the tiny models (64)."""
    return [ITEMS[0], ITEMS[3], SHOTS + " ".join(ITEMS)]


@pytest.fixture(scope="module")
def expected(
    zoo: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Expected]:
    """The oracle's answers for an architecture, made once for both paths."""
    made: dict[str, Expected] = {}

    def get(name: str) -> Expected:
        if name not in made:
            made.clear()  # models are held one at a time
            made[name] = ask(zoo(name), tmp_path_factory.mktemp(f"{name}-ends"))
        return made[name]

    return get


def ask(checkpoint: Path, folder: Path) -> Expected:
    """Let the oracle answer, with ends chosen such that its rows end at different times."""
    oracle = Oracle(checkpoint)
    free = [oracle.greedy(prompt, LENGTH) for prompt in prompts()]
    ends = {row[min(i, LENGTH - 1)] for i, row in enumerate(free) if i % 2 == 0}
    shutil.copytree(checkpoint, folder, copy_function=os.link, dirs_exist_ok=True)
    ends = {oracle.tokenizer.eos_token_id, *_set_ends(folder, ends)}
    return Expected(
        folder=folder,
        scores=[oracle.score(r.context, r.continuation) for r in score_requests()],
        texts=[oracle.text_log_p(text) for text in whole_texts()],
        greedy=[cut(row, ends) for row in free],
        oracle=oracle,
    )


def cut(row: list[int], ends: set[int]) -> list[int]:
    """A continuation up to its first end, included."""
    first = next((i for i, token in enumerate(row) if token in ends), len(row))
    return row[: first + 1]


def _set_ends(folder: Path, ends: set[int]) -> set[int]:
    path = folder / "generation_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()  # a hard link: the original stays
    path.write_text(json.dumps(content | {"eos_token_id": sorted(ends)}), encoding="utf-8")
    return ends


def engine(folder: Path, *, sharing: bool) -> Any:
    settings = EngineSettings(device="cpu", dtype="float32", sharing=sharing)
    return load(folder, engine="transformers", settings=settings)


@pytest.mark.parametrize("sharing", [True, False], ids=["shared", "plain"])
@pytest.mark.parametrize("name", ALL)
def test_scores_texts_and_greedy_rows_equal_a_direct_forward_pass(
    name: str, sharing: bool, expected: Callable[[str], Expected]
) -> None:
    known = expected(name)
    assert len({len(row) for row in known.greedy}) > 1  # rows do end at different times
    subject = engine(known.folder, sharing=sharing)
    found = [reply.logprob for reply in subject.score(score_requests())]
    assert found == pytest.approx(known.scores, abs=TOLERANCE)
    replies = subject.score_text([TextRequest(text=text) for text in whole_texts()])
    for reply, log_p in zip(replies, known.texts, strict=True):
        assert list(reply.logprobs) == pytest.approx(log_p, abs=TOLERANCE)
    asked = [GenerateRequest(prompt=prompt, max_new_tokens=LENGTH) for prompt in prompts()]
    generated = subject.generate(asked)
    assert [reply.output_tokens[0] for reply in generated] == [len(row) for row in known.greedy]
    assert [reply.texts[0] for reply in generated] == [
        known.oracle.text(row) for row in known.greedy
    ]
