import logging

from kinj import progress as module
from kinj.progress import progress


def test_elsewhere_than_on_a_terminal_a_line_says_how_far_it_is_and_how_long_it_will_take(monkeypatch, caplog):
    clock = iter([0.0, 5.0, 20.0, 400.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, "kinj.progress"), progress("embedding", 1000, done=100) as advance:
        advance(50)
        advance(50, "7 texts/s")
        advance(800)
    assert caplog.messages == ["embedding: 200 of 1000, 7 texts/s, about 3 min left"]
