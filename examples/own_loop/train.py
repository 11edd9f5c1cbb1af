"""A torch net in a loop of one's own: the lines marked with # * are ptutils'.

    python examples/own_loop/train.py [epochs]

Stop it (Ctrl-C, or kill -9 from elsewhere) and start it again: it goes on with
the next batch. `ptutils ls` shows it, `ptutils show own-loop` how it went.
"""

import sys

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

import ptutils as pt  # *
from ptutils.data import FashionMNIST  # a torch data set would do as well

device = "cuda" if torch.cuda.is_available() else "cpu"
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
loader = DataLoader(FashionMNIST("data"), batch_size=64, shuffle=True)
test = DataLoader(FashionMNIST("data", train=False), batch_size=1000)

torch.manual_seed(0)
net = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(784, 128),
    torch.nn.ReLU(),
    torch.nn.Dropout(0.2),
    torch.nn.Linear(128, 10),
).to(device)
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)


@torch.no_grad()
def accuracy() -> float:
    net.eval()
    right = sum((net(x.to(device)).argmax(1).cpu() == y).sum() for x, y in test)
    net.train()
    return float(right) / len(test.dataset)


with pt.Session("own-loop", dbinterface="runs.db", seed=0, net=net, opt=opt) as s:  # *
    for x, y in s.loop(loader, epochs=epochs):  # *
        loss = F.cross_entropy(net(x.to(device)), y.to(device))
        opt.zero_grad()
        loss.backward()
        opt.step()
        s.log(loss=loss)  # *
        if s.every("1 epoch"):  # *
            s.log({"val/accuracy": accuracy()})  # *

print(s.status)
