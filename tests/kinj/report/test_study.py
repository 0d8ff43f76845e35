import pytest

from kinj.report.comparison import read_comparison
from kinj.report.comparison.arms import arms_of
from kinj.report.study import study_accuracy


@pytest.mark.parametrize(
    ("injection", "reading", "accuracy"),
    [("none", "none", 0.625), ("none", "bm25", 0.678), ("raw", "none", 0.651), ("raw", "bm25", 0.697)],
)
def test_the_studys_number_stands_beside_the_arm_that_asks_the_same(drawn, injection, reading, accuracy):
    folder = drawn(task="kinj_mmlu_astronomy")
    [scores] = [
        one
        for one in arms_of(read_comparison([folder.folder]))
        if (one.arm.injection, one.arm.reading) == (injection, reading)
    ]
    assert study_accuracy(scores, "mistralai/Mistral-7B-v0.1") == accuracy
    assert study_accuracy(scores, "somebody/else") is None
