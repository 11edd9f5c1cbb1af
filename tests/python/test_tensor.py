"""ptutils.Tensor by itself: made, looked at, indexed, changed, copied, printed."""

from __future__ import annotations

import array
import copy
import gc
import io
import os
import pickle
import subprocess
import sys
import weakref

import pytest

import ptutils as pt
from ptutils import _core, ops

DTYPES = [
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "f16",
    "bf16",
    "f32",
    "f64",
    "c64",
    "c128",
]


def test_literals_choose_their_dtype_by_category() -> None:
    for data, dtype in [
        ([True], "bool"),
        ([True, 2], "i64"),
        ([1, 2.5], "f32"),
        ([1, 2j], "c64"),
        ([], "f32"),
        (3, "i64"),
    ]:
        assert pt.Tensor(data).dtype == dtype
    assert pt.Tensor([[1, 2], [3, 4]], dtype="f32").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert pt.Tensor([[], []]).shape == (2, 0)
    assert pt.Tensor(2**64 - 1, dtype="u64").item() == 2**64 - 1
    assert pt.Tensor(-(2**63)).item() == -(2**63)


def test_lists_of_tensors_are_stacked() -> None:
    rows = [pt.Tensor([1, 2]), pt.Tensor([3, 4])]
    assert pt.Tensor([rows, rows]).shape == (2, 2, 2)
    assert pt.Tensor(rows, dtype="f16").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("data", "options", "error", "words"),
    [
        ([1, [2]], {}, ValueError, "ragged"),
        ([[1, 2], [3]], {}, ValueError, r"ragged.*\[1\]"),
        ([[1, 2], 3], {}, ValueError, "ragged"),
        ([300], {"dtype": "u8"}, ValueError, "300 does not fit into u8"),
        ([-1], {"dtype": "u32"}, ValueError, "-1 does not fit"),
        ([float("nan")], {"dtype": "i32"}, ValueError, "nan does not fit"),
        (2**70, {}, ValueError, "does not fit"),
        ([1j], {"dtype": "f32"}, TypeError, "complex"),
        ([1, "a"], {}, TypeError, r"str at \[1\]"),
        ("text", {}, TypeError, "str"),
        (None, {}, TypeError, "NoneType"),
        ([1], {"dtype": "f33"}, ValueError, "did you mean f32"),
    ],
)
def test_what_is_no_tensor_says_why(
    data: object, options: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        pt.Tensor(data, **options)
    assert isinstance(caught.value, pt.Error)


def test_a_list_that_contains_itself_is_an_error() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contain itself"):
        pt.Tensor(loop)


def test_attributes() -> None:
    t = pt.Tensor([[1, 2, 3], [4, 5, 6]], dtype="i16")
    assert (t.shape, t.strides, t.ndim, t.numel()) == ((2, 3), (3, 1), 2, 6)
    assert (t.nbytes, t.itemsize, t.read_only, t.origin) == (12, 2, False, "native")
    assert (t.size(), t.size(-1), len(t)) == ((2, 3), 3, 2)
    assert t.T.shape == (3, 2)
    assert not t.T.is_contiguous()


def test_views_share_memory() -> None:
    t = ops.arange(24).reshape(2, 3, 4)
    for view in [
        t.reshape(6, 4),
        t.reshape((-1, 12)),
        t.permute(2, 0, 1),
        t.transpose(0, -1),
        t.flatten(1),
        t.unsqueeze(0).squeeze(0),
        t[None, ..., None].squeeze(),
        t.select(0, 0),
        t[0],
        t[:, ::2],
        t[..., 1:],
        t.T,
        t.broadcast_to(5, 2, 3, 4),
    ]:
        # Each of them reaches the element that t[0, 0, 1] is.
        t[0, 0, 1] = -7
        assert -7 in view
        t[0, 0, 1] = 1
        assert -7 not in view


@pytest.mark.parametrize(
    "key",
    [
        1,
        -1,
        slice(None),
        slice(1, None, 2),
        slice(-2, 100),
        slice(5, 2),
        None,
        ...,
        (0, 1),
        (slice(None), 1),
        (..., 1),
        (..., None, 0),
        (None, 0, ..., None),
        (slice(1), slice(None, None, 3), -1),
        [2, 0, -1],
        (slice(None), [1, 1]),
        (..., [0, 3]),
        [],
        (),
    ],
)
def test_indexing_is_numpys(key: object) -> None:
    np = pytest.importorskip("numpy")
    reference = np.arange(60).reshape(3, 5, 4)
    index = np.array([], dtype=int) if key == [] else key
    assert pt.Tensor(reference)[key].tolist() == reference[index].tolist()


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (3, IndexError),
        (-4, IndexError),
        ((0, 0, 0), IndexError),
        ((..., ...), IndexError),
        ("a", IndexError),
        (1.0, IndexError),
        (True, IndexError),
        ([True, False, True], IndexError),
        (([0], [1]), IndexError),
        ((0, [1]), IndexError),
        ([3], IndexError),
        (slice(None, None, -1), ValueError),
        (slice(None, None, 0), ValueError),
    ],
)
def test_bad_indices_are_errors(key: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        pt.Tensor([[1, 2], [3, 4], [5, 6]])[key]


def test_items_are_set_in_place() -> None:
    t = ops.zeros((3, 4), dtype="i32")
    t[0] = 5
    t[1:, 1] = [7, 8]
    t[:, -1] = pt.Tensor([1.9, 2.0, 3.0])
    assert t.tolist() == [[5, 5, 5, 1], [0, 7, 0, 2], [0, 8, 0, 3]]
    t[...] = t.flatten().reshape(3, 4) + 1
    assert t[0].tolist() == [6, 6, 6, 2]
    row = ops.arange(5)
    row[1:] = row[:-1]  # overlapping
    assert row.tolist() == [0, 0, 1, 2, 3]
    with pytest.raises(ValueError, match="broadcast"):
        t[0] = [1, 2]
    with pytest.raises(ValueError, match="300 does not fit"):
        ops.zeros(2, dtype="u8")[0] = 300
    with pytest.raises(TypeError, match="complex"):
        t[0, 0] = 1j
    with pytest.raises(IndexError, match="one by one"):
        t[[0, 1]] = 0


def test_numbers_come_out_as_they_are() -> None:
    assert pt.Tensor(2.5).item() == 2.5
    assert type(pt.Tensor(True).item()) is bool
    assert type(pt.Tensor([3], dtype="u8").item()) is int
    assert pt.Tensor([1 + 2j]).item() == 1 + 2j
    assert (float(pt.Tensor(3)), int(pt.Tensor(2.9)), bool(pt.Tensor(0))) == (3, 2, 0)
    assert [10, 11, 12][pt.Tensor(1)] == 11
    assert f"{pt.Tensor(0.12345):.2f}" == "0.12"
    with pytest.raises(ValueError, match="one element"):
        pt.Tensor([1, 2]).item()
    with pytest.raises(ValueError, match="ambiguous"):
        bool(pt.Tensor([1, 2]))
    with pytest.raises(TypeError, match="index"):
        [1][pt.Tensor(1.0)]


def test_iteration_goes_over_the_first_dimension() -> None:
    t = pt.Tensor([[1, 2], [3, 4]])
    assert [row.tolist() for row in t] == [[1, 2], [3, 4]]
    with pytest.raises(TypeError):
        iter(pt.Tensor(1))
    with pytest.raises(TypeError):
        len(pt.Tensor(1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pickle_and_copies_keep_every_bit(dtype: str) -> None:
    t = pt.Tensor([[0, 1, 1], [1, 0, 1]], dtype=dtype).T
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(t, protocol=protocol))
        assert (back.dtype, back.shape) == (t.dtype, t.shape)
        assert back.tolist() == t.tolist()
        back[0, 0] = 1  # its own, writable memory
    assert t[0, 0].item() == 0
    deep, shallow = copy.deepcopy(t), copy.copy(t)
    t[0, 0] = 1
    assert (deep[0, 0].item(), shallow[0, 0].item()) == (0, 1)
    assert t.clone().tolist() == t.tolist()


def test_pickle_5_travels_out_of_band() -> None:
    buffers: list[pickle.PickleBuffer] = []
    t = ops.arange(1000)
    text = pickle.dumps(t, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 1
    assert len(text) < 300
    assert pickle.loads(text, buffers=buffers).tolist() == t.tolist()


def test_a_damaged_pickle_is_an_error() -> None:
    with pytest.raises(ValueError, match="bytes"):
        _core._rebuild_tensor("f32", [3], b"1234")


def test_hash_is_identity_and_weak_references_work() -> None:
    a, b = pt.Tensor([1]), pt.Tensor([1])
    assert {a: 1, b: 2}[b] == 2
    seen = weakref.ref(a)
    del a
    gc.collect()
    assert seen() is None
    assert (b == None) is False  # noqa: E711


def test_buffers_are_shared_without_numpy() -> None:
    raw = bytearray(b"\x01\x02\x03\x04")
    t = pt.Tensor(raw)
    assert (t.dtype, t.tolist()) == ("u8", [1, 2, 3, 4])
    t[0] = 9
    assert raw[0] == 9
    with pytest.raises(BufferError):  # its memory is in use
        raw.append(1)
    del t
    gc.collect()
    raw.append(1)
    assert pt.Tensor(array.array("d", [1, 2])).dtype == "f64"
    assert pt.Tensor(memoryview(array.array("i", [1, 2, 3]))[::-1]).tolist() == [
        3,
        2,
        1,
    ]
    fixed = pt.Tensor(b"ab")
    assert fixed.read_only
    with pytest.raises(ValueError, match="read-only"):
        fixed[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        fixed += 1
    assert fixed.clone().read_only is False


def test_the_buffer_protocol_shows_shape_and_rights() -> None:
    t = pt.Tensor([[1, 2, 3], [4, 5, 6]], dtype="i32").T
    view = memoryview(t)
    assert (view.format, view.shape, view.strides) == ("i", (3, 2), (4, 12))
    assert (view.tolist(), view.readonly) == (t.tolist(), False)
    held = memoryview(pt.Tensor([1.0, 2.0]))
    gc.collect()
    assert held.tolist() == [1.0, 2.0]
    assert memoryview(pt.Tensor(b"ab")).readonly
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO(b"xy").readinto(pt.Tensor(b"ab"))
    with pytest.raises(BufferError):
        memoryview(pt.Tensor([1], dtype="bf16"))


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (lambda: pt.Tensor(3), "Tensor(3)"),
        (lambda: pt.Tensor([]), "Tensor([])"),
        (lambda: ops.zeros((2, 0), "u8"), "Tensor([], shape=(2, 0), dtype='u8')"),
        (lambda: pt.Tensor([1.5, -2]), "Tensor([ 1.5000, -2.0000])"),
        (lambda: pt.Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (lambda: pt.Tensor([True, False]), "Tensor([ True, False])"),
        (lambda: pt.Tensor([1e-9, 1]), "Tensor([1.0000e-09, 1.0000e+00])"),
        (
            lambda: pt.Tensor([[1, 2], [3, 4]], dtype="f64"),
            "Tensor([[1., 2.],\n        [3., 4.]], dtype='f64')",
        ),
        (
            lambda: ops.arange(2000),
            "Tensor([   0,    1,    2, ..., 1997, 1998, 1999])",
        ),
        (lambda: pt.Tensor([float("inf"), float("nan")]), "Tensor([inf, nan])"),
    ],
)
def test_repr_is_short(tensor: object, text: str) -> None:
    assert repr(tensor()) == text  # type: ignore[operator]


def test_repr_of_big_tensors_stays_short() -> None:
    assert len(repr(ops.zeros((100, 100, 100)))) < 3000


def test_random_streams_are_named_and_resumable() -> None:
    a, b = pt.Random.named(7, "crop"), pt.Random.named(7, "crop")
    assert a == b != pt.Random.named(7, "flip")
    first = a.uniform((3, 2), 1, 2)
    assert first.shape == (3, 2)
    assert ((first >= 1) & (first < 2)).all()
    assert first.tolist() == b.uniform((3, 2), 1, 2).tolist()
    state = a.state_dict()
    drawn = a.normal(5).tolist()
    b.load_state_dict(state)
    assert b.normal(5).tolist() == drawn
    again = pickle.loads(pickle.dumps(a))
    assert again == a
    assert again.bits() == a.bits()
    assert sorted(a.permutation(9).tolist()) == list(range(9))
    assert 0 <= a.below(5) < 5
    assert 0 <= a.random() < 1
    assert a.randint(-2, 3, 100).min().item() >= -2
    assert a.bernoulli(4, 1.0).all()
    assert a.at(1, 2) == a.at(1, 2) != a.at(1, 3)
    with pytest.raises(ValueError, match="positive"):
        a.below(0)


def test_seed_starts_the_default_stream_anew() -> None:
    pt.seed(5)
    first = ops.default_random().uniform(3).tolist()
    pt.seed(5)
    assert ops.default_random().uniform(3).tolist() == first


def test_neither_numpy_nor_torch_is_imported() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; sys.modules['torch'] = None\n"
        "import ptutils as pt\n"
        "t = pt.Tensor([[1, 2], [3, 4]]) + pt.Tensor(b'ab') * 2.5\n"
        "memoryview(t), repr(t), t.tolist(), pt.Tensor(bytearray(4))\n"
        "[name for name in sys.modules if name.split('.')[0] in ('numpy', 'torch')"
        " and sys.modules[name] is not None] and sys.exit('imported')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_level_is_one_of_four() -> None:
    assert _core.isa_level() in {"generic", "v2", "v3", "v4"}
