"""FashionMNIST and MNIST: where the files come from, and when they are bad."""

from __future__ import annotations

import copy
import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt
from ptutils.data import MNIST, DataLoader, FashionMNIST
from ptutils.data import transforms as T

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
needs_package = pytest.mark.skipif(
    not PACKAGE.is_dir(), reason="needs Debian's dataset-fashion-mnist"
)


def content(name: str) -> bytes:
    plain = PACKAGE / name
    if plain.exists():
        return plain.read_bytes()
    return gzip.decompress((PACKAGE / f"{name}.gz").read_bytes())


def put(folder: Path, name: str, data: bytes) -> None:
    (folder / f"{name}.gz").write_bytes(gzip.compress(data, 1))


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write(folder: Path, n: int = 5, labels: int | None = None) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28), np.uint8)
    (folder / NAMES[0]).write_bytes(idx(images))
    (folder / NAMES[1]).write_bytes(idx(np.arange(labels or n, dtype=np.uint8)))
    return images


@needs_package
def test_the_package_s_images_are_found_without_a_root(tmp_path: Path) -> None:
    data = FashionMNIST(tmp_path, train=False)
    assert len(data) == 10_000
    image, label = data[0]
    assert (image.shape, image.dtype) == ((1, 28, 28), np.float32)
    assert isinstance(label, int)
    np.testing.assert_array_equal(
        image[0], np.float32(data.images[0]) / np.float32(255)
    )
    assert np.bincount(data.labels).tolist() == [1000] * 10
    images, labels = next(iter(DataLoader(data, batch_size=64)))
    assert (images.shape, labels.dtype) == ((64, 1, 28, 28), np.int64)
    np.testing.assert_array_equal(images[0], image)


def test_torchvision_s_names(tmp_path: Path) -> None:
    images = write(tmp_path)
    for data in (FashionMNIST(tmp_path, train=False), MNIST(tmp_path, train=False)):
        np.testing.assert_array_equal(data.data, images)
        assert data.targets.tolist() == [0, 1, 2, 3, 4]
        assert data.targets.dtype == np.int64
        assert len(data.classes) == 10
    assert FashionMNIST(tmp_path, train=False).classes[9] == "Ankle boot"
    assert MNIST(tmp_path, train=False).classes[9] == "9 - nine"


def test_samples_come_by_index_and_by_slice(tmp_path: Path) -> None:
    write(tmp_path)
    data = MNIST(tmp_path, train=False)
    assert [label for _, label in data[0:3]] == [0, 1, 2]
    assert [label for _, label in data[::-2]] == [4, 2, 0]
    assert [label for _, label in data[-2:99]] == [3, 4]
    assert data[5:] == []
    assert data[-1][1] == data[np.int64(4)][1] == 4
    assert [label for _, label in data] == [0, 1, 2, 3, 4]
    for beyond in (5, -6, 10**30, -(10**30)):
        with pytest.raises(IndexError, match="no sample"):
            data[beyond]
    for wrong in ("a", 1.0, None, (0, 1)):
        with pytest.raises(TypeError, match="MNIST.*slice"):
            data[wrong]
    with pytest.raises(ValueError, match="zero"):
        data[::0]


@pytest.mark.parametrize("where", [".", "MNIST/raw"])
def test_files_are_found_in_root(tmp_path: Path, where: str) -> None:
    images = write(tmp_path / where)
    data = MNIST(str(tmp_path), train=False)
    np.testing.assert_array_equal(data.images, images)
    assert data[-1][1] == 4
    with pytest.raises(IndexError, match="5"):
        data[5]


def test_missing_files_say_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="download=True") as caught:
        MNIST(tmp_path)
    assert str(tmp_path) in str(caught.value)


def fetched(url: str, root: Path) -> FashionMNIST:
    return FashionMNIST(root, train=False, download=True, url=url)


@needs_package
def test_a_download_is_checked_and_kept(server, tmp_path: Path) -> None:
    url, folder = server
    for name in NAMES:  # packed again: only the content's checksum can fit
        put(folder, name, content(name))
    data = fetched(url, tmp_path)
    assert np.bincount(data.labels).tolist() == [1000] * 10
    raw = tmp_path / "FashionMNIST" / "raw"
    assert sorted(p.name for p in raw.iterdir()) == sorted(f"{n}.gz" for n in NAMES)
    (folder / f"{NAMES[0]}.gz").unlink()
    assert len(fetched(url, tmp_path)) == 10_000  # not asked for again


@needs_package
@pytest.mark.parametrize("damage", ["byte", "cut", "html", "trailing"])
def test_a_wrong_download_is_refused_and_removed(
    server, tmp_path: Path, damage: str
) -> None:
    url, folder = server
    for name in NAMES:
        put(folder, name, content(name))
    path = folder / f"{NAMES[1]}.gz"
    if damage == "byte":
        data = bytearray(content(NAMES[1]))
        data[100] ^= 1
        put(folder, NAMES[1], bytes(data))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "trailing":
        put(folder, NAMES[1], content(NAMES[1]) + b"\0")
    else:
        path.write_text("<html>not here</html>")
    with pytest.raises(ValueError, match="gzip data|MD5"):
        fetched(url, tmp_path)
    raw = tmp_path / "FashionMNIST" / "raw"
    assert [p.name for p in raw.iterdir()] == [f"{NAMES[0]}.gz"]
    put(folder, NAMES[1], content(NAMES[1]))
    assert len(fetched(url, tmp_path)) == 10_000


def test_a_refusing_server_is_named(server, tmp_path: Path) -> None:
    url, _ = server
    with pytest.raises(OSError, match="404") as caught:
        fetched(url, tmp_path)
    assert url in str(caught.value)
    with pytest.raises(OSError, match="127.0.0.1:9"):
        fetched("http://user:secret@127.0.0.1:9", tmp_path)
    assert not list((tmp_path / "FashionMNIST" / "raw").iterdir())


def test_proxies_of_the_environment_are_not_asked_for_local_servers(
    server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="404"):
        fetched(server[0], tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 4, 8, 15, 16, 17, 1000, 3935])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int, packed: bool) -> None:
    write(tmp_path)
    path = tmp_path / NAMES[0]
    data = path.read_bytes()[:keep]
    if packed:
        path.unlink()
        path = tmp_path / f"{NAMES[0]}.gz"
        data = gzip.compress(data)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=NAMES[0]):
        MNIST(tmp_path, train=False)


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    write(tmp_path, 5, labels=4)
    with pytest.raises(ValueError, match="4 labels for 5 images"):
        MNIST(tmp_path, train=False)


def test_images_go_through_a_preprocessor(tmp_path: Path) -> None:
    write(tmp_path)
    plain = MNIST(tmp_path, train=False)
    data = MNIST(tmp_path, train=False, preprocessor=[T.Normalize(0.25, 0.5)])
    both = {0: T.Cast("float64"), 1: T.OneHot(6)}
    kept = pickle.loads(pickle.dumps(data))
    again = pt.Module.from_config(data.to_config())
    for made in (data, copy.deepcopy(data), kept, again):
        image, label = made[3]
        np.testing.assert_allclose(image, (plain[3][0] - 0.25) / 0.5, rtol=1e-6)
        assert label == 3
        images, labels = next(iter(DataLoader(made, batch_size=4)))
        np.testing.assert_array_equal(images[3], image)
        assert labels.tolist() == [0, 1, 2, 3]
    image, label = MNIST(tmp_path, train=False, preprocessor=both)[2]
    assert (image.dtype, label.tolist()) == (np.float64, [0, 0, 1, 0, 0, 0])
    twice = MNIST(tmp_path, train=False, preprocessor=np.square)
    for made in (twice, copy.deepcopy(twice), pickle.loads(pickle.dumps(twice))):
        np.testing.assert_array_equal(made[1][0], np.square(plain[1][0]))
    assert plain.state_dict() == data.state_dict()
    with pytest.raises(TypeError, match="MNIST: preprocessor"):
        MNIST(tmp_path, train=False, preprocessor=5)
