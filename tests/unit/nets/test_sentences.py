"""Nets on sentences: shapes, what spelling tells, and words that move."""

import pytest
import torch

from pipeline.nets.sentences import (
    ConvolvedWords,
    NextWord,
    ReadWords,
    Rewriter,
    Slots,
    SlotWriter,
    Vectors,
    spelling,
)

NAMES = ("<pad>", "praise", "praised", "soup", "a")
SHAPE = (6, len(NAMES))


def words(*rows: list[int]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(rows), len(NAMES)).float()


def test_words_spelt_alike_share_their_pieces() -> None:
    places, starts, each = spelling(NAMES)
    shares = torch.zeros(len(NAMES), int(places.max()) + 1)
    shares[torch.bucketize(torch.arange(len(places)), starts, right=True) - 1, places] = each
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


def test_the_next_word_is_told_by_those_before_it() -> None:
    torch.manual_seed(0)
    net = NextWord(NAMES, 8)
    one, other = net(words([1, 2, 3, 4, 0, 0], [1, 2, 4, 4, 0, 0]))
    assert one.shape == SHAPE
    torch.testing.assert_close(one[:3], other[:3])
    assert not torch.allclose(one[3:], other[3:], atol=1e-4)


def rewriter(sure: float, names: tuple[str, ...] = NAMES) -> Rewriter:
    """One that changes all words alike, as surely as the logit says."""
    torch.manual_seed(0)
    net = Rewriter(names, 2, 8)
    torch.nn.init.zeros_(net.changed.weight)
    torch.nn.init.constant_(net.changed.bias, sure)
    return net


def test_words_are_kept_or_another_is_said_in_their_place() -> None:
    given, value = words([1, 2, 3, 4, 0, 0]), torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(rewriter(-30.0)(given, value).softmax(-1), given, atol=1e-4, rtol=0)
    another = rewriter(30.0)
    assert another(given, value).shape == (1, *SHAPE)
    assert not torch.allclose(another(given, value).softmax(-1), given, atol=0.1)
    assert not torch.allclose(another(given, value), another(given, value.flip(1)), atol=1e-4), "it tells the value"


@pytest.mark.parametrize("names", [NAMES, tuple(f"w{number}" for number in range(2000))])
def test_a_loss_can_tell_that_a_word_should_not_have_been_kept(names: tuple[str, ...]) -> None:
    """Sure as the net is to keep it: all but one time in twenty thousand, and of many others."""
    torch.manual_seed(0)
    net = rewriter(-10.0, names)
    given = torch.nn.functional.one_hot(torch.tensor([[1, 2, 3, 4, 0, 0]]), len(names)).float().requires_grad_()
    said = net(given, torch.tensor([[1.0, 0.0]])).log_softmax(-1)
    bias, word = torch.autograd.grad(said[0, 0, 2], (net.changed.bias, given))
    assert float(bias) > 0.9
    assert word.abs().max() < 10, "no gradient without bound to words that are not there"
