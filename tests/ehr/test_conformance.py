"""The conformance table is complete and up to date."""

from tests.ehr.conformance import PAGE, covering, page
from tests.ehr.requirements import requirements


def test_every_requirement_is_covered_by_a_test() -> None:
    listed = {one.number for one in requirements()}
    assert listed == covering().keys()
    assert len(listed) == 120


def test_the_documented_table_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.ehr.conformance`"
