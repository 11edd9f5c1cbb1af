"""Tensors that come from and go to torch: memory, types, gradients, refusals."""

from __future__ import annotations

import copy
import gc
import os
import subprocess
import sys
import weakref

import pytest

import ptutils as pt
from ptutils import _core

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


@pytest.mark.parametrize("short", NAMES)
def test_every_dtype_goes_both_ways_in_one_memory(short: str) -> None:
    source = torch.arange(6).reshape(2, 3).to(NAMES[short])
    t = pt.Tensor(source)
    assert (t.dtype, t.origin) == (short, "torch")
    assert pt.Tensor([1], dtype=NAMES[short]).dtype == short
    back = t.torch()
    assert back.dtype == source.dtype
    assert back.data_ptr() == source.data_ptr()
    assert back.tolist() == source.tolist() == t.tolist()
    by_capsule = torch.from_dlpack(t)
    assert by_capsule.data_ptr() == source.data_ptr()
    kept = _core._roundtrip({"x": source})["x"]
    assert type(kept) is torch.Tensor
    assert kept.dtype == source.dtype
    assert kept.tolist() == source.tolist()


LAYOUTS = {
    "row-major": lambda a: a,
    "transposed": lambda a: a.t(),
    "strided": lambda a: a[:, ::2],
    "offset": lambda a: a[1:, 1:],
    "expanded": lambda a: a[:1].expand(5, 4),
    "0-d": lambda a: a[1, 2],
    "zero-size": lambda a: a[:, :0],
    "overlapping": lambda a: a.as_strided((3, 2), (1, 1)),
    "channels last": lambda a: a.reshape(1, 2, 3, 2).to(
        memory_format=torch.channels_last
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_keep_their_elements(layout: str) -> None:
    source = LAYOUTS[layout](torch.arange(12.0).reshape(3, 4))
    t = pt.Tensor(source)
    assert t.shape == tuple(source.shape)
    assert t.tolist() == source.tolist()
    assert (t + 0).tolist() == source.tolist()
    back = t.torch()
    assert torch.equal(back, source)
    if source.numel():
        assert back.data_ptr() == source.data_ptr()
        assert back.stride() == source.stride()


def test_writes_are_seen_on_both_sides() -> None:
    source = torch.zeros(3)
    t = pt.Tensor(source)
    t[0] = 5
    source[1] = 6
    assert t.tolist() == source.tolist() == [5, 6, 0]
    t += 1
    assert source.tolist() == [6, 7, 1]


def test_parameters_and_results_come_detached() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    for source in [weight, weight * 2, torch.ones(2, requires_grad=True)]:
        t = pt.Tensor(source)
        assert t.torch().requires_grad is False
        assert t.torch().data_ptr() == source.data_ptr()
        assert source.requires_grad


def test_conj_and_neg_bits_are_resolved() -> None:
    z = torch.tensor([1 + 2j, 3 - 4j])
    assert z.conj().is_conj()
    assert pt.Tensor(z.conj()).tolist() == [1 - 2j, 3 + 4j]
    assert z.conj().imag.is_neg()
    assert pt.Tensor(z.conj().imag).tolist() == [-2, 4]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: torch.zeros(2, device="meta"), "meta"),
        (lambda: torch.eye(2).to_sparse(), "to_dense"),
        (lambda: torch.eye(2).to_sparse_csr(), "to_dense"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    ],
)
def test_what_has_no_counterpart_is_named(make: object, words: str) -> None:
    source = make()  # type: ignore[operator]
    with pytest.raises(TypeError, match=words):
        pt.Tensor(source)
    assert _core._roundtrip([source])[0] is source


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_tensors_are_refused() -> None:
    source = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)
    with pytest.raises(TypeError, match="dequantize"):
        pt.Tensor(source)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no other device")
def test_other_devices_are_copied_to_the_cpu() -> None:
    assert pt.Tensor(torch.arange(3, device="cuda")).tolist() == [0, 1, 2]


def test_memory_lives_as_long_as_either_side() -> None:
    source = torch.arange(1000.0)
    t = pt.Tensor(source)[10:]
    del source
    gc.collect()
    [torch.full((1000,), 9.0) for _ in range(50)]
    assert t[:2].tolist() == [10, 11]

    native = pt.ops.arange(1000, dtype="f32")
    views = [native.torch()[10:], torch.from_dlpack(native)[10:]]
    del native
    gc.collect()
    [pt.ops.full(1000, 9.0) for _ in range(50)]
    assert [view[0].item() for view in views] == [10, 10]


def test_numpy_memory_that_went_to_torch_is_freed() -> None:
    np = pytest.importorskip("numpy")
    source = np.arange(10.0)
    seen = weakref.ref(source)
    there = pt.Tensor(source).torch()
    del source
    gc.collect()
    assert seen() is not None
    there += 1
    assert there[0].item() == 1
    del there
    gc.collect()
    assert seen() is None


def test_without_the_c_functions_capsules_do_it() -> None:
    code = (
        "import torch\n"
        "del torch.Tensor.__dlpack_c_exchange_api__\n"
        "import ptutils as pt\n"
        "a = torch.nn.Parameter(torch.ones(2))\n"
        "t = pt.Tensor(a); t[0] = 5\n"
        "assert a[0].item() == 5\n"
        "assert t.torch().data_ptr() == a.data_ptr()\n"
        "assert pt.Tensor(b'ab').torch().tolist() == [97, 98]\n"
    )
    if "__dlpack_c_exchange_api__" not in vars(torch.Tensor):
        pytest.skip("this torch cannot be made to look older")
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_torch_and_ptutils_mix_into_ptutils() -> None:
    a, t = torch.ones(2), pt.Tensor([1.0, 2.0])
    assert type(t + a) is pt.Tensor
    assert (t + a).tolist() == [2, 3]
    assert copy.deepcopy(pt.Tensor(a)).origin == "native"
