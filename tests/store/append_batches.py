"""Child of the kill test: appends missing batches slowly and logs what it recorded."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from babelbits.store import Store
from store_examples import meta, rows

store, work = Store(Path(sys.argv[1])), Path(sys.argv[2])
with store.writing(), store.writer(meta(n_items=40, chunk=2), weights_hash="w") as writer:
    for number, indices in writer.missing_batches():
        time.sleep(0.02)
        writer.append(number, rows(indices), seconds=0.02)
        with work.open("a") as log:
            log.write(f"recorded {number}\n")
    writer.finish(machine="here", library_versions={})
