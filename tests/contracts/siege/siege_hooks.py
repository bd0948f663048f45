"""What schemathesis is told beyond the OpenAPI document: which ids there are, and what must never come out.

Loaded by schemathesis itself (SCHEMATHESIS_HOOKS). SIEGE_PATHS: JSON of path parameter -> real values,
those of closed series among them. SIEGE_PUBLIC: whether nothing closed may be seen by who asks.
"""

import json
import os

import schemathesis
from fortress import CANARIES
from hypothesis import strategies as st

PATHS = json.loads(os.environ.get("SIEGE_PATHS", "{}"))
PUBLIC = os.environ.get("SIEGE_PUBLIC") == "1"


@schemathesis.hook
def flatmap_path_parameters(_context, path_parameters):
    """Every second question is about something that exists."""
    known = {name: st.sampled_from(PATHS[name]) for name in path_parameters or {} if name in PATHS}
    if not known:
        return st.just(path_parameters)
    real = st.fixed_dictionaries(known).map(lambda chosen: {**path_parameters, **chosen})
    return st.one_of(st.just(path_parameters), real)


@schemathesis.check
def nothing_closed_comes_out(_context, response, case):
    """Marks of closed things in headers or body, unless the question brought them itself."""
    if not PUBLIC:
        return
    brought = f"{response.request.url} {response.request.body!r} {response.request.headers!r}".lower()
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    text = f"{headers}\n{response.content.decode('utf-8', 'replace')}".lower()
    found = [word for word in CANARIES if word.lower() in text and word.lower() not in brought]
    assert not found, f"LEAK of {found} by {case.method} {response.request.url}"


@schemathesis.check
def refusals_are_problem_documents(_context, response, _case):
    """RFC 9457, with a detail that somebody can act upon."""
    if (
        response.status_code >= 400
        and response.request.method != "HEAD"
        and "/health" not in response.request.url
    ):
        kind = response.headers.get("content-type", [""])
        assert "application/problem+json" in str(kind), f"{response.status_code} as {kind}"
        assert response.json()["detail"]
