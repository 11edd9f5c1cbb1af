"""Databases: documents in, equal documents out.

>>> import tempfile, os
>>> import numpy as np
>>> db = open_database(os.path.join(tempfile.mkdtemp(), 'runs.db'))
>>> id = db.save({'exp_id': 'mlp', 'epoch': 3, 'weights': np.ones(2, 'float32')})
>>> db.load(exp_id='mlp')['weights']
array([1., 1.], dtype=float32)
>>> [d['epoch'] for d in db.find({'epoch': {'$gt': 1}}, sort='epoch')]
[3]
>>> db.delete(id)
1
>>> db.close()

Queries are MongoDB's: ``$eq $ne $gt $gte $lt $lte $in $nin $exists $regex $and
$or $not $elemMatch``, dotted paths through dicts and lists.
"""

from .._core import (
    DBInterface,
    Documents,
    SQLiteAccess,
    SQLiteInterface,
    open_database,
)

__all__ = [
    "DBInterface",
    "Documents",
    "SQLiteAccess",
    "SQLiteInterface",
    "open_database",
]
