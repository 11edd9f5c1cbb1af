"""
The C++ core of ptutils.
"""
from __future__ import annotations
import collections.abc
import os
import ptutils
import ptutils.data
import ptutils.data.transforms
import ptutils.database
import ptutils.nn
import ptutils.optim
import types
import typing
import typing_extensions
__all__: list[str] = ['Adam', 'ArrayDataset', 'ArrayReader', 'BatchInfo', 'BatchSampler', 'BlockShuffleSampler', 'Branch', 'BucketBatchSampler', 'Busy', 'CachedDataset', 'Callback', 'Callbacks', 'Cast', 'CenterCrop', 'ColorJitter', 'Compose', 'Criterion', 'CrossEntropyLoss', 'Cutout', 'DBInterface', 'DataLoader', 'DataProvider', 'DataReader', 'Dataset', 'DecodeImage', 'DistributedSampler', 'Documents', 'Dropout', 'Error', 'FashionMNIST', 'Flatten', 'HDF5Reader', 'History', 'IOFailed', 'ImageFolder', 'ImageFolderReader', 'IterableDataset', 'JSONLinesReader', 'JoinedLoader', 'LMDBReader', 'Linear', 'Loader', 'LoaderReport', 'MNIST', 'Malformed', 'MapDataset', 'Model', 'Module', 'NaNDetector', 'Normalize', 'NotDefined', 'NotFound', 'OneHot', 'Optimizer', 'OutOfBounds', 'OutOfMemory', 'Random', 'RandomCrop', 'RandomHorizontalFlip', 'RandomResizedCrop', 'RandomSampler', 'ReLU', 'Resize', 'Run', 'Runs', 'SGD', 'SQLiteAccess', 'SQLiteInterface', 'Sampler', 'Sequential', 'SequentialSampler', 'Session', 'Statistic', 'Status', 'StratifiedSampler', 'Subset', 'SubsetRandomSampler', 'TFRecordReader', 'Tensor', 'ToCHW', 'ToFloat', 'Transform', 'UnknownName', 'Untrusted', 'Variable', 'Vocabulary', 'WeightedRandomSampler', 'WrongState', 'WrongType', 'WrongValue', 'ZipDataset', 'abs', 'add', 'all', 'any', 'arange', 'argmax', 'argmin', 'batch_info', 'cast', 'codecs', 'concat', 'configure', 'default_random', 'div', 'empty', 'eq', 'exp', 'floor_div', 'full', 'ge', 'gt', 'index_select', 'isa_level', 'isinf', 'isnan', 'le', 'log', 'log_softmax', 'logical_and', 'logical_not', 'logical_or', 'lt', 'matmul', 'max', 'maximum', 'mean', 'metadata', 'min', 'minimum', 'mul', 'ne', 'neg', 'num_threads', 'ones', 'open_database', 'parse_json', 'parse_scalar', 'parse_yaml', 'pow', 'prod', 'random_split', 'read', 'relu', 'remainder', 'save', 'seed', 'set_num_threads', 'sigmoid', 'softmax', 'sqrt', 'square', 'stack', 'sub', 'sum', 'sync', 'tanh', 'to_json', 'to_yaml', 'where', 'write_file', 'zeros']
class Error(Exception):
    """
    What ptutils raises: says where, what was wrong with which value, and what to do. Each subclass is also the built-in error one expects.
    """
class WrongType(Error, TypeError):
    """
    A value of the wrong type.
    """
    def __str__(self):
        """
        Return str(self).
        """
class WrongValue(Error, ValueError):
    """
    The right type, an impossible value.
    """
    def __str__(self):
        """
        Return str(self).
        """
class UnknownName(Error, KeyError):
    """
    A name nobody knows.
    """
    def __str__(self):
        """
        Return str(self).
        """
class OutOfBounds(Error, IndexError):
    """
    An index too large.
    """
    def __str__(self):
        """
        Return str(self).
        """
class NotFound(Error, KeyError):
    """
    No such run, document or class.
    """
    def __str__(self):
        """
        Return str(self).
        """
class IOFailed(Error, OSError):
    """
    The file system or a server refused.
    """
    def __str__(self):
        """
        Return str(self).
        """
class Malformed(Error, ValueError):
    """
    Bytes that are not what their format says.
    """
    def __str__(self):
        """
        Return str(self).
        """
class WrongState(Error, RuntimeError):
    """
    Not possible in this state.
    """
    def __str__(self):
        """
        Return str(self).
        """
class Busy(Error, RuntimeError):
    """
    In use by another process (its lease is not free).
    """
    def __str__(self):
        """
        Return str(self).
        """
class Untrusted(Error, PermissionError):
    """
    A class that the user did not name on this machine.
    """
    def __str__(self):
        """
        Return str(self).
        """
class NotDefined(Error, NotImplementedError):
    """
    The class does not define this.
    """
    def __str__(self):
        """
        Return str(self).
        """
class OutOfMemory(Error, MemoryError):
    """
    No memory.
    """
    def __str__(self):
        """
        Return str(self).
        """
class Tensor:
    """
    A typed, strided view on shared memory.
    
    Made from numbers and nested lists (fresh memory), or from NumPy arrays, torch tensors (detached) and whatever offers DLPack or the buffer protocol (shared memory, unless ``copy`` or another ``dtype`` is asked for). Arithmetic broadcasts and promotes as torch's does.
    
    >>> pt.Tensor([[1, 2], [3, 4]], dtype='f32') @ [1., 1.]
    Tensor([3., 7.])
    """
    __array_priority__: typing.ClassVar[int] = 1000
    def __abs__(self: ptutils.Tensor) -> ptutils.Tensor:
        ...
    def __add__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __and__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __array__(self: ptutils.Tensor, dtype: typing.Any = None, *, copy: typing.Any = None) -> typing.Any:
        ...
    def __bool__(self: ptutils.Tensor) -> bool:
        ...
    def __complex__(self: ptutils.Tensor) -> complex:
        ...
    def __contains__(self: ptutils.Tensor, arg0: typing.Any) -> bool:
        ...
    def __copy__(self: ptutils.Tensor) -> ptutils.Tensor:
        ...
    def __deepcopy__(self: ptutils.Tensor, memo: dict) -> ptutils.Tensor:
        ...
    def __dlpack__(self: ptutils.Tensor, *, stream: typing.Any = None, max_version: typing.Any = None, dl_device: typing.Any = None, copy: typing.Any = None) -> typing_extensions.CapsuleType:
        ...
    def __dlpack_device__(self: ptutils.Tensor) -> tuple[int, int]:
        ...
    def __eq__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __float__(self: ptutils.Tensor) -> float:
        ...
    def __floordiv__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __format__(self, arg0: str) -> typing.Any:
        ...
    def __ge__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __getitem__(self: ptutils.Tensor, key: typing.Any) -> ptutils.Tensor:
        """
        A view, by integers, slices with a positive step, None and `...`; a copy of rows by one array or list of integers.
        """
    def __gt__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __hash__(self):
        """
        Return hash(self).
        """
    def __iadd__(self, other: typing.Any) -> typing.Any:
        ...
    def __ifloordiv__(self, other: typing.Any) -> typing.Any:
        ...
    def __imod__(self, other: typing.Any) -> typing.Any:
        ...
    def __imul__(self, other: typing.Any) -> typing.Any:
        ...
    def __index__(self: ptutils.Tensor) -> typing.Any:
        ...
    def __init__(self: ptutils.Tensor, data: typing.Any, *, dtype: str | None = None, copy: bool = False) -> None:
        ...
    def __int__(self: ptutils.Tensor) -> int:
        ...
    def __invert__(self: ptutils.Tensor) -> ptutils.Tensor:
        ...
    def __ipow__(self, other: typing.Any) -> typing.Any:
        ...
    def __isub__(self, other: typing.Any) -> typing.Any:
        ...
    def __iter__(self) -> typing.Any:
        ...
    def __itruediv__(self, other: typing.Any) -> typing.Any:
        ...
    def __le__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __len__(self: ptutils.Tensor) -> int:
        ...
    def __lt__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __matmul__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __mod__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __mul__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __ne__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __neg__(self: ptutils.Tensor) -> ptutils.Tensor:
        ...
    def __or__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __pos__(self: ptutils.Tensor) -> ptutils.Tensor:
        ...
    def __pow__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __radd__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rand__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __reduce_ex__(self, protocol: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def __repr__(self: ptutils.Tensor) -> str:
        ...
    def __rfloordiv__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rmatmul__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rmod__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rmul__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __ror__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rpow__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rsub__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rtruediv__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __rxor__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __setitem__(self: ptutils.Tensor, key: typing.Any, value: typing.Any) -> None:
        ...
    def __sub__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __truediv__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def __xor__(self: ptutils.Tensor, other: typing.Any) -> typing.Any:
        ...
    def abs(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.abs.
        """
    def all(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.all.
        """
    def any(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.any.
        """
    def argmax(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.argmax.
        """
    def argmin(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.argmin.
        """
    def broadcast_to(self: ptutils.Tensor, *args) -> ptutils.Tensor:
        """
        A view that repeats dimensions of size 1 (stride 0).
        """
    def clone(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        A copy in memory of its own.
        """
    def exp(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.exp.
        """
    def flatten(self: ptutils.Tensor, start_dim: typing.SupportsInt | typing.SupportsIndex = 0) -> ptutils.Tensor:
        """
        Dimensions from start_dim on as one.
        """
    def is_contiguous(self: ptutils.Tensor) -> bool:
        """
        Whether the elements lie in row-major order without gaps.
        """
    def isinf(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.isinf.
        """
    def isnan(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.isnan.
        """
    def item(self: ptutils.Tensor) -> typing.Any:
        """
        The one element as a Python number.
        """
    def log(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.log.
        """
    def log_softmax(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex = -1) -> ptutils.Tensor:
        """
        See ptutils.ops.log_softmax.
        """
    def logical_not(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.logical_not.
        """
    def matmul(self, other: typing.Any) -> typing.Any:
        """
        See ptutils.ops.matmul.
        """
    def max(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.max.
        """
    def mean(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.mean.
        """
    def min(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.min.
        """
    def neg(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.neg.
        """
    def numel(self: ptutils.Tensor) -> int:
        """
        The number of elements.
        """
    def numpy(self: ptutils.Tensor) -> typing.Any:
        """
        A NumPy array that shares the memory (read-only where the tensor is). NumPy has no bfloat16: cast first.
        
        >>> pt.Tensor([1, 2]).numpy()
        array([1, 2])
        """
    def permute(self: ptutils.Tensor, *args) -> ptutils.Tensor:
        """
        A view with the dimensions in the order given.
        """
    def prod(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.prod.
        """
    def relu(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.relu.
        """
    def reshape(self: ptutils.Tensor, *args) -> ptutils.Tensor:
        """
        Another shape of as many elements; one -1 is worked out. A view where the strides allow one, else a copy.
        
        >>> pt.Tensor([1, 2, 3, 4]).reshape(2, -1)
        Tensor([[1, 2],
                [3, 4]])
        """
    def select(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex, index: typing.SupportsInt | typing.SupportsIndex) -> ptutils.Tensor:
        """
        A view of one position of a dimension, without the dimension.
        """
    def sigmoid(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.sigmoid.
        """
    def size(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None) -> typing.Any:
        """
        The shape, or the size of one dimension.
        """
    def softmax(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex = -1) -> ptutils.Tensor:
        """
        See ptutils.ops.softmax.
        """
    def sqrt(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.sqrt.
        """
    def square(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.square.
        """
    def squeeze(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None) -> ptutils.Tensor:
        """
        A view without the dimension, or all those, of size 1.
        """
    def sum(self: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
        """
        See ptutils.ops.sum.
        """
    def tanh(self: ptutils.Tensor) -> ptutils.Tensor:
        """
        See ptutils.ops.tanh.
        """
    def to(self, dtype: str) -> typing.Any:
        """
        The elements as another type; itself when it has that type.
        
        >>> pt.Tensor([0.5, 2.5]).to('i32')
        Tensor([0, 2], dtype='i32')
        """
    def tolist(self: ptutils.Tensor) -> typing.Any:
        """
        Nested lists of Python numbers; a number without dimensions.
        """
    def torch(self: ptutils.Tensor) -> typing.Any:
        """
        A torch tensor that shares the memory; a copy of read-only memory, which torch would write to.
        """
    def transpose(self: ptutils.Tensor, dim0: typing.SupportsInt | typing.SupportsIndex, dim1: typing.SupportsInt | typing.SupportsIndex) -> ptutils.Tensor:
        """
        A view with two dimensions exchanged.
        """
    def unsqueeze(self: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex) -> ptutils.Tensor:
        """
        A view with a new dimension of size 1.
        """
    @property
    def T(self) -> ptutils.Tensor:
        """
        A view with the dimensions in reverse order.
        """
    @property
    def dtype(self) -> str:
        """
        The element type's short name: 'f32', 'i64', 'bool' …
        """
    @property
    def itemsize(self) -> int:
        """
        Bytes of one element.
        """
    @property
    def nbytes(self) -> int:
        """
        Bytes of all elements.
        """
    @property
    def ndim(self) -> int:
        """
        The number of dimensions.
        """
    @property
    def origin(self) -> str:
        """
        Whose memory it is: 'native', 'numpy' or 'torch'.
        """
    @property
    def read_only(self) -> bool:
        """
        Whether the memory may not be written.
        """
    @property
    def shape(self) -> tuple:
        """
        The sizes of the dimensions.
        """
    @property
    def strides(self) -> tuple:
        """
        Distances between neighbours in each dimension, in elements.
        """
class Random:
    """
    A counter-based stream of random numbers (Philox 4x32-10).
    
    Its whole state is two integers. Equal names under one seed give equal streams, and a new stream never shifts another.
    
    >>> a = pt.Random.named(0, 'crop')
    >>> bool((a.uniform(3) == pt.Random.named(0, 'crop').uniform(3)).all())
    True
    """
    @staticmethod
    def named(seed: typing.SupportsInt | typing.SupportsIndex, name: str) -> ptutils.Random:
        """
        The stream of that name.
        """
    def __eq__(self: ptutils.Random, arg0: typing.Any) -> typing.Any:
        ...
    def __hash__(self):
        """
        Return hash(self).
        """
    def __init__(self: ptutils.Random, key: typing.SupportsInt | typing.SupportsIndex = 0, counter: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        ...
    def __reduce__(self: ptutils.Random) -> tuple[typing.Any, tuple[int, int]]:
        ...
    def __repr__(self: ptutils.Random) -> str:
        ...
    def at(self: ptutils.Random, a: typing.SupportsInt | typing.SupportsIndex, b: typing.SupportsInt | typing.SupportsIndex = 0) -> ptutils.Random:
        """
        The stream of one item, as of sample b of epoch a.
        """
    def below(self: ptutils.Random, n: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        One integer in [0, n), without bias.
        """
    def bernoulli(self: ptutils.Random, shape: typing.Any, p: typing.SupportsFloat | typing.SupportsIndex, dtype: str = 'bool') -> ptutils.Tensor:
        """
        True (1) with probability p.
        """
    def bits(self: ptutils.Random) -> int:
        """
        One integer of 64 random bits.
        """
    def load_state_dict(self: ptutils.Random, state: typing.Any) -> None:
        ...
    def normal(self: ptutils.Random, shape: typing.Any, mean: typing.SupportsFloat | typing.SupportsIndex = 0.0, std: typing.SupportsFloat | typing.SupportsIndex = 1.0, dtype: str = 'f32') -> ptutils.Tensor:
        """
        Normally distributed.
        """
    def permutation(self: ptutils.Random, n: typing.SupportsInt | typing.SupportsIndex) -> ptutils.Tensor:
        """
        0 … n - 1 in random order.
        """
    def randint(self: ptutils.Random, low: typing.SupportsInt | typing.SupportsIndex, high: typing.SupportsInt | typing.SupportsIndex, shape: typing.Any, dtype: str = 'i64') -> ptutils.Tensor:
        """
        Integers in [low, high).
        """
    def random(self: ptutils.Random) -> float:
        """
        One float in [0, 1).
        """
    def state_dict(self: ptutils.Random) -> dict:
        """
        Where the stream stands: two integers.
        """
    def uniform(self: ptutils.Random, shape: typing.Any, low: typing.SupportsFloat | typing.SupportsIndex = 0.0, high: typing.SupportsFloat | typing.SupportsIndex = 1.0, dtype: str = 'f32') -> ptutils.Tensor:
        """
        Uniform in [low, high).
        """
    @property
    def counter(self) -> int:
        ...
    @property
    def key(self) -> int:
        ...
class Module:
    """
    The base class of everything: callable, with a state that comes and goes. Attributes are the state (numbers, text, lists, dicts, arrays, tensors) and the children (Modules, torch modules and optimizers, lists and dicts of them); names that begin with '_' are neither.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    @staticmethod
    def __setstate__(*args, **kwargs):
        """
        (self: object, arg0: object) -> None
        """
    @staticmethod
    def from_meta(*, state: typing.Any = None, config: typing.Any = None) -> typing.Any:
        ...
    @staticmethod
    def to_params(*args, **kwargs):
        """
        to_config(self: ptutils.Module) -> object
        
        The Configuration that rebuilds it: {'func': …, arguments…}.
        """
    @classmethod
    def __init_subclass__(cls: typing.Any, **kwargs: typing.Any) -> None:
        ...
    @classmethod
    def from_config(cls: typing.Any, config: typing.Any = None, **values: typing.Any) -> typing.Any:
        """
        A new object from a Configuration, a dict, or a path to a file.
        
            ``func`` may be left out: it is this class then.
        
            >>> from ptutils import nn
            >>> nn.Linear.from_config({"in_features": 3, "out_features": 2}).weight.shape
            (2, 3)
            
        """
    @classmethod
    def from_params(cls: typing.Any, config: typing.Any = None, **values: typing.Any) -> typing.Any:
        """
        A new object from a Configuration, a dict, or a path to a file.
        
            ``func`` may be left out: it is this class then.
        
            >>> from ptutils import nn
            >>> nn.Linear.from_config({"in_features": 3, "out_features": 2}).weight.shape
            (2, 3)
            
        """
    def __call__(self: ptutils.Module, *args, **kwargs) -> typing.Any:
        ...
    def __getitem__(self, path: str) -> typing.Any:
        """
        The attribute, child or item at a dotted path: ``net['layers.0']``.
        """
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def __repr__(self: ptutils.Module) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    def apply(self, function: typing.Callable[[typing.Any], typing.Any]) -> Module:
        """
        Runs a function on every child below, deepest first, then on itself.
        """
    def children(self) -> typing.Iterator[typing.Any]:
        """
        Direct children, in order.
        """
    def eval(self) -> Module:
        """
        train(False).
        """
    def load_state(self: ptutils.Module, state: typing.Any, *, only: typing.Any = None, remap: typing.Any = None, strict: bool = True, cast: bool = False) -> typing.Any:
        """
        load_state_dict(…).
        """
    def load_state_dict(self: ptutils.Module, state: typing.Any, *, only: typing.Any = None, remap: typing.Any = None, strict: bool = True, cast: bool = False) -> typing.Any:
        """
        Back to exactly that state, or a part of it. `only`: a list of names, prefixes and globs (fnmatch's, where * crosses dots), or a regular expression (text: ECMAScript's; or re.compile(…)), of names as saved or as here. `remap`: {saved name or prefix: name here}, the longest counts, '' is the root; 'suggested' renames what the error of a mismatch would propose, and logs it. strict=False leaves names alone that only one side has; cast=True takes the dtypes that are here, unless that loses a kind (bool < integer < float < complex). A mismatch is one error (WrongState, a RuntimeError) that lists every missing and unexpected name and every other shape or dtype; nothing is changed then. Returns (missing_keys, unexpected_keys): what was asked for and left alone.
        """
    def modules(self) -> typing.Iterator[typing.Any]:
        """
        This object and all below it, parents first.
        """
    def named_children(self: ptutils.Module) -> list:
        """
        Direct children: a list of (name, object).
        """
    def named_modules(self) -> list:
        """
        This object and all below it: a list of (dotted name, object).
        """
    def state(self: ptutils.Module, copy: bool = True) -> typing.Any:
        """
        state_dict().
        """
    def state_dict(self: ptutils.Module, copy: bool = True) -> typing.Any:
        """
        The state at this moment, children included, as a State. The tensors are copies (copy=False: they alias the module's).
        """
    def to_config(self: ptutils.Module) -> typing.Any:
        """
        The Configuration that rebuilds it: {'func': …, arguments…}.
        """
    def train(self, mode: bool = True) -> typing.Any:
        """
        Training mode for it and all children.
        """
    @property
    def callbacks(self) -> ptutils.Callbacks:
        ...
    @property
    def training(self) -> bool:
        """
        Its own mode; train(mode) sets the children's too.
        """
    @training.setter
    def training(self, arg1: bool) -> None:
        ...
class Callback(Module):
    """
    Something that runs at certain moments: a method named as a trigger (end_of_training_step, …), or a class attribute that names one, MY_MOMENT = 'my_moment', and a method of that name. Methods take, by name, what they want of: session, step, epoch, attempt, loss, trigger, and whatever the trigger was raised with.
    
    A session raises start_of_session, start_of_stage, start_of_epoch, start_of_training_step, after_forward, after_backward, end_of_training_step, start_of_validation, end_of_validation, end_of_epoch, end_of_stage, before_save, after_save, on_edit, on_rollback, on_pause, on_exception, end_of_session. The stage is the training: it begins with each run, new or resumed, and ends with it.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    @property
    def triggers(self) -> list[str]:
        ...
class Callbacks:
    """
    A registry of callbacks by trigger.
    """
    def __getattr__(self: ptutils.Callbacks, arg0: str) -> str:
        ...
    def __iter__(self: ptutils.Callbacks) -> collections.abc.Iterator:
        ...
    def __len__(self: ptutils.Callbacks) -> int:
        ...
    def __repr__(self: ptutils.Callbacks) -> str:
        ...
    def call(self: ptutils.Callbacks, trigger: typing.Any, /, **kwargs) -> None:
        """
        Raises a trigger; what a callback does not take is dropped.
        """
    def on(self: ptutils.Callbacks, trigger: str, function: typing.Any, *, every: typing.Any = None, at: typing.Any = None, before: typing.Any = None, after: typing.Any = None) -> typing.Any:
        """
        Runs a function at a trigger.
        """
    def register_callback(self: ptutils.Callbacks, callback: typing.Any, *, every: typing.Any = None, at: typing.Any = None, before: typing.Any = None, after: typing.Any = None, **kwargs) -> None:
        """
        By instance, by class, or by name (then with its arguments). every='100 steps', at=500, before='2 epochs', after='1 epoch' say when it runs.
        """
    def to_config(self: ptutils.Callbacks) -> typing.Any:
        """
        What builds them again: [{func, its arguments, every, …}, …].
        """
    def unregister_callback(self: ptutils.Callbacks, arg0: ptutils.Callback) -> None:
        ...
class Statistic:
    """
    Running mean, variance, smallest and largest of numbers, with counts of NaN and Inf, which enter nothing else. Mergeable across workers.
    
    >>> import ptutils as pt
    >>> s = pt.Statistic()
    >>> s.update(1.0); s.update(3.0)
    >>> s.mean, s.count
    (2.0, 2)
    """
    __hash__: typing.ClassVar[None] = None
    def __eq__(self: ptutils.Statistic, arg0: ptutils.Statistic) -> bool:
        ...
    def __getstate__(self: ptutils.Statistic) -> typing.Any:
        ...
    def __init__(self: ptutils.Statistic) -> None:
        ...
    def __repr__(self: ptutils.Statistic) -> str:
        ...
    def __setstate__(self: ptutils.Statistic, arg0: typing.Any) -> None:
        ...
    def load_state_dict(self: ptutils.Statistic, arg0: typing.Any) -> None:
        ...
    def merge(self: ptutils.Statistic, other: ptutils.Statistic) -> None:
        ...
    def state_dict(self: ptutils.Statistic) -> typing.Any:
        ...
    def update(self: ptutils.Statistic, value: typing.Any) -> None:
        """
        A number, or every element of an array.
        """
    @property
    def count(self) -> int:
        ...
    @property
    def inf_count(self) -> int:
        ...
    @property
    def max(self) -> float:
        ...
    @property
    def mean(self) -> float:
        ...
    @property
    def min(self) -> float:
        ...
    @property
    def nan_count(self) -> int:
        ...
    @property
    def std(self) -> float:
        ...
    @property
    def sum(self) -> float:
        ...
    @property
    def variance(self) -> float:
        ...
class History:
    """
    Numbers by name as a function of step and epoch, keyed by (attempt, step): reads show the current line, branches=True the abandoned ones.
    """
    __hash__: typing.ClassVar[None] = None
    @staticmethod
    def from_state(arg0: typing.Any) -> ptutils.History:
        ...
    def __eq__(self: ptutils.History, arg0: ptutils.History) -> bool:
        ...
    def __getstate__(self: ptutils.History) -> typing.Any:
        ...
    def __init__(self: ptutils.History) -> None:
        ...
    def __len__(self: ptutils.History) -> int:
        ...
    def __repr__(self: ptutils.History) -> str:
        ...
    def __setstate__(self: ptutils.History, arg0: typing.Any) -> None:
        ...
    def _repr_html_(self) -> str:
        """
        A row a metric, for notebooks: its last value, and its range.
        """
    def begin_attempt(self: ptutils.History, attempt: typing.SupportsInt | typing.SupportsIndex, step: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def last(self: ptutils.History, name: str) -> float:
        """
        The last value on the current line; NaN where it has none.
        """
    def log(self: ptutils.History, name: str, value: typing.SupportsFloat | typing.SupportsIndex, *, step: typing.SupportsInt | typing.SupportsIndex, epoch: typing.SupportsInt | typing.SupportsIndex = 0, attempt: typing.SupportsInt | typing.SupportsIndex = 0, time: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        ...
    def names(self: ptutils.History, glob: str = '*') -> list[str]:
        ...
    def plot(self, *globs: str, smooth: float = 0, ax: typing.Any = None) -> typing.Any:
        """
        Draws metrics by step: a panel a quantity (loss, accuracy).
        
            Parameters
            ----------
            *globs
                Which metrics: ``'train/loss'``, ``'val/*'``; all when none is given.
            smooth
                0 to below 1: the weight of the past in a moving average; the values
                themselves stay, pale. A metric of few values (one an epoch) is drawn as
                it is.
            ax
                A matplotlib Axes to draw all of them in.
        
            Returns
            -------
            matplotlib Figure
                Its ``axes`` are the panels, in the order of the metrics; with ``ax`` the
                figure that it belongs to.
            
        """
    def records(self: ptutils.History, name: str, branches: bool = False) -> list:
        """
        A list of {attempt, step, epoch, time, value}, in order of step.
        """
    def state_dict(self: ptutils.History) -> typing.Any:
        ...
    def to_pandas(self, *globs: str, branches: bool = False) -> typing.Any:
        """
        A frame with a column a metric, indexed by step; NaN where a metric has
            no value.
        
            Parameters
            ----------
            *globs
                Which metrics: ``'val/*'``, ``'train/loss'``; all when none is given.
            branches
                The abandoned lines of earlier attempts too; the index is then
                (attempt, step).
        
            Returns
            -------
            pandas.DataFrame
                float64. Its ``attrs['epoch']`` is a Series of the epoch by step.
        
            Examples
            --------
            >>> import ptutils as pt
            >>> h = pt.History()
            >>> h.log('train/loss', 2.0, step=1)
            >>> h.log('train/loss', 1.5, step=2)
            >>> h.log('val/accuracy', 0.25, step=2)
            >>> h.to_pandas()
                  train/loss  val/accuracy
            step
            1            2.0           NaN
            2            1.5          0.25
            
        """
class Status:
    """
    Where a run stands: state, outcome, kind, and its progress.
    """
    def __repr__(self: ptutils.Status) -> str:
        ...
    def __str__(self: ptutils.Status) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    def to_dict(self: ptutils.Status) -> typing.Any:
        ...
    @property
    def attempt(self) -> int:
        ...
    @property
    def column(self) -> str:
        ...
    @property
    def epoch(self) -> int:
        ...
    @property
    def eta(self) -> float:
        ...
    @property
    def exception(self) -> str:
        ...
    @property
    def heartbeat(self) -> float:
        ...
    @property
    def host(self) -> str:
        ...
    @property
    def kind(self) -> typing.Any:
        ...
    @property
    def lost(self) -> bool:
        ...
    @property
    def outcome(self) -> typing.Any:
        ...
    @property
    def percent(self) -> float:
        ...
    @property
    def pid(self) -> int:
        ...
    @property
    def reason(self) -> str:
        ...
    @property
    def seconds(self) -> float:
        ...
    @property
    def stage(self) -> str:
        ...
    @property
    def state(self) -> typing.Any:
        ...
    @property
    def step(self) -> int:
        ...
    @property
    def total_steps(self) -> int:
        ...
    @property
    def where(self) -> str:
        ...
class _AtomicFile:
    """
    A file that is written by write(), or by a library by the name `temporary`; commit() puts it in place, whole.
    """
    def __init__(self, path: os.PathLike | str | bytes, durable: bool) -> None:
        ...
    def commit(self) -> None:
        ...
    def write(self, arg0: typing_extensions.Buffer) -> int:
        ...
    @property
    def temporary(self) -> str:
        ...
class _Deferred:
    """
    A tensor of a file that has not been read yet.
    """
    def get(self) -> typing.Any:
        ...
    @property
    def dtype(self) -> str:
        ...
    @property
    def error(self) -> str:
        ...
    @property
    def shape(self) -> tuple:
        ...
class _Hash64:
    """
    _hash64 of what comes piece by piece.
    """
    def __init__(self) -> None:
        ...
    def digest(self) -> int:
        ...
    def update(self, arg0: typing_extensions.Buffer) -> None:
        ...
class Variable:
    """
    A tensor that may carry a gradient. Results remember how they were made; backward() of a scalar walks back.
    
    >>> from ptutils import nn
    >>> w = nn.Variable([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad.numpy()
    array([2., 4.], dtype=float32)
    """
    __array_ufunc__ = None
    requires_grad: bool
    def __add__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __array__(self: ptutils.nn.Variable, dtype: typing.Any = None, copy: typing.Any = None) -> typing.Any:
        ...
    def __copy__(self: ptutils.nn.Variable) -> ptutils.nn.Variable:
        ...
    def __float__(self: ptutils.nn.Variable) -> float:
        ...
    def __init__(self: ptutils.nn.Variable, data: typing.Any, requires_grad: bool = False) -> None:
        ...
    def __len__(self: ptutils.nn.Variable) -> int:
        ...
    def __matmul__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __mul__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __neg__(self: ptutils.nn.Variable) -> typing.Any:
        ...
    def __radd__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __reduce_ex__(self: ptutils.nn.Variable, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def __repr__(self: ptutils.nn.Variable) -> str:
        ...
    def __rmatmul__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __rmul__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __rsub__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __sub__(self: ptutils.nn.Variable, arg0: typing.Any) -> typing.Any:
        ...
    def __truediv__(self: ptutils.nn.Variable, arg0: typing.SupportsFloat | typing.SupportsIndex) -> typing.Any:
        ...
    def backward(self: ptutils.nn.Variable) -> None:
        """
        Gradients of this scalar for every leaf that requires one, added to their .grad; frees the tape.
        """
    def detach(self: ptutils.nn.Variable) -> ptutils.nn.Variable:
        """
        The same memory without the tape.
        """
    def dim(self: ptutils.nn.Variable) -> int:
        ...
    def item(self: ptutils.nn.Variable) -> typing.Any:
        """
        The one element as a Python number.
        """
    def mean(self: ptutils.nn.Variable) -> typing.Any:
        """
        The mean of all elements, 0-d.
        """
    def numel(self: ptutils.nn.Variable) -> int:
        ...
    def numpy(self: ptutils.nn.Variable) -> typing.Any:
        """
        The values as a NumPy array that shares their memory.
        """
    def relu(self: ptutils.nn.Variable) -> typing.Any:
        ...
    def reshape(self: ptutils.nn.Variable, *args) -> typing.Any:
        """
        reshape(2, 3) or reshape((2, 3)); one -1 is inferred.
        """
    def size(self: ptutils.nn.Variable) -> tuple:
        ...
    def sum(self: ptutils.nn.Variable) -> typing.Any:
        """
        The sum of all elements, 0-d.
        """
    @property
    def data(self) -> typing.Any:
        """
        The values, as a ptutils.Tensor that shares their memory.
        """
    @data.setter
    def data(self, arg1: typing.Any) -> None:
        ...
    @property
    def dtype(self) -> typing.Any:
        ...
    @property
    def grad(self) -> typing.Any:
        """
        The accumulated gradient, or None.
        """
    @grad.setter
    def grad(self, arg1: typing.Any) -> None:
        ...
    @property
    def is_leaf(self) -> bool:
        ...
    @property
    def ndim(self) -> int:
        ...
    @property
    def shape(self) -> tuple:
        ...
class _NoGrad:
    def __init__(self) -> None:
        ...
    def enter(self) -> None:
        ...
    def exit(self) -> None:
        ...
class Linear(Module):
    """
    x (…, in_features) -> x @ weight.T + bias (…, out_features); weight (out, in) and bias (out) drawn from U(-1/sqrt(in), 1/sqrt(in)), as torch.nn.Linear.
    
    >>> import numpy as np
    >>> from ptutils import nn
    >>> nn.Linear(3, 2)(np.ones((4, 3), np.float32)).shape
    (4, 2)
    """
    bias: typing.Any
    weight: typing.Any
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.nn.Linear, in_features: typing.SupportsInt | typing.SupportsIndex, out_features: typing.SupportsInt | typing.SupportsIndex, bias: bool = True, *, _weight: typing.Any = None, _bias: typing.Any = None) -> None:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def forward(self: ptutils.nn.Linear, x: typing.Any) -> typing.Any:
        ...
    @property
    def in_features(self) -> typing.Any:
        ...
    @property
    def out_features(self) -> typing.Any:
        ...
class ReLU(Module):
    """
    max(x, 0), elementwise.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def forward(self: ptutils.nn.ReLU, x: typing.Any) -> typing.Any:
        ...
class Flatten(Module):
    """
    (n, a, b, …) -> (n, a*b*…): the dimensions from start_dim to end_dim become one.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.nn.Flatten, start_dim: typing.SupportsInt | typing.SupportsIndex = 1, end_dim: typing.SupportsInt | typing.SupportsIndex = -1) -> None:
        ...
    def _constructor(self: ptutils.nn.Flatten) -> dict:
        ...
    def forward(self: ptutils.nn.Flatten, x: typing.Any) -> typing.Any:
        ...
    @property
    def end_dim(self) -> typing.Any:
        ...
    @property
    def start_dim(self) -> typing.Any:
        ...
class Dropout(Module):
    """
    In training, zeroes elements with probability p and scales the others by 1 / (1 - p); after eval(), passes through. Draws from pt.seed's stream.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.nn.Dropout, p: typing.SupportsFloat | typing.SupportsIndex = 0.5) -> None:
        ...
    def _constructor(self: ptutils.nn.Dropout) -> dict:
        ...
    def forward(self: ptutils.nn.Dropout, x: typing.Any) -> typing.Any:
        ...
    @property
    def p(self) -> typing.Any:
        ...
class Sequential(Module):
    """
    Layers one after the other; they are named 0, 1, …
    
    >>> from ptutils import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> len(net), [name for name, _ in net.named_parameters()]
    (2, ['0.weight', '0.bias'])
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    @staticmethod
    def _from_arguments(layers: typing.Any = None) -> typing.Any:
        ...
    def __bool__(self: ptutils.nn.Sequential) -> bool:
        ...
    def __getitem__(self, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.nn.Sequential, *args) -> None:
        ...
    def __iter__(self: ptutils.nn.Sequential) -> collections.abc.Iterator:
        ...
    def __len__(self: ptutils.nn.Sequential) -> int:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def _set_extra_state(self: ptutils.nn.Sequential, arg0: list) -> None:
        ...
    def append(self, layer: typing.Any) -> typing.Any:
        """
        Adds a layer at the end; returns itself.
        """
    def forward(self: ptutils.nn.Sequential, x: typing.Any) -> typing.Any:
        ...
class Criterion(Module):
    """
    A loss: subclasses define loss(self, outputs, targets), 0-d.
    
    >>> from ptutils import nn
    >>> class MSE(nn.Criterion):
    ...     def loss(self, outputs, targets):
    ...         error = outputs - targets
    ...         return (error * error).mean()
    >>> import numpy as np
    >>> float(MSE()(np.ones(2, np.float32), np.zeros(2, np.float32)))
    1.0
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __call__(self, input: typing.Any, target: typing.Any) -> typing.Any:
        ...
    def loss(self: ptutils.nn.Criterion, arg0: typing.Any, arg1: typing.Any) -> typing.Any:
        ...
class CrossEntropyLoss(Criterion):
    """
    The mean (reduction: or 'sum', or 'none') over the batch of -log softmax(input)[target]; input (n, classes), target (n) of an integer dtype. weight (classes), ignore_index and label_smoothing are torch's.
    """
    reduction: str
    @staticmethod
    def __init__(*args, **kwargs):
        """
        initialize(self: ptutils.nn.CrossEntropyLoss, weight: object = None, ignore_index: typing.SupportsInt | typing.SupportsIndex = -100, reduction: str = 'mean', label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None
        """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def _constructor(self: ptutils.nn.CrossEntropyLoss) -> dict:
        ...
    def loss(self: ptutils.nn.CrossEntropyLoss, outputs: typing.Any, targets: typing.Any) -> typing.Any:
        ...
    @property
    def ignore_index(self) -> int:
        ...
    @ignore_index.setter
    def ignore_index(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def label_smoothing(self) -> float:
        ...
    @label_smoothing.setter
    def label_smoothing(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
class _ParamGroup:
    def __contains__(self, arg0: typing.Any) -> bool:
        ...
    def __getitem__(self, arg0: str) -> typing.Any:
        ...
    def __iter__(self) -> collections.abc.Iterator:
        ...
    def __len__(self) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def __setitem__(self, arg0: str, arg1: typing.Any) -> None:
        ...
    def get(self, key: str, default: typing.Any = None) -> typing.Any:
        ...
    def items(self) -> typing.Any:
        ...
    def keys(self) -> typing.Any:
        ...
    def values(self) -> typing.Any:
        ...
class Optimizer(Module):
    """
    The base class of optimizers. A subclass keeps what it updates in `self.params`, its rate in `self.lr`, and defines step; other attributes are its state.
    
    >>> from ptutils import nn, optim
    >>> class Plain(optim.Optimizer):
    ...     def __init__(self, params=(), lr=0.1):
    ...         self.params, self.lr = list(params), lr
    ...     def step(self):
    ...         for p in self.params:
    ...             p.data = p.numpy() - self.lr * p.grad.numpy()
    >>> w = nn.Variable([1.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Plain([w]).step()
    >>> w.numpy()
    array([0.8], dtype=float32)
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def step(self: ptutils.optim.Optimizer) -> None:
        ...
    def zero_grad(self: ptutils.optim.Optimizer) -> None:
        ...
class SGD(Optimizer):
    """
    Stochastic gradient descent, as torch.optim.SGD (formulas, defaults, state). Without params the Model gives the net's.
    
    >>> from ptutils import nn, optim
    >>> net = nn.Linear(2, 1)
    >>> optim.SGD(net.parameters(), lr=0.1, momentum=0.9).lr
    0.1
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.optim.SGD, params: typing.Any = None, lr: typing.SupportsFloat | typing.SupportsIndex = 0.001, momentum: typing.SupportsFloat | typing.SupportsIndex = 0.0, dampening: typing.SupportsFloat | typing.SupportsIndex = 0.0, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0, nesterov: bool = False) -> None:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def _set_extra_state(self: ptutils.optim.SGD, arg0: typing.Any) -> None:
        ...
    def set_parameters(self: ptutils.optim.SGD, params: typing.Any) -> None:
        """
        Replaces what it updates; options stay.
        """
    def step(self: ptutils.optim.SGD, closure: typing.Any = None) -> typing.Any:
        """
        Updates every parameter that has a gradient.
        """
    def zero_grad(self: ptutils.optim.SGD) -> None:
        ...
    @property
    def lr(self) -> float:
        ...
    @lr.setter
    def lr(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def param_groups(self) -> list:
        """
        [one mapping]: group['lr'] may be assigned.
        """
    @property
    def params(self) -> list:
        ...
class Adam(Optimizer):
    """
    Adam (Kingma and Ba 2015), as torch.optim.Adam (formulas, defaults, state). Without params the Model gives the net's.
    
    >>> from ptutils import nn, optim
    >>> net = nn.Linear(2, 1)
    >>> optim.Adam(net.parameters()).param_groups[0]['betas']
    (0.9, 0.999)
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.optim.Adam, params: typing.Any = None, lr: typing.SupportsFloat | typing.SupportsIndex = 0.001, betas: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex] = (0.9, 0.999), eps: typing.SupportsFloat | typing.SupportsIndex = 1e-08, weight_decay: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def _set_extra_state(self: ptutils.optim.Adam, arg0: typing.Any) -> None:
        ...
    def set_parameters(self: ptutils.optim.Adam, params: typing.Any) -> None:
        """
        Replaces what it updates; options stay.
        """
    def step(self: ptutils.optim.Adam, closure: typing.Any = None) -> typing.Any:
        """
        Updates every parameter that has a gradient.
        """
    def zero_grad(self: ptutils.optim.Adam) -> None:
        ...
    @property
    def lr(self) -> float:
        ...
    @lr.setter
    def lr(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def param_groups(self) -> list:
        """
        [one mapping]: group['lr'] may be assigned.
        """
    @property
    def params(self) -> list:
        ...
class Transform(Module):
    """
    What is done to a value on its way into the batch: a subclass defines __call__(self, value) -> value. Any function of one value does as well.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
class DecodeImage(Transform):
    """
    The bytes of a picture file (bytes, or a uint8 array of one dimension: HDF5's lists of varying length) to the picture, uint8 (3, H, W), decoded no further than the transforms after it want. dct_scaling: as of ImageFolder.
    
    >>> import io
    >>> from PIL import Image
    >>> from ptutils.data import transforms as T
    >>> file = io.BytesIO()
    >>> Image.new('RGB', (8, 6)).save(file, 'PNG')
    >>> T.DecodeImage()(file.getvalue()).shape
    (3, 6, 8)
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.DecodeImage, dct_scaling: bool = False) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.DecodeImage) -> dict:
        ...
class ToCHW(Transform):
    """
    (H, W, C) to torch's (C, H, W): a view, without a copy.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.ToCHW) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.ToCHW) -> dict:
        ...
class ToFloat(Transform):
    """
    x * scale, as float32; scale=1/255 brings bytes to [0, 1].
    
    >>> import numpy as np
    >>> from ptutils.data import transforms as T
    >>> T.ToFloat(0.5)(np.array([1, 2], np.uint8))
    array([0.5, 1. ], dtype=float32)
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.ToFloat, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.ToFloat) -> dict:
        ...
class Normalize(Transform):
    """
    (x - mean) / std, as float32; numbers, or one a channel of (C, H, W).
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Normalize, mean: typing.Any, std: typing.Any) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.Normalize) -> dict:
        ...
class Cast(Transform):
    """
    To another dtype: 'float32', 'int64', …
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Cast, dtype: typing.Any) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.Cast) -> dict:
        ...
class OneHot(Transform):
    """
    Labels 0 … num_classes - 1 to float32 rows with one 1.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.OneHot, num_classes: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.OneHot) -> dict:
        ...
class Resize(Transform):
    """
    Bilinear with antialiasing. size: (height, width), or what the shorter side becomes, the other in proportion.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Resize, size: typing.Any) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.Resize) -> dict:
        ...
class CenterCrop(Transform):
    """
    The middle of size (height, width), or of a square; zeros around an image that is smaller.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.CenterCrop, size: typing.Any) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.CenterCrop) -> dict:
        ...
class RandomCrop(Transform):
    """
    A part of size (height, width), or a square, anywhere, after padding with zeros: of all sides, (left and right, top and bottom), or (left, top, right, bottom).
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.RandomCrop, size: typing.Any, padding: typing.Any = 0) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.RandomCrop) -> dict:
        ...
class RandomResizedCrop(Transform):
    """
    A part of random area (scale, of the whole) and aspect ratio, resized to size (Szegedy et al. 2015).
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.RandomResizedCrop, size: typing.Any, scale: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex] = (0.08, 1.0), ratio: tuple[typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex] = (0.75, 1.3333333333333333)) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.RandomResizedCrop) -> dict:
        ...
class RandomHorizontalFlip(Transform):
    """
    Left and right exchanged, in a share p.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.RandomHorizontalFlip, p: typing.SupportsFloat | typing.SupportsIndex = 0.5) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.RandomHorizontalFlip) -> dict:
        ...
class ColorJitter(Transform):
    """
    Brightness, contrast and saturation times a number from [1 - strength, 1 + strength], or from (low, high); the hue turned by up to hue (0.5: half the circle) either way, or by (low, high); in a random order.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.ColorJitter, brightness: typing.Any = 0.0, contrast: typing.Any = 0.0, saturation: typing.Any = 0.0, hue: typing.Any = 0.0) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.ColorJitter) -> dict:
        ...
class Cutout(Transform):
    """
    A square of size pixels, its centre anywhere, set to value, in a share p (DeVries, Taylor 2017).
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Cutout, size: typing.SupportsInt | typing.SupportsIndex, value: typing.SupportsFloat | typing.SupportsIndex = 0.0, p: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> None:
        ...
    def _constructor(self: ptutils.data.transforms.Cutout) -> dict:
        ...
class Compose(Transform):
    """
    One transform after another.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Compose, transforms: typing.Any) -> None:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple[type, tuple[list]]:
        ...
    def _constructor(self: ptutils.data.transforms.Compose) -> dict:
        ...
class Branch(Transform):
    """
    Several results of one value, as a dict: an image is decoded once for models that want it in different sizes, or for two views of it (each branch draws from a stream of its own).
    
    >>> import numpy as np
    >>> from ptutils.data import transforms as T
    >>> both = T.Branch({'small': [T.Resize(2)], 'large': [T.Resize(4)]})
    >>> out = both(np.zeros((3, 8, 8), np.uint8))
    >>> out['small'].shape, out['large'].shape
    ((3, 2, 2), (3, 4, 4))
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.transforms.Branch, branches: dict) -> None:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple[type, tuple[dict]]:
        ...
    def _constructor(self: ptutils.data.transforms.Branch) -> dict:
        ...
class Vocabulary(Transform):
    """
    A text, or a list of words, to int64 ids: of the words (apart by white space), or length of them, cut or padded. words: a list, of which word i has the id i; or a file, one word a line, or a .json with a list, or a dict from word to id. A word that is not there has the id of unknown.
    
    >>> from ptutils.data import transforms as T
    >>> words = T.Vocabulary(['<pad>', '<unk>', 'the', 'cat'], length=4)
    >>> words('the black cat')
    Tensor([2, 1, 3, 0])
    >>> words['cat'], len(words), 'dog' in words, words.words[2]
    (3, 4, False, 'the')
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __contains__(self: ptutils.data.transforms.Vocabulary, arg0: str) -> bool:
        ...
    def __getitem__(self: ptutils.data.transforms.Vocabulary, arg0: str) -> int:
        ...
    def __init__(self: ptutils.data.transforms.Vocabulary, words: typing.Any, length: typing.SupportsInt | typing.SupportsIndex = 0, unknown: str = '<unk>', padding: str = '<pad>') -> None:
        ...
    def __len__(self: ptutils.data.transforms.Vocabulary) -> int:
        ...
    def _constructor(self: ptutils.data.transforms.Vocabulary) -> dict:
        ...
    @property
    def words(self) -> list[str]:
        ...
class DataReader(Module):
    """
    Opens data of one format. A subclass defines read(self, source) -> the samples of one file or folder: a Dataset, anything with __len__ and __getitem__, or a dict of arrays.
    
    >>> import pathlib, tempfile
    >>> from ptutils.data import Dataset, DataReader
    >>> class Lines(DataReader):
    ...     def read(self, source):
    ...         return pathlib.Path(source).read_text().splitlines()
    >>> path = pathlib.Path(tempfile.mkdtemp()) / 'a.txt'
    >>> _ = path.write_text('one\\ntwo\\n')
    >>> Dataset(data_source=path, data_reader=Lines())[1]
    'two'
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def read(self: ptutils.data.DataReader, source: typing.Any) -> typing.Any:
        """
        The samples of a file or a folder, as a Dataset.
        """
class HDF5Reader(DataReader):
    """
    The rows of an HDF5 file's data sets. fields: one name (a sample is that row), a list (a tuple of rows), None (all of the group, as a dict). Chunks are decoded by the loader's threads, and kept in a cache of cache_bytes (0: up to 1 GiB, a quarter of the free memory).
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.HDF5Reader, fields: typing.Any = None, group: str = '', cache_bytes: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        ...
    def _constructor(self: ptutils.data.HDF5Reader) -> dict:
        ...
class ArrayReader(DataReader):
    """
    The rows of the arrays of a .npz, .npy, .safetensors, .csv or any other file that ptutils.read reads as arrays of one length. fields: as of HDF5Reader.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.ArrayReader, fields: typing.Any = None) -> None:
        ...
    def _constructor(self: ptutils.data.ArrayReader) -> dict:
        ...
class TFRecordReader(DataReader):
    """
    The tf.train.Examples of a TFRecord file, plain or gzip.
    
    features : what becomes of a feature, by its name: 'int64', 'float32' or another dtype (its numbers: one as a number, several as an array); (dtype, shape) (an array of that shape, of its numbers or of the memory that its bytes are); 'image' (JPEG, PNG); 'bytes'; 'text'. Others come as they are: numbers, or bytes (a list of several)
    fields : one name (a sample is that feature), a list (a tuple); None: a dict of those in features, else of those of the first record
    
    A plain file is mapped; where its records begin is kept in NAME.index beside it, or, where that cannot be written, in $PTUTILS_CACHE (~/.cache/ptutils).
    
    >>> from ptutils.data import TFRecordReader
    >>> reader = TFRecordReader({'image': ('uint8', (96, 96, 3)), 'label': 'int64'}, fields=['image', 'label'])
    >>> reader.to_config()['fields']
    ['image', 'label']
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.TFRecordReader, features: typing.Any = None, fields: typing.Any = None) -> None:
        ...
    def _constructor(self: ptutils.data.TFRecordReader) -> dict:
        ...
class LMDBReader(DataReader):
    """
    The values of an LMDB database (a file, or a folder with data.mdb), in the order of their keys. decode: None (bytes), 'text', 'image' (JPEG, PNG) or (dtype, shape) for values that are an array's memory; for anything else give a function of the bytes as the preprocessor. keys=True: samples are (key, value). 8 bytes of memory a record.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.LMDBReader, decode: typing.Any = None, keys: bool = False) -> None:
        ...
    def _constructor(self: ptutils.data.LMDBReader) -> dict:
        ...
class JSONLinesReader(DataReader):
    """
    A JSON value a line (.jsonl, .ndjson), plain or gzip; blank lines are no samples. fields: one name (a sample is that entry of the line's object), a list (a tuple of them), None (the value as it is). 8 bytes of memory a line.
    
    >>> import pathlib, tempfile
    >>> from ptutils.data import Dataset
    >>> path = pathlib.Path(tempfile.mkdtemp()) / 'a.jsonl'
    >>> _ = path.write_text('{"x": 1}\\n{"x": 2}\\n')
    >>> Dataset(path)[1]
    {'x': 2}
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.JSONLinesReader, fields: typing.Any = None) -> None:
        ...
    def _constructor(self: ptutils.data.JSONLinesReader) -> dict:
        ...
class ImageFolderReader(DataReader):
    """
    A folder of folders of pictures, one a class: see ImageFolder.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.ImageFolderReader, dct_scaling: bool = False) -> None:
        ...
    def _constructor(self: ptutils.data.ImageFolderReader) -> dict:
        ...
class Dataset(Module):
    """
    Samples by index: those of files, or a subclass's.
    
    data_source : a file, a folder, a pattern ('train-*.h5'), a list of them, one after another; or a data set, or a tuple or dict of arrays
    data_reader : how a file is read; None: by its format
    preprocessor : transforms (ptutils.data.transforms, or any functions): a dict of lists by field, or a list for the first field
    
    A subclass defines __len__ and __getitem__ (and __getitems__, for many at once). All are valid torch data sets too.
    
    >>> import numpy as np
    >>> from ptutils.data import DataLoader, Dataset, transforms as T
    >>> images = np.zeros((10, 4, 4, 3), np.uint8)
    >>> small = Dataset({'image': images}, preprocessor=[T.ToCHW(), T.ToFloat(1 / 255)])
    >>> small[3]['image'].shape, len(small)
    ((3, 4, 4), 10)
    
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> for x, y in DataLoader(Squares(), batch_size=3):
    ...     print(x, y)
    [0 1 2] [0 1 4]
    [3 4] [ 9 16]
    """
    @staticmethod
    def __init__(*args, **kwargs):
        """
        initialize(self: object, data_source: object = None, data_reader: object = None, preprocessor: object = None, **kwargs) -> None
        """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __add__(self, arg0: typing.Any) -> typing.Any:
        """
        The samples of one data set after those of the other.
        """
    def __bool__(self: ptutils.data.Dataset) -> bool:
        ...
    def __getitem__(self: ptutils.data.Dataset, arg0: typing.Any) -> typing.Any:
        ...
    def __len__(self: ptutils.data.Dataset) -> int:
        ...
    def _extra_state(self: ptutils.data.Dataset) -> typing.Any:
        ...
    def _set_extra_state(self: ptutils.data.Dataset, arg0: tuple) -> None:
        ...
    @property
    def _blocks(self) -> list[int]:
        """
        The first sample of each block that is read as a whole.
        """
    @property
    def _draws_random(self) -> bool:
        """
        Whether a sample draws from its stream, or may, being made by Python.
        """
    @property
    def field_names(self) -> list[str]:
        """
        The names of a sample's fields; empty where they have none.
        """
class BatchInfo:
    """
    What a loader is making: seed, epoch, batch, and the request that it answers (None: none was made). A generator may keep it: it tells of the batch that is made when it is asked.
    """
    def __repr__(self) -> str:
        ...
    @property
    def batch(self) -> int:
        ...
    @property
    def epoch(self) -> int:
        ...
    @property
    def request(self) -> typing.Any:
        ...
    @property
    def seed(self) -> int:
        ...
class _SampleIteration:
    def __iter__(self) -> typing.Any:
        ...
    def __next__(self) -> typing.Any:
        ...
class IterableDataset(Dataset):
    """
    Samples that come one after another, and have no index: a subclass's __iter__, begun anew each epoch, or those of data_source (files, data sets, iterables, generator functions) in order. A valid torch IterableDataset, too: its workers share the samples where all sources are files and indexed data sets; an __iter__ or a generator of yours gives all of them in each worker, unless it asks torch's get_worker_info(). A loader of ours with workers='process' takes none.
    
    One thread draws them, ahead of the loop. A loader that is put back in mid-epoch begins the epoch again and skips, unless the iterator has state_dict and load_state_dict. batch_info() tells seed and epoch.
    
    >>> from ptutils.data import DataLoader, IterableDataset
    >>> class Squares(IterableDataset):
    ...     def __iter__(self):
    ...         for i in range(5):
    ...             yield i * i
    >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]
    [[0, 1], [4, 9], [16]]
    """
    @staticmethod
    def __init__(*args, **kwargs):
        """
        initialize(self: object, data_source: object = None, data_reader: object = None, preprocessor: object = None, **kwargs) -> None
        """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __iter__(self) -> _SampleIteration:
        ...
class ArrayDataset(Dataset):
    """
    Arrays (or one dict of them) of the same length; a sample is a tuple (or dict) of their rows. Memory is shared.
    
    >>> import numpy as np
    >>> from ptutils.data import ArrayDataset
    >>> data = ArrayDataset(np.arange(6).reshape(3, 2), np.arange(3))
    >>> len(data), data[1][0]
    (3, array([2, 3]))
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.ArrayDataset, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.ArrayDataset, *args, _arrays: typing.Any = None) -> None:
        ...
    def __len__(self: ptutils.data.ArrayDataset) -> int:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    @property
    def arrays(self) -> typing.Any:
        ...
class ImageFolder(Dataset):
    """
    Pictures in folders, one a class (torchvision's layout): samples (uint8 (3, height, width), int label). preprocessor is for the picture; dct_scaling=True decodes JPEG at 1/2, 1/4 or 1/8 where a Resize or RandomResizedCrop allows: faster, and not to the bit what full decoding gives.
    """
    _extra_state = None
    @staticmethod
    def __init__(*args, **kwargs):
        """
        initialize(self: object, root: object, preprocessor: object = None, dct_scaling: bool = False) -> None
        """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.ImageFolder, arg0: typing.Any) -> typing.Any:
        ...
    def __len__(self: ptutils.data.ImageFolder) -> int:
        ...
    def _constructor(self: ptutils.data.ImageFolder) -> dict:
        ...
    @property
    def class_to_idx(self) -> dict:
        """
        The labels by their names.
        """
    @property
    def classes(self) -> list[str]:
        """
        The names of the labels: those of the folders, sorted.
        """
    @property
    def samples(self) -> list[tuple[str, int]]:
        """
        [(path, label)] of all pictures; the folder is listed for it.
        """
    @property
    def targets(self) -> typing.Any:
        """
        All labels, int64 (n), for a sampler; the folder is listed for it.
        """
class FashionMNIST(Dataset):
    """
    Xiao, Rasul, Vollgraf 2017: 60 000 training and 10 000 test images. A sample: (float32 (1, 28, 28) in [0, 1], int label). Files in root or root/FashionMNIST/raw, plain or .gz; else Debian's package dataset-fashion-mnist; else fetched when download=True (url: another source), with checksums. preprocessor: of the image, or a dict by field (0, 1).
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.FashionMNIST, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.FashionMNIST, root: typing.Any = 'data', train: bool = True, download: bool = False, url: str = '', preprocessor: typing.Any = None) -> None:
        ...
    def __len__(self: ptutils.data.FashionMNIST) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def _constructor(self: ptutils.data.FashionMNIST) -> dict:
        ...
    @property
    def classes(self) -> list[str]:
        """
        The names of the labels.
        """
    @property
    def data(self) -> typing.Any:
        """
        torchvision's name of images.
        """
    @property
    def images(self) -> typing.Any:
        """
        All images, uint8 (n, 28, 28).
        """
    @property
    def labels(self) -> typing.Any:
        """
        All labels, uint8 (n).
        """
    @property
    def targets(self) -> typing.Any:
        """
        All labels, int64 (n): torchvision's name.
        """
class MNIST(Dataset):
    """
    LeCun, Cortes, Burges 1998, with the same items and arguments as FashionMNIST; files in root or root/MNIST/raw.
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.MNIST, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.MNIST, root: typing.Any = 'data', train: bool = True, download: bool = False, url: str = '', preprocessor: typing.Any = None) -> None:
        ...
    def __len__(self: ptutils.data.MNIST) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def _constructor(self: ptutils.data.MNIST) -> dict:
        ...
    @property
    def classes(self) -> list[str]:
        """
        The names of the labels.
        """
    @property
    def data(self) -> typing.Any:
        """
        torchvision's name of images.
        """
    @property
    def images(self) -> typing.Any:
        """
        All images, uint8 (n, 28, 28).
        """
    @property
    def labels(self) -> typing.Any:
        """
        All labels, uint8 (n).
        """
    @property
    def targets(self) -> typing.Any:
        """
        All labels, int64 (n): torchvision's name.
        """
class Subset(Dataset):
    """
    Some samples of a data set, in this order.
    
    >>> from ptutils.data import Subset
    >>> list(Subset(range(10, 20), [3, -1]))
    [13, 19]
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.Subset, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.Subset, dataset: typing.Any, indices: typing.Any) -> None:
        ...
    def __len__(self: ptutils.data.Subset) -> int:
        ...
    def _constructor(self: ptutils.data.Subset) -> dict:
        ...
    @property
    def indices(self) -> typing.Any:
        ...
class ZipDataset(Dataset):
    """
    Sample i of each data set, as a tuple; all have the same length. (datasets: all of them, as a file gives them.)
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.ZipDataset, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.ZipDataset, *args, datasets: typing.Any = None) -> None:
        ...
    def __len__(self: ptutils.data.ZipDataset) -> int:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple[type, tuple]:
        ...
class MapDataset(Dataset):
    """
    function(sample) of each whole sample, a tuple or dict as it is there; a function that takes `random` too gets a NumPy generator of the sample's stream. (Of single fields: Dataset(data, preprocessor=…).)
    
    >>> import numpy as np
    >>> from ptutils.data import ArrayDataset, MapDataset
    >>> pairs = ArrayDataset(np.arange(3), np.arange(3) * 10)
    >>> MapDataset(pairs, lambda pair: {'both': pair})[2]['both'][1]
    np.int64(20)
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.MapDataset, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.MapDataset, dataset: typing.Any, function: typing.Any) -> None:
        ...
    def __len__(self: ptutils.data.MapDataset) -> int:
        ...
    def _constructor(self: ptutils.data.MapDataset) -> dict:
        ...
class CachedDataset(Dataset):
    """
    Keeps the samples of a data set in memory once they were asked for, up to max_bytes (None: all). Random transforms go after it: Dataset(CachedDataset(data), preprocessor=...).
    """
    _extra_state = None
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __getitem__(self: ptutils.data.CachedDataset, arg0: typing.Any) -> typing.Any:
        ...
    def __init__(self: ptutils.data.CachedDataset, dataset: typing.Any, max_bytes: typing.SupportsInt | typing.SupportsIndex | None = None) -> None:
        ...
    def __len__(self: ptutils.data.CachedDataset) -> int:
        ...
    def _constructor(self: ptutils.data.CachedDataset) -> dict:
        ...
    @property
    def cached_bytes(self) -> int:
        """
        Bytes that are kept.
        """
class Sampler(Module):
    """
    The order of an epoch's samples. A subclass defines order(n, seed, epoch) -> indices, a function of these alone, and __len__ where it is not n.
    
    >>> from ptutils.data import Sampler
    >>> class Backwards(Sampler):
    ...     def order(self, n, seed, epoch):
    ...         return range(n - 1, -1, -1)
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def order(self: ptutils.data.Sampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class SequentialSampler(Sampler):
    """
    0, 1, 2, …
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def _constructor(self: ptutils.data.SequentialSampler) -> dict:
        ...
    def order(self: ptutils.data.SequentialSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class RandomSampler(Sampler):
    """
    A permutation of all samples, or num_samples of them (None: as many as there are), with or without replacement.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.RandomSampler, replacement: typing.Any = False, num_samples: typing.SupportsInt | typing.SupportsIndex | None = None) -> None:
        ...
    def _constructor(self: ptutils.data.RandomSampler) -> dict:
        ...
    def order(self: ptutils.data.RandomSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class SubsetRandomSampler(Sampler):
    """
    The samples at these indices, in a new order each epoch.
    
    >>> from ptutils.data import DataLoader, SubsetRandomSampler
    >>> loader = DataLoader(range(100), sampler=SubsetRandomSampler([3, 5, 9]))
    >>> sorted(int(x) for (x,) in loader)
    [3, 5, 9]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.SubsetRandomSampler, indices: typing.Any) -> None:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.SubsetRandomSampler) -> dict:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.SubsetRandomSampler) -> dict:
        ...
    def order(self: ptutils.data.SubsetRandomSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class WeightedRandomSampler(Sampler):
    """
    num_samples draws, each sample as often as its weight says (weights of any sum, one for each sample). Without replacement: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006: the samples with the largest u^(1 / weight), u uniform.
    
    >>> from ptutils.data import WeightedRandomSampler
    >>> sampler = WeightedRandomSampler([0, 1, 1, 0], 2, replacement=False)
    >>> sorted(sampler.order(4).tolist())
    [1, 2]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.WeightedRandomSampler, weights: typing.Any, num_samples: typing.SupportsInt | typing.SupportsIndex, replacement: bool = True) -> None:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.WeightedRandomSampler) -> dict:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.WeightedRandomSampler) -> dict:
        ...
    def order(self: ptutils.data.WeightedRandomSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class StratifiedSampler(Sampler):
    """
    Every sample once an epoch, each batch with the classes in the data set's proportion: of each class its quota, rounded up or down. labels: one for each sample, of any kind; batch_size: the loader's.
    
    >>> from ptutils.data import DataLoader, StratifiedSampler
    >>> labels = [0] * 6 + [1] * 3
    >>> loader = DataLoader(labels, 3, sampler=StratifiedSampler(labels, 3))
    >>> [sorted(batch.tolist()) for batch in loader]
    [[0, 0, 1], [0, 0, 1], [0, 0, 1]]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.StratifiedSampler, labels: typing.Any, batch_size: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.StratifiedSampler) -> dict:
        ...
    @typing.overload
    def _constructor(self: ptutils.data.StratifiedSampler) -> dict:
        ...
    def order(self: ptutils.data.StratifiedSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class BlockShuffleSampler(Sampler):
    """
    Shuffles blocks of neighbours that a file decodes together (the chunks of an HDF5 file), then the samples of each `window` blocks. A reader whose cache holds two windows (one that threads end, one that they begin) decodes each block once an epoch, where shuffle=True would decode one for nearly every sample. block: samples a block; None: as the data set says.
    
    >>> from ptutils.data import BlockShuffleSampler
    >>> order = BlockShuffleSampler(window=2, block=4).order(8)
    >>> sorted(order.tolist())
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.BlockShuffleSampler, window: typing.SupportsInt | typing.SupportsIndex = 8, block: typing.SupportsInt | typing.SupportsIndex | None = None) -> None:
        ...
    def _constructor(self: ptutils.data.BlockShuffleSampler) -> dict:
        ...
    def order(self: ptutils.data.BlockShuffleSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
class DistributedSampler(Sampler):
    """
    The share of one of num_replicas processes: disjoint shares of one length. What is missing to that is repeated from the order's begin, as torch's does, or the rest is left out (drop_last). num_replicas, rank: None takes those of torch.distributed where it is initialised, else of WORLD_SIZE and RANK. The order depends on (seed, epoch); seed=None is the loader's, which must be the same in all processes. No set_epoch is needed.
    
    >>> from ptutils.data import DistributedSampler
    >>> [DistributedSampler(2, rank, shuffle=False).order(5).tolist() for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.DistributedSampler, num_replicas: typing.SupportsInt | typing.SupportsIndex | None = None, rank: typing.SupportsInt | typing.SupportsIndex | None = None, shuffle: bool = True, seed: typing.SupportsInt | typing.SupportsIndex | None = None, drop_last: bool = False) -> None:
        ...
    def _constructor(self: ptutils.data.DistributedSampler) -> dict:
        ...
    def order(self: ptutils.data.DistributedSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> typing.Any:
        ...
    @property
    def num_replicas(self) -> int:
        ...
    @property
    def rank(self) -> int:
        ...
class BatchSampler(Module):
    """
    Which samples make each batch of an epoch. A subclass defines batches(n, seed, epoch) -> lists of indices, a function of these alone, and __len__ where that is cheaper than to make them.
    
    >>> from ptutils.data import BatchSampler, DataLoader
    >>> class Growing(BatchSampler):
    ...     def batches(self, n, seed, epoch):
    ...         return [[0], [1, 2], [3, 4, 5]]
    >>> [batch.tolist() for batch in DataLoader(range(6), batch_sampler=Growing())]
    [[0], [1, 2], [3, 4, 5]]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def batches(self: ptutils.data.BatchSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> list:
        ...
class BucketBatchSampler(BatchSampler):
    """
    Batches of samples of similar length, so that little of them is padding: shuffles the samples, sorts each `window` batches by length, cuts them into batches and shuffles those (Khomenko et al., Accelerating recurrent neural network training using sequence bucketing and multi-GPU data parallelization, 2016). lengths: one for each sample.
    
    >>> from ptutils.data import BucketBatchSampler
    >>> sampler = BucketBatchSampler([5, 1, 5, 1], batch_size=2)
    >>> sorted(sorted(batch) for batch in sampler.batches(4))
    [[0, 2], [1, 3]]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.BucketBatchSampler, lengths: typing.Any, batch_size: typing.SupportsInt | typing.SupportsIndex, shuffle: bool = True, drop_last: bool = False, window: typing.SupportsInt | typing.SupportsIndex = 100) -> None:
        ...
    def __len__(self: ptutils.data.BucketBatchSampler) -> int:
        ...
    def _constructor(self: ptutils.data.BucketBatchSampler) -> dict:
        ...
    def batches(self: ptutils.data.BucketBatchSampler, n: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex = 0, epoch: typing.SupportsInt | typing.SupportsIndex = 0) -> list:
        ...
class LoaderReport:
    """
    Where a loader's time went. In seconds: making batches (all workers together; of it reading, decoding and transforming, where core readers and transforms make the samples; python: of the transforming, in functions, each call of which takes the interpreter's lock), the consumer waiting for batches and working between them. str() is a table, with advice where it waits for more than a fifth.
    """
    def __repr__(self: ptutils.data.LoaderReport) -> str:
        ...
    @property
    def advice(self) -> str:
        ...
    @property
    def batches(self) -> int:
        ...
    @property
    def decoding(self) -> float:
        ...
    @property
    def making(self) -> float:
        ...
    @property
    def python(self) -> float:
        ...
    @property
    def reading(self) -> float:
        ...
    @property
    def samples(self) -> int:
        ...
    @property
    def skipped(self) -> int:
        ...
    @property
    def transforming(self) -> float:
        ...
    @property
    def waiting(self) -> float:
        ...
    @property
    def waiting_share(self) -> float:
        ...
    @property
    def workers(self) -> int:
        ...
    @property
    def working(self) -> float:
        ...
class Loader(Module):
    """
    Batches of one epoch after another. A subclass defines __next__ (StopIteration at an epoch's end), and __len__, rewind and close where they mean something.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __bool__(self: ptutils.data.Loader) -> bool:
        ...
    def __iter__(self) -> typing.Any:
        ...
    def close(self: ptutils.data.Loader) -> None:
        ...
    def request(self: ptutils.data.Loader, request: typing.Any) -> None:
        """
        Refused: its batches answer no requests.
        """
    def rewind(self: ptutils.data.Loader) -> None:
        ...
class _LoaderIteration:
    def __iter__(self) -> typing.Any:
        ...
    def __len__(self) -> int:
        ...
    def __next__(self) -> typing.Any:
        ...
class DataLoader(Loader):
    """
    Batches of a data set, loaded by threads into recycled buffers; its position is its state. torch's arguments and attributes.
    
    Parameters
    ----------
    dataset : ours, torch's, any object with __len__ and __getitem__; or any iterable, or a function that gives one (a generator), each epoch anew
    batch_size, shuffle, drop_last, timeout : as torch's; batch_size=None gives the samples one by one, as they are
    sampler : a Sampler, torch's, or any iterable of indices
    batch_sampler : a BatchSampler, torch's, or any iterable of lists of indices; in the place of batch_size, shuffle, sampler and drop_last
    num_workers : threads; 0 loads in the caller; None chooses, and loads in the caller what Python makes (samples, batches by collate_fn): threads would draw from the generators of Python, NumPy and torch in another order each time
    collate_fn : list of samples -> batch; None stacks
    pin_memory : torch tensors in page-locked memory, where there is CUDA
    device : where torch batches go: copied on a stream of their own, from page-locked memory, where it is a CUDA device
    persistent_workers : False ends the threads with each epoch; None and True keep them
    worker_init_fn : called with its number on each thread, once
    generator : a torch.Generator or an int, that seed is drawn from, once
    workers : 'thread', or 'process': num_workers processes, for samples that Python takes long to make (they are pickled for them; multiprocessing_context: 'forkserver' or 'spawn', which import the script anew, so that what it runs belongs below `if __name__ == '__main__':`, or 'fork')
    on_error : 'raise', or 'skip': a sample that fails is left out of its batch, logged and counted (skipped)
    prefetch_factor : batches ahead per worker; None: one (a process: two), and 2 at least; of more than 8 MB that take long, which all threads make together, one in all
    lag : batches after which a request acts (see request); None: 2, or prefetch_factor
    output : 'numpy', 'torch' or 'native'; None: torch where the data set or its samples are torch's, native where they are native tensors, else NumPy
    seed : of the order; an epoch's order depends on (seed, epoch) alone
    
    A loop that was left by `break` is over: the next one begins a new epoch. After load_state_dict the next one goes on where the state was taken.
    
    >>> import numpy as np
    >>> from ptutils.data import ArrayDataset, DataLoader
    >>> loader = DataLoader(ArrayDataset(np.arange(5)), batch_size=2)
    >>> [batch.tolist() for (batch,) in loader]
    [[0, 1], [2, 3], [4]]
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.data.DataLoader, dataset: typing.Any, batch_size: typing.Any = 1, shuffle: typing.Any = None, sampler: typing.Any = None, *args, **kwargs) -> None:
        ...
    def __iter__(self) -> _LoaderIteration:
        ...
    def __len__(self: ptutils.data.DataLoader) -> int:
        ...
    def __next__(self) -> typing.Any:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def __repr__(self) -> str:
        """
        Its parts below what it does with them.
        """
    def _batches(self: ptutils.data.DataLoader, arg0: typing.SupportsInt | typing.SupportsIndex) -> list:
        ...
    def _order(self: ptutils.data.DataLoader, epoch: typing.SupportsInt | typing.SupportsIndex | None = None) -> typing.Any:
        ...
    def _set_extra_state(self: ptutils.data.DataLoader, arg0: typing.Any) -> None:
        ...
    def close(self: ptutils.data.DataLoader) -> None:
        """
        Ends the threads; the next iteration starts them again.
        """
    def report(self: ptutils.data.DataLoader) -> ptutils.data.LoaderReport:
        """
        Where the time went, of the batches given so far.
        
        >>> from ptutils.data import DataLoader
        >>> loader = DataLoader(range(6), 4)
        >>> batches = list(loader)
        >>> report = loader.report()
        >>> report.batches, report.samples, report.skipped
        (2, 6, 0)
        """
    def request(self: ptutils.data.DataLoader, request: typing.Any) -> None:
        """
        What batches are to answer: code that makes samples finds it in batch_info().request, `lag` batches after the next. It is part of the state.
        
        >>> from ptutils.data import DataLoader, batch_info
        >>> def levels():
        ...     while True:
        ...         yield batch_info().request or 0
        >>> loader = DataLoader(levels, batch_size=2, lag=1)
        >>> batches = iter(loader)
        >>> next(batches).tolist()
        [0, 0]
        >>> loader.request(7)
        >>> next(batches).tolist(), next(batches).tolist()
        ([0, 0], [7, 7])
        """
    def rewind(self: ptutils.data.DataLoader) -> None:
        """
        Back to the begin of the epoch.
        """
    def set_position(self, epoch: typing.SupportsInt | typing.SupportsIndex, batch: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        ...
    @property
    def _asked_workers(self) -> int | None:
        ...
    @property
    def _is_iterable(self) -> bool:
        ...
    @property
    def _remaining(self) -> int:
        ...
    @property
    def batch(self) -> int:
        """
        Batches given of this epoch.
        """
    @property
    def batch_sampler(self) -> typing.Any:
        """
        The one that was given, or the lists of indices that are the batches of this epoch; None with batch_size=None.
        """
    @property
    def batch_size(self) -> int | None:
        ...
    @property
    def collate_fn(self) -> typing.Any:
        ...
    @property
    def dataset(self) -> typing.Any:
        ...
    @property
    def device(self) -> typing.Any:
        ...
    @property
    def drop_last(self) -> typing.Any:
        ...
    @property
    def epoch(self) -> int:
        ...
    @property
    def generator(self) -> None:
        ...
    @property
    def lag(self) -> typing.Any:
        ...
    @property
    def multiprocessing_context(self) -> typing.Any:
        ...
    @property
    def num_workers(self) -> int:
        """
        Threads that were asked for, else those in use.
        """
    @property
    def on_error(self) -> typing.Any:
        ...
    @property
    def output(self) -> typing.Any:
        ...
    @property
    def persistent_workers(self) -> bool:
        """
        Threads persist from epoch to epoch.
        """
    @property
    def pin_memory(self) -> typing.Any:
        ...
    @property
    def prefetch_factor(self) -> int | None:
        """
        Batches ahead per thread, as given.
        """
    @property
    def sampler(self) -> typing.Any:
        ...
    @property
    def seed(self) -> typing.Any:
        ...
    @seed.setter
    def seed(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def shuffle(self) -> typing.Any:
        ...
    @property
    def skipped(self) -> int:
        """
        Samples that on_error='skip' has left out so far.
        """
    @property
    def timeout(self) -> typing.Any:
        ...
    @property
    def worker_init_fn(self) -> typing.Any:
        ...
    @property
    def workers(self) -> typing.Any:
        ...
class DataProvider(Module):
    """
    Data sets (or loaders: ours, torch's) by phase, and the loaders over them: DataProvider(train=…, val=…, batch_size=64), or datasets={'train': …}. The other arguments are DataLoader's, for all phases; shuffling and a sampler (batch_sampler) are for 'train' alone, which is shuffled unless told otherwise (shuffle=True for all phases where none is 'train'). A subclass may override provide(request).
    
    >>> import numpy as np
    >>> from ptutils.data import ArrayDataset, DataProvider
    >>> data = DataProvider(train=ArrayDataset(np.arange(4)), batch_size=2)
    >>> len(data.provide('train'))
    2
    """
    @staticmethod
    def __init__(*args, **kwargs):
        """
        initialize(self: object, datasets: object = None, **kwargs) -> None
        """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        ...
    def _set_extra_state(self: ptutils.data.DataProvider, arg0: dict) -> None:
        ...
    def get_dataloader(self: ptutils.data.DataProvider, request: typing.Any, as_torch: bool = False) -> typing.Any:
        """
        provide(request); as_torch=True: a torch DataLoader over the same data set with the same batches in the same order.
        """
    def provide(self: ptutils.data.DataProvider, request: typing.Any) -> typing.Any:
        """
        The loader for {'phase': 'train'}, or 'train'; the same each time. Of several phases at once, ['labelled', 'unlabelled'], a loader whose batches are dicts by phase. What else the request says goes to DataLoader.request.
        
        >>> from ptutils.data import DataProvider
        >>> data = DataProvider(train=range(4), noise=range(100, 102))
        >>> for batch in data.provide(['noise', 'train']):
        ...     print(sorted(batch))
        ['noise', 'train']
        ['noise', 'train']
        """
    def request(self: ptutils.data.DataProvider, session: ptutils.Module) -> typing.Any:
        """
        What to provide for a session's next step: 'train'. A subclass may make it depend on anything of the session (session.model.outputs are the last step's); it is asked after each step, and the answer is saved. An epoch is then that of the loader in use.
        """
    def set_loader(self: ptutils.data.DataProvider, phase: str, loader: typing.Any) -> None:
        ...
    def set_output(self: ptutils.data.DataProvider, output: str) -> None:
        ...
    def set_seed(self: ptutils.data.DataProvider, seed: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    @property
    def phases(self) -> list[str]:
        ...
class JoinedLoader(Loader):
    """
    A batch of each of several loaders at once, as a dict by name. The epoch is the first one's; the others begin again where they end.
    """
    def __getitem__(self: ptutils.data.JoinedLoader, arg0: str) -> typing.Any:
        ...
    def __len__(self: ptutils.data.JoinedLoader) -> int:
        ...
    def __next__(self: ptutils.data.JoinedLoader) -> typing.Any:
        ...
    def __reduce_ex__(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> tuple[typing.Any, tuple[dict]]:
        ...
    def close(self: ptutils.data.JoinedLoader) -> None:
        ...
    def request(self: ptutils.data.JoinedLoader, request: typing.Any) -> None:
        ...
    def rewind(self: ptutils.data.JoinedLoader) -> None:
        ...
    @property
    def _remaining(self) -> int:
        ...
    @property
    def names(self) -> list:
        ...
class DBInterface(Module):
    """
    A store of documents: nested dicts with arrays in, equal ones out. A store of your own derives from it and defines save(document, background=False) -> id, find(query, projection, sort, skip, limit) and remove(id); load, delete, insert and update follow.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __enter__(self) -> typing.Any:
        ...
    def __exit__(self: ptutils.database.DBInterface, *args) -> None:
        ...
    def __repr__(self: ptutils.database.DBInterface) -> str:
        ...
    def close(self: ptutils.database.DBInterface) -> None:
        """
        Writes what waits and ends the connections.
        """
    def delete(self: ptutils.database.DBInterface, what: typing.Any, many: bool = False) -> int:
        """
        Removes the document of an id, a document (by its _id), or, with many=True, all that match a query. Returns how many there were.
        """
    def find(self, query: typing.Any = None, projection: typing.Any = None, sort: typing.Any = None, skip: typing.SupportsInt | typing.SupportsIndex = 0, limit: typing.SupportsInt | typing.SupportsIndex | None = None) -> ...:
        """
        Documents that match, in order of insertion unless sorted: a list that reads them when asked for. projection: names, or {name: 1 | 0}; sort: a name ('-name' descends), or [(name, -1), …].
        """
    def insert(self: ptutils.database.DBInterface, document: typing.Any) -> bool:
        """
        save, unless there is one of its _id: then False, nothing changed.
        """
    def load(self: ptutils.database.DBInterface, query: typing.Any = None, **kwargs) -> typing.Any:
        """
        The newest document that matches the query or the fields given by name; `default=…` where there is none, else NotFound (a KeyError).
        """
    def load_from_id(self: ptutils.database.DBInterface, id: str) -> typing.Any:
        """
        The document of an id; NotFound.
        """
    def load_from_ids(self: ptutils.database.DBInterface, ids: collections.abc.Sequence[str]) -> list:
        """
        The documents of these ids, in this order.
        """
    def location(self: ptutils.database.DBInterface) -> str:
        """
        What names the store, without passwords.
        """
    def remove(self: ptutils.database.DBInterface, id: str) -> bool:
        """
        Removes one document. False: there was none.
        """
    def save(self: ptutils.database.DBInterface, document: typing.Any, background: bool = False) -> str:
        """
        Stores a dict of anything that files take, or a module's state, and returns its id (its "_id", or a new one). One with the same _id is replaced. What is given is never changed. background=True: a copy is written later; sync() waits for it and raises its error.
        """
    def sync(self: ptutils.database.DBInterface) -> None:
        """
        Waits until every save so far is on the disk; raises the first error of one in the background.
        """
    def update(self: ptutils.database.DBInterface, query: typing.Any, set: typing.Any = None, unset: typing.Any = None) -> bool:
        """
        Sets dotted fields of the one document that the query (with its _id, or just the id) matches, and removes those of `unset`, at once. False, and nothing changed, where it does not match.
        """
class Documents:
    """
    Documents that match a query, read when asked for: len, index, slice, iterate.
    """
    @typing.overload
    def __getitem__(self: ptutils.database.Documents, arg0: typing.SupportsInt | typing.SupportsIndex) -> typing.Any:
        ...
    @typing.overload
    def __getitem__(self: ptutils.database.Documents, arg0: slice) -> ptutils.database.Documents:
        ...
    def __len__(self: ptutils.database.Documents) -> int:
        ...
    def __repr__(self: ptutils.database.Documents) -> str:
        ...
    @property
    def ids(self) -> list[str]:
        """
        Their ids, in order.
        """
class SQLiteAccess:
    """
    SQL statements on the database's file.
    """
    def __enter__(self) -> typing.Any:
        ...
    def __exit__(self: ptutils.database.SQLiteAccess, *args) -> None:
        ...
    def execute(self: ptutils.database.SQLiteAccess, sql: str, params: typing.Any = None) -> typing.Any:
        """
        One statement; its values are bound, never pasted: a sequence for ?, a dict for :name. Rows as dicts.
        """
class SQLiteInterface(DBInterface):
    """
    The embedded database: documents and their arrays in one SQLite file, with no server. Several processes may use it at once, on a local disk.
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self: ptutils.database.SQLiteInterface, path: typing.Any, read_only: bool = False) -> None:
        ...
    def _constructor(self: ptutils.database.SQLiteInterface) -> dict:
        ...
    def access(self) -> ptutils.database.SQLiteAccess:
        """
        `with db.access() as raw: raw.execute('SELECT …', [values])`.
        """
    def close(self: ptutils.database.SQLiteInterface) -> None:
        """
        Writes what waits and ends the connections.
        """
    def find(self, query: typing.Any = None, projection: typing.Any = None, sort: typing.Any = None, skip: typing.SupportsInt | typing.SupportsIndex = 0, limit: typing.SupportsInt | typing.SupportsIndex | None = None) -> ptutils.database.Documents:
        """
        Documents that match, in order of insertion unless sorted: a list that reads them when asked for. projection: names, or {name: 1 | 0}; sort: a name ('-name' descends), or [(name, -1), …].
        """
    def insert(self: ptutils.database.SQLiteInterface, document: typing.Any) -> bool:
        """
        save, unless there is one of its _id: then False, nothing changed.
        """
    def load_from_id(self: ptutils.database.SQLiteInterface, id: str) -> typing.Any:
        """
        The document of an id; NotFound.
        """
    def location(self: ptutils.database.SQLiteInterface) -> str:
        """
        What names the store, without passwords.
        """
    def remove(self: ptutils.database.SQLiteInterface, id: str) -> bool:
        """
        Removes one document. False: there was none.
        """
    def save(self: ptutils.database.SQLiteInterface, document: typing.Any, background: bool = False) -> str:
        """
        Stores a dict of anything that files take, or a module's state, and returns its id (its "_id", or a new one). One with the same _id is replaced. What is given is never changed. background=True: a copy is written later; sync() waits for it and raises its error.
        """
    def sync(self: ptutils.database.SQLiteInterface) -> None:
        """
        Waits until every save so far is on the disk; raises the first error of one in the background.
        """
    def update(self: ptutils.database.SQLiteInterface, query: typing.Any, set: typing.Any = None, unset: typing.Any = None) -> bool:
        """
        Sets dotted fields of the one document that the query (with its _id, or just the id) matches, and removes those of `unset`, at once. False, and nothing changed, where it does not match.
        """
    @property
    def read_only(self) -> bool:
        ...
class Model(Module):
    """
    net, criterion, optimizer, and what a training step does with them.
    """
    criterion: typing.Any
    net: typing.Any
    optimizer: typing.Any
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def __init__(self, net: typing.Any = None, criterion: typing.Any = None, optimizer: typing.Any = None, **unknown: typing.Never) -> None:
        """
        net, criterion and optimizer; torch's or ours.
        
            The criterion may be any callable of outputs and targets.
            
        """
    def apply_gradients(self: ptutils.Model) -> None:
        ...
    def compute_gradients(self: ptutils.Model, loss: typing.Any) -> None:
        ...
    def forward(self: ptutils.Model, inputs: typing.Any) -> typing.Any:
        ...
    def loss(self: ptutils.Model, outputs: typing.Any, targets: typing.Any) -> typing.Any:
        ...
    def optimize(self: ptutils.Model, loss: typing.Any) -> None:
        ...
    def step(self: ptutils.Model, batch: typing.Any) -> typing.Any:
        """
        One training step on a batch (inputs, targets); returns {'loss'}.
        """
    def validate(self: ptutils.Model, batch: typing.Any) -> typing.Any:
        """
        One batch without gradients: {'loss', 'accuracy', 'count'}.
        """
    @property
    def keep_outputs(self) -> bool:
        """
        Whether step keeps outputs.
        """
    @keep_outputs.setter
    def keep_outputs(self, arg0: bool) -> None:
        ...
    @property
    def outputs(self) -> typing.Any:
        """
        What forward gave in the last step, without its graph, where keep_outputs (a session whose data provider makes requests sets it); else None. A step of your own may set it (to a copy); super().step(batch) sets it anew.
        """
    @outputs.setter
    def outputs(self, arg1: typing.Any) -> None:
        ...
class Session(Module):
    """
    One experiment: a model, its data, a database, and everything around the loop.
    """
    _entered: typing.ClassVar[float] = 0.0
    _looped: typing.ClassVar[bool] = False
    _looping: typing.ClassVar[bool] = False
    dataprovider: typing.Any
    dbinterface: typing.Any
    model: typing.Any
    save_params: typing.Any
    train_params: typing.Any
    validation_params: typing.Any
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    @staticmethod
    def _from_config(arg0: typing.Any, arg1: bool, arg2: str) -> typing.Any:
        ...
    @staticmethod
    def _from_file(arg0: str, arg1: collections.abc.Sequence[str]) -> typing.Any:
        ...
    @classmethod
    def _make(cls: typing.Any, *options: typing.Any) -> typing.Any:
        """
        For sessions that the core builds from a configuration.
        """
    @classmethod
    def from_config(cls: typing.Any, config: typing.Any = None, **values: typing.Any) -> typing.Any:
        """
        From a Configuration or a dict: {exp_id, model, dataprovider, …}.
        """
    @classmethod
    def from_file(cls: typing.Any, path: typing.Any, overrides: typing.Sequence[str] = tuple()) -> typing.Any:
        """
        From an experiment file (YAML, JSON); ``overrides``: ``'a.b=c'``.
        """
    def __call__(self) -> Session:
        """
        Runs to the end, from the last state when there is one; a complete run
            says so and returns. Ctrl-C and SIGTERM end the step, save, and leave it
            paused (KeyboardInterrupt, SystemExit 143).
        """
    def __enter__(self) -> Session:
        """
        Takes the lease and the last state, for a loop of one's own.
        """
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        """
        Saves and sets the status by how the block ended.
        """
    def __init__(self, exp_id: str, *, seed: int = 0, model: typing.Any = None, dataprovider: typing.Any = None, dbinterface: typing.Any = None, train_params: typing.Any = None, validation_params: typing.Any = None, save_params: typing.Any = None, callbacks: typing.Sequence[typing.Any] = tuple(), **parts: typing.Any) -> None:
        """
        One experiment.
        
            Parameters
            ----------
            exp_id
                Its name in the database. The same name again goes on where it ended.
            seed
                Of every random stream: ours, Python's, NumPy's, torch's.
            model, dataprovider
                For ``run()``; a loop of one's own needs neither.
            dbinterface
                A path (``'runs.db'``) or a DBInterface; default ``$PTUTILS_DB``, else
                ``runs.db``.
            train_params, validation_params, save_params
                ``{'num_epochs': 5}``, ``{'val': {'every': '1 epoch'}}``,
                ``{'every': '500 steps', 'keep_last': 3, 'keep_best': 'val/accuracy'}``.
            callbacks
                Names, classes or instances.
            **parts
                What else is saved: nets, optimizers, schedulers, … Attributes set later
                are saved too.
            
        """
    def __repr__(self) -> str:
        """
        Its name and where it stands, then its parts.
        """
    def _abort(self: ptutils.Session, arg0: str) -> None:
        ...
    def _begin(self: ptutils.Session, arg0: str) -> bool:
        ...
    def _begin_step(self: ptutils.Session) -> None:
        ...
    def _done(self: ptutils.Session) -> bool:
        ...
    def _end_epoch(self: ptutils.Session) -> bool:
        ...
    def _end_step(self: ptutils.Session, arg0: bool) -> bool:
        ...
    def _finish(self: ptutils.Session, arg0: bool) -> None:
        ...
    def _pause(self: ptutils.Session) -> None:
        ...
    def _restart(self: ptutils.Session) -> None:
        ...
    def _restore_waiting(self: ptutils.Session) -> None:
        ...
    def _resume(self: ptutils.Session) -> None:
        ...
    def _run(self: ptutils.Session) -> None:
        ...
    def _set_aim(self: ptutils.Session, arg0: typing.SupportsInt | typing.SupportsIndex, arg1: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def _set_loader_state(self: ptutils.Session, arg0: typing.Any, arg1: typing.Any) -> None:
        ...
    def _set_metadata(self: ptutils.Session, arg0: typing.Any) -> None:
        ...
    def _set_progress_output(self: ptutils.Session, arg0: bool) -> None:
        ...
    def _set_steps_left(self: ptutils.Session, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def _set_steps_per_epoch(self: ptutils.Session, arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def _start_step(self: ptutils.Session) -> bool:
        ...
    def _stays_stopped(self: ptutils.Session) -> bool:
        ...
    def _step(self: ptutils.Session, n: typing.SupportsInt | typing.SupportsIndex = 1) -> None:
        ...
    def _stop(self: ptutils.Session) -> None:
        ...
    def every(self: ptutils.Session, interval: typing.Any) -> bool:
        """
        Whether an interval ends with this step: 500, '1 epoch', '10 min'.
        """
    def log(self: ptutils.Session, metrics: typing.Any = None, **kwargs) -> None:
        """
        Metrics of the current step: s.log(loss=loss), or a dict of names with '/': s.log({'val/accuracy': .9}). No '.item()': scalars on another device are read later, many at once.
        """
    def loop(self, loader: typing.Any, *, epochs: int | None = None, steps: int | None = None, **unknown: typing.Never) -> typing.Iterator[typing.Any]:
        """
        The batches of a loop of one's own: position, pause, resume, rollback.
        
            Parameters
            ----------
            loader
                torch's DataLoader, ours, or any iterable that can be begun again.
            epochs, steps
                When it ends; one epoch when neither is given.
            
        """
    def pause(self) -> None:
        """
        After this step the state is saved and the run left, to be resumed.
        """
    def restart(self) -> Session:
        """
        From step 0, a new attempt; the old ones are kept.
        """
    def resume(self) -> Session:
        """
        run(), but NotFound when there is nothing to resume.
        """
    def run(self) -> Session:
        """
        Runs to the end, from the last state when there is one; a complete run
            says so and returns. Ctrl-C and SIGTERM end the step, save, and leave it
            paused (KeyboardInterrupt, SystemExit 143).
        """
    def save(self: ptutils.Session) -> None:
        """
        Saves a checkpoint now.
        """
    def step(self, n: int = 1) -> Session:
        """
        n training steps, beginning or going on with the run.
        """
    def stop(self) -> None:
        """
        After this step the run is complete: stopped.
        """
    @property
    def _begun(self) -> bool:
        ...
    @property
    def _latest(self) -> typing.Any:
        ...
    @property
    def _signal(self) -> int:
        ...
    @property
    def _signalled(self) -> bool:
        ...
    @property
    def _step_in_epoch(self) -> int:
        ...
    @property
    def attempt(self) -> int:
        ...
    @property
    def edits(self) -> typing.Any:
        ...
    @property
    def epoch(self) -> int:
        """
        Epochs done.
        """
    @property
    def exp_id(self) -> str:
        ...
    @property
    def history(self) -> ptutils.History:
        ...
    @property
    def seed(self) -> int:
        ...
    @property
    def stage(self) -> str:
        ...
    @property
    def status(self) -> ptutils.Status:
        ...
    @property
    def step_count(self) -> int:
        """
        Training steps done.
        """
class NaNDetector(Callback):
    """
    Ends the run when a metric of a training step is NaN, or a loss infinite (a metric that has 'loss' in its name). It looks at what the model's step returns, or the loop gives to log(); not at those of other phases ('val/…').
    """
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
class Run:
    """
    The record of one run, as it was read.
    """
    def checkpoints(self) -> typing.Any:
        ...
    def diff(self, arg0: Run) -> typing.Any:
        ...
    def history(self) -> ptutils.History:
        ...
    def load(self, arg0: str, arg1: str, arg2: typing.Any, arg3: bool) -> typing.Any:
        ...
    def metadata(self) -> typing.Any:
        ...
    def state(self, arg0: str) -> typing.Any:
        ...
    @property
    def attempts(self) -> typing.Any:
        ...
    @property
    def best(self) -> typing.Any:
        ...
    @property
    def config(self) -> typing.Any:
        ...
    @property
    def created(self) -> float:
        ...
    @property
    def edits(self) -> typing.Any:
        ...
    @property
    def exp_id(self) -> str:
        ...
    @property
    def latest(self) -> typing.Any:
        ...
    @property
    def parent(self) -> str:
        ...
    @property
    def status(self) -> ptutils.Status:
        ...
class Runs:
    """
    The runs of a database.
    """
    def __init__(self, arg0: typing.Any) -> None:
        ...
    def close(self) -> None:
        ...
    def find(self, arg0: typing.Any) -> list[Run]:
        ...
    def get(self, arg0: str) -> Run:
        ...
    def match(self, arg0: str) -> list[Run]:
        ...
    def sizes(self) -> typing.Any:
        ...
    @property
    def location(self) -> str:
        ...
def _add_codec(arg0: typing.Any) -> None:
    ...
def _add_random_stream(arg0: str, arg1: typing.Any, arg2: typing.Any, arg3: typing.Any) -> None:
    ...
def _apply_override(arg0: typing.Any, arg1: str) -> typing.Any:
    ...
def _as(arg0: typing.Any, arg1: str) -> typing.Any:
    ...
def _check_arguments(arg0: typing.Any, arg1: str, arg2: str) -> None:
    ...
def _check_exp_id(arg0: str) -> None:
    ...
def _check_keys(arg0: typing.Any, arg1: collections.abc.Sequence[str], arg2: str) -> None:
    ...
def _check_settings(arg0: typing.Any, arg1: typing.Any, arg2: typing.Any) -> None:
    ...
def _checksums_compared() -> int:
    ...
def _class_folders(arg0: typing.Any) -> list[str]:
    ...
def _cloned(arg0: typing.Any) -> typing.Any:
    ...
def _codec_for_reading(path: os.PathLike | str | bytes) -> typing.Any:
    ...
def _codec_for_writing(path: os.PathLike | str | bytes) -> typing.Any:
    ...
def _compare(arg0: typing.Any, arg1: typing.Any) -> list:
    ...
def _convert(source: os.PathLike | str | bytes, path: os.PathLike | str | bytes, format: dict) -> None:
    ...
def _cross_entropy(input: typing.Any, target: typing.Any, weight: typing.Any = None, ignore_index: typing.SupportsInt | typing.SupportsIndex = -100, reduction: str = 'mean', label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> typing.Any:
    ...
def _did_you_mean(arg0: str, arg1: collections.abc.Sequence[str]) -> str:
    ...
def _dropout(arg0: typing.Any, arg1: typing.SupportsFloat | typing.SupportsIndex, arg2: bool) -> typing.Any:
    ...
def _finish_registry() -> None:
    ...
def _flatten_torch(arg0: typing.Any, arg1: str) -> tuple[str, list]:
    ...
def _format_duration(arg0: typing.SupportsFloat | typing.SupportsIndex) -> str:
    ...
def _format_of(path: os.PathLike | str | bytes) -> str:
    ...
def _grad_enabled() -> bool:
    ...
def _hash64(arg0: typing_extensions.Buffer) -> int:
    ...
def _history_columns(arg0: ptutils.History, arg1: str, arg2: bool) -> dict:
    ...
def _identical(arg0: typing.Any, arg1: typing.Any) -> bool:
    """
    The same types, order and bits.
    """
def _is_best_large(arg0: str) -> bool:
    ...
def _is_child(arg0: typing.Any) -> bool:
    ...
def _joined_loader(arg0: dict) -> ptutils.data.JoinedLoader:
    ...
def _linear(arg0: typing.Any, arg1: typing.Any, arg2: typing.Any) -> typing.Any:
    ...
def _load_streams(arg0: typing.Any) -> None:
    ...
def _log(arg0: typing.SupportsInt | typing.SupportsIndex, arg1: str) -> None:
    ...
def _log_flush() -> None:
    ...
def _make_variable(arg0: typing.Any, arg1: bool, arg2: typing.Any) -> ptutils.nn.Variable:
    ...
def _matches(arg0: typing.Any, arg1: typing.Any) -> bool:
    ...
def _nearest_names(name: str, known: collections.abc.Sequence[str], count: typing.SupportsInt | typing.SupportsIndex = 3) -> list[str]:
    ...
def _note_checksums_compared() -> None:
    ...
def _progress_line(arg0: str, arg1: ptutils.Status, arg2: typing.Any) -> str:
    ...
def _reader_for(arg0: typing.Any) -> typing.Any:
    ...
def _rebuild(type: typing.Any, arguments: typing.Any, native: typing.Any) -> typing.Any:
    ...
def _rebuild_tensor(dtype: str, shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], data: typing.Any) -> ptutils.Tensor:
    ...
def _refuse_batches(arg0: typing.SupportsInt | typing.SupportsIndex, arg1: typing.SupportsInt | typing.SupportsIndex, arg2: bytes) -> None:
    ...
def _relu(arg0: typing.Any) -> typing.Any:
    ...
def _roundtrip(arg0: typing.Any) -> typing.Any:
    """
    Through the core and back (for tests).
    """
def _save_streams() -> typing.Any:
    ...
def _seed_streams(arg0: typing.SupportsInt | typing.SupportsIndex) -> None:
    ...
def _serve_batches(arg0: typing.SupportsInt | typing.SupportsIndex, arg1: typing.SupportsInt | typing.SupportsIndex, arg2: typing.Any, arg3: typing.Any, arg4: bool, arg5: typing.Any, arg6: typing.Any) -> None:
    ...
def _set_dict_types(arg0: typing.Any, arg1: typing.Any, arg2: tuple) -> None:
    ...
def _set_foreign_ops(arg0: typing.Any) -> None:
    ...
def _shutdown() -> None:
    ...
def _stream_key(arg0: typing.SupportsInt | typing.SupportsIndex, arg1: str, arg2: typing.SupportsInt | typing.SupportsIndex) -> int:
    ...
def _tfrecord_of(arg0: typing.Any) -> bytes:
    ...
def _unflatten(skeleton: str, tensors: dict, where: str, verify: bool = False) -> typing.Any:
    ...
def _verify(path: os.PathLike | str | bytes) -> None:
    ...
def _wait_for_saves_to(path: os.PathLike | str | bytes) -> None:
    ...
def abs(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    The absolute value; real for complex numbers.
    
    >>> pt.ops.abs([-1.5, 2.])
    Tensor([1.5000, 2.0000])
    """
def add(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.add([1, 2], 0.5)
    Tensor([1.5000, 2.5000])
    """
def all(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Whether no element is 0.
    
    >>> pt.ops.all([[1, 1], [0, 1]], dim=1)
    Tensor([ True, False])
    """
def any(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Whether some element is not 0.
    
    >>> pt.ops.any([[0, 1], [0, 0]], dim=1)
    Tensor([ True, False])
    """
def arange(start: typing.Any, stop: typing.Any = None, step: typing.Any = 1, dtype: str | None = None) -> ptutils.Tensor:
    """
    Numbers from start (0) up to, without, stop. i64 for integers, else f32.
    
    >>> pt.ops.arange(3)
    Tensor([0, 1, 2])
    >>> pt.ops.arange(0, 1, 0.25)
    Tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
def argmax(input: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Where the first largest element is (of the flattened tensor without a dim); NaN counts as largest.
    
    >>> pt.ops.argmax([[1, 5], [7, 2]], dim=1)
    Tensor([1, 0])
    """
def argmin(input: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex | None = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Where the first smallest element is.
    
    >>> pt.ops.argmin([3, 1, 2])
    Tensor(1)
    """
def batch_info() -> ptutils.data.BatchInfo | None:
    """
    Of the batch that this thread makes, for data sets, transforms and collate functions; None outside of a loader.
    """
def cast(input: ptutils.Tensor, dtype: str) -> ptutils.Tensor:
    """
    A copy with another element type; floats are cut off.
    
    >>> pt.ops.cast([0.5, -2.5], 'i64')
    Tensor([ 0, -2])
    """
def codecs() -> dict:
    """
    The known file formats: {name: [suffixes]}.
    """
def concat(tensors: collections.abc.Sequence[ptutils.Tensor], dim: typing.SupportsInt | typing.SupportsIndex = 0) -> ptutils.Tensor:
    """
    Joins tensors along a dimension that they have.
    
    >>> pt.ops.concat([[1, 2], [3]])
    Tensor([1, 2, 3])
    """
def configure(config: typing.Any, *, path: str = 'configuration', slot: str = '', net: typing.Any = None, trusted: bool = True) -> typing.Any:
    ...
def default_random() -> ptutils.Random:
    """
    The process's default stream. Not for several threads at once.
    
    >>> pt.seed(3)
    >>> pt.ops.default_random().below(1)
    0
    """
def div(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    True division: integers give f32.
    
    >>> pt.ops.div([1, 3], 2)
    Tensor([0.5000, 1.5000])
    """
def empty(shape: typing.Any, dtype: str = 'f32') -> ptutils.Tensor:
    """
    Memory that holds anything.
    
    >>> pt.ops.empty((3, 0)).shape
    (3, 0)
    """
def eq(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.eq([1, 2], 2)
    Tensor([False,  True])
    """
def exp(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.exp([0., 1.])
    Tensor([1.0000, 2.7183])
    """
def floor_div(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    Rounded down, as Python's //.
    
    >>> pt.ops.floor_div([7, -7], 2)
    Tensor([ 3, -4])
    """
def full(shape: typing.Any, fill_value: typing.Any, dtype: str | None = None) -> ptutils.Tensor:
    """
    One value everywhere; without dtype that of the value.
    
    >>> pt.ops.full(2, 7)
    Tensor([7, 7])
    """
def ge(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.ge([1, 2], 2)
    Tensor([False,  True])
    """
def gt(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.gt([1, 2], 1)
    Tensor([False,  True])
    """
def index_select(input: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex, index: ptutils.Tensor) -> ptutils.Tensor:
    """
    The positions `index` of a dimension, in that order.
    
    >>> pt.ops.index_select([[1, 2], [3, 4]], 0, [1, 1])
    Tensor([[3, 4],
            [3, 4]])
    """
def isa_level() -> str:
    """
    The instruction set of the kernels in use: 'generic', 'v2', 'v3' or 'v4'. PTUTILS_ISA chooses another.
    """
def isinf(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.isinf([1., float('-inf')])
    Tensor([False,  True])
    """
def isnan(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.isnan([1., float('nan')])
    Tensor([False,  True])
    """
def le(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.le([1, 2], 1)
    Tensor([ True, False])
    """
def log(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    The natural logarithm.
    
    >>> pt.ops.log([1., 0.])
    Tensor([  0., -inf])
    """
def log_softmax(input: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex = -1) -> ptutils.Tensor:
    """
    The logarithm of softmax, without its loss of precision.
    
    >>> pt.ops.log_softmax([0., 0.], dim=0)
    Tensor([-0.6931, -0.6931])
    """
def logical_and(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.logical_and([True, True], [True, False])
    Tensor([ True, False])
    """
def logical_not(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.logical_not([0, 3])
    Tensor([ True, False])
    """
def logical_or(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.logical_or([True, False], [False, False])
    Tensor([ True, False])
    """
def lt(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.lt([1, 2], 2)
    Tensor([ True, False])
    """
def matmul(input: ptutils.Tensor, other: ptutils.Tensor) -> ptutils.Tensor:
    """
    The matrix product, as torch.matmul: 1-d, 2-d and batches.
    
    >>> pt.ops.matmul([[1., 2.], [3., 4.]], [1., 1.])
    Tensor([3., 7.])
    """
def max(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    The values alone (torch's amax; argmax has the places). NaN wins.
    
    >>> pt.ops.max([[1, 2], [3, 0]], dim=1)
    Tensor([2, 3])
    """
def maximum(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    The larger one of two; NaN wins.
    
    >>> pt.ops.maximum([1, 5], 3)
    Tensor([3, 5])
    """
def mean(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Of floating or complex numbers.
    
    >>> pt.ops.mean([[1., 2.], [3., 4.]], dim=1, keepdim=True)
    Tensor([[1.5000],
            [3.5000]])
    """
def metadata(path: os.PathLike | str | bytes) -> typing.Any:
    ...
def min(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    The values alone (torch's amin; argmin has the places). NaN wins.
    
    >>> pt.ops.min([[1, 2], [3, 0]], dim=1)
    Tensor([1, 0])
    """
def minimum(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    The smaller one of two; NaN wins.
    
    >>> pt.ops.minimum([1, 5], 3)
    Tensor([1, 3])
    """
def mul(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.mul([[1], [2]], [3, 4])
    Tensor([[3, 4],
            [6, 8]])
    """
def ne(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.ne([1, 2], 2)
    Tensor([ True, False])
    """
def neg(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.neg([1, -2])
    Tensor([-1,  2])
    """
def num_threads() -> int:
    """
    Threads that this process may use in all (kernels, loaders).
    """
def ones(shape: typing.Any, dtype: str = 'f32') -> ptutils.Tensor:
    """
    >>> pt.ops.ones(2, dtype='u8')
    Tensor([1, 1], dtype='u8')
    """
def open_database(location: typing.Any, read_only: bool = False) -> typing.Any:
    """
    Opens a store by its location: 'runs.db', 'sqlite:///path'.
    """
def parse_json(text: str, where: str = '') -> typing.Any:
    ...
def parse_scalar(text: str) -> typing.Any:
    ...
def parse_yaml(text: str, where: str = '') -> typing.Any:
    ...
def pow(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.pow([2, 3], 2)
    Tensor([4, 9])
    """
def prod(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Integers and bool give i64.
    
    >>> pt.ops.prod([2, 3, 4])
    Tensor(24)
    """
def random_split(dataset: typing.Any, lengths: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], seed: typing.SupportsInt | typing.SupportsIndex = 0) -> list:
    """
    Parts of a data set in a random order that depends on seed alone; lengths: shares up to 1, or numbers of samples.
    
    >>> from ptutils.data import random_split
    >>> [len(part) for part in random_split(range(10), [0.8, 0.2])]
    [8, 2]
    """
def read(path: os.PathLike | str | bytes, verify: bool = False, lazy: bool = False, isolate: bool = False) -> typing.Any:
    ...
def relu(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    The larger one of the element and 0; NaN stays.
    
    >>> pt.ops.relu([-1, 2])
    Tensor([0, 2])
    """
def remainder(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    With the divisor's sign, as Python's %.
    
    >>> pt.ops.remainder([7, -7], 4)
    Tensor([3, 1])
    """
def save(path: os.PathLike | str | bytes, value: typing.Any, durable: bool = True, format: dict = {}, background: bool = False) -> None:
    ...
def seed(value: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Starts the process's default stream anew; initial weights and Dropout draw from it.
    
    >>> pt.seed(1); a = pt.ops.default_random().random()
    >>> pt.seed(1); a == pt.ops.default_random().random()
    True
    """
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Changes the budget; n >= 1. PTUTILS_NUM_THREADS sets it at start.
    """
def sigmoid(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    1 / (1 + exp(-input)).
    
    >>> pt.ops.sigmoid([0., 2.])
    Tensor([0.5000, 0.8808])
    """
def softmax(input: ptutils.Tensor, dim: typing.SupportsInt | typing.SupportsIndex = -1) -> ptutils.Tensor:
    """
    exp(input) / sum(exp(input)) along dim.
    
    >>> pt.ops.softmax([[0., 0.], [0., 1.]], dim=-1)
    Tensor([[0.5000, 0.5000],
            [0.2689, 0.7311]])
    """
def sqrt(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.sqrt([4., 9.])
    Tensor([2., 3.])
    """
def square(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.square([3, -4])
    Tensor([ 9, 16])
    """
def stack(tensors: collections.abc.Sequence[ptutils.Tensor], dim: typing.SupportsInt | typing.SupportsIndex = 0) -> ptutils.Tensor:
    """
    Joins tensors of one shape along a new dimension.
    
    >>> pt.ops.stack([[1, 2], [3, 4]], dim=1)
    Tensor([[1, 3],
            [2, 4]])
    """
def sub(input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    >>> pt.ops.sub([1, 2], 3)
    Tensor([-2, -1])
    """
def sum(input: ptutils.Tensor, dim: typing.Any = None, keepdim: bool = False) -> ptutils.Tensor:
    """
    Integers and bool give i64.
    
    >>> pt.ops.sum([[1, 2], [3, 4]], dim=0)
    Tensor([4, 6])
    """
def sync() -> None:
    ...
def tanh(input: ptutils.Tensor) -> ptutils.Tensor:
    """
    >>> pt.ops.tanh([0., 1.])
    Tensor([0.0000, 0.7616])
    """
def to_json(value: typing.Any, indent: typing.SupportsInt | typing.SupportsIndex = 0) -> str:
    ...
def to_yaml(value: typing.Any) -> str:
    ...
def where(condition: ptutils.Tensor, input: typing.Any, other: typing.Any) -> ptutils.Tensor:
    """
    Elements of input where the condition holds, else of other.
    
    >>> pt.ops.where([True, False], [1, 2], 0)
    Tensor([1, 0])
    """
def write_file(path: os.PathLike | str | bytes, content: typing_extensions.Buffer, durable: bool = True) -> None:
    """
    Writes a file whole or not at all.
    """
def zeros(shape: typing.Any, dtype: str = 'f32') -> ptutils.Tensor:
    """
    >>> pt.ops.zeros((1, 2))
    Tensor([[0., 0.]])
    """
__version__: str = '0.1.0'
_NetModule = Module
