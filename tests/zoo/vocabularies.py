"""Tiny tokenizers of the published kinds, trained here: `tokenizer.json` and what lies beside it.

Two kinds: byte-level BPE with the family's own split (see `splits`), and SentencePiece BPE with
byte fallback, which comes with `tokenizer.model` as llama.cpp's converter wants it. XGLM has a
unigram model. Special tokens have the family's names and places: before the words or after them.
"""

import io
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from zoo import splits
from zoo.corpus import sentences

JSON = dict[str, Any]
WORDS = 1500
"""Tokens of a vocabulary without its special tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A family's tokenizer.

    Attributes
    ----------
    style : str
        'bytes', 'llama', 'gemma' or 'unigram'.
    special : tuple of str
        Special tokens by name, in the order of their ids.
    split : dict, optional
        The pre-tokenizer of `tokenizer.json` of a byte-level tokenizer.
    bos, eos, pad, unk : str, optional
        Roles.
    adds_bos : bool
        Whether the tokenizer puts BOS before a text.
    first : bool
        Whether the special tokens stand before the words.
    nfc : bool
        Whether texts are normalized.
    prefix_space : bool, optional
        `add_prefix_space` of the hub's `tokenizer_config.json`, where it is written.
    hub_class : str
        `tokenizer_class` of the hub's `tokenizer_config.json`.
    ends : tuple of str
        Tokens that end a generation besides `eos`.
    """

    special: tuple[str, ...]
    eos: str
    style: str = "bytes"
    split: JSON = field(default_factory=splits.byte_level)
    bos: str | None = None
    pad: str | None = None
    unk: str | None = None
    adds_bos: bool = False
    first: bool = False
    nfc: bool = False
    prefix_space: bool | None = None
    hub_class: str = "PreTrainedTokenizerFast"
    ends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A trained tokenizer: `tokenizer.json`, its configuration, and the SentencePiece model."""

    parsed: JSON
    config: JSON
    ids: dict[str, int]
    ends: tuple[int, ...]
    sentencepiece: bytes | None = None

    def __len__(self) -> int:
        """Ids in use."""
        return max(self.ids.values()) + 1

    def role(self, name: str) -> int | None:
        """Id of 'bos', 'eos', 'pad' or 'unk'; None where the tokenizer has none."""
        token = self.config.get(f"{name}_token")
        return None if token is None else self.ids[token]

    def save(self, folder: Path) -> None:
        """Write the files as a hub repository has them."""
        for name, content in (("tokenizer", self.parsed), ("tokenizer_config", self.config)):
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        if self.sentencepiece is not None:
            (folder / "tokenizer.model").write_bytes(self.sentencepiece)


def train(kind: Kind) -> Vocabulary:
    """A tokenizer of a kind; the words of a split are trained once a process."""
    if kind.style == "bytes":
        return _byte_level(kind)
    if kind.style == "unigram":
        return _unigram(kind)
    return _sentencepiece(kind)


def _config(kind: Kind) -> JSON:
    roles = {"bos_token": kind.bos, "eos_token": kind.eos, "pad_token": kind.pad}
    return {
        "tokenizer_class": kind.hub_class,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1000000000000000019884624838656,
        **{name: token for name, token in roles.items() if token},
        **({"unk_token": kind.unk} if kind.unk else {}),
        **({} if kind.prefix_space is None else {"add_prefix_space": kind.prefix_space}),
    }


def _added(token: str, position: int, *, special: bool = True) -> JSON:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": position, "content": token, **plain, "special": special}


def _template(kind: Kind, ids: dict[str, int]) -> JSON | None:
    if not kind.adds_bos or kind.bos is None:
        return None
    bos = {"SpecialToken": {"id": kind.bos, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [bos, text],
        "pair": [bos, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            kind.bos: {"id": kind.bos, "ids": [ids[kind.bos]], "tokens": [kind.bos]}
        },
    }


def _finish(
    kind: Kind, parsed: JSON, ids: dict[str, int], model: bytes | None = None
) -> Vocabulary:
    parsed["added_tokens"] = [_added(token, ids[token]) for token in kind.special]
    ends = tuple(ids[token] for token in (kind.eos, *kind.ends))
    return Vocabulary(parsed, _config(kind), ids, ends, model)


# --- bytes -------------------------------------------------------------------------------------


@cache
def _merges(split: str, *, nfc: bool) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    if nfc:
        backend.normalizer = normalizers.NFC()
    empty = json.loads(backend.to_str())
    backend = Tokenizer.from_str(json.dumps({**empty, "pre_tokenizer": json.loads(split)}))
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(sentences(), trainer)
    model = json.loads(backend.to_str())["model"]
    words = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tuple(words), tuple((left, right) for left, right in model["merges"])


def _byte_level(kind: Kind) -> Vocabulary:
    words, merges = _merges(json.dumps(kind.split, sort_keys=True), nfc=kind.nfc)
    order = [*kind.special, *words] if kind.first else [*words, *kind.special]
    ids = {token: position for position, token in enumerate(order)}
    inside = kind.special if kind.first else ()
    byte_level = splits.byte_level()
    template = _template(kind, ids)
    parsed = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "normalizer": {"type": "NFC"} if kind.nfc else None,
        "pre_tokenizer": kind.split,
        "post_processor": (
            {"type": "Sequence", "processors": [byte_level, template]} if template else byte_level
        ),
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: ids[token] for token in (*inside, *words)},
            "merges": [list(pair) for pair in merges],
        },
    }
    return _finish(kind, parsed, ids)


# --- SentencePiece -----------------------------------------------------------------------------


@cache
def _pieces(special: tuple[str, ...], style: str) -> tuple[bytes, tuple[tuple[str, float], ...]]:
    """A SentencePiece model whose first pieces are the special tokens, and its pieces."""
    import sentencepiece

    names = {"<unk>": "unk", "<s>": "bos", "<bos>": "bos", "</s>": "eos", "<eos>": "eos"}
    roles = {**names, "<pad>": "pad"}
    options: dict[str, Any] = {f"{role}_id": -1 for role in ("pad", "bos", "eos")}
    for position, token in enumerate(special):
        if token in roles:
            options |= {f"{roles[token]}_id": position, f"{roles[token]}_piece": token}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()),
        model_writer=model,
        model_type="bpe",
        vocab_size=WORDS + 300,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        add_dummy_prefix=style == "llama",
        remove_extra_whitespaces=False,
        control_symbols=[token for token in special if token not in roles],
        minloglevel=2,
        **options,
    )
    reader = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(reader.id_to_piece(i), reader.get_score(i)) for i in range(len(reader))]
    return model.getvalue(), tuple(pieces)


def _sentencepiece(kind: Kind) -> Vocabulary:
    from transformers.convert_slow_tokenizer import generate_merges

    inside = kind.special if kind.first else kind.special[:3]
    model, pieces = _pieces(inside, kind.style)
    vocab = {piece: position for position, (piece, _score) in enumerate(pieces)}
    merges = generate_merges(vocab, dict(pieces), skip_tokens=inside)
    after = [token for token in kind.special if token not in vocab]
    ids = vocab | {token: len(vocab) + i for i, token in enumerate(after)}
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    back = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    llama = kind.style == "llama"
    parsed = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "normalizer": (
            {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, space]}
            if llama
            else space
        ),
        "pre_tokenizer": None if llama else _gemma_split(),
        "post_processor": _template(kind, ids),
        "decoder": {
            "type": "Sequence",
            "decoders": [*back, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
            if llama
            else back,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": kind.unk,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [list(pair) for pair in merges],
        },
    }
    return _finish(kind, parsed, ids, model)


def _gemma_split() -> JSON:
    return {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }


# --- unigram -----------------------------------------------------------------------------------


def _unigram(kind: Kind) -> Vocabulary:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=WORDS + 300,
        special_tokens=list(kind.special),
        unk_token=kind.unk,
        show_progress=False,
    )
    # Thousands of Chinese characters would fill the vocabulary.
    backend.train_from_iterator((s for s in sentences() if max(s) < "\u3000"), trainer)
    parsed = json.loads(backend.to_str())
    ids = {piece: i for i, (piece, _score) in enumerate(parsed["model"]["vocab"])}
    parsed["decoder"] = {**parsed["pre_tokenizer"], "type": "Metaspace"}
    return _finish(kind, parsed, ids)
