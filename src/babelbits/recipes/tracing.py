"""What llm-compressor's tracer gets wrong of a model's forward pass, set right while it calibrates.

The library traces the pass into a graph and runs it a block at a time. What it leaves out changes
the function that is calibrated, or stops it. Nothing here knows a model by its name.

Torch and llm-compressor are imported inside the functions.
"""

import warnings
from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from babelbits.quiet import replaced


@contextmanager
def masks_untraced() -> Iterator[None]:
    """Let llm-compressor call functions that make attention masks, instead of tracing into them.

    It knows them by name, and misses one that stands in a local variable (Mistral, Mixtral, Phi-3):
    the traced mask is none at all, and calibration text is read in both directions.
    """
    import ast
    from types import FunctionType

    from llmcompressor.pipelines.sequential.ast_utils.auto_wrapper import AutoWrapper

    original = AutoWrapper.visit_Call

    def visit_assign(self: Any, node: Any) -> Any:
        try:
            value = self._eval_expr(node.value)
        except Exception:  # noqa: BLE001  most assignments cannot be evaluated beforehand
            value = None
        if isinstance(value, FunctionType) and isinstance(node.targets[0], ast.Name):
            self.namespace[node.targets[0].id] = value
        return self.generic_visit(node)

    def visit_call(self: Any, node: Any) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if "mask" in name and isinstance(self.namespace.get(name), FunctionType):
            return self._wrap_if_possible(node)
        return original(self, node)

    with (
        replaced(AutoWrapper, "visit_Assign", visit_assign),
        replaced(AutoWrapper, "visit_Call", visit_call),
    ):
        yield


@contextmanager
def shared_states_traced() -> Iterator[None]:
    """Let blocks that hand each other keys and values do so in the traced graph too.

    Gemma 3n and 4 pass a `UserDict` from layer to layer, which the library writes into the graph as
    an empty dictionary of each call, so that a layer that reads another's keys finds none. Here it
    is one value of the graph, made anew for each row of text.
    """
    from llmcompressor.pipelines.sequential.helpers import SequentialTracer

    original = SequentialTracer.create_arg
    made: dict[int, tuple[Any, Any]] = {}

    def create_arg(tracer: Any, value: Any) -> Any:
        if not isinstance(value, UserDict) or value:
            return original(tracer, value)
        if id(value) not in made:  # kept with the value, whose number would else be given again
            made[id(value)] = value, tracer.create_node("call_function", UserDict, (), {})
        return made[id(value)][1]

    with (
        replaced(SequentialTracer, "create_arg", create_arg),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Offloading not implemented for type .*UserDict")
        yield
