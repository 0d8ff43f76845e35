import random

from kinj_models.prefix_sharing.tree import build_tree, common_length, count_tokens


def walk(nodes, before=()):
    for node in nodes:
        path = (*before, *node.tokens[node.start : node.end])
        yield node, path
        yield from walk(node.children, path)


def random_requests(seed, count=60):
    rng = random.Random(seed)
    stems = [tuple(rng.choices(range(5), k=rng.randint(1, 30))) for _ in range(6)]
    inputs = []
    for _ in range(count):
        stem = rng.choice(stems)
        inputs.append(stem[: rng.randint(1, len(stem))] + tuple(rng.choices(range(5), k=rng.randint(0, 6))))
    continuations = [tuple(rng.choices(range(5), k=rng.randint(1, len(i)))) for i in inputs]
    return inputs, continuations


def test_every_input_is_spelled_by_one_path():
    for seed in range(20):
        inputs, continuations = random_requests(seed)
        for saving in (1, 12):
            tops = build_tree(inputs, continuations, min_saving=saving)
            ends = {path for node, path in walk(tops) if node.is_end}
            assert ends == set(inputs)
            assert all(node.tokens[: node.end] == path for node, path in walk(tops))


def test_without_a_least_saving_every_distinct_prefix_token_is_counted_once():
    for seed in range(20):
        inputs, continuations = random_requests(seed)
        prefixes = {i[:n] for i in inputs for n in range(1, len(i) + 1)}
        assert count_tokens(build_tree(inputs, continuations, min_saving=1)) == len(prefixes)


def test_each_request_wants_each_token_of_its_continuation_at_its_position_once():
    for seed in range(20):
        inputs, continuations = random_requests(seed)
        found = {n: [] for n in range(len(inputs))}
        for node, path in walk(build_tree(inputs, continuations)):
            for position, token, number in node.wanted:
                assert node.start <= position < node.end
                assert inputs[number][: node.end] == path
                found[number].append((position, token))
        for number, wanted in found.items():
            first = len(inputs[number]) - len(continuations[number])
            assert sorted(wanted) == [(first + i, t) for i, t in enumerate(continuations[number])]


def test_a_branching_that_saves_less_than_asked_is_not_kept():
    inputs = [(1, 2, 3, 4), (1, 2, 5, 6)]
    assert len(build_tree(inputs, [(0,), (0,)], min_saving=1)) == 1
    assert len(build_tree(inputs, [(0,), (0,)], min_saving=3)) == 2


def test_common_length_counts_equal_tokens_from_the_start():
    assert common_length((1, 2, 3), (1, 2, 4)) == 2
    assert common_length((1, 2), (1, 2, 3)) == 2
    assert common_length((), (1,)) == 0
