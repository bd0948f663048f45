"""What stays is set aside from collections; what was garbage then is found later all the same."""

import gc
import weakref

import pytest

from udp.api.standing import Standing


@pytest.fixture(autouse=True)
def collector_off():
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


class Knot:
    """Leads back to itself."""

    def __init__(self) -> None:
        self.me = self


def test_a_collection_does_not_walk_through_what_stays():
    stays = [[] for _ in range(10_000)]
    Standing().keep()
    assert gc.get_freeze_count() > len(stays)
    assert not any(gc.is_tracked(one) and one is stays for one in gc.get_objects())


def test_what_is_no_longer_used_is_free_at_once():
    stays = Knot()
    stays.me = None
    gone = weakref.ref(stays)
    Standing().keep()
    del stays
    assert gone() is None


def test_garbage_of_the_first_moment_is_not_kept():
    gone = weakref.ref(Knot())
    Standing().keep()
    assert gone() is None


def test_garbage_that_was_set_aside_is_found_later():
    standing = Standing()
    standing.keep()
    gone = weakref.ref(Knot())
    standing.keep()
    gc.collect()
    assert gone() is not None
    for _ in range(50):
        standing.keep()
    assert gone() is None
