"""Write the model card from the training log: python training/card.py LOG CARD."""

import json
import sys
from pathlib import Path

from babelbits.languages import resolve

TEMPLATE = """\
---
license: cc-by-sa-4.0
language: [{codes}]
library_name: transformers
---

# The model that ships with Babelbits

A Llama of {parameters} million parameters (hidden 256, 4 layers, feed-forward 768, vocabulary
6,144, byte-level BPE with Qwen 3.5's splitting pattern, context 1,024, bfloat16), trained from
scratch on {tokens:.1f} million tokens in {n_languages} languages on two CPU cores. It makes the
demo and the tests real without a network. **It is no oracle for large models** and of no
other use: it writes short phrases that look like a language, and adds small numbers.

## Data and licences

| data | languages | licence |
|---|---|---|
| Mozilla Common Voice, sentence collections (`server/data`, commit 168898f4) | all but sw | CC0 |
| the Wikipedia extracts of the same repository (Wikipedia origin, same CC0 claim) | zh | CC0 |
| christos-c/bible-corpus, New Testament, edition of 1891 | sw | CC0 |
| UD_Norwegian-Bokmaal (e83586ff): newspapers, parliament, blogs. Attribution: the Universal
Dependencies Norwegian Bokmål treebank and its authors | nb | CC BY-SA 4.0 |
| Universal Declaration of Human Rights (UN text) | ko ml ja sw | free to reproduce |
| original text of this project (`training/original`) | ko ml ja sw | CC0 |
| sums in words from templates (`training/babelmini/sums.py`), the training split | 13 | CC0 |

Because of the Norwegian part, the weights are under CC BY-SA 4.0; the rest of the package is
Apache-2.0 and BabelMini CC0. Lines of NTREX-128 and SIB-200 were removed from the corpora, and no
sentence of BabelMini is in them; a test checks it. How it was trained: `training/`.

## Held-out quality

Bits per byte on {held_out} held-out lines a language, and the share of 60 development sums answered
right (in float32, before the weights were rounded to bfloat16).

| language | bits per byte | sums right |
|---|---|---|
{rows}

{thin}
## Not to be expected

Facts, dialogue, safety, or text longer than a sentence that makes sense. Korean, Malayalam and
Japanese had little text; Swahili is mostly that of an old Bible translation.
"""


def main() -> None:
    """Read the last line of the log and write the card."""
    log, card = Path(sys.argv[1]), Path(sys.argv[2])
    last = json.loads(log.read_text("utf-8").rstrip("\n").split("\n")[-1])
    bits, right = last["final"]["bits_per_byte"], last["final"]["dev_sums_right"]
    rows = "\n".join(
        f"| {resolve(code).name} | {value:.2f} | {f'{right[code]:.0%}' if code in right else '–'} |"
        for code, value in bits.items()
    )
    below = [resolve(code).name for code, share in right.items() if share < 0.2]
    thin = f"Below 20 % on sums: {', '.join(below)}.\n\n" if below else ""
    card.write_text(
        TEMPLATE.format(
            codes=", ".join(bits),
            parameters=5.0,
            tokens=last["tokens"] / 1e6,
            n_languages=len(bits),
            held_out=60,
            rows=rows,
            thin=thin,
        ),
        "utf-8",
    )


if __name__ == "__main__":
    main()
