"""`babelbits lab`: small models trained alike but for one thing, then quantized and compared."""

import click

from babelbits.cli.lab_qat import qat
from babelbits.cli.lab_volume import volume


@click.group()
def lab() -> None:
    """Train small models alike but for one thing, quantize them, and compare the damage.

    What is shown is shown of these small models alone.
    """


lab.add_command(volume)
lab.add_command(qat)
