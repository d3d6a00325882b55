"""Whether this environment's llama.cpp runs on this machine and is the one known here.

A program for a child process, because a library of another processor ends its process, and one
whose structures are laid out otherwise damages its memory. Ends with exit code 1 and one line on
stderr if something is wrong. Needs nothing of this package: the installer runs it, too.
"""

import ctypes
import sys
from typing import Any

KNOWN = "0.5.0"
"""llama.cpp's version whose functions and structures the bindings of `library.VERSION` declare."""

DEFAULTS: dict[str, dict[str, float]] = {
    "llama_model_default_params": {"n_gpu_layers": -1, "load_mode": -1, "lazy_mode": 1},
    "llama_context_default_params": {
        "n_ctx": 512, "n_outputs_max_per_seq": 1, "yarn_beta_slow": -1.0, "type_k": 1,
        "type_v": 1, "op_offload": True, "swa_full": True,
    },
    "llama_model_quantize_default_params": {
        "output_tensor_type": 43, "quantize_output_tensor": True, "max_buf_size": 8 << 30,
    },
}  # fmt: skip
"""Fields by the function that fills them in, as llama.cpp's source has them.

Fields that moved show other values: llama.cpp's version alone does not tell, since its structures
change between releases.
"""


def find_strange(llama_cpp: Any) -> str | None:
    """What is other than it is known in a loaded library; None if nothing is.

    Parameters
    ----------
    llama_cpp : module
        The bindings. That they could be imported means that the library has all their functions.
    """
    version = str(llama_cpp.llama_version().decode())
    if version.removesuffix("-dev") != KNOWN:
        return f"it is llama.cpp {version}, and the structures known here are those of {KNOWN}"
    for function, fields in DEFAULTS.items():
        params = getattr(llama_cpp, function)()
        for name, value in fields.items():
            if getattr(params, name) != value:
                return f"its structures are not those of llama.cpp {KNOWN} ({function}: {name})"
    return None


def ask_version(folder: str) -> str:
    """llama.cpp's version of a folder's library, which is only asked for that.

    Raises
    ------
    OSError
        If there is no such library, or it cannot be loaded.
    AttributeError
        If it is so old that it does not say.
    """
    ending = "dylib" if sys.platform == "darwin" else "so"
    ask = ctypes.CDLL(f"{folder}/libllama.{ending}").llama_version
    ask.restype = ctypes.c_char_p
    return str(ask().decode())


def main() -> None:
    """Look at the library of a folder (the first argument), or at the installed one."""
    if sys.argv[1:]:
        print(ask_version(sys.argv[1]))
        return
    import llama_cpp

    llama_cpp.llama_backend_init()
    sys.exit(find_strange(llama_cpp))


if __name__ == "__main__":
    main()
