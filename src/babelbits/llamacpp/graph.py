"""One node of llama.cpp's compute graph, as its eval callback hands it over.

The structure is that of the pinned version; `node_of` proves that it is laid out as assumed by
asking the library for the node's name. Data are copied, from whatever device they are on.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from babelbits.errors import EngineError

_DIMENSIONS, _SOURCES, _NAME = 4, 10, 64
F32 = 0
"""`GGML_TYPE_F32`."""


class Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml.h, up to its name."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMENSIONS),
    ("nb", ctypes.c_size_t * _DIMENSIONS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * _SOURCES),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
]


class Nodes:
    """Looks at graph nodes through the functions of a loaded library."""

    def __init__(self, llama: Any) -> None:
        lib = llama.llama_cpp._lib
        self._get_name = lib.ggml_get_name
        self._get_name.argtypes, self._get_name.restype = [ctypes.c_void_p], ctypes.c_void_p
        self._describe = lib.ggml_op_desc
        self._describe.argtypes, self._describe.restype = [ctypes.c_void_p], ctypes.c_char_p
        self._bytes = lib.ggml_nbytes
        self._bytes.argtypes, self._bytes.restype = [ctypes.c_void_p], ctypes.c_size_t
        self._copy = lib.ggml_backend_tensor_get
        self._copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        self._copy.restype = None

    def node(self, address: int) -> Tensor:
        """The node at an address.

        Raises
        ------
        EngineError
            If the library lays its nodes out otherwise than this module knows.
        """
        tensor = Tensor.from_address(address)
        if self._get_name(address) != address + Tensor.name.offset:
            raise EngineError("the llama.cpp library has another tensor layout than expected")
        return tensor

    def operation(self, address: int) -> str:
        """What a node computes, e.g. 'MUL_MAT'."""
        return str(self._describe(address).decode())

    def values(self, tensor: Tensor, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """A copy of a node's data in numpy's order of axes: the slowest first, shape (4,)."""
        address = ctypes.addressof(tensor)
        raw = np.empty(self._bytes(address), dtype=np.uint8)
        self._copy(address, raw.ctypes.data, 0, raw.size)
        return np.lib.stride_tricks.as_strided(
            raw.view(dtype), shape=tuple(reversed(tensor.ne)), strides=tuple(reversed(tensor.nb))
        )
