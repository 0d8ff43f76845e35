"""What this machine computes on, and whether it does so fast in bfloat16."""

from __future__ import annotations

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def has_accelerator() -> bool:
    """Whether PyTorch sees a GPU or another accelerator."""
    import torch

    return torch.accelerator.is_available()


def has_fast_bf16(*, use_cpu: bool, cpuinfo: Path = _CPUINFO) -> bool:
    """Whether bfloat16 is faster than float32 here.

    A CPU without bfloat16 units runs it about four times slower than float32, and Linux says in `cpuinfo` whether it
    has them.
    """
    if use_cpu:
        return cpuinfo.is_file() and bool({"avx512_bf16", "amx_bf16"} & set(cpuinfo.read_text().split()))
    import torch

    return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
