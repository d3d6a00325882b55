"""The command `babelbits`: finds the subcommand, imports it, and turns errors into exit codes.

stdout is data, stderr is talk. A subcommand's module is imported when it is called or its own help
is asked for; `babelbits --help` imports none of them.
"""

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from babelbits.cli.console import say
from babelbits.errors import BabelbitsError, ExitCode, Interrupted, OldNameWarning
from babelbits.suggest import did_you_mean

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Run a study": {
        "quick": (
            "babelbits.cli.quick:quick",
            "Compare models in some minutes, without a study file.",
        ),
        "init": ("babelbits.cli.init:init", "Write a commented study.toml to start from."),
        "plan": ("babelbits.cli.plan:plan", "Say what a study will run, why, and what is done."),
        "pull": ("babelbits.cli.pull:pull", "Get a study's datasets and model, for runs offline."),
        "run": ("babelbits.cli.run:run", "Make the variants and run the cells that are missing."),
        "status": ("babelbits.cli.status:status", "Say how far a run is, from any machine."),
        "report": ("babelbits.cli.report:report", "Build the report from what is recorded."),
        "show": ("babelbits.cli.show:show", "Show an item, or all items that flipped."),
        "export": (
            "babelbits.cli.export:export",
            "Write a variant as a folder for others, with a model card.",
        ),
        "kl": ("babelbits.cli.kl:kl", "Measure divergence from the baseline by language."),
        "probe": ("babelbits.cli.probe:probe", "Look inside variants, token by token."),
        "lab": ("babelbits.cli.lab:lab", "Train small models alike but for one thing; compare."),
        "demo": ("babelbits.cli.demo:demo", "Run the bundled study from start to report, offline."),
        "schema": (
            "babelbits.cli.schema:schema",
            "Print the JSON Schema of study.toml, for editors.",
        ),
    },
    "Decide": {
        "power": (
            "babelbits.cli.power:power",
            "Compute minimum detectable losses and sample sizes.",
        ),
        "compare": ("babelbits.cli.compare:compare", "Compare results of lm-eval and other tools."),
        "meta": ("babelbits.cli.meta:meta", "Put studies of several models together."),
        "gate": ("babelbits.cli.gate:gate", "Pass or fail a variant: one exit code, for CI."),
        "recommend": (
            "babelbits.cli.recommend:recommend",
            "Recommend a variant, with reasons against the others.",
        ),
        "speed": ("babelbits.cli.speed:speed", "Measure memory, speed, and tokens by language."),
    },
    "Judges and people": {
        "generate": ("babelbits.cli.generate:generate", "Let all variants answer open prompts."),
        "judge": ("babelbits.cli.judge:judge", "Ask a judge which answers are better."),
        "grade": ("babelbits.cli.grade:grade", "Let a judge grade answers against the gold."),
        "outputs": ("babelbits.cli.outputs:outputs", "Write outputs for other tools to score."),
        "pairs": ("babelbits.cli.pairs:pairs", "Write pairs of answers to a file, for raters."),
        "annotate": ("babelbits.cli.annotate:annotate", "Let people compare answers, blinded."),
        "votes": ("babelbits.cli.votes:votes", "Add people's votes to a run's report."),
    },
    "Benchmarks and data": {
        "tasks": ("babelbits.cli.tasks:tasks", "List tasks and their languages; show prompts."),
        "recipes": ("babelbits.cli.recipes:recipes", "List ways to quantize, with parameters."),
        "translate": (
            "babelbits.cli.translate:translate",
            "Translate a benchmark or a text, and check every row.",
        ),
        "confusion": (
            "babelbits.cli.confusion:confusion",
            "Score ready-made responses for language confusion.",
        ),
    },
    "This machine": {
        "doctor": ("babelbits.cli.doctor:doctor", "Check this machine, and a run folder."),
        "prune": (
            "babelbits.cli.prune:prune",
            "Say what a run folder holds; free what can be made again.",
        ),
        "completion": (
            "babelbits.cli.completion:completion",
            "Print a script that lets a shell complete commands.",
        ),
        "serve-check": (
            "babelbits.cli.serve_check:serve_check",
            "Say what a server of a model can and cannot do.",
        ),
    },
}
"""Section of `--help`, then name to 'module:command' and the line that is shown."""

COMMANDS: dict[str, tuple[str, str]] = {
    name: command for section in SECTIONS.values() for name, command in section.items()
}
"""All of them, in the order in which people need them."""

_EXIT_CODES = """\b
Exit codes: 0 done; 1 a gate failed; 2 usage or study; 3 finished with cells missing or failed
(run the same command again); 4 the run folder is damaged or cannot be written; 5 undecided;
6 a gate saw a loss whose size is open; 130 interrupted; 143 ended by SIGTERM."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = did_you_mean(args[0], COMMANDS) or f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]!r}; {near}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands from the table, without importing them."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:<{width}}", line) for name, (_, line) in commands.items()]
                )


@click.group(
    cls=LazyGroup,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="babelbits", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(*, debug: bool) -> None:
    """Find out what quantization does to a multilingual model, language by language.

    \b
    babelbits demo                 see it work, offline
    babelbits quick MODEL VARIANT -l nb,sw   compare two models in 20 minutes
    babelbits init study.toml      write a study to start from
    babelbits plan study.toml      what will run, and why
    babelbits run study.toml       run it; the same command again resumes
    babelbits report study.toml    one HTML file
    babelbits recommend study.toml -l ja,sw    which variant to ship
    babelbits compare out/a out/b  verdicts on runs that other tools made
    """
    del debug  # read by `main`, which catches what the commands raise


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code that `errors.ExitCode` documents."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    code = run(given)
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        # A KeyboardInterrupt that passed through `exec` of a string (dataclasses are
        # made by one) makes CPython end itself with SIGINT whatever the exit status.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line; returns the exit code and prints what went wrong."""
    debug = "--debug" in arguments
    # Options of the group are accepted after the command too.
    ordered = (["--debug"] if debug else []) + [arg for arg in arguments if arg != "--debug"]
    try:
        with _old_names_told():
            code = cli.main(args=ordered, prog_name="babelbits", standalone_mode=False)
    except click.ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, click.Abort, Interrupted) as error:
        say(f"interrupted{_detail(error)}")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`babelbits tasks | head`): not our error, and nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except BabelbitsError as error:
        _trace(error, debug=debug)
        say(f"error: {error}")
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001  the last resort: a crash becomes a report
        _trace(error, debug=debug)
        return _crash(error, arguments)
    return code if isinstance(code, int) else int(ExitCode.DONE)


@contextmanager
def _old_names_told() -> Iterator[None]:
    """Say of each old name that is used what it is called now, once."""
    told: set[str] = set()
    with warnings.catch_warnings():
        usual: Callable[..., None] = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **to: Any) -> None:
            if not issubclass(category, OldNameWarning):
                usual(message, category, *place, **to)
            elif str(message) not in told:
                told.add(str(message))
                say(f"note: {message}")

        warnings.simplefilter("always", OldNameWarning)
        warnings.showwarning = show
        yield


def _trace(error: Exception, *, debug: bool) -> None:
    """The traceback, for those who asked for it."""
    if debug:
        say("".join(traceback.format_exception(error)))


def _detail(error: BaseException) -> str:
    return f": {error}" if isinstance(error, Interrupted) else ""


def _usage(error: click.ClickException) -> int:
    """A wrong command line: click's message in our words."""
    say(f"error: {error.format_message()}")
    context = getattr(error, "ctx", None)
    if context is not None:
        say(f"  try: {context.command_path} --help")
    return int(ExitCode.USAGE)


def _crash(error: Exception, arguments: list[str]) -> int:
    """An error that nobody foresaw: short on the terminal, whole in a file."""
    from babelbits.cli.crash import write_crash_report

    say(f"error: unexpected {type(error).__name__}: {error}")
    report = write_crash_report(error, arguments)
    if report is not None:
        say(f"  this is a bug; please report it with the file {report}")
    say("  --debug shows the traceback")
    return int(ExitCode.INCOMPLETE)


if __name__ == "__main__":
    main()
