"""What is told of a plan before it runs."""

import pytest
import yaml

from kinj.compare.ahead import estimates
from kinj.compare.ahead.dry_run import _detectable_lines
from kinj.compare.ahead.estimates import detectable
from kinj.compare.fitting import with_contrasts
from kinj.compare.folder import OutputFolder
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


def test_the_grid_is_trained_once_and_the_other_seeds_by_what_was_chosen_the_longest_at_most(
    comparison, tmp_path, monkeypatch
):
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    recipe |= {"search": {"num_train_epochs": [1, 4], "learning_rate": [1e-3, 2e-3]}}
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump(recipe))
    disk = {"finished": 10, "adapter": None, "checkpoint": 30, "checkpoints": 1}
    stage = {"plan": {"tokens": 100, "epochs": 2}, "disk": disk, "memory": {"one_device": 5}}
    monkeypatch.setattr(estimates, "plan_stages", lambda *_: [stage])
    made = estimates.estimate_trainings(comparison(seeds=[0, 1]), OutputFolder(tmp_path / "out"), "all")
    assert [(one.trainings, one.tokens) for one in made] == [(4, 100 * 2 * (1 + 4)), (1, 400)]


def test_questions_that_are_all_of_one_cluster_can_show_nothing_and_that_is_said(lines):
    _, shown, warning = lines(300, 1)
    assert "300 questions in 1 clusters: none (none) points between ways of reading" in shown
    assert "WARNING: with fewer than 20 clusters the report says neither better nor worse" in warning
