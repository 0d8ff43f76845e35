"""What this machine computes on, and whether it does so fast in bfloat16."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
#: One of them is there where a driver of NVIDIA's or AMD's is at work.
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
_ASK = """
import torch
print(*(torch.cuda.get_device_properties(number).total_memory for number in range(torch.cuda.device_count())))
"""


def has_accelerator() -> bool:
    """Whether PyTorch sees a GPU or another accelerator."""
    import torch

    return torch.accelerator.is_available()


def device_memory() -> list[int]:
    """Bytes of each GPU that processes started here see; empty where there is none.

    Another process asks, since whoever asks holds a few hundred megabytes of a GPU from then on.
    """
    if not any(driver.exists() for driver in _DRIVERS):
        return []
    done = subprocess.run([sys.executable, "-P", "-c", _ASK], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


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
