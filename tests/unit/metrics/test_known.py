"""Every metric gives the known answer where there is one."""

import pytest

from tests.unit.metrics.known import Known, cases


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.metric}: {case.case}"[:80])
def test_a_metric_gives_the_known_answer(case: Known) -> None:
    assert case.ours() == pytest.approx(case.known, abs=case.tolerance)
