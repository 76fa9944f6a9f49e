"""`Handle`: a NamedTuple of arrays that crosses from Python into a compiled kernel at the price of one argument.

Unboxing some 25 arrays costs about 2.5 microseconds a call, more than a whole step of one piece; a handle
is unboxed once, when it is made, and holds references to the same arrays.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.experimental import structref

from musicgym.compiled import Entry


@structref.register
class _HandleType(types.StructRef):  # type: ignore[misc]  # numba has no types
    def preprocess_fields(self, fields: Any) -> Any:
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


class Handle(structref.StructRefProxy):  # type: ignore[misc]  # numba has no types
    """Holds one value, read in kernels as `handle.value`."""

    value: Any

    def __new__(cls, value: Any) -> Any:
        return structref.StructRefProxy.__new__(cls, value)


structref.define_proxy(Handle, _HandleType, ["value"])


@Entry
def handle(value: Any) -> Handle:
    """A handle on a NamedTuple of arrays and numbers. `Handle(value)` itself would compile its constructor in every process."""
    return Handle(value)
