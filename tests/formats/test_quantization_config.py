"""`quantization_config` of strangers' checkpoints: right ones pass, others end in a typed error.

What is right is what `transformers.utils.quantization_config` takes: `GPTQConfig` needs `bits` (2,
3, 4 or 8) and a `group_size` above 0 or -1.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babelbits.cli.main import run
from babelbits.errors import BabelbitsError, ExitCode, ModelError
from babelbits.formats.quantization_config import check_quantization
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from study_files import write_study

TinyModel = Callable[[str], Path]

RIGHT: tuple[dict[str, Any], ...] = (
    {},
    {"quantization_config": None},
    {"quantization_config": {"bits": 4, "group_size": 128, "desc_act": False, "sym": True,
                             "quant_method": "gptq", "damp_percent": 0.1}},
    {"quantization_config": {"bits": 8, "group_size": -1, "quant_method": "gptq"}},
    {"quantization_config": {"bits": 4, "group_size": 128, "zero_point": True, "version": "gemm",
                             "quant_method": "awq"}},
    {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
    {"quantization_config": {"load_in_4bit": True, "quant_method": "bitsandbytes"}},
    {"compression_config": {"config_groups": {"group_0": {"weights": {"num_bits": 4}}}}},
)  # fmt: skip


@pytest.mark.parametrize("config", RIGHT)
def test_what_makers_publish_passes(config: dict[str, Any]) -> None:
    check_quantization(config, where="config.json")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("gptq", "'quantization_config' must be an object, not 'gptq'"),
        ([4, 128], "'quantization_config' must be an object"),
        ({"quant_method": 4}, "'quantization_config.quant_method' must be a text, not 4"),
        ({"quant_method": "gptq"}, "'quantization_config.bits' is missing"),
        ({"quant_method": "gptq", "bits": "4"}, "'quantization_config.bits' must be 2 to 8"),
        ({"quant_method": "gptq", "bits": None}, "'quantization_config.bits' is missing"),
        (
            {"quant_method": "gptq", "bits": 4, "group_size": 0},
            "'quantization_config.group_size' must be -1 or a whole number above 0, not 0",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": [{}]},
            "'quantization_config.config_groups' must be an object of groups",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(found: Any, says: str) -> None:
    for config in ({"quantization_config": found}, {"text_config": {"quantization_config": found}}):
        with pytest.raises(ModelError) as caught:
            check_quantization(config, where="folder/config.json")
        assert str(caught.value).startswith("folder/config.json: ")
        assert says in str(caught.value)


def test_plan_says_it_and_does_not_crash(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    config = json.loads((base / "config.json").read_text("utf-8"))
    broken = {**config, "quantization_config": {"quant_method": "gptq", "bits": "four"}}
    (base / "config.json").write_text(json.dumps(broken), "utf-8")
    assert run(["plan", str(write_study(tmp_path, model=base, recipes=("w8",)))]) == ExitCode.USAGE
    assert f"{base / 'config.json'}: 'quantization_config.bits' must be" in capsys.readouterr().err


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = (
    "quant_method", "bits", "group_size", "desc_act", "config_groups", "load_in_4bit",
    "load_in_8bit", "llm_int8_threshold", "weight_block_size", "format", "ignore",
    "modules_to_not_convert",
)  # fmt: skip
_METHODS = ("gptq", "awq", "bitsandbytes", "compressed-tensors", "fp8", "mxfp4", "exl2", "new")
_GROUPS = st.dictionaries(
    st.text(max_size=4), st.fixed_dictionaries({}, optional={"weights": _JSON}) | _JSON, max_size=2
)
_LIKE = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_NAMES, _JSON),
        "quant_method": st.sampled_from(_METHODS) | _JSON,
        "config_groups": _GROUPS | _JSON,
        "bits": st.sampled_from((2, 4, 8)) | _JSON,
    },
)


@pytest.fixture(scope="module")
def planned(
    tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], None]:
    """Plans a study of a checkpoint whose config.json has these keys too."""
    folder = tmp_path_factory.mktemp("quantized")
    base = shutil.copytree(tiny_model("llama"), folder / "model")
    config = json.loads((base / "config.json").read_text("utf-8"))
    study = load(write_study(folder, model=base, recipes=()))
    with_variant = load(write_study(folder, model=base, recipes=("w8", "nf4")))

    def plan(more: dict[str, Any]) -> None:
        (base / "config.json").write_text(json.dumps({**config, **more}), "utf-8")
        for one in (study, with_variant):
            try:
                make_plan(one, Store(one.folder), base=locate(one.model), build=build_light)
            except BabelbitsError as error:
                assert error.what

    return plan


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    st.dictionaries(
        st.sampled_from(("quantization_config", "compression_config", "quantization")),
        _LIKE | _JSON,
        min_size=1,
    )
)
def test_any_json_there_ends_in_a_plan_or_a_typed_error(
    planned: Callable[[dict[str, Any]], None], found: dict[str, Any]
) -> None:
    planned(found)
    planned({"text_config": {"model_type": "llama", **found}})
