"""Train the bundled model: a small multilingual Llama, on a CPU, from scratch.

    python training/train.py --corpora DIR --out DIR [--minutes 75]

Writes a checkpoint that `transformers` loads, `training_log.jsonl`, and held-out bits per byte per
language. Interrupted runs resume from the last saved state. The hidden matrices are trained with
Muon (Jordan et al. 2024), everything else with AdamW. The learning rate is constant after a
warm-up, then falls linearly to zero over the last `DECAY_SHARE` of the time budget; the last
`LONG_SHARE` of it runs at the full context length.

Loss is in nats per token; answers of sums weigh more than their questions (`ANSWER_WEIGHT`).
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import corpus
from babelbits.lab.held_out import measure_bits_per_byte, measure_line_bits
from babelbits.lab.optimizers import compute_rate_factor, make_optimizers
from babelmini import sums

END = "<|endoftext|>"
# The pattern of Qwen 3.5: single digits, and vowel signs stay with their letters. llama.cpp knows
# it as "qwen35", so that the model converts to GGUF with the same tokens.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
VOCABULARY = 6144
CONTEXT = 1024
SHORT = 128
TOKENS_PER_STEP = 3072
SUM_SHARE = 0.5
ANSWER_WEIGHT = 4.0
WARMUP_STEPS = 40
DECAY_SHARE = 0.7
LONG_SHARE = 0.08


def train_tokenizer(corpora: dict[str, corpus.Corpus], rng: np.random.Generator) -> Tokenizer:
    """Byte-level BPE on about the same number of bytes of every language."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()

    def texts() -> Iterator[str]:
        for language, part in corpora.items():
            budget = int(600_000 * part.weight)
            for line in corpus.text_documents(part.train, language=language, rng=rng):
                budget -= len(line.encode())
                if budget < 0:
                    break
                yield line
        for language in sums.load_templates():
            pairs = corpus.sum_documents(language=language, rng=rng)
            for _ in range(400):
                yield "".join(next(pairs))

    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


class Stream:
    """Endless training tokens with loss weights, languages mixed by weight."""

    def __init__(
        self, corpora: dict[str, corpus.Corpus], tokenizer: Tokenizer, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._tokenizer = tokenizer
        self._languages = list(corpora)
        weights = np.array([corpora[name].weight for name in self._languages])
        self._shares = weights / weights.sum()
        self._texts = {
            name: corpus.text_documents(part.train, language=name, rng=rng)
            for name, part in corpora.items()
        }
        self._sums = {
            name: corpus.sum_documents(language=name, rng=rng) for name in sums.load_templates()
        }

    def _sum_document(self) -> tuple[list[int], list[float]]:
        language = self._rng.choice(list(self._sums))
        question, answer = next(self._sums[language])
        head = self._tokenizer.encode(question).ids
        tail = self._tokenizer.encode(answer).ids
        return head + tail, [1.0] * len(head) + [ANSWER_WEIGHT] * len(tail)

    def _text_document(self) -> tuple[list[int], list[float]]:
        name = self._languages[self._rng.choice(len(self._languages), p=self._shares)]
        ids = self._tokenizer.encode(next(self._texts[name])).ids
        return ids, [1.0] * len(ids)

    def batch(self, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and weights, both shape (rows, length + 1)."""
        need = rows * (length + 1)
        ids: list[int] = []
        weights: list[float] = []
        sum_tokens = 0
        after_sum = False
        while len(ids) < need:
            is_sum = sum_tokens < SUM_SHARE * (len(ids) + 1)
            document = self._sum_document() if is_sum else self._text_document()
            sum_tokens += len(document[0]) if is_sum else 0
            # An end-of-text token before each document: what scoring without context starts from.
            ids += [0, *document[0]]
            # After an answer the end counts as part of it: the model must stop.
            weights += [ANSWER_WEIGHT if after_sum else 1.0, *document[1]]
            after_sum = is_sum
        shape = (rows, length + 1)
        return torch.tensor(ids[:need]).view(shape), torch.tensor(weights[:need]).view(shape)


def held_out_bits_per_byte(
    model: LlamaForCausalLM, tokenizer: Tokenizer, lines: tuple[str, ...]
) -> float:
    """Bits per UTF-8 byte over whole lines, each after an end-of-text token."""

    def encode(line: str) -> list[int]:
        ids: list[int] = tokenizer.encode(line).ids[: CONTEXT - 1]
        return ids

    return measure_bits_per_byte(measure_line_bits(model, encode, lines), lines)


@torch.no_grad()
def dev_sums_right(
    model: LlamaForCausalLM, tokenizer: Tokenizer, *, count: int
) -> dict[str, float]:
    """Share of development sums answered right, by language."""
    right = {}
    for language in sums.load_templates():
        rng = np.random.default_rng(5)
        hits = 0
        for n in range(count):
            drawn = sums.draw(rng, operation=sums.OPERATIONS[n % 3], split="dev", largest=20)
            ids = [
                0,
                *tokenizer.encode(sums.question(drawn, language=language, phrasing=n % 2)).ids,
            ]
            start = len(ids)
            for _ in range(4):
                following = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
                if following == 0:
                    break
                ids.append(following)
            hits += tokenizer.decode(ids[start:]).strip() == str(drawn.answer)
        right[language] = hits / count
    return right


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, out: Path) -> None:
    """Checkpoint in bfloat16 with its tokenizer, which starts every text as training did."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(out)
    copy = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.to(torch.bfloat16).save_pretrained(out)


def report(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    corpora: dict[str, corpus.Corpus],
    *,
    sums_each: int,
) -> dict[str, Any]:
    """Held-out bits per byte and development sums right, per language."""
    model.eval()
    bits = {
        name: round(held_out_bits_per_byte(model, tokenizer, part.held_out), 4)
        for name, part in corpora.items()
    }
    right = dev_sums_right(model, tokenizer, count=sums_each)
    model.train()
    return {"bits_per_byte": bits, "dev_sums_right": right}


def main() -> None:
    """Train until the time budget is spent, then evaluate and save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=75.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    corpora = corpus.load(options.corpora, Path(__file__).parent / "original")
    tokenizer_file = options.out / "tokenizer.json"
    if tokenizer_file.exists():
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    else:
        tokenizer = train_tokenizer(corpora, rng)
        tokenizer.save(str(tokenizer_file))
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=256,
            intermediate_size=768,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
            tie_word_embeddings=True,
        )
    )
    parts = make_optimizers(model)
    step, tokens, spent = 0, 0, 0.0
    state_file = options.out / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        for part, saved in zip(parts, state["optimizers"], strict=True):
            part.load_state_dict(saved)
        step, tokens, spent = state["step"], state["tokens"], state["seconds"]
        rng = np.random.default_rng([options.seed, step])
    base_rates = [part.param_groups[0]["lr"] for part in make_optimizers(model)]
    stream = Stream(corpora, tokenizer, rng)
    log = (options.out / "training_log.jsonl").open("a", encoding="utf-8")
    budget_file = options.out / "minutes"
    model.train()
    mean_loss, steps_seen, last_save = 0.0, 0, time.monotonic()
    while True:
        # The budget may be changed while training runs: write the minutes to this file.
        minutes = float(budget_file.read_text()) if budget_file.exists() else options.minutes
        share = spent / (60 * minutes)
        if share >= 1:
            break
        began = time.monotonic()
        length = CONTEXT if share > 1 - LONG_SHARE else SHORT
        ids, weights = stream.batch(TOKENS_PER_STEP // length, length)
        logits = model(input_ids=ids[:, :-1]).logits
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        )
        weight = weights[:, 1:].flatten()
        ((losses * weight).sum() / weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        factor = compute_rate_factor(
            share, step, warmup_steps=WARMUP_STEPS, decay_share=DECAY_SHARE
        )
        for part, base in zip(parts, base_rates, strict=True):
            part.param_groups[0]["lr"] = base * factor
            part.step()
            part.zero_grad(set_to_none=True)
        step, steps_seen, tokens = step + 1, steps_seen + 1, tokens + ids.numel()
        mean_loss = 0.95 * mean_loss + 0.05 * float(losses.mean().detach())
        spent += time.monotonic() - began
        if step % 20 == 0:
            row: dict[str, Any] = {
                "step": step,
                "tokens": tokens,
                "minutes": round(spent / 60, 2),
                "loss": round(mean_loss / (1 - 0.95**steps_seen), 4),
            }
            if step % 200 == 0:
                row |= report(model, tokenizer, corpora, sums_each=12)
            print(json.dumps(row), file=log, flush=True)
        if time.monotonic() - last_save > 240:
            last_save = time.monotonic()
            state = {
                "model": model.state_dict(),
                "optimizers": [part.state_dict() for part in parts],
                "step": step,
                "tokens": tokens,
                "seconds": spent,
            }
            torch.save(state, options.out / "state.tmp")
            (options.out / "state.tmp").replace(state_file)
    final = report(model, tokenizer, corpora, sums_each=60)
    print(json.dumps({"step": step, "tokens": tokens, "final": final}), file=log, flush=True)
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
