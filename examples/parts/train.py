"""A run made of parts, with no torch: net, criterion, optimizer, data.

    python examples/parts/train.py [epochs]

The same as examples/fashion_mnist/experiment.yaml, in Python. Run it again: it
goes on where it was stopped, or says that it is complete.
"""

import sys

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import DataProvider, FashionMNIST

pt.seed(0)  # the weights drawn below
net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 128),
    nn.ReLU(),
    nn.Linear(128, 10),
)
session = pt.Session(
    "fashion-parts",
    seed=0,
    model=pt.Model(
        net,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters(), lr=1e-3),
    ),
    dataprovider=DataProvider(
        train=FashionMNIST("data"),
        val=FashionMNIST("data", train=False),
        batch_size=128,
    ),
    dbinterface="runs.db",
    train_params={"num_epochs": int(sys.argv[1]) if len(sys.argv) > 1 else 5},
    validation_params={"val": {"every": "1 epoch"}},
    save_params={"every": "500 steps", "keep_last": 3, "keep_best": "val/accuracy"},
    callbacks=["NaNDetector"],
)
session.run()
print(session.status)
