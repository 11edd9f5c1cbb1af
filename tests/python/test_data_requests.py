"""Data that depend on the run: requests, several loaders, branches, splits."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ptutils as pt
from ptutils.data import (
    DataLoader,
    DataProvider,
    Dataset,
    PadCollate,
    SplitProvider,
    WeightedRandomSampler,
    batch_info,
)
from ptutils.data import transforms as T

pytestmark = pytest.mark.usefixtures("in_tmp_path")


class Answers(Dataset):
    """Samples that say what they answer."""

    def __init__(self, n: int = 20) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[int, int]:
        info = batch_info()
        assert info is not None
        return index, 0 if info.request is None else int(info.request["level"])


def stream() -> Iterator[int]:
    info = batch_info()  # follows the loader
    assert info is not None
    while True:
        yield 0 if info.request is None else int(info.request["level"])


def asked_after_each(loader: DataLoader, batches: int) -> list[int]:
    """The answer in each batch, where batch i is followed by a request of i + 1."""
    out = []
    for i, batch in enumerate(loader):
        answers = batch[1] if isinstance(batch, tuple) else batch
        assert len(set(answers.tolist())) == 1
        out.append(int(answers[0]))
        loader.request({"level": i + 1})
        if i + 1 == batches:
            break
    return out


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize(
    "workers", [{"num_workers": n} for n in (0, 1, 2, 4)] + [{}], ids=str
)
@pytest.mark.parametrize("source", [Answers(), stream])
def test_a_request_acts_after_its_lag_whatever_the_threads(
    source: Any, workers: dict[str, Any], lag: int
) -> None:
    loader = DataLoader(source, batch_size=2, lag=lag, **workers)
    expected = [max(i - lag, 0) for i in range(10)]
    assert asked_after_each(loader, 10) == expected


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_requests_reach_worker_processes(method: str) -> None:
    loader = DataLoader(
        Answers(),
        batch_size=2,
        num_workers=2,
        workers="process",
        multiprocessing_context=method,
    )
    assert asked_after_each(loader, 10) == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    loader.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_requests_are_part_of_the_state(workers: int) -> None:
    loader = DataLoader(Answers(), batch_size=2, lag=2, num_workers=workers)
    whole = asked_after_each(loader, 10)
    for stop in range(1, 10):
        loader = DataLoader(Answers(), batch_size=2, lag=2, num_workers=workers)
        got = asked_after_each(loader, stop)
        again = DataLoader(Answers(), batch_size=2, lag=2, num_workers=2 - workers)
        again.load_state_dict(pickle.loads(pickle.dumps(loader.state_dict())))
        for i, (_, answer) in enumerate(again, start=stop):
            got.append(int(answer[0]))
            again.request({"level": i + 1})
        assert got == whole, stop


def test_what_did_not_act_in_an_epoch_acts_from_the_next_ones_begin() -> None:
    loader = DataLoader(Answers(6), batch_size=2, lag=2, num_workers=1)
    for _ in loader:
        pass
    loader.request({"level": 5})  # one batch before the end, with a lag of two
    assert [int(a[0]) for _, a in loader] == [0, 0, 5]
    batches = iter(loader)
    next(batches), next(batches)
    loader.request({"level": 7})
    next(batches)
    assert [int(a[0]) for _, a in loader] == [7, 7, 7]


def test_bad_requests_say_so() -> None:
    loader = DataLoader(Answers())
    with pytest.raises(pt.errors.Error, match="request"):
        loader.request({"level": lambda: 3})
    for lag in (-1, 3):
        with pytest.raises(pt.errors.WrongValue, match="give 0 to 2"):
            DataLoader(Answers(), lag=lag)
    assert DataLoader(Answers(), lag=3, num_workers=3).lag == 3
    import torch

    provider = DataProvider(train=torch.utils.data.DataLoader([1, 2]))
    with pytest.raises(pt.errors.WrongState, match="no requests"):
        provider.provide({"phase": "train", "level": 1})


def test_the_rest_of_a_request_goes_to_the_loader() -> None:
    provider = DataProvider(train=Answers(), batch_size=2, lag=0, num_workers=2)
    loader = provider.provide({"phase": "train", "level": 3})
    assert loader is provider.provide("train")
    assert next(iter(loader))[1].tolist() == [3, 3]


def test_several_loaders_at_once() -> None:
    provider = DataProvider(
        labelled=range(6), unlabelled=range(100, 104), batch_size=2, num_workers=1
    )
    both = provider.provide({"phase": ["labelled", "unlabelled"]})
    assert provider.provide(["labelled", "unlabelled"]) is both and len(both) == 3
    first = [{k: v.tolist() for k, v in batch.items()} for batch in both]
    assert [b["labelled"] for b in first] == [[0, 1], [2, 3], [4, 5]]
    assert [b["unlabelled"] for b in first] == [[100, 101], [102, 103], [100, 101]]
    second = [{k: v.tolist() for k, v in batch.items()} for batch in both]
    # the shorter one goes on where it was
    assert [b["unlabelled"][0] for b in second] == [102, 100, 102]
    with pytest.raises(pt.errors.UnknownName, match="unlabelled"):
        provider.provide(["labelled", "unlabeled"])
    with pytest.raises(pt.errors.WrongValue, match="one loader"):
        provider.provide(["labelled", "labelled"])
    with pytest.raises(pt.errors.WrongType, match="a list of them"):
        provider.provide(["labelled", 3])


def test_a_loop_over_several_loaders_resumes() -> None:
    def provider() -> DataProvider:
        return DataProvider(
            a=range(10), b=range(100, 103), batch_size=2, seed=1, shuffle=True
        )

    def loop(db: str, stop: int) -> list[Any]:
        seen = []
        data = provider()
        with pt.Session("two", dbinterface=db) as s:
            for batch in s.loop(data.provide(["a", "b"]), epochs=3):
                seen.append({k: v.tolist() for k, v in batch.items()})
                s.log(loss=1.0)
                if len(seen) == stop:
                    s.pause()
        return seen

    whole = loop("whole.db", 0)
    assert len(whole) == 15
    for stop in (1, 4, 5, 6, 11):
        got = loop(f"{stop}.db", stop) + loop(f"{stop}.db", 0)
        assert got == whole, stop


class Curriculum(DataProvider):
    """The next step's samples by the last step's outputs."""

    def request(self, session: Any) -> dict[str, Any]:
        outputs = session.model.outputs
        hard = 0 if outputs is None else int(np.argmax(np.asarray(outputs)[0]))
        phase = "easy" if hard == 0 else "hard"
        return {"phase": phase, "level": hard}


class Levels(Dataset):
    def __init__(self, shift: float) -> None:
        self.shift = shift

    def __len__(self) -> int:
        return 15

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        info = batch_info()
        level = info.request["level"] if info and info.request else 0
        values = np.sin(np.arange(4) * (index + 1) + level + self.shift)
        return values.astype(np.float32), index % 3


def curriculum(db: str, steps: int, workers: int) -> pt.Session:
    pt.seed(0)
    net = pt.nn.Linear(4, 3)
    model = pt.Model(
        net, pt.nn.CrossEntropyLoss(), pt.optim.SGD(net.parameters(), lr=0.5)
    )
    provider = Curriculum(
        easy=Levels(0.0), hard=Levels(1.0), batch_size=2, num_workers=workers, lag=2
    )
    return pt.Session(
        "curriculum",
        model=model,
        dataprovider=provider,
        dbinterface=db,
        train_params={"num_steps": steps},
        save_params={"every": "1 steps"},
    )


def test_data_that_depend_on_the_models_outputs_resume_to_the_bit() -> None:
    whole = curriculum("whole.db", 30, 0)
    whole.run()
    requests = whole.dataprovider.state_dict()
    assert requests["easy"]["epoch"] + requests["easy"]["batch"] > 0
    assert requests["hard"]["epoch"] + requests["hard"]["batch"] > 0
    for steps in (7, 8, 19, 30):
        parts = curriculum("parts.db", steps, 2)
        parts.run()
    assert parts.history == whole.history
    a, b = whole.model.net.state_dict(), parts.model.net.state_dict()
    for name in a:
        np.testing.assert_array_equal(np.asarray(a[name]), np.asarray(b[name]))
    assert parts.dataprovider.state_dict() == whole.dataprovider.state_dict()


def test_one_decoded_image_feeds_several_models() -> None:
    images = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3), np.uint8)
    calls = []

    def once(image: np.ndarray) -> np.ndarray:
        calls.append(1)
        return image

    crop = [T.RandomCrop(4), T.ToFloat(1 / 255)]
    data = Dataset(
        {"image": images, "label": np.arange(6)},
        preprocessor={
            "image": [
                T.ToCHW(),
                once,
                T.Branch({"small": [T.Resize(8)], "a": crop, "b": crop, "whole": []}),
            ]
        },
    )
    batch = next(iter(DataLoader(data, batch_size=6, seed=1)))
    assert len(calls) == 6
    parts = batch["image"]
    assert {k: v.shape for k, v in parts.items()} == {
        "small": (6, 3, 8, 8),
        "a": (6, 3, 4, 4),
        "b": (6, 3, 4, 4),
        "whole": (6, 3, 16, 16),
    }
    np.testing.assert_array_equal(parts["whole"], images.transpose(0, 3, 1, 2))
    assert not np.array_equal(parts["a"], parts["b"])  # two views
    again = next(iter(DataLoader(data, batch_size=6, seed=1, num_workers=2)))
    np.testing.assert_array_equal(again["image"]["a"], parts["a"])
    branch = T.Branch({"x": [T.ToFloat()], "y": [T.Resize(3)]})
    built = pt.Configuration(branch.to_config()).configure()
    assert built.to_config() == branch.to_config()
    assert pickle.loads(pickle.dumps(branch)).to_config() == branch.to_config()
    with pytest.raises(pt.errors.WrongValue, match="no branches"):
        T.Branch({})


def test_words_to_ids(tmp_path: Path) -> None:
    words = ["<pad>", "<unk>", "the", "cat", "Käse"]
    (tmp_path / "w.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (tmp_path / "w.json").write_text(json.dumps(words))
    ids = {word: i for i, word in enumerate(words)}
    (tmp_path / "d.json").write_text(json.dumps(dict(reversed(ids.items()))))
    (tmp_path / "crlf.txt").write_bytes("\r\n".join(words).encode())
    for name in ("w.txt", "w.json", "d.json", "crlf.txt"):
        vocabulary = T.Vocabulary(tmp_path / name)
        assert vocabulary.words == words, name
        assert vocabulary("  the\tKäse\nbarks ").tolist() == [2, 4, 1]
    padded = T.Vocabulary(words, length=4)
    assert padded("cat the").tolist() == [3, 2, 0, 0]
    assert padded(["the"] * 6).tolist() == [2] * 4 and padded("").tolist() == [0] * 4
    assert padded(["two words"]).tolist() == [1, 0, 0, 0]
    built = pt.Configuration(padded.to_config()).configure()
    assert built("cat").tolist() == [3, 0, 0, 0]
    assert len(padded) == 5 and padded["cat"] == 3 and "dog" not in padded
    with pytest.raises(pt.errors.UnknownName, match="'dog'"):
        T.Vocabulary(["cat"])("dog")
    with pytest.raises(pt.errors.WrongValue, match="twice"):
        T.Vocabulary(["a", "b", "a"])
    with pytest.raises(pt.errors.WrongValue, match="pads with"):
        T.Vocabulary(["a"], length=3)
    with pytest.raises(pt.errors.WrongType, match="list of words"):
        padded(3)
    (tmp_path / "bad.json").write_text('{"a": 0, "b": 2}')
    with pytest.raises(pt.errors.Malformed, match="'b' has the id 2"):
        T.Vocabulary(tmp_path / "bad.json")


def texts(root: Path, splits: dict[str, int]) -> None:
    for name, count in splits.items():
        lines = [json.dumps({"text": f"word{i} the", "label": i}) for i in range(count)]
        (root / f"{name}.jsonl").write_text("\n".join(lines))


def test_splits_and_a_vocabulary_are_found_in_a_folder(tmp_path: Path) -> None:
    texts(tmp_path, {"train-0": 5, "train-1": 3, "valid": 4, "test": 2, "other": 9})
    (tmp_path / "vocab.txt").write_text("<pad>\n<unk>\nthe\nword0\n")
    data = SplitProvider(
        tmp_path, preprocessor={"text": ["vocabulary"]}, text_length=3, batch_size=4
    )
    assert data.phases == ["train", "val", "test"]
    assert [len(data.provide(p).dataset) for p in data.phases] == [8, 4, 2]
    batch = next(iter(data.provide("test")))
    assert batch["text"].tolist() == [[3, 2, 0], [1, 2, 0]]
    assert data.vocabulary is not None and data.vocabulary["the"] == 2
    copy = pickle.loads(pickle.dumps(data))
    assert copy.phases == data.phases
    named = SplitProvider(tmp_path, {"train": "train-0.jsonl", "dev": "o*.jsonl"})
    assert len(named.provide("dev").dataset) == 9


def test_shares_of_one_source(tmp_path: Path) -> None:
    texts(tmp_path, {"all": 10})
    shares = {"train": 0.7, "val": 0.3}
    data = SplitProvider(tmp_path / "all.jsonl", shares, split_seed=4)
    labels = {p: [int(s["label"]) for s in data.provide(p).dataset] for p in shares}
    assert len(labels["train"]) == 7 and len(labels["val"]) == 3
    assert sorted(labels["train"] + labels["val"]) == list(range(10))
    again = SplitProvider(tmp_path / "all.jsonl", shares, split_seed=4)
    assert [int(s["label"]) for s in again.provide("val").dataset] == labels["val"]


def test_folders_that_are_none_say_so(tmp_path: Path) -> None:
    with pytest.raises(pt.errors.IOFailed, match="no file or folder"):
        SplitProvider(tmp_path / "none")
    with pytest.raises(pt.errors.IOFailed, match="no train"):
        SplitProvider(tmp_path)
    texts(tmp_path, {"train": 2})
    with pytest.raises(pt.errors.IOFailed, match="wants a vocabulary"):
        SplitProvider(tmp_path, preprocessor=["vocabulary"])
    with pytest.raises(pt.errors.IOFailed, match=r"no vocabulary .*w\.txt"):
        SplitProvider(tmp_path, vocabulary="w.txt")
    with pytest.raises(pt.errors.WrongValue, match="one file"):
        SplitProvider(tmp_path / "train.jsonl")
    with pytest.raises(pt.errors.WrongType, match="no folder"):
        SplitProvider([1, 2, 3])


def doubled(x: Any) -> Any:
    return x * 2


def test_what_is_copied_comes_back(tmp_path: Path) -> None:
    branch = T.Branch({"a": [T.Resize(3)], "b": [doubled]})
    copy = pickle.loads(pickle.dumps(branch))
    assert list(copy(np.ones((3, 6, 6), np.float32))) == ["a", "b"]
    provider = DataProvider(a=range(4), b=range(3), batch_size=2)
    joined = pickle.loads(pickle.dumps(provider.provide(["a", "b"])))
    assert joined.names == ["a", "b"] and len(list(joined)) == 2
    texts(tmp_path, {"train": 5, "val": 4})
    splits = SplitProvider(tmp_path, batch_size=3, num_workers=1)
    built = pt.Configuration(splits.to_config()).configure()
    assert built.phases == ["train", "val"]
    assert built.provide("val").batch_size == 3


def test_options_by_phase_are_no_phases() -> None:
    for name, value in (("batch_size", {"train": 8}), ("num_workers", [1, 2])):
        with pytest.raises(TypeError, match=f"{name}= is one for all phases"):
            DataProvider(train=range(4), **{name: value})


def test_a_collate_fn_is_for_all_phases() -> None:
    texts = [np.arange(n) for n in (2, 1, 3)]
    data = DataProvider(train=texts, val=texts, batch_size=3, collate_fn=PadCollate(-1))
    for provider in (data, copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        for phase in ("train", "val"):
            (batch,) = provider.provide(phase)
            assert sorted(batch[:, 2].tolist()) == [-1, -1, 2]
    assert DataProvider(train=texts, batch_size=1).provide("train").collate_fn is None
    with pytest.raises(TypeError, match="collate_fn is a int, not a function"):
        DataProvider(train=texts, collate_fn=3)


def test_misspelt_arguments_and_fields_are_told() -> None:
    with pytest.raises(pt.errors.WrongType, match="no argument 'transform'"):
        DataProvider(train=range(4), transform=[T.Resize(3)])
    with pytest.raises(pt.errors.WrongType, match="no argument 'preprocesor'"):
        DataProvider(train=range(4), preprocesor={})
    for source, key in (
        ((np.arange(3), np.arange(3)), 7),
        ((np.arange(3),), "b"),
        ({"a": np.arange(3)}, "b"),
    ):
        with pytest.raises(pt.errors.UnknownName, match="no field"):
            Dataset(source, preprocessor={key: [doubled]})[0]


def test_shuffle_is_for_train_or_where_there_is_none_for_all() -> None:
    def first(data: DataProvider, phase: str) -> list[int]:
        return next(iter(data.provide(phase))).tolist()

    data = DataProvider(a=range(40), b=range(40), batch_size=8, shuffle=True)
    assert first(data, "a") != [*range(8)] != first(data, "b")
    data = DataProvider(train=range(40), val=range(40), batch_size=8, shuffle=True)
    assert first(data, "train") != [*range(8)] == first(data, "val")
    data = DataProvider(a=range(40), b=range(40), batch_size=8)
    assert first(data, "a") == [*range(8)]
    data = DataProvider(a=stream, b=range(40), batch_size=8, shuffle=True)
    assert first(data, "b") != [*range(8)]


def test_a_sampler_of_ours_is_no_data_set() -> None:
    sampler = WeightedRandomSampler([0, 1, 0], 4)
    for data in (
        DataProvider(train=range(3), val=range(3), batch_size=4, sampler=sampler),
        DataProvider({"train": range(3)}, batch_size=4, sampler=sampler),
        DataProvider(a=range(3), batch_size=4, sampler=sampler),
    ):
        (batch,) = data.provide(data.phases[0])
        assert batch.tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="sampler= is the phase 'train''s"):
        DataProvider(a=range(3), b=range(3), sampler=sampler)
