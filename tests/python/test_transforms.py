"""Transforms beside NumPy and torchvision, by themselves and on their way into a
batch."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from pictures import levels_apart, scene
from PIL import Image

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    DataLoader,
    Dataset,
    WeightedRandomSampler,
)
from ptutils.data import transforms as T

torch = pytest.importorskip("torch")
tv = pytest.importorskip("torchvision.transforms.v2")


def chw(height: int = 37, width: int = 53, seed: int = 0) -> np.ndarray:
    return np.ascontiguousarray(scene(height, width, seed).transpose(2, 0, 1))


@pytest.mark.parametrize("size", [20, 37, 90, (10, 80), (37, 53), (1, 1), (200, 7)])
@pytest.mark.parametrize("shape", [(37, 53), (64, 31), (3, 100)])
def test_resize_is_pillows_and_torchvisions_within_rounding(
    size: Any, shape: tuple[int, int]
) -> None:
    image = chw(*shape)
    ours = T.Resize(size)(image)
    resize = tv.Resize(size, antialias=True)
    if size != (1, 1):  # which torch refuses
        assert levels_apart(ours, resize(torch.from_numpy(image))) <= 1
    picture = resize(Image.fromarray(image.transpose(1, 2, 0)))
    assert levels_apart(ours, np.asarray(picture).transpose(2, 0, 1)) <= 1
    if size == (1, 1):
        return
    floats = image.astype(np.float32) / 255
    np.testing.assert_allclose(
        T.Resize(size)(floats), resize(torch.from_numpy(floats)).numpy(), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(1, 30, 40), (2, 30, 40), (4, 30, 40), (30, 40)])
def test_any_number_of_channels_is_resized(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    theirs = tv.Resize((17, 19), antialias=True)(
        torch.from_numpy(image.reshape(-1, 30, 40))
    ).numpy()
    assert (
        levels_apart(T.Resize((17, 19))(image), theirs.reshape(*shape[:-2], 17, 19))
        <= 1
    )


@pytest.mark.parametrize("size", [10, 37, (20, 31), (60, 20), (61, 71), 100])
def test_center_crop_is_torchvisions(size: Any) -> None:
    image = chw()
    theirs = tv.CenterCrop(size)(torch.from_numpy(image)).numpy()
    np.testing.assert_array_equal(T.CenterCrop(size)(image), theirs)


def test_values_change_in_one_pass_as_in_several() -> None:
    image = scene(16, 24, 0)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    chain = T.Compose([T.ToCHW(), T.ToFloat(1 / 255), T.Normalize(mean, std)])
    expected = (
        image.transpose(2, 0, 1) / 255 - np.reshape(mean, (3, 1, 1))
    ) / np.reshape(std, (3, 1, 1))
    out = chain(image)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=2e-6)
    single = T.Compose([T.ToFloat(2), T.Normalize(1, 4), T.ToFloat(3)])
    np.testing.assert_allclose(
        single(np.arange(5)), ((np.arange(5) * 2 - 1) / 4) * 3, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "f4", "f8", "?"])
@pytest.mark.parametrize("layout", ["contiguous", "hwc", "strided", "reversed"])
def test_floats_from_any_dtype_and_layout(dtype: str, layout: str) -> None:
    data = np.random.default_rng(1).integers(0, 2, (3, 21, 34)).astype(dtype)
    if layout == "hwc":
        data = np.ascontiguousarray(data.transpose(1, 2, 0)).transpose(2, 0, 1)
    elif layout == "strided":
        data = data[:, ::2, ::3]
    elif layout == "reversed":
        data = data[:, ::-1, ::-1]
    out = T.Normalize([1, 2, 3], [2, 4, 5])(data)
    expected = (data.astype("f4") - np.reshape([1, 2, 3], (3, 1, 1))) / np.reshape(
        [2, 4, 5], (3, 1, 1)
    )
    np.testing.assert_allclose(out, expected, atol=1e-6)
    flipped = T.Compose([T.RandomHorizontalFlip(1), T.ToFloat()])(data)
    np.testing.assert_array_equal(flipped, data[..., ::-1].astype("f4"))
    np.testing.assert_array_equal(T.RandomHorizontalFlip(1)(data), data[..., ::-1])


def test_flips_and_crops_and_sizes_commute_as_when_done_one_by_one() -> None:
    """Noted operations, done at once, against each done by itself."""
    image = chw(60, 80)
    steps = [
        T.RandomHorizontalFlip(1),
        T.CenterCrop((50, 60)),
        T.Resize((40, 30)),
        T.RandomHorizontalFlip(1),
        T.CenterCrop((30, 21)),
        T.Resize((45, 50)),
        T.RandomHorizontalFlip(1),
    ]
    for upto in range(1, len(steps) + 1):
        one_by_one = image
        for step in steps[:upto]:
            one_by_one = np.ascontiguousarray(step(one_by_one))
        assert levels_apart(T.Compose(steps[:upto])(image), one_by_one) <= 1, upto


def test_random_crops_are_within_the_image_and_everywhere() -> None:
    index = np.arange(6 * 7).reshape(1, 6, 7).astype(np.int64)
    pt.seed(3)
    tops = set()
    for _ in range(300):
        part = T.RandomCrop((4, 5))(index)
        assert part.shape == (1, 4, 5)
        top, left = divmod(int(part[0, 0, 0]), 7)
        tops.add((top, left))
        np.testing.assert_array_equal(part, index[:, top : top + 4, left : left + 5])
    assert tops == {(top, left) for top in range(3) for left in range(3)}
    padded = T.RandomCrop(8, padding=4)(np.ones((3, 8, 8), np.uint8))
    assert padded.shape == (3, 8, 8)
    with pytest.raises(pt.errors.WrongValue, match="7x8 of an image of 6x7"):
        T.RandomCrop((7, 8))(index)


def test_color_jitter_takes_grey_images() -> None:
    image = chw(20, 24)[:1]
    for options in ({"brightness": (1.5, 1.5)}, {"contrast": (0.5, 0.5)}):
        ours = T.ColorJitter(**options, hue=0.5, saturation=0.5)(image)
        theirs = tv.ColorJitter(**options)(torch.from_numpy(image)).numpy()
        assert ours.shape == image.shape
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_ranges_and_paddings_are_torchvisions() -> None:
    image = chw(20, 24)
    fixed = T.ColorJitter((1.5, 1.5), contrast=(0.5, 0.5))(image).astype(int)
    brighter, flatter = (
        tv.functional.adjust_brightness,
        tv.functional.adjust_contrast,
    )
    whole = torch.from_numpy(image)
    either = [
        flatter(brighter(whole, 1.5), 0.5).numpy(),
        brighter(flatter(whole, 0.5), 1.5).numpy(),
    ]
    assert min(np.abs(fixed - one).max() for one in either) <= 1
    for padding in (3, (1, 2), (1, 0, 2, 5)):
        padded = np.asarray(tv.functional.pad(whole, list(np.atleast_1d(padding))))
        crop = T.RandomCrop(padded.shape[1:], padding=padding)
        np.testing.assert_array_equal(crop(image), padded)


def test_random_resized_crop_covers_areas_and_ratios_as_torchvision_does() -> None:
    """The part that was cropped is read off a picture of coordinates."""
    y, x = np.mgrid[:200, :300].astype(np.float32)
    image = np.stack([y, x])
    pt.seed(1)
    areas = []
    for _ in range(400):
        out = T.RandomResizedCrop(16)(image)
        assert out.shape == (2, 16, 16)
        height = (out[0, 12, 8] - out[0, 3, 8]) * 16 / 9
        width = (out[1, 8, 12] - out[1, 8, 3]) * 16 / 9
        areas.append(height * width / 60000)
        assert 0.7 < width / height < 1.45
    torch.manual_seed(0)
    from torchvision.transforms import RandomResizedCrop as Theirs

    parts = [
        Theirs.get_params(torch.from_numpy(image), [0.08, 1], [3 / 4, 4 / 3])
        for _ in range(1000)
    ]
    theirs = [height * width / 60000 for _, _, height, width in parts]
    for q in (0.1, 0.5, 0.9):
        assert abs(np.quantile(areas, q) - np.quantile(theirs, q)) < 0.06, q


def test_color_jitter_is_torchvisions_for_the_same_factors() -> None:
    image = chw(24, 33)
    tensor = torch.from_numpy(image)
    functional = tv.functional
    one: list[tuple[dict[str, float], Any]] = [
        ({"brightness": 0.5}, functional.adjust_brightness),
        ({"contrast": 0.5}, functional.adjust_contrast),
        ({"saturation": 0.5}, functional.adjust_saturation),
    ]
    for options, adjust in one:
        pt.seed(5)
        ours = T.ColorJitter(**options)(image)
        best = min(
            levels_apart(ours, adjust(tensor, factor).numpy())
            for factor in np.linspace(0.5, 1.5, 401)
        )
        assert best <= 2, options
        assert levels_apart(ours, image) > 2
    pt.seed(5)
    turned = T.ColorJitter(hue=0.3)(image)
    best = min(
        levels_apart(turned, functional.adjust_hue(tensor, by).numpy())
        for by in np.linspace(-0.3, 0.3, 601)
    )
    assert best <= 4
    floats = T.ColorJitter(0.4, 0.4, 0.4, 0.1)(image.astype(np.float32) / 255)
    assert floats.dtype == np.float32 and floats.min() >= 0 and floats.max() <= 1


def test_cutout_sets_a_square() -> None:
    pt.seed(0)
    seen = set()
    for _ in range(50):
        out = T.Cutout(4, value=7)(np.zeros((2, 10, 12), np.float32))
        rows, columns = np.nonzero(out[0])
        assert (out[0] == out[1]).all() and set(np.unique(out)) <= {0, 7}
        assert np.ptp(rows) <= 3 and np.ptp(columns) <= 3
        seen.add((rows.min(), columns.min()))
    assert len(seen) > 20
    assert not T.Cutout(4, p=0)(np.zeros((1, 5, 5), np.uint8)).any()


def test_labels_and_dtypes() -> None:
    np.testing.assert_array_equal(T.OneHot(4)(np.array([2, 0])), np.eye(4)[[2, 0]])
    np.testing.assert_array_equal(T.OneHot(3)(1), [0, 1, 0])
    with pytest.raises(pt.errors.OutOfBounds, match="label 3 is not one of 0 … 2"):
        T.OneHot(3)(3)
    assert T.Cast("int32")(np.array([1.7])).dtype == np.int32
    assert T.Cast(np.float16)(np.array([1.5])).dtype == np.float16
    assert T.Cast(torch.float32)(np.array([1])).dtype == np.float32


class Doubled(T.Transform):
    def __call__(self, value: Any) -> Any:
        return value * 2


def test_functions_and_subclasses_go_anywhere_in_a_chain() -> None:
    x = np.arange(12, dtype=np.uint8).reshape(4, 3, 1, 1)
    chain = [
        T.ToFloat(),
        lambda v: v + 1,
        Doubled(),
        T.Normalize([1, 2, 3], [1, 1, 1]),
    ]
    data = Dataset((x,), preprocessor=chain)
    expected = (x[:, :, 0, 0].astype(float) + 1) * 2 - [1, 2, 3]
    (batch,) = next(iter(DataLoader(data, batch_size=4, num_workers=2)))
    np.testing.assert_array_equal(batch[:, :, 0, 0], expected)
    np.testing.assert_array_equal(data[2][0][:, 0, 0], expected[2])


def test_an_error_in_a_function_names_the_sample_and_keeps_its_traceback() -> None:
    def fragile(value: Any) -> Any:
        if value == 37:
            raise RuntimeError("not this one")
        return value

    data = Dataset((np.arange(50),), preprocessor=[fragile])
    with pytest.raises(RuntimeError, match="not this one") as caught:
        list(DataLoader(data, batch_size=10, num_workers=2))
    assert any("fragile" in str(entry.name) for entry in caught.traceback)


def test_streams_belong_to_the_sample_not_to_the_worker() -> None:
    x = np.zeros((64, 3, 12, 12), np.uint8)
    x += np.arange(12, dtype=np.uint8)

    def noisy(value: Any, random: Any) -> Any:
        return value + random.integers(0, 100)

    chain = [T.RandomCrop(8), T.RandomHorizontalFlip(), T.Cutout(2, 255), noisy]
    runs = []
    for workers in (0, 1, 3):
        data = Dataset((x,), preprocessor=chain)
        loader = DataLoader(data, batch_size=7, num_workers=workers, shuffle=True)
        runs.append([b[0].copy() for _ in range(2) for b in loader])
    for other in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(runs[0], other, strict=True))
    assert not np.array_equal(runs[0][0], runs[0][10])


def test_a_sample_that_is_drawn_twice_is_two() -> None:
    def noisy(value: Any, random: Any) -> Any:
        return value + random.random()

    data = Dataset((np.arange(20.0),), preprocessor=[noisy])
    for sampler in ([3, 3, 3, 1], WeightedRandomSampler(np.ones(20), 60)):
        runs = []
        for options in ({"num_workers": 0}, {"num_workers": 2}, {"batch_size": 1}):
            loader = DataLoader(data, **{"batch_size": 4, **options}, sampler=sampler)
            runs.append(np.concatenate([b[0] for b in loader]))
        assert len(set(runs[0].tolist())) == len(runs[0])
        assert all(np.array_equal(runs[0], other) for other in runs)
    loader = DataLoader(data, 4, batch_sampler=None, sampler=[5, 5, 6, 6, 5], seed=1)
    whole = np.concatenate([b[0] for b in loader])
    loader.set_position(0, 1)
    assert next(loader)[0][0] == whole[4]


def test_a_mask_is_cropped_where_its_image_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 1, 16, 16), dtype=np.uint8)
    data = Dataset(
        {"image": image, "mask": image.copy()},
        preprocessor={
            "image": [T.RandomCrop(5), T.RandomHorizontalFlip(), T.ToFloat()],
            "mask": [T.RandomCrop(5), T.RandomHorizontalFlip()],
        },
    )
    for batch in DataLoader(data, batch_size=20, num_workers=1):
        np.testing.assert_array_equal(batch["image"], batch["mask"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.ToCHW(),
        lambda: T.ToFloat(0.5),
        lambda: T.Normalize([1, 2], [3, 4]),
        lambda: T.Cast("int16"),
        lambda: T.OneHot(3),
        lambda: T.Resize(5),
        lambda: T.Resize((5, 6)),
        lambda: T.CenterCrop((1, 2)),
        lambda: T.RandomCrop(3, padding=1),
        lambda: T.RandomResizedCrop(9, scale=(0.5, 1)),
        lambda: T.RandomHorizontalFlip(0.3),
        lambda: T.ColorJitter(0.1, 0.2, 0.3, 0.4),
        lambda: T.ColorJitter((0.5, 2), hue=(-0.1, 0.3)),
        lambda: T.RandomCrop(3, padding=(1, 2)),
        lambda: T.RandomCrop(3, padding=(1, 2, 0, 4)),
        lambda: T.Cutout(3, 1, 0.5),
        lambda: T.Compose([T.ToCHW(), T.Resize(3)]),
    ],
)
def test_transforms_come_back_from_configurations_and_pickles(make: Any) -> None:
    transform = make()
    config = transform.to_config()
    assert pt.Config(config).configure().to_config() == config
    assert pickle.loads(pickle.dumps(transform)).to_config() == config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Resize(0), "size 0; give 1 or more"),
        (lambda: T.Resize("big"), "size is a whole number"),
        (lambda: T.Normalize([1, 2], [1, 2, 3]), "2 means and 3 stds"),
        (lambda: T.Normalize(0, 0), "std 0 cannot be divided by"),
        (lambda: T.RandomHorizontalFlip(2), "p=2; give 0 to 1"),
        (lambda: T.ColorJitter(hue=1), r"hue=\(-1, 1\); give .* or 0 to 0.5"),
        (lambda: T.Cast("float99"), "no dtype 'float99'"),
        (lambda: T.OneHot(0), "num_classes=0"),
        (lambda: T.Compose([3]), "a transform is a function of one value"),
        (lambda: T.Compose([T.Resize]), "the class"),
        (lambda: T.Resize(3)(np.zeros(4)), "an image .* is wanted"),
        (lambda: T.Resize(3)("x"), "an image .* is wanted"),
        (lambda: T.Resize(3)(np.zeros((1, 4, 4), np.int64)), "not of i64"),
        (lambda: T.Resize(3)(np.zeros((1, 0, 4), np.uint8)), "without pixels"),
        (lambda: T.ToCHW()(np.zeros((1, 2, 3, 4))), "has not 3 dimensions"),
        (lambda: T.Normalize([1, 2, 3], 1)(np.zeros((4, 4, 3))), "ToCHW before"),
        (lambda: T.ColorJitter(1)(np.zeros((2, 4, 4), np.uint8)), r"wants \(3, H, W\)"),
        (lambda: T.Resize(3)(np.zeros((9, 8, 3), np.uint8)), r"\(H, W, C\).*ToCHW"),
        (lambda: T.RandomHorizontalFlip(1)(np.zeros((9, 8, 1))), "put ToCHW before"),
        (lambda: T.ToFloat()(np.zeros(3, np.complex64)), "complex"),
        (lambda: T.ToFloat()("x"), "an array is wanted"),
        (lambda: T.ToFloat(float("nan")), "scale=nan; give a finite number"),
        (lambda: T.Cutout(3, 300)(np.zeros((3, 4, 4), np.uint8)), "value=300 in an"),
        (lambda: T.Cutout(3, float("inf")), "value=inf; give a finite"),
        (lambda: T.ColorJitter((2, 1)), r"brightness=\(2, 1\); give \(low, high\)"),
        (lambda: T.ColorJitter(saturation=(1, 2, 3)), "a number, or .low, high."),
        (lambda: T.ColorJitter(contrast=-1), "strength -1; give 0"),
        (lambda: T.RandomCrop(3, padding=(1, 2, 3)), "two or four of them, not"),
        (lambda: T.RandomCrop(3, padding=(1, -2)), "padding=-2; give 0 or more"),
    ],
)
def test_what_cannot_be_says_why(make: Any, message: str) -> None:
    with pytest.raises((pt.errors.Error, TypeError), match=message):
        make()


@pytest.mark.parametrize(
    "chain",
    [
        [T.ToFloat(1 / 255)],
        [T.ToCHW(), T.ToFloat(1 / 255), T.Normalize([0.1, 0.2, 0.3], [1, 2, 3])],
        [T.ToCHW(), T.CenterCrop(101), T.ToFloat()],
        [T.ToCHW(), T.Resize(20), T.ToFloat()],
        [T.ToCHW(), T.RandomHorizontalFlip(), T.ToFloat()],
        [lambda x: x[::2].astype(np.float32)],
    ],
    ids=lambda chain: type(chain[-2 if len(chain) > 1 else 0]).__name__,
)
def test_rows_of_arrays_come_in_batches_as_they_come_alone(chain: list[Any]) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 110, 121, 3), np.uint8)  # 11 MB as floats
    data = Dataset((images, np.arange(70)), preprocessor=chain)
    loader = DataLoader(data, batch_size=70, shuffle=True, num_workers=2, seed=3)
    (whole, numbers) = next(iter(loader))
    assert sorted(numbers) == list(range(70))
    flips = any(isinstance(each, T.RandomHorizontalFlip) for each in chain)
    for i, number in enumerate(numbers):
        alone = data[int(number)][0]
        mirrored = flips and np.array_equal(whole[i], alone[..., ::-1])
        assert mirrored or np.array_equal(whole[i], alone), number
    few = DataLoader(data, batch_size=9, num_workers=0, sampler=[5, 69, 0])
    ((images_, _),) = few
    assert images_.shape == (3, *whole.shape[1:]) and images_.dtype == whole.dtype


def test_an_array_data_set_of_ones_own_samples_keeps_them() -> None:
    class Inverted(ArrayDataset):
        def __getitem__(self, index: int) -> Any:
            (row,) = super().__getitem__(index)
            return (255 - row,)

    images = np.arange(60, dtype=np.uint8).reshape(5, 2, 2, 3)
    data = Dataset(Inverted(images), preprocessor=[T.ToFloat()])
    ((batch,),) = DataLoader(data, batch_size=5)
    np.testing.assert_array_equal(batch, 255.0 - images)
