"""Quantized layers compute what their format says, whatever the shape of weights and inputs."""

import pytest

import emulation

torch = pytest.importorskip("torch")
SHAPES = [(128, 64), (48, 64), (128, 32), (64, 96), (16, 128)]


@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "double"])
def test_four_bits_are_dequantized_by_the_paper_whatever_the_shape(
    outputs: int, inputs: int, nested: bool
) -> None:
    """Dettmers et al. 2023, appendix E; inputs that are no multiple of 64, outputs none of 32."""
    import bitsandbytes as bnb
    from bitsandbytes.functional import dequantize_blockwise

    from babelbits.formats.quantized_forward import prepare_forward

    torch.manual_seed(0)
    layer = bnb.nn.Linear4bit(
        inputs, outputs, bias=False, quant_type="nf4", compress_statistics=nested,
        compute_dtype=torch.float32,
    ).to("cpu")  # fmt: skip
    state = layer.weight.quant_state
    scales = state.absmax
    if nested:
        scales = dequantize_blockwise(state.absmax, state.state2) + state.offset
    shape = {"blocksize": state.blocksize, "shape": list(state.shape)}
    weight = emulation.nf4(layer.weight.data, scales, shape)
    prepare_forward(layer)
    layer.eval()
    states = torch.randn(2, inputs, 5).transpose(1, 2)  # a view, as in Mamba
    with torch.no_grad():
        found = layer(states)
    # The packed CPU kernel computes in bfloat16, whose rounding is 2^-8.
    expected = states @ weight.T
    assert (found - expected).norm() / expected.norm() < 2**-7


def test_llm_int8_takes_four_axes() -> None:
    import bitsandbytes as bnb

    from babelbits.formats.quantized_forward import prepare_forward

    torch.manual_seed(0)
    layer = bnb.nn.Linear8bitLt(64, 32, bias=False, has_fp16_weights=False).to("cpu").eval()
    prepare_forward(layer)
    states = torch.randn(1, 1, 7, 64)
    with torch.no_grad():
        four, three = layer(states), layer(states[0])
    assert four.shape == (1, 1, 7, 32)
    torch.testing.assert_close(four[0], three)
