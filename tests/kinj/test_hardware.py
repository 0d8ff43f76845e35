import pytest

from kinj import hardware
from kinj.hardware import cpu_computes_bf16, has_fast_bf16


@pytest.mark.parametrize(
    ("flags", "has_units"),
    [("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fp asimd bf16", True), ("fpu avx2 avx512f", False)],
)
def test_a_processor_computes_bfloat16_where_it_says_that_it_has_the_units(tmp_path, flags, has_units):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    assert cpu_computes_bf16(tmp_path / "cpuinfo") == has_units


def test_a_machine_that_does_not_tell_is_taken_to_have_none(tmp_path):
    assert not cpu_computes_bf16(tmp_path / "absent")


@pytest.mark.parametrize("has_units", [True, False])
def test_on_the_cpu_bfloat16_is_fast_where_it_has_the_units(monkeypatch, has_units):
    monkeypatch.setattr(hardware, "cpu_computes_bf16", lambda: has_units)
    assert has_fast_bf16(use_cpu=True) == has_units
