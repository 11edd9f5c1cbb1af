"""``ptutils check``: builds everything, tries a batch each way, writes nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _core, _text, registry
from . import metrics
from .common import Terminal, database, load_config, message

if TYPE_CHECKING:
    import argparse

KEYS = (
    "exp_id",
    "seed",
    "model",
    "dataprovider",
    "dbinterface",
    "train_params",
    "validation_params",
    "save_params",
    "callbacks",
)
_FILTERS = ("every", "at", "before", "after")
_DEFAULTS = {"model": "ptutils.Model", "dataprovider": "ptutils.data.DataProvider"}


class Checked:
    """What was built, and what is wrong."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.problems: list[str] = []
        self.found: list[list[str]] = []
        self.data: dict[str, Any] = {}
        self.has_own_callbacks = False

    def attempt(self, what: Any, *args: Any) -> Any:
        """Its result; None when it failed, and then the error is noted."""
        try:
            return what(*args)
        except Exception as error:
            self.problem(error)
            return None

    def problem(self, error: BaseException) -> None:
        text = message(error)
        if text not in self.problems:
            self.problems.append(text)


def check(args: argparse.Namespace, terminal: Terminal) -> int:
    """All problems, exit status 1; else what the experiment is made of."""
    from . import running

    running.prepare(args, terminal)
    with registry.forgetting():
        return _check(args, terminal)


def _check(args: argparse.Namespace, terminal: Terminal) -> int:
    config = load_config(args.file, args.overrides, args.seed)
    checked = Checked(dict(config))
    _keys(checked)
    _settings(checked)
    _core._seed_streams(_seed(checked))
    model = _part(checked, "model")
    provider = _part(checked, "dataprovider")
    _callbacks(checked)
    where = args.db or config.get("dbinterface") or database(args)
    _database(checked, where)
    if model is not None:
        _describe_model(checked, model)
    _phases(checked, provider)
    if provider is not None:
        _data(checked, model, provider)
    if model is not None and not checked.problems:
        _best(checked)
    return _report(args, checked, terminal)


def _report(args: argparse.Namespace, checked: Checked, terminal: Terminal) -> int:
    name = checked.config.get("exp_id", "-")
    if checked.problems:
        count = len(checked.problems)
        title = f"{args.file}: {count} problem{'s' if count > 1 else ''}"
        terminal.answer(
            {"ok": False, "exp_id": name, "problems": checked.problems},
            "\n".join([title, *(f"  {_indented(p)}" for p in checked.problems)]),
        )
        return 1
    lines = [f"  {line}" for line in _text.columns(checked.found)]
    terminal.answer(
        {"ok": True, "exp_id": name, **checked.data},
        "\n".join([f"{args.file}: {name}", *lines, "ok"]),
    )
    return 0


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _keys(checked: Checked) -> None:
    config = checked.config
    for key in config:
        if key not in (*KEYS, "func"):
            near = _core._nearest_names(str(key), list(KEYS), 2)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            known = "" if near else f"; known: {', '.join(KEYS)}"
            checked.problems.append(f"[configuration] unknown {key!r}{hint}{known}")
    for key in ("exp_id", "model", "dataprovider"):
        if config.get(key) is None:
            checked.problems.append(f"[configuration] {key!r} is missing")
    name = config.get("exp_id")
    if name is not None and (not isinstance(name, str) or not name):
        checked.problems.append(f"[exp_id] a name, not {name!r}")
    elif name is not None:
        checked.attempt(_core._check_exp_id, name)


def _settings(checked: Checked) -> None:
    for i, slot in enumerate(("train_params", "validation_params", "save_params")):
        given: list[Any] = [None, None, None]
        given[i] = checked.config.get(slot)
        checked.attempt(_core._check_settings, *given)


def _seed(checked: Checked) -> int:
    seed = checked.config.get("seed", 0)
    if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
        return seed
    checked.problems.append(f"[seed] a whole number from 0, not {seed!r}")
    return 0


def _part(checked: Checked, slot: str) -> Any:
    config = checked.config.get(slot)
    if config is None:
        return None
    if not isinstance(config, dict):
        checked.problems.append(f"[{slot}] a dictionary, not {config!r}")
        return None
    if "class" not in config:
        config = {"func": _DEFAULTS[slot], **config}
    return _build(checked, config, slot, slot)


def _build(checked: Checked, config: Any, path: str, slot: str, net: Any = None) -> Any:
    """Builds it; where that fails, each of its parts alone, for all that is
    wrong in them."""
    try:
        return _core.configure(config, path=path, slot=slot, net=net)
    except Exception as error:
        before = len(checked.problems)
        _build_parts(checked, config, path, slot, net)
        if isinstance(config, dict):
            checked.attempt(_core._check_arguments, config, path, slot)
        if len(checked.problems) == before:
            checked.problem(error)
        return None


def _build_parts(checked: Checked, config: Any, path: str, slot: str, net: Any) -> None:
    if isinstance(config, list):
        for i, item in enumerate(config):
            _build(checked, item, f"{path}[{i}]", slot, net)
        return
    if not isinstance(config, dict):
        return
    parts = {key: v for key, v in config.items() if isinstance(v, (dict, list))}
    if "net" in parts:
        net = _build(checked, parts.pop("net"), f"{path}.net", "net")
    # Without a net an optimizer has nothing to optimise, but a name to check.
    stand_in = net if net is not None or slot != "model" else _any_net()
    for key, value in parts.items():
        inner = slot if slot == "datasets" else str(key)
        _build(checked, value, f"{path}.{key}", inner, stand_in)


def _any_net() -> Any:
    return _core.configure({"func": "Linear", "in_features": 1, "out_features": 1})


def _callbacks(checked: Checked) -> None:
    given = checked.config.get("callbacks") or []
    if not isinstance(given, list):
        checked.problems.append(f"[callbacks] a list, not {given!r}")
        return
    for i, item in enumerate(given):
        config, path = item, f"callbacks[{i}]"
        if isinstance(item, dict):
            config = {key: v for key, v in item.items() if key not in _FILTERS}
        made = _build(checked, config, path, "callbacks")
        if made is not None and not isinstance(made, _core.Callback):
            checked.problems.append(f"[{path}] {item!r} is not a Callback")
        elif made is not None and metrics.is_own(made):
            checked.has_own_callbacks = True


def _database(checked: Checked, where: Any) -> None:
    if isinstance(where, list) and len(where) == 1:
        where = where[0]
    if isinstance(where, dict) and isinstance(where.get("path"), str):
        where = where["path"]
    if isinstance(where, dict):  # one that is not here, or no database
        made = _build(checked, where, "dbinterface", "dbinterface")
        if made is not None and not isinstance(made, _core.DBInterface):
            checked.problems.append(f"[dbinterface] {where!r} is not a database")
        return
    if not isinstance(where, str):
        checked.problems.append(f"[dbinterface] a path (runs.db), not {where!r}")
        return
    if "://" in where and not where.startswith("sqlite:///"):
        checked.attempt(_core.open_database, where)  # says why not
        return
    path = Path(where.removeprefix("sqlite:///"))
    folder = path.parent
    checked.data["dbinterface"] = where
    if path.exists():
        said = checked.attempt(_stored, checked, where)
        if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
            checked.problems.append(f"[dbinterface] {where} is not writable")
    elif not folder.is_dir():
        checked.problems.append(f"[dbinterface] {where}: there is no folder {folder}")
        return
    elif not os.access(folder, os.W_OK):
        checked.problems.append(f"[dbinterface] {where}: {folder} is not writable")
        return
    else:
        said = "new"
    checked.found.append(["database", f"{where} ({said})"])


def _stored(checked: Checked, where: str) -> str:
    """What the database knows of this exp_id."""
    from ..runs import Runs

    runs = Runs(where)
    try:
        name = str(checked.config.get("exp_id"))
        if name not in runs:
            return f"{len(runs)} runs, this one is new"
        return f"has it: {runs[name].status}"
    finally:
        runs.close()


def _describe_model(checked: Checked, model: Any) -> None:
    net = getattr(model, "net", None)
    name = type(net).__name__ if net is not None else "-"
    count = sum(_count(p) for p in _parameters(net))
    checked.data["model"] = {"net": name, "parameters": count}
    checked.found.append(["net", f"{name}, {_text.grouped(count)} parameters"])
    for slot in ("criterion", "optimizer"):
        part = getattr(model, slot, None)
        config = dict(checked.config["model"].get(slot) or {})
        config.pop("func", None)
        extra = f"  {_text.shown(config)[1:-1]}" if config else ""
        if part is not None:
            checked.data["model"][slot] = type(part).__name__
            checked.found.append([slot, f"{type(part).__name__}{extra}"])


def _parameters(net: Any) -> list[Any]:
    found = getattr(net, "parameters", None)
    return list(found()) if found is not None else []


def _count(array: Any) -> int:
    total = 1
    for n in array.shape:
        total *= int(n)
    return total


def _phases(checked: Checked, provider: Any) -> None:
    """Data for training and for each validation; also where the provider could
    not be built, by what it was to be built from."""
    phases: list[str] | None = None
    if provider is not None:
        phases = list(provider.phases)
    else:
        config = checked.config.get("dataprovider")
        datasets = config.get("datasets") if isinstance(config, dict) else None
        phases = [str(key) for key in datasets] if isinstance(datasets, dict) else None
    wanted = checked.config.get("validation_params") or {}
    asks = provider is not None and _asks(provider)
    if phases is not None and "train" not in phases and not asks:
        checked.problems.append(
            "[dataprovider.datasets] there is no 'train' among "
            f"{', '.join(phases) or 'no phases'}"
        )
    if isinstance(wanted, dict) and phases is not None:
        for phase in wanted:
            if phase not in phases:
                hint = _core._did_you_mean(str(phase), phases)
                checked.problems.append(
                    f"[validation_params] no data for {phase!r}{hint}"
                )


def _asks(provider: Any) -> bool:
    """Whether it says itself what the next step's data are."""
    return type(provider).request is not _core.DataProvider.request


def _length(data: Any) -> int | None:
    """None where it has none."""
    try:
        return len(data)
    except TypeError:
        return None


def _data(checked: Checked, model: Any, provider: Any) -> None:
    for phase in checked.attempt(lambda: list(provider.phases)) or []:
        _phase(checked, model, provider, phase)


def _phase(checked: Checked, model: Any, provider: Any, phase: str) -> None:
    loader = checked.attempt(provider.provide, phase)
    if loader is None:
        return
    batch = checked.attempt(lambda: next(iter(loader)))
    if batch is None:
        checked.problems.append(f"[dataprovider.datasets.{phase}] gives no batches")
        return
    shapes = _shapes(batch)
    batches = _length(loader)
    if batches is None:
        about = [f"samples one after another, in batches of {shapes}"]
    else:
        about = [f"{_text.grouped(batches)} batches of {shapes}"]
        samples = _length(getattr(loader, "dataset", None))
        if samples is not None:
            about.insert(0, f"{_text.grouped(samples)} samples")
    checked.data.setdefault("data", {})[phase] = {
        "batches": batches,
        "batch": shapes,
    }
    checked.found.append([f"{phase} data", ", ".join(about)])
    if model is not None and not checked.problems:
        _one_batch(checked, model, batch, phase)


def _one_batch(checked: Checked, model: Any, batch: Any, phase: str) -> None:
    train = phase == "train"
    model.train(train)
    begin = time.perf_counter()
    given = checked.attempt(model.step if train else model.validate, batch)
    if given is None:
        return
    took = 1000 * (time.perf_counter() - begin)
    values = {k: float(v) for k, v in given.items() if k != "count"}
    shown = "  ".join(f"{k} {_text.number(v)}" for k, v in values.items())
    checked.data["data"][phase]["metrics"] = values
    checked.found.append([f"{phase} batch", f"{shown}  ({took:.1f} ms)"])


def _best(checked: Checked) -> None:
    """A metric that no batch gives may come from an own callback, or is wrong."""
    best = metrics.best_of(checked.config)
    names = [
        f"{phase}/{name}"
        for phase, data in checked.data.get("data", {}).items()
        for name in data.get("metrics", {})
    ]
    phase = best.partition("/")[0]
    if not best or (best in names and metrics.is_validated(checked.config, phase)):
        return
    text = metrics.complaint(checked.config, names)
    if not checked.has_own_callbacks:
        checked.problems.append(text)
        return
    checked.data["keep_best"] = text.partition("] ")[2]
    checked.found.append(["keep_best", checked.data["keep_best"]])


def _shapes(batch: Any) -> str:
    if isinstance(batch, dict):
        return ", ".join(f"{key}: {_shapes(item)}" for key, item in batch.items())
    if isinstance(batch, (list, tuple)):
        return ", ".join(_shapes(item) for item in batch)
    shape = getattr(batch, "shape", None)
    if shape is None:
        return type(batch).__name__
    dtype = str(getattr(batch, "dtype", "")).rpartition(".")[2]
    return f"{dtype} {'x'.join(str(int(n)) for n in shape)}"
