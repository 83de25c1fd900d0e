"""Nets on sentences: shapes, what spelling tells, and words that move."""

import pytest
import torch

from pipeline.nets.sentences import ConvolvedWords, ReadWords, Slots, SlotWriter, Vectors, spelling

NAMES = ("<pad>", "praise", "praised", "soup", "a")
SHAPE = (6, len(NAMES))


def words(*rows: list[int]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(rows), len(NAMES)).float()


def test_words_spelt_alike_share_their_pieces() -> None:
    shares = spelling(NAMES)
    torch.testing.assert_close(shares.square().sum(1), torch.ones(len(NAMES)))
    alike = shares @ shares.T
    assert alike[1, 2] > 0.5
    assert alike[1, 3] == alike[3, 4] == 0


def test_a_distribution_of_words_has_the_mean_vector() -> None:
    vectors = Vectors(NAMES, 8)
    half = (words([1])[0, 0] + words([3])[0, 0]) / 2
    torch.testing.assert_close(vectors(half), (vectors.table[1] + vectors.table[3]) / 2)
    assert set(vectors.state_dict()) == {"own", "pieces"}, "what the names tell is no weight"


@pytest.mark.parametrize("make", [ConvolvedWords, ReadWords])
def test_readers_give_features(make: type) -> None:
    net = make(NAMES, 5)
    assert net(words([1, 2, 3, 4, 0, 0], [4, 3, 2, 1, 0, 0])).shape == (2, 5)


def test_readers_tell_the_order_of_words() -> None:
    torch.manual_seed(0)
    one, other = words([1, 2, 3, 4, 0, 0], [2, 1, 4, 3, 0, 0])
    for net in (ConvolvedWords(NAMES, 5), ReadWords(NAMES, 5)):
        assert not torch.allclose(net(one[None]), net(other[None]), atol=1e-4)


def test_what_is_said_goes_into_slots_and_out_again() -> None:
    torch.manual_seed(0)
    code = Slots(NAMES, 3, 4)(words([1, 2, 3, 4, 0, 0]))
    assert code.shape == (1, 3, 4)
    writer = SlotWriter(SHAPE, 3, 4, 2)
    value = torch.tensor([[1.0, 0.0]], requires_grad=True)
    logits = writer(value, code)
    assert logits.shape == (1, *SHAPE)
    assert all(each.abs().sum() > 0 for each in torch.autograd.grad(logits.square().sum(), (value, code)))
