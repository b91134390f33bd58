"""Vectors of sixteen single-precision numbers as values of compiled code.

``load(x, i) * load(y, j) + load(z, k)`` is one instruction or two, as wide as the processor allows.
Loops of sixteen turns would often become the same; but before every one of them LLVM checks whether
the arrays that it reads and writes overlap, which takes longer than such a loop itself.

Sums and products may be contracted to multiply-adds, and `total` adds in any order: results differ
in the last bit between processors. What must not differ uses `multiply_add` and `largest` alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from qkd_gym.jit import instruction
from qkd_gym.network.compiled.vectors import LANES

_FLAGS = ("contract", "reassoc", "nsz")
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"Vector{LANES}")


VECTOR = Vector()


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Address of an array's element, as that of a number."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _repeat(builder: Any, number: Any) -> Any:
    """A vector of a number."""
    empty, zero = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(builder.insert_element(empty, number, zero), empty, zeros)


@instruction
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """The vector at an offset of an array that lies in one piece, counted in numbers."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=4)

    return VECTOR(array, types.int64), generate_code


@instruction
def load_one(typing_context: Any, array: Any, offset: Any) -> Any:
    """A vector of the number at an offset of an array that lies in one piece."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _repeat(
            builder, builder.load(_place(context, builder, signature.args[0], *arguments))
        )

    return VECTOR(array, types.int64), generate_code


@instruction
def store(typing_context: Any, array: Any, offset: Any, vector: Any) -> Any:
    """Writes a vector to an offset of an array that lies in one piece, counted in numbers."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], builder.bitcast(place, _VECTOR.as_pointer()), align=4)

    return types.void(array, types.int64, VECTOR), generate_code


@instruction
def spread(typing_context: Any, number: Any) -> Any:
    """A vector of a single-precision number."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _repeat(builder, arguments[0])

    return VECTOR(types.float32), generate_code


@instruction
def total(typing_context: Any, vector: Any) -> Any:
    """Sum of a vector's numbers."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single, name = ir.FloatType(), f"llvm.vector.reduce.fadd.v{LANES}f32"
        kind = ir.FunctionType(single, [single, _VECTOR])
        reduce = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(reduce, [ir.Constant(single, -0.0), *arguments], fastmath=_FLAGS)

    return types.float32(VECTOR), generate_code


@instruction
def where_positive(typing_context: Any, condition: Any, vector: Any) -> Any:
    """The vector where the condition, another one, is positive, and zero elsewhere."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        positive = builder.fcmp_ordered(">", arguments[0], zeros)
        return builder.select(positive, arguments[1], zeros)

    return VECTOR(VECTOR, VECTOR), generate_code


@instruction
def largest(typing_context: Any, first: Any, second: Any) -> Any:
    """The larger of two vectors' numbers, one by one."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return VECTOR(VECTOR, VECTOR), generate_code


@instruction
def multiply_add(typing_context: Any, first: Any, second: Any, third: Any) -> Any:
    """``first * second + third`` of vectors, rounded once, on every processor."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name, kind = f"llvm.fma.v{LANES}f32", ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        fuse = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(fuse, arguments)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate_code


def _arithmetic(name: str) -> Any:
    """LLVM's instruction of that name on two vectors."""

    def generator(typing_context: Any, first: Any, second: Any) -> Any:
        def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=_FLAGS)

        return VECTOR(VECTOR, VECTOR), generate_code

    return instruction(generator)


def _define(symbol: Callable[..., Any], name: str) -> None:
    """Makes an operator act on two vectors, or on a vector and a number."""
    act = _arithmetic(name)

    @overload(symbol)
    def operate(first, second):  # type: ignore[no-untyped-def]  # numba compares signatures
        if (first, second) == (VECTOR, VECTOR):
            return lambda first, second: act(first, second)
        if (first, second) == (types.float32, VECTOR):
            return lambda first, second: act(spread(first), second)
        if (first, second) == (VECTOR, types.float32):
            return lambda first, second: act(first, spread(second))
        return None


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
