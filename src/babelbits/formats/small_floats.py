"""4- and 8-bit floats that share scales in blocks: OCP's MX formats, NVFP4, and FP8 in blocks.

Written from the formats' documents and by no quantization library, so that what a library makes or
loads can be held against it. E2M1 has a sign, two bits of exponent and one of mantissa: 0, 0.5, 1,
1.5, 2, 3, 4, 6. Two codes share a byte, the first in the lower half. E4M3 ends at 448. An MX scale
is a power of two, stored as its exponent plus 127, for 32 numbers (OCP Microscaling Formats 1.0).
An NVFP4 scale is an E4M3 number for 16, over one float32 for the whole tensor.

Where the document leaves the scale of an MX block to the writer, this is compressed-tensors' rule:
the exponent of the largest magnitude, one more from 1.75 times the power of two on, less the
largest exponent of the elements.

Torch is imported inside the functions; tensors in, float32 tensors out.
"""

from typing import Any

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
LARGEST_E2M1, LARGEST_E4M3 = 6.0, 448.0
_EXPONENT = {4: 2, 8: 8}
"""Bits of an element to the exponent of its largest power of two."""
_BIAS = 127
_SMALLEST = 1e-12


def unpack_e2m1(octets: Any) -> Any:
    """The numbers of packed codes, shape (rows, columns / 2) to (rows, columns)."""
    import torch

    codes = torch.stack((octets & 15, octets >> 4), dim=-1).flatten(-2).long()
    values = torch.tensor(E2M1)[codes & 7]
    return torch.where(codes > 7, -values, values)


def to_e2m1(values: Any) -> Any:
    """The nearest E2M1 number of each; halfway to the even code."""
    import torch

    steps = torch.tensor(E2M1)
    middles = (steps[1:] + steps[:-1]) / 2
    size = values.abs().contiguous()
    below = torch.bucketize(size, middles)  # a middle itself stays below
    above = torch.bucketize(size, middles, right=True)
    code = torch.where(below % 2 == 0, below, above)
    return torch.copysign(steps[code], values)


def to_e4m3(values: Any) -> Any:
    """The nearest E4M3 number of each, at most 448."""
    import torch

    bounded = values.clamp(-LARGEST_E4M3, LARGEST_E4M3)
    return bounded.to(torch.float8_e4m3fn).float()


def decode_mx_scale(stored: Any) -> Any:
    """The scales that stored exponents stand for."""
    return 2.0 ** (stored.float() - _BIAS)


def round_mx(values: Any, *, bits: int, group: int = 32) -> Any:
    """Numbers as an MX format holds them, 32 along the last axis to a scale.

    Parameters
    ----------
    bits : int
        4 (E2M1) or 8 (E4M3).
    """
    import torch

    parts = values.float().unflatten(-1, (-1, group))
    largest = parts.abs().amax(dim=-1, keepdim=True).clamp(min=_SMALLEST)
    exponent = torch.floor(torch.log2(largest))
    exponent = exponent + (largest / 2.0**exponent >= 1.75)
    scale = 2.0 ** (exponent - _EXPONENT[bits])
    rounded = to_e2m1(parts / scale) if bits == 4 else to_e4m3(parts / scale)
    return (rounded * scale).flatten(-2)


def round_nvfp4(values: Any, *, global_scale: Any, group: int = 16) -> Any:
    """Numbers as NVFP4 holds them, 16 along the last axis to a scale.

    Parameters
    ----------
    global_scale : torch.Tensor
        448 times 6 over the largest magnitude of the tensor, as it was when it was calibrated.
    """
    parts = values.float().unflatten(-1, (-1, group))
    largest = parts.abs().amax(dim=-1, keepdim=True)
    stored = to_e4m3(global_scale * largest / LARGEST_E2M1)
    scale = stored.where(stored > 0, stored.new_tensor(0.125)) / global_scale
    return (to_e2m1(parts / scale) * scale).flatten(-2)


def round_fp8(values: Any, *, group: int | None = None) -> Any:
    """Numbers as E4M3 with a scale that takes the largest magnitude to 448.

    Parameters
    ----------
    group : int, optional
        Numbers along the last axis that share a scale; all of them if left out.
    """
    parts = values.float() if group is None else values.float().unflatten(-1, (-1, group))
    scale = parts.abs().amax(dim=-1, keepdim=True).clamp(min=_SMALLEST) / LARGEST_E4M3
    rounded = to_e4m3(parts / scale) * scale
    return rounded if group is None else rounded.flatten(-2)


def spread_blocks(scale: Any, shape: tuple[int, int]) -> Any:
    """A scale a block as a scale a number; blocks at the ends may be cut.

    Parameters
    ----------
    scale : torch.Tensor
        Shape (blocks of rows, blocks of columns), of blocks of 128 rows and columns.
    shape : (int, int)
        Rows and columns of the weight.
    """
    rows, columns = shape
    spread = scale.repeat_interleave(128, dim=0).repeat_interleave(128, dim=1)
    return spread[:rows, :columns]
