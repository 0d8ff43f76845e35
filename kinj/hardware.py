"""What this machine computes on, and whether it does so fast in bfloat16."""

from __future__ import annotations

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def has_accelerator() -> bool:
    """Whether PyTorch sees a GPU or another accelerator."""
    import torch

    return torch.accelerator.is_available()


def has_fast_bf16(*, use_cpu: bool) -> bool:
    """Whether bfloat16 is faster than float32 where the computation runs."""
    if use_cpu:
        return cpu_computes_bf16()
    import torch

    return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)


def cpu_computes_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor has bfloat16 units (AVX512_BF16, AMX_BF16, Arm BF16); False where nothing tells.

    Without them it runs bfloat16 about four times slower than float32.
    """
    try:
        words = set(cpuinfo.read_text().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})
