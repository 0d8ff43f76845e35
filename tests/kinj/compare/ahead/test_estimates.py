"""What is told of a plan before it runs."""

import pytest

from kinj.compare.ahead.dry_run import _detectable_lines
from kinj.compare.ahead.estimates import detectable
from kinj.compare.fitting import with_contrasts
from kinj.compare.plan import make_plan


@pytest.fixture
def lines(comparison, plan_values):
    """The lines on what could be shown with so many questions and clusters."""

    def make(questions, clusters, **changes):
        made, plan = comparison(**changes), make_plan("p", plan_values(**changes))
        counts = {made.cells[0].questions.key: {"questions": questions, "clusters": clusters}}
        plan = with_contrasts(plan, made)
        return list(_detectable_lines(plan, detectable(plan, made, counts)))

    return make


def test_a_plan_that_trains_is_warned_by_what_its_trainings_can_show(lines):
    assert any("WARNING: smaller differences stay unseen" in line for line in lines(1000, 300))
    assert not any("WARNING" in line for line in lines(1000, 300, injection=["none"]))


def test_questions_that_are_all_of_one_cluster_can_show_nothing_and_that_is_said(lines):
    _, shown, warning = lines(300, 1)
    assert "300 questions in 1 clusters: none (none) points between ways of reading" in shown
    assert "WARNING: with fewer than 20 clusters the report says neither better nor worse" in warning
