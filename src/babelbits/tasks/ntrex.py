"""Where NTREX-128 keeps a language: github.com/MicrosoftTranslator/NTREX, NTREX-128/.

English is the source (`newstest2019-src.eng.txt`), all others are translations of it.
"""

from pathlib import Path


def expected_ntrex_file(folder: Path, code: str) -> Path:
    """Where upstream keeps a language of its code."""
    return folder / f"newstest2019-{'src' if code == 'eng' else 'ref'}.{code}.txt"


def ntrex_file(folder: Path, code: str) -> Path | None:
    """The file of upstream's code, packed or not; None where the folder has none."""
    for kind in ("src", "ref"):
        name = f"newstest2019-{kind}.{code}.txt"
        for path in (folder / name, folder / f"{name}.xz"):
            if path.is_file():
                return path
    return None
