"""The equations of a system as pictures."""

from dataclasses import dataclass

from pipeline import systems
from pipeline.language.draw import equation_svg


@dataclass(frozen=True)
class Diagram:
    """An equation: its name, its text in one line, and its string diagram as SVG."""

    title: str
    text: str
    svg: str


def diagrams(system: str) -> list[Diagram]:
    """One diagram for each equation of a system's task. Raises UserError for an unknown system."""
    equations = systems.example(system).task.equations
    return [
        Diagram(name, f"{name} : {each}", equation_svg(name, each, equations.values()))
        for name, each in equations.items()
    ]
