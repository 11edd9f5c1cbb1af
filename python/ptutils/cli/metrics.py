"""A metric that an experiment file names, which something in it must give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import UnknownName

if TYPE_CHECKING:
    from .._core import Model, Session


def best_of(config: dict[str, Any]) -> str:
    """The metric of save_params.keep_best; '' where none is named."""
    best = (config.get("save_params") or {}).get("keep_best")
    if isinstance(best, dict):
        best = best.get("metric")
    return str(best or "")


def is_validated(config: dict[str, Any], phase: str) -> bool:
    """Whether the run logs metrics of this phase."""
    return phase == "train" or phase in (config.get("validation_params") or {})


def complaint(config: dict[str, Any], names: Sequence[str]) -> str:
    """What is wrong with the metric, when none of `names` is it."""
    best = best_of(config)
    phase = best.partition("/")[0]
    text = f"[save_params.keep_best] no batch and no validation gives {best!r}"
    if best in names and not is_validated(config, phase):
        return f"{text}: validation_params has no {phase!r}"
    given = [n for n in names if is_validated(config, n.partition("/")[0])]
    return text + _core._did_you_mean(best, given)


def is_own(callback: Any) -> bool:
    """A callback of the user's, which may log any metric."""
    return type(callback).__module__.partition(".")[0] != "ptutils"


def require_best(session: Session, config: dict[str, Any]) -> None:
    """Before the first step; a user's own class may give any metric."""
    best = best_of(config)
    if not best or any(is_own(callback) for callback in session.callbacks):
        return
    phase, _, name = best.partition("/")
    known = _given(session.model, phase)
    validations = list(config.get("validation_params") or {})
    names = [f"{p}/{n}" for p in ["train", *validations] for n in _given(None, p)]
    if not is_validated(config, phase) or (known and name not in known):
        raise UnknownName(complaint(config, names))


def _given(model: Model | None, phase: str) -> list[str]:
    """The metrics that a model gives in a phase; none known of an own one's."""
    method = "step" if phase == "train" else "validate"
    if model is not None and getattr(type(model), method) is not getattr(
        _core.Model, method
    ):
        return []
    return ["loss"] if phase == "train" else ["loss", "accuracy"]
