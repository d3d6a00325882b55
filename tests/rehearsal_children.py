"""A stand-in for the process that rehearses: it does to each variant what the recipe's name says.

`python -m rehearsal_children JOB.json`. Every attempt is written to `$REHEARSAL_LOG`, a line each.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

FATE = {"nf4": signal.SIGABRT, "llm-int8": signal.SIGKILL}
"""Recipes that kill the process, at any depth."""
FAULTY = {"w4-rtn": ("one period", "two periods"), "fp8": ("one period",)}
"""Recipes with a fault, by the depths that show it."""


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def main(job: Path) -> None:
    asked = json.loads(job.read_text("utf-8"))
    for variant in asked["variants"]:
        done = [attempt["depth"] for attempt in variant["attempts"]]
        for depth in ("one period", "two periods")[len(done) : 1 if asked["made"] else 2]:
            with Path(os.environ["REHEARSAL_LOG"]).open("a") as log:
                log.write(f"{variant['recipe']} {depth}\n")
            say(begin=variant["key"], depth=depth)
            say(at="making")
            if variant["recipe"] in FATE:
                sys.stderr.write("GGML_ASSERT(n_layer > 0) failed\n")
                sys.stderr.flush()
                os.kill(os.getpid(), FATE[variant["recipe"]])
            fault = None
            if depth in FAULTY.get(variant["recipe"], ()):
                layers = {"one period": 14, "two periods": 28}[depth]
                what = f"the weights of {layers} of {layers} layers are not quantized"
                fault = {"check": "modules", "what": what, "hint": None, "known": False}
            attempt = {"depth": depth, "seconds": 0.5, "fault": fault, "notes": []}
            say(end=variant["key"], attempt=attempt)
            if fault is None:
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
