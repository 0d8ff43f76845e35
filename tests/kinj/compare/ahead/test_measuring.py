"""What is asked to find out how fast a machine is."""

from kinj.compare.ahead.measuring import few_questions
from kinj.compare.plan import make_plan
from kinj.compare.rates import kind_of


def test_every_kind_of_cell_is_measured_that_of_forgetting_too(comparison, plan_values):
    changes = {"forgetting": None, "reading": ["none", {"retriever": "bm25", "k": [1, 3]}], "controls": ["reversed"]}
    full = comparison(**changes)
    small = few_questions(make_plan("plan.yaml", plan_values(**changes)), full)
    values = {name: value for name, value in small.model_dump().items() if name in ("limit", "forgetting", "controls")}
    measured = comparison(**{**changes, **values, "injection": ["none"]})
    assert {kind_of(planned) for planned in measured.cells} == {kind_of(planned) for planned in full.cells}
    assert "kinj_current_events_option" in {planned.cell.task for planned in measured.cells}
