"""The embedded database from Python."""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils.database import DBInterface, SQLiteInterface, open_database


@pytest.fixture
def db(tmp_path: Path):
    with SQLiteInterface(tmp_path / "runs.db") as db:
        yield db


def test_save_and_load(db: SQLiteInterface) -> None:
    id = db.save({"exp": "a", "w": np.ones(3), "t": torch.ones(2)})
    assert isinstance(id, str) and db.load_from_id(id)["_id"] == id
    back = db.load(exp="a")
    assert isinstance(back["w"], np.ndarray) and isinstance(back["t"], torch.Tensor)
    newer = db.save({"exp": "a", "n": 2})
    assert db.load({"exp": "a"})["_id"] == newer
    assert db.load(exp="a", n={"$exists": False})["_id"] == id
    assert [d["_id"] for d in db.load_from_ids([newer, id])] == [newer, id]


def test_none_is_an_error_or_the_default(db: SQLiteInterface) -> None:
    with pytest.raises(pt.errors.NotFound, match="'b'") as error:
        db.load(exp="b")
    assert isinstance(error.value, KeyError)
    assert db.load(exp="b", default=None) is None
    assert db.load({"exp": "b"}, default=3) == 3
    with pytest.raises(KeyError, match="nothing"):
        db.load_from_id("nothing")


def test_documents_are_dicts_and_modules(db: SQLiteInterface) -> None:
    net = torch.nn.Linear(2, 1)
    db.save({"_id": "both", "net": net, "opt": torch.optim.Adam(net.parameters())})
    assert torch.equal(db.load_from_id("both")["net"]["weight"], net.weight)
    id = db.save(net)
    assert torch.equal(db.load_from_id(id)["bias"], net.bias)
    for bad in (3, "text", [1], None, np.ones(2)):
        with pytest.raises(pt.errors.WrongType, match="document"):
            db.save(bad)
    with pytest.raises(pt.errors.WrongType, match="hook"):
        db.save({"hook": lambda: 0})


def test_arguments_are_never_changed(db: SQLiteInterface) -> None:
    document = {"a": {"b": [1]}}
    query = {"a.b": 1}
    db.save(document)
    db.load(query, extra=None, default=None)
    assert document == {"a": {"b": [1]}} and query == {"a.b": 1}


def test_a_background_save_has_the_values_of_its_moment(db: SQLiteInterface) -> None:
    w, t = np.ones(1000), torch.ones(1000)
    ids = []
    for step in range(50):
        ids.append(db.save({"step": step, "w": w, "t": t}, background=True))
        w += 1
        t.add_(1)
    db.sync()
    for step, id in enumerate(ids):
        back = db.load_from_id(id)
        assert back["w"][7] == back["t"][7] == step + 1
    assert len(db.find()) == 50


def test_find_reads_when_asked(db: SQLiteInterface) -> None:
    for n in range(5):
        db.save({"n": n, "part": {"w": np.full(3, n)}})
    found = db.find({"n": {"$gte": 1}}, sort=[("n", -1)], skip=1, limit=2)
    assert len(found) == 2 and [d["n"] for d in found] == [3, 2]
    assert found[-1]["n"] == 2 and found[0]["part"]["w"][0] == 3
    assert [d["n"] for d in db.find(sort="n")[::2]] == [0, 2, 4]
    with pytest.raises(IndexError, match="no document 2 of 2"):
        found[2]
    only = db.find({"n": 4}, projection=["part.w"])[0]
    assert set(only) == {"_id", "part"}
    assert set(db.find({"n": 4}, projection={"part": 0, "_id": 0})[0]) == {"n"}
    db.delete(found.ids[0])
    with pytest.raises(pt.errors.NotFound, match="removed since"):
        found[0]
    for wrong in ({"projection": {"n": "x"}}, {"sort": {"n": 3}}, {"skip": -1}):
        with pytest.raises((ValueError, TypeError)):
            db.find({}, **wrong)


def test_delete_takes_an_id_a_document_or_a_query(db: SQLiteInterface) -> None:
    ids = [db.save({"n": n}) for n in range(5)]
    assert db.delete(ids[0]) == 1 and db.delete(ids[0]) == 0
    assert db.delete(db.load(n=1)) == 1
    with pytest.raises(ValueError, match="many=True"):
        db.delete({"n": {"$gt": 2}})
    assert len(db.find()) == 3
    assert db.delete({"n": {"$gt": 2}}, many=True) == 2
    assert [d["n"] for d in db.find()] == [2]


def test_update_and_insert(db: SQLiteInterface) -> None:
    id = db.save({"status": {"state": "pending"}, "n": 1})
    assert db.update({"_id": id, "n": 1}, {"status.state": "in-progress"}, ["n"])
    assert db.load_from_id(id) == {"status": {"state": "in-progress"}, "_id": id}
    assert not db.update({"_id": id, "n": 1}, {"x": 1})
    assert db.update(id, set={"w": np.ones(2)}, unset="status")
    assert list(db.load_from_id(id)) == ["_id", "w"]
    assert db.insert({"_id": "x", "n": 1}) and not db.insert({"_id": "x", "n": 2})
    assert db.load_from_id("x")["n"] == 1


def test_raw_access_binds_its_values(db: SQLiteInterface) -> None:
    evil = "x'); DROP TABLE documents; --"
    db.save({"name": evil})
    with db.access() as raw:
        assert raw.execute("SELECT ? AS a, ? AS b", [1, evil]) == [{"a": 1, "b": evil}]
        assert raw.execute("SELECT :v AS v", {"v": 2.5}) == [{"v": 2.5}]
        with pytest.raises(pt.Error):
            raw.execute("SELECT 1; SELECT 2")
        with pytest.raises(pt.Error):
            raw.execute("SELECT ?", [])
    assert db.load(name=evil)["name"] == evil


QUERIES = [
    ({"n": 1}, "a"), ({"n": {"$eq": 1.0}}, "a"), ({"n": {"$ne": 1}}, "bcd"),
    ({"n": {"$gt": 1}}, "bc"), ({"n": {"$gte": 2, "$lt": 3}}, "b"),
    ({"n": {"$lte": 1}}, "a"), ({"n": {"$in": [1, 3]}}, "ac"),
    ({"n": {"$nin": [1, 3]}}, "bd"), ({"n": {"$exists": False}}, "d"),
    ({"s": {"$regex": "^X.*z$", "$options": "i"}}, "b"),
    ({"$and": [{"n": {"$gt": 0}}, {"s": "abc"}]}, "a"),
    ({"$or": [{"n": 1}, {"n": 3}]}, "ac"), ({"n": {"$not": {"$gt": 1}}}, "ad"),
    ({"xs": {"$elemMatch": {"k": 1, "v": 2}}}, "c"), ({"xs.k": 1}, "c"),
    ({"xs.0.v": 2}, "c"), ({"deep.er.est": True}, "d"), ({"n": None}, "d"),
    ({}, "abcd"),
]  # fmt: skip


@pytest.mark.parametrize("query, ids", QUERIES, ids=lambda x: str(x)[:40])
def test_query_operators(db: SQLiteInterface, query: dict, ids: str) -> None:
    db.save({"_id": "a", "n": 1, "s": "abc"})
    db.save({"_id": "b", "n": 2, "s": "xyz", "w": np.ones(2)})
    db.save({"_id": "c", "n": 3, "xs": [{"k": 1, "v": 2}, {"k": 2, "v": 1}]})
    db.save({"_id": "d", "deep": {"er": {"est": True}}})
    assert "".join(db.find(query).ids) == ids
    assert (
        "".join(pt._core._matches(query, d) and d["_id"] or "" for d in db.find())
        == ids
    )


@pytest.mark.parametrize(
    "query, word",
    [
        ({"n": {"$gte1": 1}}, r"\$gte"), ({"n": {"$where": "1"}}, r"\$where"),
        ({"$where": "1"}, r"\$where"), ({"n": {"$in": 1}}, r"\$in"),
        ({"s": {"$regex": "("}}, "regular exp"), ("text", "dict"),
        ({"w": np.ones(2)}, "w"),
    ],
)  # fmt: skip
def test_wrong_queries_are_errors(
    db: SQLiteInterface, query: object, word: str
) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=word):
        db.find(query)


class InMemory(DBInterface):
    """A store of one's own: three methods."""

    def __init__(self) -> None:
        self._all: dict[str, dict] = {}

    def save(self, document, background=False):
        document = {"_id": f"id{len(self._all)}", **document}
        self._all[document["_id"]] = document
        return document["_id"]

    def find(self, query=None, projection=None, sort=None, skip=0, limit=None):
        found = [d for d in self._all.values() if pt._core._matches(query or {}, d)]
        return found[skip:][:limit]

    def remove(self, id):
        return self._all.pop(id, None) is not None


def test_a_store_in_python() -> None:
    db = InMemory()
    id = db.save({"n": 1, "w": np.ones(2)})
    assert db.load(n=1)["w"].sum() == 2 and db.load_from_id(id)["n"] == 1
    assert db.update({"_id": id}, {"m.k": 5}) and db.load_from_id(id)["m"]["k"] == 5
    assert db.insert({"_id": "x"}) and not db.insert({"_id": "x"})
    assert db.load(n=9, default=0) == 0
    assert db.delete({"n": 1}, many=True) == 1 and db.delete("x") == 1
    with db:
        db.sync()
    assert "InMemory" in repr(db)
    with pytest.raises(NotImplementedError, match="find"):
        DBInterface().find({})
    with pytest.raises(NotImplementedError, match="save"):
        DBInterface().save({})


class Counting(SQLiteInterface):
    """Extends the embedded store; super() is the core's."""

    saved = 0

    def save(self, document, background=False):
        self.saved += 1
        return super().save({**document, "by": "me"}, background)

    def find(self, query=None, *args, **kwargs):
        return super().find(query, *args, **kwargs)


def test_a_subclass_of_the_embedded_store(tmp_path: Path) -> None:
    db = Counting(tmp_path / "x.db")
    id = db.save({"n": 1})
    assert db.load(n=1)["by"] == "me" and db.saved == 1
    assert [d["n"] for d in db.find()] == [1] and db.load_from_id(id)["n"] == 1
    assert db.delete({"n": 1}, many=True) == 1
    db.close()


def test_open_repr_copy_and_pickle(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    db = open_database(path)
    assert isinstance(db, SQLiteInterface) and db.location() == path
    assert repr(db) == f"SQLiteInterface('{path}')" and db.to_config()["path"] == path
    db.save({"n": 1})
    db.note = "kept"
    for other in (pickle.loads(pickle.dumps(db)), copy.deepcopy(db)):
        assert other.load(n=1)["n"] == 1 and other.note == "kept"
        other.close()
    db.close()
    with pytest.raises(RuntimeError, match="closed"):
        db.load(n=1)
    with pytest.raises(NotImplementedError, match="MongoInterface") as error:
        open_database("mongodb://me:secret@host/db")
    assert "secret" not in str(error.value)


def test_read_only(tmp_path: Path) -> None:
    with SQLiteInterface(tmp_path / "x.db") as db:
        db.save({"n": 1})
    with SQLiteInterface(tmp_path / "x.db", read_only=True) as db:
        assert db.read_only and db.load(n=1)["n"] == 1
        with pytest.raises(RuntimeError, match="read_only"):
            db.save({"n": 2})
    with pytest.raises(OSError, match="missing"):
        SQLiteInterface(tmp_path / "missing.db", read_only=True)
    with pytest.raises(OSError, match="nowhere"):
        SQLiteInterface(tmp_path / "nowhere" / "x.db")


def test_a_newer_schema_and_other_files_are_clear_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    SQLiteInterface(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 999")
    with pytest.raises(pt.Error, match="newer"):
        SQLiteInterface(path)
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(pt.Error, match="text.db"):
        SQLiteInterface(tmp_path / "text.db")


def test_the_disk_is_waited_for_without_the_gil(db: SQLiteInterface) -> None:
    other = sqlite3.connect(db.location(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ticks = 0
    thread = threading.Thread(target=db.save, args=({"n": 1},))
    thread.start()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        ticks += 1
        time.sleep(0.001)
    assert thread.is_alive() and ticks > 50
    other.execute("ROLLBACK")
    thread.join()
    assert db.load(n=1)


def test_many_threads(db: SQLiteInterface) -> None:
    def work(k: int) -> None:
        for n in range(20):
            db.save({"k": k, "n": n, "w": np.full(50, n)}, background=n % 2 == 0)
            db.find({"k": k}, limit=3)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    db.sync()
    assert sorted((d["k"], d["n"]) for d in db.find()) == [
        (k, n) for k in range(4) for n in range(20)
    ]


WRITER = """
import sys, numpy as np
from ptutils.database import SQLiteInterface
db = SQLiteInterface(sys.argv[1])
for n in range(int(sys.argv[3])):
    db.save({'_id': f'{sys.argv[2]}-{n}', 'n': n, 'w': np.full(20_000, n)})
    print(n, flush=True)
"""


def spawn(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_several_processes_on_one_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    SQLiteInterface(path).close()
    writers = [spawn(path, name, 15) for name in "abc"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with SQLiteInterface(path) as db:
        assert sorted(db.find().ids) == sorted(
            f"{c}-{n}" for c in "abc" for n in range(15)
        )


def test_kill_in_mid_save_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    chance = random.Random(0)
    for round in range(10):
        writer = spawn(path, f"r{round}", 100_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        said = [0, *map(int, writer.stdout.read().split())]
        writer.wait()
        with SQLiteInterface(path) as db:
            found = db.find({"_id": {"$regex": f"^r{round}-"}})
            assert len(found) in (max(said) + 1, max(said) + 2)
            for n in (0, len(found) - 1):
                assert found[n]["n"] == n and (found[n]["w"] == n).all()
            with db.access() as raw:
                [row] = raw.execute("PRAGMA integrity_check")
                assert list(row.values()) == ["ok"]


ORDERS = [
    ("n", "cab"), ("-n", "bac"), (["-n"], "bac"), ([("n", -1)], "bac"),
    ([["n", -1]], "bac"), ({"n": -1}, "bac"), (["k", "-n"], "acb"),
    ([("k", -1), "n"], "bca"), ({"-n": 1}, "bac"),
]  # fmt: skip


@pytest.mark.parametrize("sort, ids", ORDERS, ids=str)
def test_sorts_of_every_form(db: SQLiteInterface, sort: object, ids: str) -> None:
    for _id, n, k, minus in (("a", 2, 1, 8), ("b", 3, 2, 7), ("c", 1, 1, 9)):
        db.save({"_id": _id, "n": n, "k": k, "-n": minus})
    assert "".join(db.find(sort=sort).ids) == ids


@pytest.mark.parametrize(
    "sort",
    [3, True, b"n", {"n"}, [3], [None], ("n", -1), [("n",)], [("n", "down")], "", "-",
     [(3, 1)], ["n", "-n"], {"n": 2}],
    ids=str,
)  # fmt: skip
def test_other_forms_of_sort_are_errors(db: SQLiteInterface, sort: object) -> None:
    db.save({"n": 1})
    with pytest.raises(pt.Error, match="sort"):
        db.find(sort=sort)


def regex(text: str, flags: int = 0) -> re.Pattern:
    return re.compile(text, flags)


PATTERNS = [
    ({"s": regex("^a")}, "a"), ({"s": regex("^A", re.I)}, "a"), ({"s": regex("A")}, ""),
    ({"s": regex("c.x", re.DOTALL)}, "b"), ({"s": regex("^x", re.M)}, "b"),
    ({"s": {"$regex": regex("^A", re.I)}}, "a"), ({"s": {"$not": regex("^a")}}, "b"),
    ({"$or": [{"s": regex("^a")}, {"s": "no"}]}, "a"),
    ({"xs": {"$elemMatch": {"t": regex("1$")}}}, "b"),
    ({"s": regex("(?P<name>a)b")}, "a"),
    ({"xs": {"$elemMatch": {"$regex": regex("lone")}}}, "a"),
]  # fmt: skip


@pytest.mark.parametrize("query, ids", PATTERNS, ids=str)
def test_compiled_patterns_are_regexes(
    db: SQLiteInterface, query: dict, ids: str
) -> None:
    db.save({"_id": "a", "s": "abc", "xs": ["alone"]})
    db.save({"_id": "b", "s": "c\nx", "xs": [{"t": "t1"}]})
    assert "".join(db.find(query).ids) == ids
    found = [d["_id"] for d in db.find() if pt._core._matches(query, d)]
    assert "".join(found) == ids
    if set(query) == {"s"}:
        assert db.load(s=query["s"], default={"_id": ""})["_id"] == ids


@pytest.mark.parametrize(
    "query, word",
    [
        ({"s": regex("a", re.VERBOSE)}, "VERBOSE"),
        ({"s": re.compile(b"a")}, "bytes"),
        ({"s": {"$in": [regex("a")]}}, "re.Pattern cannot be compared"),
        ({"s": {"$eq": regex("a")}}, "re.Pattern cannot be compared"),
        ({"s": {"deep": regex("a")}}, "re.Pattern cannot be compared"),
        ({"s": object()}, "object cannot be compared"),
    ],
    ids=["flags", "bytes", "in", "eq", "dict", "object"],
)
def test_patterns_elsewhere_are_errors(
    db: SQLiteInterface, query: dict, word: str
) -> None:
    with pytest.raises(pt.Error, match=word):
        db.find(query)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_went_away_is_an_error_at_the_next_save(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "gone.db"
    db = SQLiteInterface(str(path))
    db.save({"a": 1})
    for file in tmp_path.iterdir():
        file.unlink()
    if how == "replaced":
        SQLiteInterface(str(path)).close()
    with pytest.raises(OSError, match="removed, moved or replaced"):
        db.sync()
    with pytest.raises(OSError, match="removed, moved or replaced"):
        db.save({"a": 2})
    with pytest.raises(OSError, match="removed, moved or replaced"):
        db.save({"a": 3}, background=True)
    db.close()


def test_a_slow_pattern_is_an_error_not_a_hang(db: SQLiteInterface) -> None:
    db.save({"s": "x" * 200_000})
    with pytest.raises(ValueError, match=r"s\.\$regex: '.*' takes too long"):
        db.find({"s": {"$regex": "(x|y)*[wz]"}})
    assert len(db.find({"s": {"$regex": "^(x|y)*$"}})) == 1
