"""What is kept is never of another state, never more than allowed, and the last used of it stays."""

from hypothesis import given
from hypothesis import strategies as st

from udp.store.embedded.kept import Kept

_ASKED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(1, 4)), max_size=60)


@given(_ASKED)
def test_what_is_asked_is_of_its_state_and_the_last_used_stay_within_the_limit(
    asked: list[tuple[int, int, int]],
) -> None:
    kept = Kept[bytes](8, weigh=len)
    last_used: dict[int, tuple[int, bytes]] = {}
    for what, state, size in asked:
        found = kept.of(what, state, lambda what=what, state=state, size=size: bytes([what, state] * size))
        assert found[:2] == bytes([what, state])
        former = last_used.pop(what, None)
        if former is not None and former[0] == state:
            assert found is former[1]
        last_used[what] = (state, found)
        while sum(len(octets) for _, octets in last_used.values()) > 8:
            del last_used[next(iter(last_used))]
        for one in range(6):
            at, octets = last_used.get(one, (0, None))
            # Asked from the longest unused on, so that asking changes no order.
            assert kept.former(one, at + 1) == octets
    for one, (at, octets) in last_used.items():
        assert kept.get(one, at) is octets
        assert kept.get(one, at + 1) is None
        assert kept.former(one, at) is None


def test_a_limit_without_weights_counts_what_is_kept() -> None:
    kept = Kept[str](2)
    for what in "abc":
        kept.keep(what, None, what)
    assert [kept.get(what) for what in "abc"] == [None, "b", "c"]
