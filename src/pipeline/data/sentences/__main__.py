"""What the documentation shows of the grammar: `python -m pipeline.data.sentences` prints ten sentences, and a table of
one sentence under each edit."""

import torch

from pipeline.data.sentences import ENGLISH

# "last summer the old waiter praised our wonderful soup"
BASE = (0, 0, 0, 0, ENGLISH.values("opening").index("summer"), 1, 0, 0, 2, 1, 0)


def examples() -> str:
    """Ten sentences drawn at random, one a line, as a block of Markdown."""
    return "".join(f"    {' '.join(sentence)}\n" for sentence in ENGLISH.render(ENGLISH.sample(10, 0)))


def edits(base: tuple[int, ...]) -> str:
    """A Markdown table: the sentence of a row, and with another value of each factor in turn; what differs is bold."""
    row = torch.tensor([base])
    (before,) = ENGLISH.render(row)
    lines = ["| change | sentence |", "|---|---|", f"| | {' '.join(before)} |"]
    for factor in ENGLISH.factors:
        own = int(row[0, ENGLISH.column(factor.name)])
        value = (own + 1) % len(factor.values)
        (after,) = ENGLISH.render(ENGLISH.changed(row, factor.name, value))
        text = " ".join(word if word in before else f"**{word}**" for word in after)
        lines.append(f"| `{factor.name}`: {factor.values[own]} to {factor.values[value]} | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(examples())
    print(edits(BASE))
