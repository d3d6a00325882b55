"""Logs of llama-perplexity as shells of Windows and older versions leave them.

Formats: the statements that print in llama.cpp's `examples/perplexity/perplexity.cpp` of January
2024 (pull request 5076) and `tools/perplexity/perplexity.cpp` of 2025. Code pages: Python's codecs.
"""

from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.record import DivergenceLog

LOG = Path(__file__).parent / "fixtures" / "llama_perplexity" / "iq2_kl.log"

EARLY = """\
kl_divergence: 0.55 seconds per pass - ETA 0.08 minutes

chunk        PPL          ln(PPL(Q)/PPL(base))          KL-Divergence           Same top
   1        4.1000       0.01234 ±    0.00500       0.02345 ±    0.00123    0.95294 ± 0.01327
   2        5.2000       0.01700 ±    0.00080       0.03456 ±    0.00045    0.93456 ± 0.00123

===== KL-divergence statistics
Average:   0.034560 ±  0.000450
Median :   0.004000
Maximum:   5.125000
KLD_99 :   0.123456
KLD_95 :   0.055000
KLD_90 :   0.029000
Minimum:  -0.000423
KLD_01 :   0.000000
KLD_05 :   0.000005
KLD_10 :   0.000020
"""
HELLASWAG = """\
hellaswag_score : loaded 10042 tasks from prompt.
hellaswag_score : calculating hellaswag score over selected tasks.

task\tacc_norm\t95% confidence interval
1\t100.00000000%\t[20.6549%, 100.0000%]
2\t50.00000000%\t[9.4529%, 90.5471%]
"""
MULTIPLE = """\
multiple_choice_score: there are 400 tasks in prompt
1\t0.00000000
2\t50.00000000

Final result: 50.0000 +/- 2.5031
Random chance: 25.0000 +/- 2.1678
"""
WINOGRANDE = (
    "winogrande_score : loaded 1267 tasks\n\nFinal Winogrande score(1267 tasks): 75.1 +/- 1.2\n"
)


def read(path: Path) -> DivergenceLog:
    [log] = read_run(path).divergences
    return log


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_log_in_utf16_says_the_same(tmp_path: Path, encoding: str) -> None:
    """PowerShell's `>`; without a mark where something has taken it off."""
    path = tmp_path / LOG.name
    path.write_bytes(LOG.read_text("utf-8").replace("\n", "\r\n").encode(encoding))
    assert read(path).quantities == read(LOG).quantities


@pytest.mark.parametrize(
    "page", ["cp437", "cp850", "cp1252", "cp1251", "cp866", "latin-1", "cp932"]
)
def test_a_spoiled_plus_minus_is_read(tmp_path: Path, page: str) -> None:
    """UTF-8 that was read in a code page and written as UTF-8 or UTF-16 again."""
    spoiled = LOG.read_bytes().decode(page, errors="replace")
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / LOG.name
        path.write_bytes(spoiled.encode(encoding))
        assert read(path).quantities == read(LOG).quantities


def test_a_sign_that_is_lost_altogether_is_read(tmp_path: Path) -> None:
    path = tmp_path / LOG.name
    path.write_text(LOG.read_text("utf-8").replace("±", "?").replace("Δ", "?"), "ascii", "replace")
    assert read(path).quantities == read(LOG).quantities


def test_a_log_of_early_2024(tmp_path: Path) -> None:
    """Expected: read off the text above; the perplexity is the last chunk's."""
    path = tmp_path / "q4.de.log"
    path.write_text(EARLY, "utf-8")
    found = {name: (one.value, one.error) for name, one in read(path).quantities.items()}
    assert found == {
        "mean KLD": (0.03456, 0.00045),
        "median KLD": (0.004, None),
        "90 % KLD": (0.029, None),
        "95 % KLD": (0.055, None),
        "99 % KLD": (0.123456, None),
        "maximum KLD": (5.125, None),
        "PPL": (5.2, None),
        "ln PPL ratio": (0.017, 0.0008),
        "same top p, %": (pytest.approx(93.456), pytest.approx(0.123)),
    }


def test_an_early_log_that_was_stopped_is_told(tmp_path: Path) -> None:
    path = tmp_path / "q4.log"
    path.write_text(EARLY[: EARLY.index("Average")], "utf-8")
    with pytest.raises(TaskError, match="ends before its KL divergence statistics"):
        read_run(path)


@pytest.mark.parametrize(
    ("text", "option"),
    [(HELLASWAG, "--hellaswag"), (MULTIPLE, "--multiple-choice"), (WINOGRANDE, "--winogrande")],
)
def test_a_choice_test_is_named(tmp_path: Path, text: str, option: str) -> None:
    path = tmp_path / "choices.log"
    path.write_text(text, "utf-8")
    with pytest.raises(TaskError, match=f"llama-perplexity {option}: a total"):
        read_run(path)
    (tmp_path / "kl.log").write_text(LOG.read_text("utf-8"), "utf-8")
    run = read_run(tmp_path)
    assert [log.name for log in run.divergences] == ["kl"]
    assert any(option in note and "choices.log" in note for note in run.notes)
