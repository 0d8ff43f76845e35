"""`python -m kinj_training` is `kinj train`, for launchers that start a module: torchrun and accelerate."""

from __future__ import annotations

import sys

from kinj.cli import main

main(["train", *sys.argv[1:]])
