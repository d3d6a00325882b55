"""`babelbits annotate` as a person uses it, from pairs to votes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from annotate import load
from annotate.campaigns import VARIANT, pair, pairs
from annotate.test_web import PAGE
from babelbits.annotate.folder import open_campaign
from babelbits.annotate.web.app import make_app
from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.preferences.pair_files import write_pairs
from babelbits.preferences.to_votes import IDENTICAL
from babelbits.preferences.votes import read_votes


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, pairs(["en", "ar"], 4, identical=1))
    return path


BARE = ["--screen", "0", "--gold", "0", "--identical", "0", "--check-every", "0"]


def test_from_pairs_to_votes(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "c")
    create = ["annotate", "create", str(outputs), "--folder", folder, *BARE, "--raters", "en=2"]
    assert run([*create, "--json", "--overlap", "2", "--overlap-share", "0.5"]) == ExitCode.DONE
    made = json.loads(capsys.readouterr().out)
    assert (made["pairs"], made["identical"], made["units"], made["judgments"]) == (10, 2, 8, 12)
    assert [one["rater"] for one in made["invitations"]] == ["r01", "r02"]

    link = made["invitations"][0]["link"]
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/join/[\w-]{32}", link)
    campaign = open_campaign(tmp_path / "c")
    client = TestClient(make_app(campaign))
    client.post(f"/join/{link.rpartition('/')[2]}")
    while found := PAGE.search(client.get("/rate").text):
        shown, revision, csrf = found.groups()
        body = {"pair": shown, "revision": int(revision), "form": {"choice": 1}}
        client.post("/api/answer", json=body, headers={"x-csrf-token": csrf})
    campaign.close()

    assert run(["annotate", "status", folder, "--json", "--pay-per-hour", "20"]) == ExitCode.DONE
    status = json.loads(capsys.readouterr().out)
    assert (status["done"], status["wanted"]) == (4, 12)
    assert status["raters"][0]["judgments"] == 4
    assert status["raters"][0]["pay"] == 0.0
    assert run(["annotate", "status", folder]) == ExitCode.DONE
    assert "4 of 12 judgments" in capsys.readouterr().err
    assert run(["annotate", "export", folder]) == ExitCode.DONE
    written = capsys.readouterr().out.split()
    assert [Path(path).name for path in written] == ["events.jsonl", "judgments.csv", "codebook.md"]
    assert all(Path(path).exists() for path in written)
    assert run(["annotate", "unblind", folder, "--reason", "enough"]) == ExitCode.DONE
    assert "frozen; 4 votes" in capsys.readouterr().err
    votes = read_votes(tmp_path / "c" / "unblinded" / "votes.jsonl")
    assert {vote.variant for vote in votes} == {VARIANT}
    given = [vote for vote in votes if vote.judge != IDENTICAL]
    assert {vote.judge for vote in given} == {"r01"}
    assert len(given) == 4


def test_the_same_command_again_changes_nothing(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["annotate", "create", str(outputs), "--folder", str(tmp_path / "c")]
    assert run(create) == ExitCode.DONE
    secret = (tmp_path / "c" / "secret").read_bytes()
    capsys.readouterr()
    assert run(create) == ExitCode.DONE
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "c" / "secret").read_bytes() == secret


def test_changed_outputs_are_refused_everywhere(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "c")
    create = ["annotate", "create", str(outputs), "--folder", folder]
    assert run(create) == ExitCode.DONE
    write_pairs(outputs, [pair("en", 77)])
    for command, code in (
        (create, ExitCode.USAGE),
        (["annotate", "serve", folder, "--port", "1"], ExitCode.STORE_DAMAGED),
        (["annotate", "unblind", folder, "--reason", "x"], ExitCode.STORE_DAMAGED),
    ):
        capsys.readouterr()
        assert run(command) == code
        err = capsys.readouterr().err
        assert "outputs have changed" in err or "about other outputs" in err


def test_raters_come_and_go(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "c")
    assert run(["annotate", "create", str(outputs), "--folder", folder]) == ExitCode.DONE
    capsys.readouterr()
    url = ["--url", "https://rate.example.org/"]
    assert run(["annotate", "invite", folder, "--languages", "ara,en", *url]) == ExitCode.DONE
    line = capsys.readouterr().out
    assert re.match(r"r01  ar,en  https://rate\.example\.org/join/[\w-]{32}\n", line)
    assert run(["annotate", "invite", folder, "--rater", "r01", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["invitations"][0]["rater"] == "r01"
    assert run(["annotate", "revoke", folder, "r01"]) == ExitCode.DONE
    assert run(["annotate", "forget", folder, "r01"]) == ExitCode.DONE
    assert "exported and unblinded files" in capsys.readouterr().err
    assert run(["annotate", "revoke", folder, "r01"]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "{pairs}", "--folder", "{new}", "--raters", "sw=2"], "nothing to rate in 'sw'"),
        (["create", "{pairs}", "--folder", "{new}", "--raters", "en"], "cannot read 'en'"),
        (["create", "{pairs}", "--folder", "{new}", "--raters", "zz9=1"], "unknown language 'zz9'"),
        (["create", "{pairs}", "--folder", "{new}", "--overlap", "0"], "--overlap 0"),
        (["create", "{pairs}", "--folder", "{new}", "--title", f"{VARIANT}?"], "names the variant"),
        (["create", "{new}", "--folder", "{new}"], "new"),
        (["create", "{pairs}", "--folder", "{new}", "--database", "nonsense"], "no database URL"),
        (
            [
                "create",
                "{pairs}",
                "--folder",
                "{new}",
                "--database",
                "postgresql://u@127.0.0.1:1/x",
            ],
            "the database says",
        ),
        (["serve", "{new}"], "no campaign here"),
        (["status", "{new}"], "no campaign here"),
        (["invite", "{new}"], "name the --languages"),
        (["unblind", "{new}"], "--reason"),
    ],
)
def test_wrong_input_is_named_before_anything_is_made(
    outputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    new = tmp_path / "new"
    filled = [part.format(pairs=outputs, new=new) for part in arguments]
    assert run(["annotate", *filled]) in (ExitCode.USAGE, ExitCode.STORE_DAMAGED)
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert not (new / "campaign.json").exists()


def test_an_empty_file_of_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.jsonl").write_text("")
    create = ["annotate", "create", str(tmp_path / "none.jsonl"), "--folder", str(tmp_path / "c")]
    assert run(create) == ExitCode.USAGE
    assert "holds no pair" in capsys.readouterr().err


def test_an_unspoken_interface(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "c")
    run(["annotate", "create", str(outputs), "--folder", folder])
    invite = ["annotate", "invite", folder, "--languages", "en", "--interface", "xx"]
    assert run(invite) == ExitCode.USAGE
    assert "do not speak 'xx'" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_the_server_and_a_taken_port_is_named(outputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    run(["annotate", "create", str(outputs), "--folder", str(folder)])
    port = load.free_port()
    server = load.start_server(folder, port)
    load.wait_until_up(port, server)
    command = [sys.executable, "-m", "babelbits.cli.main", "annotate", "serve", str(folder)]
    second = subprocess.run(
        [*command, "--port", str(port)], capture_output=True, text=True, check=False
    )
    assert second.returncode == ExitCode.USAGE
    assert f"cannot listen at 127.0.0.1:{port}" in second.stderr
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=60) == ExitCode.INTERRUPTED
