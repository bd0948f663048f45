"""`udp keys ...`, `udp users ...`, `udp audit`: who may, who did; keys and links are shown this once."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

from udp.access.limits import Quota
from udp.access.porter import Porter, open_porter
from udp.auth import KeyListed, KeyWish, SqlKeys
from udp.config import Settings
from udp.datasets.reading import read_policy
from udp.errors import ConfigurationError
from udp.policy import Role
from udp.registry.database import Database

_KEY_ROLES = tuple(one.value for one in Role if one is not Role.PUBLIC)
# Programs of others get a limit unless somebody decides otherwise; our own and the operators' do not.
_LIMITED: Mapping[str, Quota] = {
    role: Quota(600, 100_000) for role in (Role.APP, Role.HOBBYIST, Role.CREW, Role.CLIMATE)
}
_Verb = Callable[[Settings, argparse.Namespace], int]


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`keys`, `users` and `audit`, below the verbs of `udp`."""
    _add_keys(verbs.add_parser("keys", aliases=["key"]), shared)
    people = verbs.add_parser("users")
    actions = people.add_subparsers(dest="action", required=True)
    actions.add_parser("list", parents=[shared], help="who has signed in, with which roles")
    for name, meaning in (("block", "keep somebody out, at once"), ("unblock", "let somebody in again")):
        actions.add_parser(name, parents=[shared], help=meaning).add_argument("subject", help="see list")
    link = actions.add_parser("link", parents=[shared], help="an address that signs in once")
    link.add_argument("--role", choices=_KEY_ROLES, default=Role.ADMIN.value)
    link.add_argument("--minutes", type=int, default=15, help="how long it may wait, at most 1440")
    audit = verbs.add_parser("audit", parents=[shared])
    audit.add_argument("--last", type=int, default=50, help="so many lines")
    audit.add_argument("--verify", action="store_true", help="whether every line is as it was written")


def _add_keys(group: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    actions = group.add_subparsers(dest="action", required=True)
    make = actions.add_parser("create", parents=[shared], help="make one; it is shown only then")
    make.add_argument("--role", choices=_KEY_ROLES, required=True, help="metrics: a scraper of /metrics")
    make.add_argument("--note", default="", help="whose key it is")
    make.add_argument(
        "--dataset", action="append", metavar="KEY", help="beyond open data only this dataset; may repeat"
    )
    make.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="PREFIX",
        help="only below this, e.g. /v1.1",
    )
    make.add_argument("--days", type=int, help="valid so long; without it, until revoked")
    make.add_argument("--per-minute", type=int, help="requests a minute; 0: no limit")
    make.add_argument("--per-day", type=int, help="requests a day (UTC); 0: no limit")
    actions.add_parser("list", parents=[shared], help="all keys, with how often they were used")
    revoke = actions.add_parser("revoke", parents=[shared], help="let a key open nothing any more")
    revoke.add_argument("id", help="the ten characters after udp_; see list")


def keys(config: Settings, given: argparse.Namespace) -> int:
    """0: done."""
    with _database(config) as database:
        known = SqlKeys(database)
        verbs: Mapping[str, Callable[[], None]] = {
            "create": lambda: _create(known, config, given),
            "list": lambda: _list_keys(known),
            "revoke": lambda: _revoke(known, given.id),
        }
        verbs[given.action]()
    return 0


def users(config: Settings, given: argparse.Namespace) -> int:
    """0: done."""
    with _porter(config) as porter:
        if given.action == "list":
            _list_people(porter)
        elif given.action == "link":
            _link(porter, config, given)
        else:
            porter.people.block(given.subject, who(), blocked=given.action == "block")
            _say(f"{given.subject}: {given.action}ed")
    return 0


def audit(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: `--verify` found a line that was changed or taken away."""
    with _porter(config) as porter:
        if given.verify:
            broken = porter.audit.broken()
            _say("every line is as it was written" if broken is None else f"line {broken} is not as written")
            return 0 if broken is None else 1
        for one in reversed(porter.audit.read(given.last)):
            told = f"{one.at[:19]}Z {one.what:<16} {one.who or '-':<24} {one.subject or '-'} {one.detail}"
            _say(f"{told} [{one.origin}]" if one.origin else told)
    return 0


def who() -> str:
    """The person at this command line, as the operating system knows them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _create(known: SqlKeys, config: Settings, given: argparse.Namespace) -> None:
    role = Role(given.role)
    usual = _LIMITED.get(role, Quota(0, 0))
    for one in given.path:
        if not one.startswith("/"):
            raise ConfigurationError(f"--path {one!r} must begin with /, e.g. /api/v1")
    datasets = None
    if given.dataset is not None:
        policy = read_policy(config.policy).by_key
        for one in given.dataset:
            if one not in policy:
                raise ConfigurationError(f"--dataset {one!r} is not in the policy; see: udp policy show")
        datasets = tuple(given.dataset)
    quota = Quota(
        usual.per_minute if given.per_minute is None else _whole("--per-minute", given.per_minute),
        usual.per_day if given.per_day is None else _whole("--per-day", given.per_day),
    )
    lasting = None if given.days is None else timedelta(days=_whole("--days", given.days, least=1))
    _say(known.make(KeyWish(role, given.note, datasets, tuple(given.path), quota, lasting), who()))
    _aside("This key is shown only now; keep it in a safe place.")


def _whole(name: str, number: int, least: int = 0) -> int:
    if not least <= number <= 10_000_000:
        raise ConfigurationError(f"{name} {number} is not possible; choose {least} to 10000000")
    return number


def _list_keys(known: SqlKeys) -> None:
    found = known.listed()
    if not found:
        _say("no key has been made yet: udp keys create --role operator")
        return
    _say(f"{'id':<11} {'role':<9} {'today':>8} {'all':>10} {'limits':<18} {'state':<22} scope; note")
    for one in found:
        _say(_line(one))


def _line(one: KeyListed) -> str:
    quota = one.wish.quota
    limits = f"{quota.per_minute or 'any'}/min {quota.per_day or 'any'}/day"
    state = (
        f"revoked {one.revoked_at[:10]}"
        if one.revoked_at
        else f"until {one.expires_at[:10]}"
        if one.expires_at
        else "until revoked"
    )
    scope = [*(one.wish.datasets if one.wish.datasets is not None else ()), *one.wish.paths]
    told = f"{', '.join(scope) or 'all its role may'}; {one.wish.note}"
    return (
        f"{one.id:<11} {one.wish.role:<9} {one.uses_today:>8} {one.uses:>10} {limits:<18} {state:<22} {told}"
    )


def _revoke(known: SqlKeys, number: str) -> None:
    known.revoke(number, who())
    _say(f"{number}: opens nothing any more")


def _list_people(porter: Porter) -> None:
    found = porter.people.all()
    if not found:
        _say("nobody has signed in yet")
    for one in found:
        state = "blocked" if one.blocked else f"last sign-in {one.last_sign_in[:19]}Z"
        _say(f"{one.subject}  {one.name}  {', '.join(one.roles)}  {state}")


def _link(porter: Porter, config: Settings, given: argparse.Namespace) -> None:
    minutes = _whole("--minutes", given.minutes, least=1)
    if minutes > 1440:
        raise ConfigurationError(f"--minutes {minutes} is not possible; choose 1 to 1440")
    token = porter.sessions.link(Role(given.role), who(), timedelta(minutes=minutes))
    provider = config.access.provider
    address = provider.public_url.rstrip("/") if provider else config.public_url()
    _say(f"{address}/anmelden/einmal?token={token}")
    _aside(f"This address signs in once, as {given.role}, within {minutes} minutes.")


@contextmanager
def _database(config: Settings) -> Iterator[Database]:
    with closing(Database(config.registry.address())) as database:
        yield database


@contextmanager
def _porter(config: Settings) -> Iterator[Porter]:
    with _database(config) as database, closing(open_porter(database, config.access)) as porter:
        yield porter


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer


def _aside(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - beside the answer, which programs read
