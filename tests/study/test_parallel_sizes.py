"""GPUs of one copy of a model: published shapes, expected numbers by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.vllm_child.checkpoint import make_options, read_folder
from babelbits.errors import ModelError, StudyError
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.config.spec import Study
from babelbits.study.planning.base_model import BaseModel, locate
from babelbits.study.planning.identity import _engine, identify_engine
from babelbits.study.planning.memory import check_memory
from babelbits.study.planning.parallel_sizes import (
    ParallelSizes,
    SplitShape,
    choose_sizes,
    find_tensor_problem,
    split_shape,
    with_parallel_sizes,
)
from babelbits.study.planning.plan import build_light, make_plan
from study_files import write_study

TinyModel = Callable[[str], Path]
GB = 10**9
USABLE_80 = 0.9 * 80 * GB
LLAMA_70B = SplitShape(heads=64, kv_heads=8, layers=80)
"""https://huggingface.co/meta-llama/Llama-3.3-70B-Instruct, config.json."""
LLAMA_WEIGHTS, LLAMA_KEPT = 2 * 70_553_706_496, 327_680 * 1256 * 16
COMMAND_R_PLUS = SplitShape(heads=96, kv_heads=8, layers=64)
"""https://huggingface.co/CohereLabs/c4ai-command-r-plus, config.json: 104 billion weights."""
COMMAND_WEIGHTS, COMMAND_KEPT = 2 * 104_000_000_000, 2 * 64 * 8 * 128 * 2 * 1256 * 16
QWEN_32B = SplitShape(heads=40, kv_heads=8, layers=64)
"""https://huggingface.co/Qwen/Qwen2.5-32B-Instruct, config.json: 32.8 billion weights."""


@pytest.mark.parametrize(
    ("weights", "kept", "shape", "cards", "memory", "nodes", "expected"),
    [
        # 141.1 + 6.6 GB: two GPUs of 72 GB usable are 144; of three, 3 divides no 64 heads
        (LLAMA_WEIGHTS, LLAMA_KEPT, LLAMA_70B, 8, USABLE_80, 1, (4, 1)),
        # without room for keys and values two would do
        (LLAMA_WEIGHTS, 0, LLAMA_70B, 8, USABLE_80, 1, (2, 1)),
        # 208 + 5.3 GB: three GPUs have 216, but 3 divides 96 heads and not 8; by stages of
        # 22 of 64 layers 73.3 GB are too many
        (COMMAND_WEIGHTS, COMMAND_KEPT, COMMAND_R_PLUS, 8, USABLE_80, 1, (4, 1)),
        # two nodes of two GPUs: layers over the node's two, stages over the nodes
        (COMMAND_WEIGHTS, COMMAND_KEPT, COMMAND_R_PLUS, 2, USABLE_80, 2, (2, 2)),
        (COMMAND_WEIGHTS, COMMAND_KEPT, COMMAND_R_PLUS, 2, USABLE_80, 1, None),
        # 65.6 GB on GPUs of 24 GB (21.6 usable): four hold it, 40 heads and 8 are divided by 4
        (2 * 32_800_000_000, 0, QWEN_32B, 8, 0.9 * 24 * GB, 1, (4, 1)),
        # three such GPUs: 64.8 GB are too few
        (2 * 32_800_000_000, 0, QWEN_32B, 3, 0.9 * 24 * GB, 1, None),
        # three GPUs of 48 GB hold 100 GB as stages of 22 layers: 34.4 GB each; a width of 3 is none
        (100 * GB, 0, QWEN_32B, 3, 0.9 * 48 * GB, 1, (1, 3)),
        (GB, 0, QWEN_32B, 8, USABLE_80, 1, (1, 1)),
    ],
)
def test_the_fewest_gpus_that_hold_a_model_by_hand(
    weights: int,
    kept: int,
    shape: SplitShape,
    cards: int,
    memory: float,
    nodes: int,
    expected: tuple[int, int] | None,
) -> None:
    found = choose_sizes(weights, kept, shape=shape, cards=cards, memory=memory, nodes=nodes)
    wanted = expected and ParallelSizes(tensor=expected[0], pipeline=expected[1])
    assert found == wanted


def test_a_width_divides_heads_and_heads_of_keys_or_copies_these() -> None:
    assert find_tensor_problem(8, LLAMA_70B) is None
    assert find_tensor_problem(16, LLAMA_70B) is None  # each head of keys on two GPUs
    assert "does not divide its 64 attention heads" in (find_tensor_problem(3, LLAMA_70B) or "")
    assert "8 heads of keys and values" in (find_tensor_problem(12, COMMAND_R_PLUS) or "")


def test_heads_are_read_of_older_and_of_multimodal_configs() -> None:
    assert split_shape({"n_head": 12, "n_layer": 6}) == SplitShape(heads=12, kv_heads=12, layers=6)
    text = {"num_attention_heads": 8, "num_key_value_heads": 4, "num_hidden_layers": 2}
    nested = {"model_type": "gemma3", "text_config": text}
    assert split_shape(nested) == SplitShape(heads=8, kv_heads=4, layers=2)


# --- in a study -----------------------------------------------------------------------------------


def studied(folder: Path, model: Path, **engine: object) -> tuple[Study, BaseModel]:
    study = load(write_study(folder, model=model))
    return replace(study, engine=replace(study.engine, **engine)), locate(study.model)  # type: ignore[arg-type]


def test_sizes_are_stated_or_chosen_and_refused_where_they_cannot_be(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    """The tiny Llama has 4 heads, 2 of keys and values, 2 layers, and 106,816 weights.

    In 16 bits these and 256 bytes for each of 20,096 tokens are 5.36 MB: two GPUs of 3.15 usable.
    """
    model = tiny_model("llama")
    study, base = studied(tmp_path, model, name="vllm", device="cuda")
    chosen = with_parallel_sizes(study, base, cards=[80 * GB] * 4).engine
    assert chosen.tensor_parallel is None  # one GPU holds it
    wide = with_parallel_sizes(study, base, cards=[3_500_000] * 4).engine
    assert (wide.tensor_parallel, wide.pipeline_parallel) == (2, 1)
    stated, _ = studied(tmp_path, model, name="vllm", device="cuda", tensor_parallel=2)
    assert with_parallel_sizes(stated, base) == stated
    for engine, said in (
        ({"name": "vllm", "device": "cuda", "tensor_parallel": 3}, "it can be 1, 2, 4"),
        ({"name": "vllm", "device": "cuda", "pipeline_parallel": 3}, "the model has 2 layers"),
        ({"name": "vllm", "device": "cpu", "tensor_parallel": 2}, "the device is 'cpu'"),
        ({"device": "cuda", "tensor_parallel": 2}, "no variant runs there"),
    ):
        wrong, _ = studied(tmp_path, model, **engine)
        with pytest.raises(StudyError) as raised:
            with_parallel_sizes(wrong, base)
        assert said in str(raised.value)


def test_ids_change_only_where_a_model_is_split() -> None:
    alone = EngineSettings(device="cuda", dtype="bfloat16")
    one = _engine(identify_engine(alone, engine="vllm"))
    assert _engine(identify_engine(replace(alone, tensor_parallel=1), engine="vllm")) == one
    assert not any("parallel" in name for name in one)
    split = _engine(identify_engine(replace(alone, tensor_parallel=4), engine="vllm"))
    assert split == {**one, "tensor_parallel": 4}
    assert not any("parallel" in name for name in _engine(identify_engine(alone)))


def test_vllm_is_told_of_the_sizes_only_where_a_model_is_split(tiny_model: TinyModel) -> None:
    settings = EngineSettings(device="cuda", dtype="bfloat16", name="vllm")
    loaded = read_folder(tiny_model("llama"), settings=settings)
    assert not any("parallel" in name for name in make_options(loaded, settings=settings))
    told = make_options(loaded, settings=replace(settings, tensor_parallel=2, pipeline_parallel=3))
    assert told["tensor_parallel_size"] == 2
    assert told["pipeline_parallel_size"] == 3
    assert told["distributed_executor_backend"] == "mp"


# --- GPUs that are too small ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "cards", "host", "said"),
    [
        ({"device": "auto"}, [300_000], 10 * GB, None),  # most of it in host memory
        ({"device": "auto"}, [300_000], 1_000, "1 GPU with 300 kB and 1 kB of host memory"),
        ({"device": "cuda"}, [300_000] * 8, 10 * GB, "more than 1 GPU with 300 kB can hold"),
        ({"device": "cuda:9"}, [GB] * 8, 0, "this machine has 8"),
        ({"device": "auto"}, [300_000] * 8, 0, None),  # four
        ({"name": "vllm", "device": "cuda", "tensor_parallel": 4}, [GB] * 2, 0, "on 4 GPUs"),
        ({"name": "vllm", "device": "cuda", "tensor_parallel": 2}, [GB] * 2, 0, None),
    ],
)
def test_gpus_that_hold_no_variant_are_named_with_what_would(
    tiny_model: TinyModel,
    tmp_path: Path,
    engine: dict[str, object],
    cards: list[int],
    host: int,
    said: str | None,
) -> None:
    """The tiny Llama takes 427,264 bytes in float32, a layer 147,968; a GPU has 0.85 for them."""
    study, base = studied(tmp_path, tiny_model("llama"), dtype="float32")
    store = Store(study.folder, smoke=study.smoke)
    plan = make_plan(study, store, base=base, build=build_light)
    asked = replace(plan.study, engine=replace(plan.study.engine, **engine))  # type: ignore[arg-type]
    plan = replace(plan, study=asked, engine=replace(plan.engine, device_kind="cuda"))
    if said is None:
        check_memory(plan, total=host, cards=cards)
        return
    with pytest.raises(ModelError) as raised:
        check_memory(plan, total=host, cards=cards)
    assert said in raised.value.what
    assert raised.value.hint
