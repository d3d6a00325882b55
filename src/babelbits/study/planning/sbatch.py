"""A batch script for Slurm: Ray inside an allocation, the study's driver on its first node.

Text only; nothing is submitted. When the time of the allocation ends, Slurm sends SIGTERM to the
script, the driver finishes its batch, and the job is put in the queue again, where it goes on.
"""

import re
import shlex
from dataclasses import dataclass

from babelbits.errors import StudyError

_SCRIPT = """\
#!/usr/bin/env bash
#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={devices}
#SBATCH --exclusive
#SBATCH --time={hours}:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300
# Set what your site asks for: --partition, --account, modules, the environment of babelbits[ray].
set -uo pipefail

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$head:{port}"
export RAY_USAGE_STATS_ENABLED=0

srun --nodes=1 --ntasks=1 --nodelist="$head" \\
    ray start --head --node-ip-address="$head" --port={port} --block &
until ray status --address "$address" >/dev/null 2>&1; do sleep 2; done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    others=$((SLURM_JOB_NUM_NODES - 1))
    srun --nodes="$others" --ntasks="$others" --exclude="$head" \\
        ray start --address="$address" --block &
fi

babelbits run {study} --ray "$address" &
driver=$!
trap 'kill -TERM "$driver"' TERM
wait "$driver"
code=$?
if [ "$code" -gt 128 ] && kill -0 "$driver" 2>/dev/null; then
    wait "$driver" # the trap ended the first wait
    code=$?
fi
if [ "$code" -eq 143 ]; then # stopped by SIGTERM: what is recorded is kept
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""
_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What is asked of Slurm."""

    nodes: int
    devices: int
    """GPUs of each node; 0: CPUs alone."""
    hours: int = 24


def parse_allocation(text: str) -> Allocation:
    """'2x8': two nodes of eight GPUs; '2x0': two nodes without any.

    Raises
    ------
    StudyError
        If it is written otherwise.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})\s*[x×*]\s*(\d{1,3})", text.strip())
    if found is None:
        raise StudyError(
            f"no allocation is written {text!r}",
            where="--sbatch",
            hint="nodes x GPUs of each, for example 2x8",
        )
    return Allocation(nodes=int(found[1]), devices=int(found[2]))


def write_sbatch_script(study: str, *, name: str, allocation: Allocation) -> str:
    """The script that runs a study in an allocation.

    Parameters
    ----------
    study : str
        Path of the study file.
    name : str
        Of the study; characters that Slurm may not take become '-'.
    """
    text = _SCRIPT.format(
        name="babelbits-" + re.sub(r"[^\w.-]+", "-", name),
        nodes=allocation.nodes,
        devices=allocation.devices,
        hours=allocation.hours,
        port=_PORT,
        study=shlex.quote(study),
    )
    if not allocation.devices:
        text = text.replace("#SBATCH --gpus-per-node=0\n", "")
    return text
