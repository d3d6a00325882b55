"""How lm-eval asked: the settings of a task that two runs must share, and what to know of a run."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from babelbits.interop.readers import files
from babelbits.interop.readers.lm_eval_files import parse_arguments
from babelbits.words import plural

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Functions are logged with their place in memory, which is another one in every run."""


def read_setup(name: str, config: Mapping[str, Any], results: files.Row) -> dict[str, str]:
    """What must agree between two runs, in the words that lm-eval's options use."""
    whole = files.as_mapping(results.get("config"))
    versions, shots = (files.as_mapping(results.get(key)) for key in ("versions", "n-shot"))
    count = shots.get(name, config.get("num_fewshot"))
    metadata = files.as_mapping(config.get("metadata"))
    setup = {
        "num_fewshot": count,
        "fewshot_seed": whole.get("fewshot_seed") if count else None,
        "task version": versions.get(name, metadata.get("version")),
        "chat template": results.get("chat_template_sha"),
        "system_instruction": results.get("system_instruction_sha"),
        "fewshot_as_multiturn": results.get("fewshot_as_multiturn")
        if results.get("chat_template_sha")
        else None,
        "generation": _canonical(config.get("generation_kwargs")),
        "gen_kwargs": _canonical(whole.get("gen_kwargs")),
        "filters": _canonical(config.get("filter_list")),
        "repeats": config.get("repeats"),
    }
    if not results:
        return {}
    return {k: "none" if value is None else files.as_text(value) for k, value in setup.items()}


_ASKED_OTHERWISE = (
    *("add_bos_token", "prefix_token_id", "truncation", "attn_implementation"),
    *("softmax_dtype", "mixed_precision_dtype", "kv_cache_dtype"),
    *("enable_thinking", "think_end_token", "chat_template_args", "add_special_tokens"),
)
"""Model arguments that change answers and are not the weights."""
_BATCHED = re.compile(r"int8|8bit|bnb|vllm|sglang", re.IGNORECASE)
"""Methods and backends whose answers depend on what else is in the batch."""


def read_circumstances(config: Mapping[str, Any], results: files.Row) -> dict[str, str]:
    """What else two runs should share, or a difference is not the weights' alone.

    A setting that a version of lm-eval does not write is left out, and counts as unknown; a model
    argument that was not given counts as not given.
    """
    whole = files.as_mapping(results.get("config"))
    if not whole:
        return {}
    given = parse_arguments(whole.get("model_args"))
    seeds = [whole.get(name) for name in ("random_seed", "numpy_seed", "torch_seed")]
    samples = files.as_mapping(config.get("generation_kwargs")).get("do_sample") is True
    circumstances: dict[str, object] = {
        **{name: given.get(name, "not given") for name in _ASKED_OTHERWISE},
        "backend": whole.get("model"),
        "limit": "none" if "limit" in whole and whole["limit"] is None else whole.get("limit"),
        "dtype": whole.get("model_dtype") or given.get("dtype"),
        "max_length": results.get("max_length")
        or given.get("max_length")
        or given.get("max_model_len"),
        "BOS token": _token(results.get("tokenizer_bos_token")),
        "EOS token": _token(results.get("tokenizer_eos_token")),
        "seeds": seeds if samples and any(one is not None for one in seeds) else None,
    }
    if _BATCHED.search(files.as_text([whole.get("model"), whole.get("model_args")])):
        circumstances["batch size"] = whole.get("batch_size")
    return {key: files.as_text(value) for key, value in circumstances.items() if value is not None}


def _token(said: object) -> str | None:
    """A token and its number, which some versions write as text."""
    parts = files.as_list(said)
    return " ".join(map(str, parts)) if parts else None


def _canonical(value: object) -> str | None:
    if not value:
        return None
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return _ADDRESS.sub("", text)


def describe_origin(config: Mapping[str, Any]) -> str:
    """Where the items come from, for people."""
    dataset = "/".join(
        str(config[key]) for key in ("dataset_path", "dataset_name") if config.get(key)
    )
    return f"lm-eval, {dataset}" if dataset else "lm-eval"


def note_limit(results: files.Row) -> Iterator[str]:
    """Whether the run was cut short with --limit."""
    counts = [files.as_mapping(one) for one in files.as_mapping(results.get("n-samples")).values()]
    limited = [
        (one["effective"], one["original"])
        for one in counts
        if isinstance(one.get("original"), int)
        and isinstance(one.get("effective"), int)
        and one["effective"] < one["original"]
    ]
    if limited:
        used, whole = (sum(column) for column in zip(*limited, strict=True))
        yield (
            f"a run with --limit: {used:,} of {plural(whole, 'item')} in "
            f"{plural(len(limited), 'task')}"
        )
