"""Databases that were damaged, replaced, or written by an earlier version."""

from __future__ import annotations

import gzip
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider
from ptutils.database import SQLiteInterface

HERE = Path(__file__).parent


def remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def same(a: object, b: object) -> bool:
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


def test_flipped_bits_are_errors_never_other_values(tmp_path: Path) -> None:
    saved, path = {}, tmp_path / "whole.db"
    with SQLiteInterface(path) as db:
        for i in range(6):
            document = {"i": i, "lr": i / 8, "text": f"hello {i}" * 20}
            document |= {"w": np.arange(500) + i, "small": np.arange(5) + i}
            saved[db.save(document)] = document
    raw, draw, seen = path.read_bytes(), random.Random(1), Counter[str]()
    places = [i for i, byte in enumerate(raw) if byte]
    broken = tmp_path / "broken.db"
    for _ in range(150):
        bad = bytearray(raw)
        for place in draw.sample(places, draw.choice([1, 1, 3])):
            bad[place] ^= 1 << draw.randrange(8)
        remove(broken)
        broken.write_bytes(bad)
        try:
            with SQLiteInterface(broken) as db:
                for key, document in saved.items():
                    try:
                        found = db.load_from_id(key)
                        assert all(same(found[k], v) for k, v in document.items())
                        seen["whole"] += 1
                    except pt.Error as error:
                        seen[type(error).__name__] += 1
        except pt.Error:
            seen["not opened"] += 1
    # An index that was hit hides a document: that is an error as well.
    assert set(seen) <= {"whole", "Malformed", "NotFound", "WrongState", "not opened"}
    assert seen["Malformed"] > 50 and seen["whole"] > 300


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE documents SET skeleton=replace(skeleton, '0.5', '0.7') WHERE id='a'",
        "UPDATE tensors SET shape='2,2' WHERE shape='4'",
        "UPDATE chunks SET bytes=zeroblob(length(bytes))",
        "DELETE FROM blobs",
    ],
)
def test_damage_names_the_document_and_leaves_the_others(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "a.db"
    with SQLiteInterface(path) as db:
        db.save({"_id": "a", "lr": 0.5, "w": np.arange(99.0), "s": np.ones(4)})
        db.save({"_id": "b", "lr": 0.5})
        with db.access() as raw:
            raw.execute(change)
        with pytest.raises(pt.errors.Malformed, match=r"a\.db: document 'a' is dama"):
            db.load_from_id("a")
        assert db.load_from_id("b")["lr"] == 0.5
        assert db.delete("a") == 1
        assert [d["_id"] for d in db.find({})] == ["b"]


def old_database(folder: Path) -> Path:
    """Written by the code of schema 1."""
    path = folder / "old.db"
    data = HERE.parent / "data" / "database" / "schema1.db.gz"
    path.write_bytes(gzip.decompress(data.read_bytes()))
    return path


def check_old(db: SQLiteInterface) -> None:
    first = db.load_from_id("first")
    assert first["nest"] == {"a": [1, 2, {"b": 3.5}]}
    assert np.array_equal(first["w"], np.arange(600, dtype="f"))
    assert np.array_equal(first["small"], np.arange(5))


def test_a_database_of_schema_1_loads_and_takes_new_documents(tmp_path: Path) -> None:
    path = old_database(tmp_path)
    with SQLiteInterface(path, read_only=True) as db:
        check_old(db)
    with SQLiteInterface(path) as db:
        check_old(db)
        db.save({"_id": "third", "w": np.arange(600, dtype="f"), "s": np.ones(3)})
        with db.access() as raw:
            raw.execute("UPDATE tensors SET bytes=zeroblob(24) WHERE name='s'")
        check_old(db)
        with pytest.raises(pt.errors.Malformed, match="'third' is damaged"):
            db.load_from_id("third")
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version=3")
    with pytest.raises(pt.errors.WrongState, match="newer ptutils"):
        SQLiteInterface(path)


def old_run(path: Path, n: int = 20, batch_size: int = 4) -> pt.Session:
    """As the run 'old' of that database, paused within its second epoch."""
    points = np.resize(np.linspace(-1, 1, 80, dtype="f").reshape(20, 4), (n, 4))
    net = nn.Sequential(nn.Linear(4, 3))
    return pt.Session(
        "old",
        seed=3,
        dbinterface=path,
        model=pt.Model(
            net,
            criterion=nn.CrossEntropyLoss(),
            optimizer=optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        ),
        dataprovider=DataProvider(
            train=ArrayDataset(points, np.arange(n) % 3), batch_size=batch_size
        ),
        train_params={"num_epochs": 3},
    )


@pytest.mark.parametrize(("batch_size", "steps"), [(4, 15), (10, 7 + 2 + 2)])
def test_a_run_of_schema_1_goes_on(tmp_path: Path, batch_size: int, steps: int) -> None:
    session = old_run(old_database(tmp_path), batch_size=batch_size)
    session.run()
    assert session.status.step == steps and session.epoch == 3


def paused(path: Path, at: int = 8) -> pt.Session:
    session = old_run(path)

    def pause() -> None:
        if session.step_count == at:
            session.pause()

    session.callbacks.on("end_of_training_step", pause)
    session.run()
    return session


@pytest.mark.parametrize("n", [12, 60])
def test_a_resume_with_other_data_says_so_and_begins_the_epoch_again(
    tmp_path: Path, n: int, caplog: pytest.LogCaptureFixture
) -> None:
    paused(tmp_path / "a.db")
    again = old_run(tmp_path / "a.db", n)
    again.run()
    assert f"'train': has {n} samples, and had 20" in caplog.text
    assert "epoch 1 begins again" in caplog.text
    assert again.epoch == 3 and again.status.step == 8 + 2 * n // 4


@pytest.mark.parametrize(
    ("batch_size", "given"), [(20, [0, 0]), (3, [15, 18, 0, *range(3, 19, 3), 0])]
)
def test_another_batch_size_goes_on_behind_the_last_sample(
    tmp_path: Path, batch_size: int, given: list[int]
) -> None:
    paused(tmp_path / "a.db")  # behind 12 of 20 samples
    again, seen = old_run(tmp_path / "a.db", batch_size=batch_size), []

    def note() -> None:
        seen.append(again.dataprovider.provide("train").state_dict()["given"])

    again.callbacks.on("end_of_training_step", note)
    again.run()
    assert seen == given and again.epoch == 3


def test_save_of_another_thread_waits_for_the_steps_end(tmp_path: Path) -> None:
    session, stored, late = old_run(tmp_path / "a.db"), [-1], list[int]()
    session.callbacks.on("after_save", lambda: stored.append(session.step_count))
    session.callbacks.on("after_forward", lambda: time.sleep(0.003))

    def save() -> None:
        while not session._begun:
            time.sleep(0.001)
        while session._begun:
            asked = session.step_count
            try:
                session.save()
            except pt.errors.WrongState as error:
                assert "ended before" in str(error) or "not running" in str(error)
                return
            late.append(asked - stored[-1])

    thread = threading.Thread(target=save)
    thread.start()
    session.run()
    thread.join()
    assert session.status.step == 15 and len(late) > 3
    assert max(late) <= 0  # what had been done was saved


def test_a_file_that_took_the_place_of_an_open_one_stays_itself(
    tmp_path: Path,
) -> None:
    path, other, aside = (tmp_path / n for n in ("a.db", "other.db", "aside.db"))
    with SQLiteInterface(other) as db:
        db.save({"_id": "other", "w": np.ones(500)})
    db = SQLiteInterface(path)
    for i in range(20):
        db.save({"_id": f"mine {i}", "w": np.arange(500) + i})
    path.rename(aside)
    shutil.copy(other, path)
    with pytest.raises(OSError, match="removed, moved or replaced"):
        db.save({"_id": "late"})
    for use in (lambda: db.save({}), lambda: db.find({}), db.sync):
        with pytest.raises(OSError, match="removed, moved or replaced"):
            use()
    with SQLiteInterface(path) as new:
        assert [d["_id"] for d in new.find({})] == ["other"]
    with SQLiteInterface(aside) as moved:
        assert len(list(moved.find({}))) == 20
