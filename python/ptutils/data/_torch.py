"""A loader of ours as torch's own DataLoader."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .. import _core
from ..errors import WrongState, WrongType, WrongValue
from ._samplers import LoaderBatches


class EpochOrder:
    """torch's kind of sampler: the order of a loader of ours, epoch by epoch.

    It counts its epochs itself. To what saves the state of samplers (a session)
    it is its own generator: the state is the next epoch.
    """

    def __init__(self, loader: _core.DataLoader) -> None:
        self.loader = loader
        self.generator = self
        self.set_epoch(loader.epoch)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration gives."""
        self.epoch = epoch

    set_state = set_epoch

    def get_state(self) -> int:
        """The epoch that the next iteration gives."""
        return self.epoch

    def __len__(self) -> int:
        return len(self.loader._order(self.epoch))

    def __iter__(self) -> Iterator[int]:
        order = self.loader._order(self.epoch)
        self.epoch += 1
        return iter(order.tolist())


class EpochBatches(EpochOrder):
    """The batches of a loader of ours that has a batch sampler."""

    def __len__(self) -> int:
        return len(self.loader._batches(self.epoch))

    def __iter__(self) -> Iterator[Any]:
        batches = self.loader._batches(self.epoch)
        self.epoch += 1
        return iter(batches)


def mover(pin_memory: bool, device: str) -> Callable[[Any], Any] | None:
    """What brings batches where they are to be; None: they stay."""
    import torch

    if device:
        try:
            where = torch.device(device)
        except RuntimeError as error:
            known = str(error).partition("\n")[0]
            raise WrongValue(f"[DataLoader] device={device!r}: {known}") from error
        if where.type == "cuda" and not torch.cuda.is_available():
            raise WrongState(f"[DataLoader] device={device!r}: there is no CUDA device")
        return ToDevice(where)
    if torch.cuda.is_available():
        return pinned
    warnings.warn(
        "[DataLoader] pin_memory=True: there is no CUDA device, batches are not pinned",
        stacklevel=3,
    )
    return None


def _each(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The batch with its tensors (and what else can be pinned) changed."""
    if isinstance(batch, dict):
        return {key: _each(value, change) for key, value in batch.items()}
    if type(batch) in (list, tuple):
        return type(batch)(_each(item, change) for item in batch)
    return change(batch) if hasattr(batch, "pin_memory") else batch


def pinned(batch: Any) -> Any:
    """The batch with its torch tensors in page-locked memory."""
    return _each(batch, lambda part: part.pin_memory())


class ToDevice:
    """Batches to a device. To CUDA from page-locked memory, on a stream of its own:
    the copy runs beside the step before, and the current stream waits for it."""

    def __init__(self, device: Any) -> None:
        import torch

        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: Any) -> Any:
        import torch

        if self.stream is None:
            return _each(batch, lambda part: part.to(self.device))
        current = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.stream):
            moved = _each(
                pinned(batch), lambda part: part.to(self.device, non_blocking=True)
            )
        current.wait_stream(self.stream)

        def used(part: Any) -> Any:
            if isinstance(part, torch.Tensor):
                part.record_stream(current)
            return part

        return _each(moved, used)


def _torch_leaves(sample: Any) -> Any:
    import torch

    if isinstance(sample, _core.Tensor):
        return torch.from_dlpack(sample)
    if isinstance(sample, dict):
        return {key: _torch_leaves(value) for key, value in sample.items()}
    if type(sample) in (list, tuple):
        return type(sample)(_torch_leaves(item) for item in sample)
    return sample


def collate(samples: list[Any]) -> Any:
    """torch's default_collate, native tensors taken as torch's."""
    from torch.utils.data import default_collate

    return default_collate([_torch_leaves(sample) for sample in samples])


def loader(ours: Any) -> Any:
    """A torch DataLoader with the batches of ours, in the same order.

    torch's own loaders come back as they are. Worker processes are as many as
    threads were asked for (``num_workers``), none where nothing was said.
    """
    from torch.utils.data import DataLoader, IterableDataset

    if not isinstance(ours, _core.DataLoader):
        own = getattr(ours, "loader", None)
        if isinstance(own, DataLoader):
            return own
        raise WrongType(
            f"[get_dataloader] as_torch=True: a {type(ours).__name__} has no data "
            "set that torch could load"
        )
    if ours.on_error != "raise":
        raise WrongValue(
            f"[get_dataloader] as_torch=True: torch's loader has no on_error="
            f"{ours.on_error!r}"
        )
    workers = ours._asked_workers or 0
    batches = ours.batch_sampler  # None: samples one by one
    options: dict[str, Any] = {
        "batch_size": ours.batch_size,
        "sampler": EpochOrder(ours),
        "drop_last": ours.drop_last,
    }
    if batches is not None and not isinstance(batches, LoaderBatches):
        options = {"batch_sampler": EpochBatches(ours)}
    dataset = ours.dataset
    if ours._is_iterable:
        options.pop("sampler")
        if not isinstance(dataset, IterableDataset):
            dataset = _core.IterableDataset(dataset)
    return DataLoader(
        dataset,
        **options,
        collate_fn=ours.collate_fn
        or (collate if batches is not None else _torch_leaves),
        num_workers=workers,
        prefetch_factor=ours.prefetch_factor if workers else None,
        timeout=ours.timeout if workers else 0,
        pin_memory=ours.pin_memory,
        worker_init_fn=ours.worker_init_fn,
    )
