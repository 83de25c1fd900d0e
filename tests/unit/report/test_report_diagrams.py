from xml.etree import ElementTree

import pytest

from pipeline import systems
from pipeline.errors import UserError
from pipeline.report.diagrams import diagrams


@pytest.mark.parametrize("system", systems.names())
def test_each_equation_of_a_system_has_a_diagram(system):
    equations = systems.example(system).task.equations
    found = diagrams(system)
    assert [each.title for each in found] == list(equations)
    for each in found:
        assert each.text == f"{each.title} : {equations[each.title]}"
        assert ElementTree.fromstring(each.svg).tag.endswith("svg")


def test_an_unknown_system_is_refused():
    with pytest.raises(UserError, match="unknown system `nonsense`"):
        diagrams("nonsense")
