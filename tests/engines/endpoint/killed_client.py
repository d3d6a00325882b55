"""Asks an endpoint N things and kills itself, hard, when so many answers have been told.

python killed_client.py URL CACHE N KILL_AFTER    (KILL_AFTER 0: goes on to the end)
"""

import os
import signal
import sys
from pathlib import Path

from babelbits.engines.chat import ChatAnswer, ChatRequest, Message
from babelbits.engines.endpoint import EndpointSettings, Price, connect


def main(url: str, cache: str, n: int, kill_after: int) -> None:
    model = connect(
        EndpointSettings(
            url=url,
            model="tiny",
            cache=Path(cache),
            concurrency=3,
            price=Price(input=2.0, output=5.0),
        )
    )
    told = 0

    def tell(_place: int, answer: ChatAnswer) -> None:
        nonlocal told
        if getattr(answer, "cached", True):
            return
        told += 1
        print(f"told {_place}", flush=True)
        if told == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    requests = [
        ChatRequest(messages=(Message(role="user", content=f"question {i}"),), max_new_tokens=20)
        for i in range(n)
    ]
    answers = model.ask(requests, on_answer=tell)
    print("all", sum(hasattr(answer, "text") for answer in answers), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
