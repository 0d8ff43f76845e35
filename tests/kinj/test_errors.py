import pytest

from kinj.errors import MissingExtraError, UserError, nearest


@pytest.mark.parametrize(
    ("word", "meant"), [("retreiver", "retriever"), ("placment", "placement"), ("k", "k"), ("dtype", None)]
)
def test_the_nearest_name_is_the_one_that_a_mistyped_word_means(word, meant):
    assert nearest(word, ("retriever", "placement", "k", "index")) == meant


def test_a_user_error_is_no_value_error_which_libraries_catch():
    assert not issubclass(UserError, ValueError)
    assert issubclass(MissingExtraError, UserError)
