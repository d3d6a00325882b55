"""The process in which llama.cpp's converter runs: `python -m babelbits.llamacpp.convert_child`.

    convert_child FOLDER PRE_TOKENIZER ARGUMENTS...

The converter knows byte-level tokenizers by a hash of what they make of one text, and gives up on
those it never saw. Here it takes the pre-tokenizer that the caller derived from `tokenizer.json`
('' where it could derive none) instead of giving up; the caller compares what comes of it with the
original on real text, so that a wrong guess cannot pass.
"""

import runpy
import sys
from pathlib import Path
from typing import Any


def main(folder: str, pre_tokenizer: str, *arguments: str) -> None:
    """Run the converter of `folder` with the command line `arguments`."""
    script = Path(folder) / "convert_hf_to_gguf.py"
    sys.path[:0] = [folder, str(Path(folder) / "gguf-py")]
    from conversion.base import TextModel  # type: ignore[import-not-found]  # found just above

    recognised = TextModel.get_vocab_base_pre

    def recognised_or_derived(model: Any, tokenizer: Any) -> str:
        try:
            return str(recognised(model, tokenizer))
        except NotImplementedError:
            if not pre_tokenizer:
                raise
            return pre_tokenizer

    TextModel.get_vocab_base_pre = recognised_or_derived
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
