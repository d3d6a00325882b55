"""A reply is stored once, in the file of answers; journals of earlier versions lose none."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.chat import ChatAnswer, ChatFailure, ChatReply, ChatRequest
from babelbits.engines.chat_cache import AnswerFile, answer_key
from babelbits.errors import StoreError
from babelbits.judge.asking import ask_all
from babelbits.judge.ledger import ANSWERS, JOURNAL, Ledger, hash_request
from babelbits.judge.pairwise import JudgeSettings, TwoOrders, judge_pairs
from babelbits.judge.templates import load_template
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.store.codec import to_json
from babelbits.store.journal import Journal
from judging import ScriptedJudge, pair, prefers

TEMPLATE = load_template(None, mode="pairwise")
PAIRS = [pair(number) for number in range(4)]
N = 2 * len(PAIRS)
"""Requests about them: both orders."""
COST = 0.01
"""Of a scripted reply."""


def judged(
    folder: Path, pairs: Sequence[AnswerPair] = PAIRS, *, model: ScriptedJudge | None = None
) -> tuple[dict[str, TwoOrders], ScriptedJudge, float | None]:
    """Verdicts, the model that was asked, and what was spent by all runs."""
    model = model or ScriptedJudge(prefers("good"))
    with Ledger(folder, identity={"kind": "scripted"}) as ledger:
        said = judge_pairs(pairs, model, template=TEMPLATE, ledger=ledger, settings=JudgeSettings())
        return said, model, ledger.spent


def asked_and_answered(tmp_path: Path) -> dict[ChatRequest, ChatAnswer]:
    """Every request about the pairs with its reply."""

    class Remembering(ScriptedJudge):
        answers: dict[ChatRequest, ChatAnswer]

        def ask(self, requests, *, on_answer=None):  # type: ignore[no-untyped-def]
            answers = super().ask(requests, on_answer=on_answer)
            self.answers = dict(zip(requests, answers, strict=True))
            return answers

    model = Remembering(prefers("good"))
    judged(tmp_path / "scratch", model=model)
    assert len(model.answers) == N
    return model.answers


def write_old(folder: Path, answers: dict[ChatRequest, ChatAnswer]) -> bytes:
    """Write a journal as version 0.1.0 did: replies and failures alike; returns its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with Journal(folder / JOURNAL) as journal:
        for request, answer in answers.items():
            kind = "reply" if isinstance(answer, ChatReply) else "failure"
            journal.append({"key": hash_request(request), "kind": kind, "answer": to_json(answer)})
    return (folder / JOURNAL).read_bytes()


def rows(folder: Path, query: str = "SELECT key, model, request, text, cost FROM answers") -> Any:
    """Rows of the file of answers."""
    with closing(sqlite3.connect(folder / ANSWERS)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return file.execute(query).fetchall()


# --- new replies -------------------------------------------------------------------------------


def test_a_reply_is_in_the_file_of_answers_alone(tmp_path: Path) -> None:
    answers = asked_and_answered(tmp_path)
    folder = tmp_path / "scratch"
    assert (folder / JOURNAL).read_bytes() == b""
    wanted = {answer_key({"kind": "scripted"}, request) for request in answers}
    assert {key for key, *_ in rows(folder)} == wanted
    _, again, spent = judged(folder)
    assert not again.asked
    assert spent == pytest.approx(N * COST)


def test_a_reply_that_the_model_kept_is_not_kept_again(tmp_path: Path) -> None:
    """The model writes to the same file, as `babelbits judge` opens it; its raw form stays."""

    class Keeping(ScriptedJudge):
        def ask(self, requests, *, on_answer=None):  # type: ignore[no-untyped-def]
            file = AnswerFile(tmp_path / ANSWERS)

            def keep(place: int, answer: ChatAnswer) -> None:
                assert isinstance(answer, ChatReply)
                request, entry = requests[place], file.reserve("k", 1.0, limit=None)
                key = answer_key(self.identity, request)
                file.keep(key, answer, model="m", request=request, raw="raw", entry=entry, cost=1.0)
                on_answer(place, answer)

            answers = super().ask(requests, on_answer=keep)
            file.close()
            return answers

    _, _, spent = judged(tmp_path, model=Keeping(prefers("good")))
    assert rows(tmp_path, "SELECT raw, model FROM answers") == [("raw", "m")] * N
    assert rows(tmp_path, "SELECT amount FROM spending") == [(1.0,)] * N
    assert spent == pytest.approx(N * COST)


def test_a_failure_is_in_the_journal_alone_and_counts_once(tmp_path: Path) -> None:
    failing = ScriptedJudge(lambda *_: ChatFailure(kind="timeout", message="slow", cost=0.004))
    judged(tmp_path, model=failing)
    assert rows(tmp_path) == []
    assert (tmp_path / JOURNAL).read_bytes().count(b'"kind":"failure"') == N
    _, model, spent = judged(tmp_path)
    assert len(model.asked) == N
    assert spent == pytest.approx(N * (COST + 0.004))


def test_spending_is_unknown_where_one_reply_has_no_known_price(tmp_path: Path) -> None:
    answers = asked_and_answered(tmp_path)
    request = next(iter(answers))
    with Ledger(tmp_path / "judge", identity={}) as ledger:
        assert ledger.spent == 0
        reply = ChatReply(
            text="", finish_reason="stop", prompt_tokens=None, output_tokens=None, cost=None
        )
        ledger.add(request, reply, identity={})
        assert ledger.spent is None


@pytest.mark.parametrize(("told", "spent"), [(0.5, 0.5), (0.0, N * COST), (None, None)])
def test_all_that_is_spent_is_what_either_knows(
    tmp_path: Path, told: float | None, spent: float | None
) -> None:
    asked_and_answered(tmp_path)
    with Ledger(tmp_path / "scratch", identity={}) as ledger:
        assert ledger.spent_in_all(lambda: told) == (spent and pytest.approx(spent))
        assert ledger.spent_in_all(None) == pytest.approx(N * COST)


# --- journals of earlier versions --------------------------------------------------------------


def test_replies_of_an_old_journal_are_moved_and_not_asked_again(tmp_path: Path) -> None:
    answers = asked_and_answered(tmp_path)
    request = next(iter(answers))
    folder = tmp_path / "judge"
    write_old(folder, {request: ChatFailure(kind="timeout", message="slow", cost=0.004)})
    before = write_old(folder, answers)
    for _ in range(2):
        said, model, spent = judged(folder)
        assert not model.asked
        assert [said[one.pair_id].verdict for one in PAIRS] == ["baseline"] * 4
        assert spent == pytest.approx(N * COST + 0.004)
        assert rows(folder) == rows(tmp_path / "scratch"), "the rows that a new run keeps"
        assert (folder / JOURNAL).read_bytes() == before


def test_what_is_not_asked_for_stays_in_the_old_journal_and_counts_from_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "judge"
    write_old(folder, asked_and_answered(tmp_path))
    _, model, spent = judged(folder, PAIRS[:1])
    assert not model.asked
    assert len(rows(folder)) == 2
    assert spent == pytest.approx(N * COST)
    _, model, spent = judged(folder, [*PAIRS, pair(50)])
    assert len(model.asked) == 2
    assert len(rows(folder)) == N + 2
    assert spent == pytest.approx((N + 2) * COST)


def test_a_reply_that_both_files_of_an_old_version_have_counts_once(tmp_path: Path) -> None:
    """After a kill its journal could have a reply as found in the file: at no cost."""
    answers = asked_and_answered(tmp_path)
    folder = tmp_path / "judge"
    shutil.copytree(tmp_path / "scratch", folder)
    found = {request: replace(answer, cost=0.0) for request, answer in answers.items()}
    write_old(folder, found)
    before = rows(folder)
    _, model, spent = judged(folder)
    assert not model.asked
    assert rows(folder) == before
    assert spent == pytest.approx(N * COST)


def test_a_file_of_answers_that_is_lost_is_made_anew_from_an_old_journal(tmp_path: Path) -> None:
    """Spend limits count what the journal says was paid."""
    folder = tmp_path / "judge"
    write_old(folder, asked_and_answered(tmp_path))
    judged(folder)
    (folder / ANSWERS).unlink()
    _, model, spent = judged(folder)
    assert not model.asked
    assert spent == pytest.approx(N * COST)
    file = AnswerFile(folder / ANSWERS)
    assert file.spending().known == pytest.approx(N * COST)
    assert file.reserve("k", 0.02, limit=N * COST + 0.01) is None
    file.close()


def test_everything_is_moved_before_anything_is_sent(tmp_path: Path) -> None:
    answers = asked_and_answered(tmp_path)
    folder = tmp_path / "judge"
    write_old(folder, dict(list(answers.items())[:5]))

    class Looking(ScriptedJudge):
        def ask(self, requests, *, on_answer=None):  # type: ignore[no-untyped-def]
            assert len(rows(folder)) == 5
            return super().ask(requests, on_answer=on_answer)

    model = Looking(prefers("good"))
    with Ledger(folder, identity={}) as ledger:
        assert ask_all(list(answers), model, ledger)
    assert len(model.asked) == N - 5


def test_a_torn_old_journal_is_whole_up_to_its_last_record(tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    whole = write_old(folder, asked_and_answered(tmp_path))
    (folder / JOURNAL).write_bytes(whole[:-5])
    assert len(judged(folder)[1].asked) == 1


def test_a_damaged_old_journal_is_named_and_not_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    whole = bytearray(write_old(folder, asked_and_answered(tmp_path)))
    whole[20] ^= 1
    (folder / JOURNAL).write_bytes(whole)
    for _ in range(2):  # the second time, the first has left the folder free
        with pytest.raises(StoreError, match="asked for again"):
            judged(folder)
    assert (folder / JOURNAL).read_bytes() == bytes(whole)


def run_killed(folder: Path, *, statement: int) -> int | None:
    """Judge in a child process that SIGKILLs itself before its n-th SQL statement; its exit code.

    None was asked: a request ends the child with 1.
    """

    def child() -> None:
        n_statements = 0
        connect = sqlite3.connect

        def count(_statement: str) -> None:
            nonlocal n_statements
            n_statements += 1
            if n_statements == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(*args: Any, **settings: Any) -> sqlite3.Connection:
            connection = connect(*args, **settings)
            connection.set_trace_callback(count)
            return connection

        sqlite3.connect = counted  # type: ignore[assignment]  # in this process alone
        os._exit(1 if judged(folder)[1].asked else 0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    return process.exitcode


def test_killed_before_every_statement_of_the_move_no_reply_is_lost_or_counted_twice(
    tmp_path: Path,
) -> None:
    """SIGKILL, one run a statement; the next run finds all replies, and asks for none."""
    answers = asked_and_answered(tmp_path)
    n_rows_left = set()
    for statement in range(1, 200):
        folder = tmp_path / str(statement)
        before = write_old(folder, answers)
        code = run_killed(folder, statement=statement)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if (folder / ANSWERS).stat().st_size:
            tables = rows(folder, "SELECT name FROM sqlite_master WHERE name = 'answers'")
            n_rows_left.add(len(rows(folder)) if tables else 0)
        said, model, spent = judged(folder)
        assert not model.asked
        assert [said[one.pair_id].verdict for one in PAIRS] == ["baseline"] * 4
        assert spent == pytest.approx(N * COST)
        assert rows(folder) == rows(tmp_path / "scratch")
        assert rows(folder, "SELECT total(amount) FROM spending") == [(pytest.approx(N * COST),)]
        assert (folder / JOURNAL).read_bytes() == before
    else:
        pytest.fail("the child never came to its end")
    assert statement > 2 * N, "it was killed while rows were written"
    assert n_rows_left == {0, N}, "all in one step"
