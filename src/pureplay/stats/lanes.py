"""Inner products in eight sums side by side: vector instructions with a fixed order of additions.

A compiler may not reorder a plain sum, and with leave to do so it would choose an order by the machine. Here the order is part of the
definition, so the bits are the same on every machine: entry t goes to sum t % 8, and the eight are joined by halves.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from pureplay.panel import FloatArray

__all__ = ["LANES", "row_product"]

LANES: Final = 8
_VECTOR: Final = ir.VectorType(ir.DoubleType(), LANES)


def _types(_context: Any, block: Any, _i: Any, _j: Any) -> Any:
    if not (isinstance(block, types.Array) and block.ndim == 2 and block.layout == "C" and block.dtype == types.float64):
        return None
    return types.float64(block, types.intp, types.intp), _code


row_product = cast("Callable[[FloatArray, int, int], float]", intrinsic(_types))
"""Inner product of rows i and j of a C-ordered float64 block (rows, a multiple of 8); callable from kernels only.

Neither the rows nor the length is checked: what lies past a multiple of 8 is left out.
"""


def _code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    length, stride = builder.extract_value(array.shape, 1), builder.extract_value(array.strides, 0)
    start = builder.ptrtoint(array.data, length.type)
    rows = [builder.inttoptr(builder.add(start, builder.mul(row, stride)), _VECTOR.as_pointer()) for row in arguments[1:]]
    with builder.goto_entry_block():  # once, however often the caller's loop comes here
        sums = builder.alloca(_VECTOR)
    builder.store(ir.Constant(_VECTOR, [0.0] * LANES), sums)
    with cgutils.for_range(builder, builder.udiv(length, ir.Constant(length.type, LANES))) as loop:
        x, y = (builder.load(builder.gep(row, [loop.index], source_etype=_VECTOR), align=8, typ=_VECTOR) for row in rows)
        builder.store(builder.fadd(builder.load(sums, typ=_VECTOR), builder.fmul(x, y)), sums)
    total = builder.load(sums, typ=_VECTOR)
    parts = [builder.extract_element(total, ir.Constant(ir.IntType(32), lane)) for lane in range(LANES)]
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [builder.fadd(parts[k], parts[k + half]) for k in range(half)]
    return parts[0]
