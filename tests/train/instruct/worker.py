"""Trains stage 2 as a process of its own: python worker.py RECIPE.json OUT"""

import sys
from pathlib import Path

import torch

from holmesvau.train import load
from holmesvau.train.instruct import train_instruct

if __name__ == "__main__":
    torch.set_num_threads(1)
    train_instruct(load(Path(sys.argv[1])), sys.argv[2], device="cpu")
