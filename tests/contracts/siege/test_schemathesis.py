"""The interface held against its own OpenAPI document by invented questions (longer: make siege)."""

import pytest
from fortress import Fortress
from storm import storm

SECONDS = 18
# A machine that is busy asks less; one that asks nothing has tested nothing.
FEWEST = 60


@pytest.mark.slow
@pytest.mark.parametrize("who", ["public", "staff"])
def test_answers_are_what_the_document_says_and_nothing_closed_comes_out(held: Fortress, who: str) -> None:
    headers = held.staff if who == "staff" else None
    outcome = storm(held, SECONDS, seed=5, headers=headers)
    assert outcome.code == 0, outcome.said[-6000:]
    assert outcome.cases > FEWEST, outcome.said[-2000:]
    held.alive(within_s=20)
    print(f"\n{who}: {outcome.cases} questions")
