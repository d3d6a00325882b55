"""What follows from attempts, case by case as the documentation states it."""

import pytest

from babelbits.study.rehearsal.outcomes import (
    Attempt,
    Check,
    Depth,
    RehearsalFault,
    choose_next_depth,
    conclude,
)


def attempt(
    depth: Depth, what: str | None, check: Check = "loading", known: bool = False
) -> Attempt:
    fault = None if what is None else RehearsalFault(check=check, what=what, known=known)
    return Attempt(depth=depth, seconds=1.0, fault=fault)


def outcome(*attempts: Attempt) -> str:
    result = conclude(
        attempts, label="x", recipe="q8_0", architecture="exaone4", library="llama.cpp"
    )
    return result.outcome


def test_one_clean_attempt_works() -> None:
    clean = [attempt("one period", None)]
    assert choose_next_depth(clean, by_layers=True) is None
    assert outcome(*clean) == "works"


def test_a_fault_needs_a_second_miniature_that_repeats_it_whatever_its_numbers() -> None:
    first = attempt("one period", "4 weights are missing, e.g. layers.0.mlp")
    assert choose_next_depth([first], by_layers=False) == "two periods"
    again = attempt("two periods", "8 weights are missing, e.g. layers.12.mlp")
    assert choose_next_depth([first, again], by_layers=False) is None
    assert outcome(first, again) == "fails"


@pytest.mark.parametrize("second", [None, "another fault altogether"])
def test_a_fault_that_the_second_depth_does_not_repeat_refuses_nothing(second: str | None) -> None:
    assert outcome(attempt("one period", "a"), attempt("two periods", second)) == "unrehearsable"


def test_a_fault_known_by_name_needs_no_second_miniature() -> None:
    known = attempt("one period", "group size 128 does not divide", "shapes", known=True)
    assert choose_next_depth([known], by_layers=False) is None
    assert outcome(known) == "fails"


def test_a_base_that_cannot_be_shrunk_refuses_nothing() -> None:
    assert outcome(attempt("one period", "no period", "miniature")) == "unrehearsable"


def test_llama_cpp_gets_all_layers_where_two_periods_are_too_many() -> None:
    """Gemma 3n: 25 of 30 layers before every kind has occurred."""
    wrong = [
        attempt("one period", "a tensor has the wrong shape", check="making"),
        attempt("two periods", "its pattern repeats after 25 only", check="miniature"),
    ]
    assert choose_next_depth(wrong, by_layers=True) == "all layers"
    assert choose_next_depth(wrong, by_layers=False) is None
    assert choose_next_depth(wrong[1:], by_layers=True) is None
    assert outcome(*wrong, attempt("all layers", None)) == "works"
    assert outcome(*wrong, attempt("all layers", "too large", check="miniature")) == (
        "unrehearsable"
    )


def test_llama_cpp_gets_the_real_number_of_layers_before_it_is_blamed() -> None:
    """EXAONE 4: llama.cpp uses sliding windows only where there are 64 layers."""
    wrong = [
        attempt("one period", "differ by 0.3 nats", "conversion"),
        attempt("two periods", "differ by 0.4 nats", "conversion"),
    ]
    assert choose_next_depth(wrong, by_layers=True) == "all layers"
    assert choose_next_depth(wrong, by_layers=False) is None
    assert outcome(*wrong, attempt("all layers", None)) == "works"
    assert outcome(*wrong, attempt("all layers", "differ by 0.5 nats", "conversion")) == "fails"
