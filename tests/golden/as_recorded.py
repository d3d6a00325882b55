"""Runs the command as if libraries had given versions: python as_recorded.py VERSIONS ARGUMENTS...

Ids hold the versions of libraries. With the versions that a run folder recorded, any environment
has to come to the ids that it recorded; without this, a newer torch would change them all, rightly.
"""

import json
import runpy
import sys
from importlib import metadata

recorded: dict[str, str] = json.loads(sys.argv[1])
installed = metadata.version


def version(name: str) -> str:
    """The recorded version of a distribution, or the one that is installed."""
    return recorded.get(name) or installed(name)


metadata.version = version
sys.argv[:2] = ["babelbits"]
runpy.run_module("babelbits", run_name="__main__", alter_sys=True)
