"""Labels of variants, as documented in the README."""

import pytest

from babelbits.recipes.catalogue import settle
from babelbits.study.config.labels import make_label


@pytest.mark.parametrize(
    ("recipe", "given", "language", "label"),
    [
        ("w8a8", {}, None, "w8a8"),
        ("w4-g", {}, "en", "w4-g@en"),
        ("w4-g", {"group_size": 128}, "en", "w4-g@en"),
        ("w4-g", {"group_size": 64}, "en", "w4-g@en[group_size=64]"),
        ("w4-g-rtn", {"group_size": 32}, None, "w4-g-rtn[group_size=32]"),
        ("nf4", {"double_quantization": True}, None, "nf4[double_quantization=true]"),
        ("w8a8-sq", {"smoothing_strength": 0.8}, "nb", "w8a8-sq@nb[smoothing_strength=0.8]"),
        (
            "w4-g",
            {"group_size": 64, "dampening": 0.05},
            "zh-Hant",
            "w4-g@zh-Hant[dampening=0.05,group_size=64]",
        ),
    ],
)
def test_label(recipe: str, given: dict[str, object], language: str | None, label: str) -> None:
    assert make_label(recipe, settle(recipe, given), language=language) == label
