"""What a very large study would take: `python bench/scale_simulation.py`, in a second, on paper.

20 variants of a 70B model on 12 tasks in 100 languages, on 8, 64 and 512 accelerators, by the
formulas of `babelbits plan --machine` (`study.planning.machine_estimate`): no measurement. The
table stands in docs/scale.md.
"""

from babelbits.study.planning.accelerators import Machine
from babelbits.study.planning.machine_estimate import (
    Assumptions,
    Load,
    ModelShape,
    StudyEstimate,
    estimate_study,
)

LLAMA_70B = ModelShape(
    n_weights=70_553_706_496,
    n_active=70_553_706_496,
    cache_bytes=2 * 80 * 8 * 128 * 2,
    layer_weights=855_654_400,
    hidden=8192,
    inner=28_672,
)
"""Llama 3.3 70B, by its config.json."""
BITS = (16, *(8.25,) * 6, *(4.5,) * 8, *(3.5,) * 3, *(2.8,) * 3)
"""Bits a weight of the baseline and of 20 variants."""
PRICE = 2.5
"""Of an H100's hour, US dollars: assumed."""


def study(count: int, *, languages: int = 100) -> StudyEstimate:
    """The study on so many H100."""
    kinds = ("choice",) * 8 + ("generation",) * 4
    loads = [
        Load(suite=f"task {number}", language=str(code), items=500, counted=False, kind=kind)
        for number, kind in enumerate(kinds)
        for code in range(languages)
    ]
    variants = [(f"{bits} bits", round(LLAMA_70B.n_weights * bits / 8), bits < 8) for bits in BITS]
    return estimate_study(
        variants,
        loads,
        shape=LLAMA_70B,
        machine=Machine(count=count, name="H100-80GB"),
        assume=Assumptions(),
    )


def table() -> str:
    """One line a machine, in Markdown."""
    lines = ["| accelerators | hours | accelerator hours | of it running | disk | cost |"]
    lines.append("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in (8, 64, 512):
        found = study(count)
        hours, paid = found.hours, found.device_hours
        if hours is None or paid is None:
            raise ValueError("the model fits every machine of the table")
        running = sum(one.run_hours or 0 for one in found.variants) / hours
        lines.append(
            f"| {count} | {hours:,.1f} | {paid:,.0f} | {running:.0%} | "
            f"{found.disk / 1e12:.2f} TB | ${paid * PRICE:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
