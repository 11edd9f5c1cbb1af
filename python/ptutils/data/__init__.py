"""Data sets, samplers, loaders and the provider of data by phase.

>>> import numpy as np
>>> from ptutils.data import ArrayDataset, DataLoader
>>> data = ArrayDataset(np.zeros((10, 3), np.float32), np.arange(10))
>>> for x, y in DataLoader(data, batch_size=5):
...     print(x.shape, y)
(5, 3) [0 1 2 3 4]
(5, 3) [5 6 7 8 9]
"""

from .._core import (
    MNIST,
    ArrayDataset,
    ArrayReader,
    BatchInfo,
    BatchSampler,
    BlockShuffleSampler,
    BucketBatchSampler,
    CachedDataset,
    DataLoader,
    DataProvider,
    DataReader,
    Dataset,
    DistributedSampler,
    FashionMNIST,
    HDF5Reader,
    ImageFolder,
    ImageFolderReader,
    IterableDataset,
    JoinedLoader,
    JSONLinesReader,
    LMDBReader,
    Loader,
    LoaderReport,
    MapDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StratifiedSampler,
    Subset,
    SubsetRandomSampler,
    TFRecordReader,
    WeightedRandomSampler,
    ZipDataset,
    batch_info,
    random_split,
)
from .._unknown import attributes_of
from . import _labels as _labels
from . import _shown as _shown
from . import transforms as transforms
from ._cifar import CIFAR10, CIFAR10Reader
from ._collate import PadCollate
from ._imagenet import ImageNet
from ._splits import SplitProvider

__all__ = [
    "CIFAR10",
    "MNIST",
    "ArrayDataset",
    "ArrayReader",
    "CachedDataset",
    "CIFAR10Reader",
    "BatchInfo",
    "BatchSampler",
    "BlockShuffleSampler",
    "BucketBatchSampler",
    "DataLoader",
    "DataProvider",
    "DataReader",
    "Dataset",
    "DistributedSampler",
    "FashionMNIST",
    "HDF5Reader",
    "ImageFolder",
    "ImageFolderReader",
    "ImageNet",
    "IterableDataset",
    "JoinedLoader",
    "JSONLinesReader",
    "LMDBReader",
    "Loader",
    "LoaderReport",
    "MapDataset",
    "PadCollate",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "ZipDataset",
    "SplitProvider",
    "batch_info",
    "random_split",
    "TFRecordReader",
    "StratifiedSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "transforms",
]
__getattr__ = attributes_of(__name__, __all__)
