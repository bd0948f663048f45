"""One pool of JavaScript processes per test."""

import pytest


@pytest.fixture
def pool():
    from edge.codecs.javascript_pool import JavaScriptLimits, JavaScriptPool

    with_limits = JavaScriptPool(JavaScriptLimits(wall_s=20.0))
    yield with_limits
    with_limits.close()
