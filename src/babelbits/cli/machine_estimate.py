"""`babelbits plan --machine`: what a study would cost elsewhere, as a table or as JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from babelbits.cli.console import make_cell, open_console, print_data, print_json
from babelbits.words import bytes_size, duration, plural

if TYPE_CHECKING:
    from babelbits import Study
    from babelbits.study.planning.machine_estimate import StudyEstimate

SCHEMA = "babelbits.estimate/1"


def print_estimate(study: "Study", machine: str, *, price: float | None, as_json: bool) -> None:
    """Print an estimate for a machine, with what it takes for granted.

    Parameters
    ----------
    machine : str
        As `parse_machine` reads it.
    price : float, optional
        Of an accelerator's hour, in any currency.
    """
    from babelbits.study.planning.accelerators import parse_machine
    from babelbits.study.planning.machine_estimate import FACTOR, Assumptions
    from babelbits.study.planning.machine_plan import estimate_on

    assume = Assumptions()
    found = estimate_on(study, parse_machine(machine), assume=assume)
    hours, paid = found.hours, found.device_hours
    if as_json:
        print_json(
            {
                "schema": SCHEMA,
                "study": study.name,
                **asdict(found),
                "machine": str(found.machine),
                "disk": found.disk,
                "hours": None if hours is None else [hours / FACTOR, hours * FACTOR],
                "device_hours": None if paid is None else [paid / FACTOR, paid * FACTOR],
                "assumptions": asdict(assume),
            }
        )
        return
    _print_table(found)
    if hours is None or paid is None:
        worst = max(found.variants, key=lambda one: one.bytes)
        print_data(
            f"'{worst.label}' does not fit: {bytes_size(worst.bytes)} of weights on "
            f"{found.machine}; take more accelerators or larger ones, or leave it out"
        )
    else:
        print_data(
            f"all together: {_range(hours)}, {_between(paid)} accelerator hours"
            + ("" if price is None else f", {_between(paid * price)} at {price:g} an hour")
        )
    print_data(f"disk: {bytes_size(found.disk)}; {plural(found.n_items, 'item')} a variant")
    print_data(
        f"making a variant layer by layer takes about {bytes_size(round(found.make_memory))} of an "
        f"accelerator's memory, and {bytes_size(round(found.make_host_memory))} of main memory"
    )
    for suite in found.assumed:
        print_data(f"assumed: {suite} has {plural(assume.items, 'item')} a language")
    for line in assume.in_words():
        print_data(f"assumed: {line}")


def _print_table(found: "StudyEstimate") -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("variant", "weights", "accelerators a copy", "copies", "to make", "to run")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", overflow="fold")
    for one in found.variants:
        fits = one.devices is not None
        row = (
            one.label,
            bytes_size(one.bytes),
            str(one.devices) if fits else "does not fit",
            str(one.copies) if fits else "-",
            _range(one.make_hours) if one.make_hours else "-",
            "-" if one.run_hours is None else _range(one.run_hours),
        )
        table.add_row(*map(make_cell, row))
    print_data(f"on {found.machine}, estimated, not measured")
    open_console().print(table)


def _range(hours: float) -> str:
    from babelbits.study.planning.machine_estimate import FACTOR

    low, high = duration(hours * 3600 / FACTOR), duration(hours * 3600 * FACTOR)
    return low if low == high else f"{low} to {high}"


def _between(amount: float) -> str:
    from babelbits.study.planning.machine_estimate import FACTOR

    digits = 0 if amount >= 10 else 1
    return f"{amount / FACTOR:,.{digits}f} to {amount * FACTOR:,.{digits}f}"
