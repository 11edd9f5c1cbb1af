"""Operations of tensors against torch: dtypes of results, values, refusals."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import pytest

import ptutils as pt
from ptutils import ops

torch = pytest.importorskip("torch")

NAMES = {
    "bool": torch.bool,
    "u8": torch.uint8,
    "u16": torch.uint16,
    "u32": torch.uint32,
    "u64": torch.uint64,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "c64": torch.complex64,
    "c128": torch.complex128,
}
PAIRS = list(itertools.product(NAMES, NAMES))
# torch computes little with wide unsigned integers: they have tests of their own.
COMMON = [name for name in NAMES if name not in ("u16", "u32", "u64")]
REAL = [name for name in COMMON if name[0] != "c"]
ROUGH = {"f16": 4e-3, "bf16": 3e-2, "f32": 2e-6, "c64": 2e-6}


def known(dtype: Any) -> Any:
    """torch's complex numbers of halves are c64 here."""
    halves = ("torch.complex32", "torch.bcomplex32")
    return torch.complex64 if str(dtype) in halves else dtype


def same(ours: pt.Tensor, theirs: Any) -> None:
    """Shape, dtype and values; NaN equals NaN."""
    assert type(ours) is pt.Tensor
    assert ours.shape == tuple(theirs.shape)
    assert NAMES[ours.dtype] == known(theirs.dtype)
    if known(theirs.dtype) != theirs.dtype:
        return  # torch computes little with them
    rough = ROUGH.get(ours.dtype, 1e-12)
    torch.testing.assert_close(
        ours.torch(), theirs, rtol=rough, atol=rough, equal_nan=True
    )


def sample(name: str, shape: tuple[int, ...], seed: int = 0) -> Any:
    """Small numbers of both signs where the dtype has them."""
    make = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-4, 5, shape, generator=make)
    dtype = NAMES[name]
    if name == "bool" or name[0] == "u":
        numbers = numbers.abs()
    out = numbers.to(dtype)
    if dtype.is_complex:
        out = out + torch.randint(-4, 5, shape, generator=make).to(dtype) * 1j
    return out + 0.25 if dtype.is_floating_point else out


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize(("da", "db"), [(1, 1), (0, 1), (1, 0), (0, 0)])
def test_promotion_is_torchs(a: str, b: str, da: int, db: int) -> None:
    x, y = torch.ones((1,) * da, dtype=NAMES[a]), torch.ones((1,) * db, dtype=NAMES[b])
    try:
        wanted = known(torch.result_type(x, y))
    except RuntimeError:  # wide unsigned integers with others: not defined there
        (pt.Tensor(x) * pt.Tensor(y)).item()
        return
    assert NAMES[(pt.Tensor(x) * pt.Tensor(y)).dtype] == wanted
    if da == db == 1:
        assert known(torch.promote_types(NAMES[a], NAMES[b])) == wanted


@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize("number", [True, 3, 2.5, 1 + 2j])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_python_numbers_adapt_as_torchs(
    name: str, number: complex, shape: tuple[int, ...]
) -> None:
    if name in ("f16", "bf16") and isinstance(number, complex):
        theirs = sample("f32", shape)  # torch: complex32, which it adds nothing of
        ours = pt.Tensor(theirs).to(name)
    else:
        theirs = sample(name, shape)
        ours = pt.Tensor(theirs)
    same(ours + number, theirs + number)
    same(number + ours, number + theirs)
    same(ours * number, theirs * number)


ARITHMETIC = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
}
SHAPES = [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2,)), ((), ()), ((0, 3), (1, 3))]


@pytest.mark.parametrize("op", ARITHMETIC)
@pytest.mark.parametrize("shapes", SHAPES)
def test_arithmetic_is_torchs(
    op: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    f = ARITHMETIC[op]
    for a, b in itertools.product(COMMON, COMMON):
        if op == "sub" and "bool" in (a, b):
            continue
        x, y = sample(a, shapes[0]), sample(b, shapes[1], 1)
        if op == "truediv" and y.is_complex():
            y = y + 0.5
        ours = f(pt.Tensor(x), pt.Tensor(y))
        halves = known(wanted := torch.result_type(x, y)) != wanted
        if halves:
            x, y = x.to(torch.complex64), y.to(torch.complex64)
        same(ours, f(x, y))


@pytest.mark.parametrize("name", [n for n in REAL if n != "bool"])
@pytest.mark.parametrize("f", [operator.floordiv, operator.mod])
def test_division_rounds_as_pythons(name: str, f: Callable[[Any, Any], Any]) -> None:
    x = sample(name, (40,))
    y = sample(name, (40,), 1)
    y = torch.where(y == 0, torch.ones_like(y), y)
    same(f(pt.Tensor(x), pt.Tensor(y)), f(x, y))


@pytest.mark.parametrize("name", [n for n in REAL if n != "bool"])
def test_powers_are_torchs(name: str) -> None:
    x = sample(name, (20,)).abs()
    y = sample(name, (20,), 1).abs()
    same(pt.Tensor(x) ** pt.Tensor(y), x**y)
    same(pt.Tensor(x) ** 2, x**2)


COMPARISONS = [
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]


@pytest.mark.parametrize("f", COMPARISONS)
def test_comparisons_are_torchs(f: Callable[[Any, Any], Any]) -> None:
    for a, b in itertools.product(REAL, REAL):
        x, y = sample(a, (5, 1)), sample(b, (7,), 1)
        same(f(pt.Tensor(x), pt.Tensor(y)), f(x, y))
        same(f(pt.Tensor(x), 1), f(x, 1))
        same(f(pt.Tensor(x), 0.25), f(x, 0.25))
    nan = pt.Tensor([float("nan")])
    assert f(nan, nan).item() is (f is operator.ne)


def test_numbers_beyond_the_dtype_compare_as_numbers() -> None:
    t = pt.Tensor([0, 1, 255], dtype="u8")
    assert (t == 257).tolist() == [False] * 3
    assert (t != 256).tolist() == [True] * 3
    assert (t > -1).tolist() == [True] * 3
    assert (t < 300).tolist() == [True] * 3
    assert (t >= 2**70).tolist() == [False] * 3
    assert (pt.Tensor([5]) > -(2**70)).tolist() == [True]
    assert ops.lt(t, 300).tolist() == [True] * 3
    assert ops.gt(300, t).tolist() == [True] * 3
    big = pt.Tensor([2**64 - 1], dtype="u64")
    assert (big == 2**64 - 1).item()
    assert (big > 2**63).item()


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("f", ["sum", "prod", "max", "min", "any", "all", "mean"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((3, 4), None),
        ((3, 4), 0),
        ((2, 3, 4), (0, -1)),
        ((), None),
        ((), -1),
        ((5,), 0),
    ],
)
def test_reductions_are_torchs(
    name: str, f: str, shape: tuple[int, ...], dim: int | tuple[int, ...] | None
) -> None:
    x = sample(name, shape)
    if f == "mean" and not x.is_floating_point():
        with pytest.raises(TypeError, match="mean"):
            pt.Tensor(x).mean()
        return
    if f == "prod" and isinstance(dim, tuple):
        return  # not torch's
    theirs = getattr(torch, {"max": "amax", "min": "amin"}.get(f, f))
    for keepdim in [False, True]:
        if dim is None and keepdim:
            continue
        options = {} if dim is None else {"dim": dim, "keepdim": keepdim}
        wanted = theirs(x, **options)
        if wanted.dtype == torch.uint8 and f in ("any", "all"):
            wanted = wanted.bool()  # torch's habit for u8
        same(getattr(pt.Tensor(x), f)(**options), wanted)
        same(getattr(ops, f)(x, **options), wanted)


def test_reductions_of_nothing() -> None:
    empty = torch.zeros(0, 3)
    for f in ["sum", "prod", "any", "all"]:
        same(getattr(pt.Tensor(empty), f)(), getattr(empty, f)())
        same(getattr(pt.Tensor(empty), f)(dim=0), getattr(empty, f)(dim=0))
        same(getattr(pt.Tensor(empty), f)(dim=1), getattr(empty, f)(dim=1))
    assert str(pt.Tensor(empty).mean().item()) == "nan"
    for f in ["max", "min", "argmax", "argmin"]:
        with pytest.raises(ValueError, match="no elements"):
            getattr(pt.Tensor(empty), f)()
    with pytest.raises(IndexError):
        pt.Tensor([1]).sum(dim=1)
    with pytest.raises(ValueError, match="twice"):
        pt.Tensor([[1]]).sum(dim=(0, -2))


@pytest.mark.parametrize("name", [n for n in REAL if n != "bool"])
@pytest.mark.parametrize("f", ["argmax", "argmin"])
def test_places_are_the_first_ones(name: str, f: str) -> None:
    x = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    x = x.reshape(5, 12).to(NAMES[name])
    for options in [{}, {"dim": 0}, {"dim": -1, "keepdim": True}]:
        same(getattr(pt.Tensor(x), f)(**options), getattr(x, f)(**options))
    assert pt.Tensor([1, 3, 3]).argmax().item() == 1
    assert pt.Tensor([1.0, float("nan"), 3.0]).argmax().item() == 1


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "f", ["abs", "exp", "log", "sqrt", "tanh", "sigmoid", "square", "isnan", "isinf"]
)
def test_elementwise_functions_are_torchs(name: str, f: str) -> None:
    if name == "bool" and f in ("abs", "square"):
        return  # torch has none, or another dtype
    x = sample(name, (4, 5))
    for each in [x, x.t(), x[:, ::2], x[0, 0], x[:0]]:
        same(getattr(pt.Tensor(each), f)(), getattr(torch, f)(each))
    if x.is_floating_point():
        odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0])
        same(
            getattr(ops, f)(odd.to(NAMES[name])), getattr(torch, f)(odd.to(NAMES[name]))
        )


@pytest.mark.parametrize("name", ["f16", "bf16", "f32", "f64"])
def test_softmax_is_torchs(name: str) -> None:
    x = sample(name, (3, 4, 5)) * 3
    for dim in [0, 1, -1]:
        same(ops.softmax(x, dim), torch.softmax(x, dim))
        same(ops.log_softmax(x, dim), torch.log_softmax(x, dim))
    with pytest.raises(TypeError, match="softmax"):
        ops.softmax([1, 2], 0)


@pytest.mark.parametrize("name", ["i32", "i64", "f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
    ],
)
def test_matmul_is_torchs(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = sample(name, a), sample(name, b, 1)
    same(pt.Tensor(x) @ pt.Tensor(y), x @ y)
    same(ops.matmul(x, y), x @ y)
    if len(a) == 2 and len(b) == 2:
        same(pt.Tensor(y.t()) @ pt.Tensor(x.t()), y.t() @ x.t())


def test_matmul_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError):
        pt.Tensor([1, 2]) @ pt.Tensor([1, 2, 3])
    with pytest.raises(TypeError):
        pt.Tensor([1, 2]) @ 3


@pytest.mark.parametrize(("a", "b"), list(itertools.product(COMMON, COMMON)))
def test_casts_are_torchs(a: str, b: str) -> None:
    x = sample(a, (3, 5)).abs() if a[0] != "c" and a != "bool" else sample(a, (3, 5))
    if x.is_complex() and not NAMES[b].is_complex:
        x = x.real.abs().to(x.dtype)  # torch warns; the imaginary part goes
        wanted = x.real.to(NAMES[b])
    else:
        wanted = x.to(NAMES[b])
    same(pt.Tensor(x).to(b), wanted)
    t = pt.Tensor(x)
    assert (t.to(a) is t) and ops.cast(t, b).dtype == b


def test_joining_and_choosing() -> None:
    x, y = sample("f32", (2, 3)), sample("i64", (2, 3), 1)
    same(ops.concat([x, y], dim=1), torch.cat([x, y.float()], dim=1))
    same(ops.stack([x, x], dim=-1), torch.stack([x, x], dim=-1))
    same(ops.where(x > 0, x, 0), torch.where(x > 0, x, 0))
    same(ops.where(x > 0, 1.5, y), torch.where(x > 0, 1.5, y))
    rows = torch.tensor([1, 0, 1])
    same(ops.index_select(x, 0, rows), x.index_select(0, rows))
    same(ops.maximum(x, y), torch.maximum(x, y.float()))
    same(ops.minimum(x, 0.5), torch.clamp(x, max=0.5))
    with pytest.raises(IndexError, match="7"):
        ops.index_select(x, 0, [7])


def test_creation() -> None:
    same(ops.zeros((2, 3), "f64"), torch.zeros(2, 3, dtype=torch.float64))
    same(ops.ones(3, dtype="i8"), torch.ones(3, dtype=torch.int8))
    same(ops.full((2,), 2.5), torch.full((2,), 2.5))
    assert ops.full(2, 2**63, dtype="u64").tolist() == [2**63] * 2
    same(ops.arange(5), torch.arange(5))
    same(ops.arange(5, 0, -2), torch.arange(5, 0, -2))
    same(ops.arange(0, 1, 0.1), torch.arange(0, 1, 0.1))
    same(ops.arange(3, dtype="f16"), torch.arange(3, dtype=torch.float16))
    assert ops.empty((2, 0)).shape == (2, 0)
    with pytest.raises(ValueError, match="step"):
        ops.arange(1, 2, 0)


def test_operators_in_place_keep_dtype_memory_and_object() -> None:
    x = torch.arange(4, dtype=torch.float32)
    t = kept = pt.Tensor(x)
    for number in [1, 2.5, pt.Tensor([1, 2, 3, 4])]:
        t += number
        t *= number
        t -= number
        t /= number
    assert t is kept
    assert t.torch().data_ptr() == x.data_ptr()
    whole = pt.Tensor([7, -7])
    whole //= 2
    assert whole.tolist() == [3, -4]
    whole %= 3
    assert whole.tolist() == [0, 2]
    whole **= 2
    assert whole.tolist() == [0, 4]
    with pytest.raises(TypeError, match="does not fit into i64"):
        whole += 0.5
    with pytest.raises(TypeError, match="does not fit into i64"):
        whole /= 2
    with pytest.raises(ValueError):
        whole += pt.Tensor([[1], [2]])
    with pytest.raises(TypeError, match="unsupported operand"):
        whole += "a"


def test_logic_is_for_bool() -> None:
    a, b = pt.Tensor([True, True, False]), pt.Tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~b).tolist() == [False, True, True]
    assert (a & True).tolist() == a.tolist()
    with pytest.raises(TypeError, match="bool"):
        pt.Tensor([1]) & pt.Tensor([1])


def test_what_is_not_defined_says_so() -> None:
    with pytest.raises(ValueError, match="division by zero"):
        pt.Tensor([1]) // 0
    with pytest.raises(TypeError, match="bool"):
        pt.Tensor([True]) - pt.Tensor([True])
    with pytest.raises(TypeError, match="order"):
        ops.lt([1j], [2j])
    with pytest.raises(ValueError, match="do not fit"):
        pt.Tensor([1, 2]) + pt.Tensor([1, 2, 3])


def test_wide_unsigned_integers_compute_too() -> None:
    top = pt.Tensor([2**64 - 1], dtype="u64")
    assert (top + 1).item() == 0
    assert (top - 1).item() == 2**64 - 2
    a, b = pt.Tensor([3], dtype="u16"), pt.Tensor([-4], dtype="i16")
    assert ((a + b).dtype, (a + b).item()) == ("i32", -1)
    assert (pt.Tensor([3], dtype="u32") + b).dtype == "i64"
    assert (top + b).dtype == "f32"
