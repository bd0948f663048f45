"""Hostile codecs are stopped within their limits; everybody else's messages are answered in between."""

import json
import os

import psutil
import pytest

from edge.codecs.javascript_pool import Call, JavaScriptLimits, JavaScriptPool, Source

GOOD = Call(
    Source("function decodeUplink(i) { return { data: { v: i.bytes[0] } }; }"),
    "uplink",
    '{"bytes":[7],"fPort":1,"recvTime":0}',
)
ANSWER = {"data": {"v": 7}}

# What the engine stops by itself: the process lives on. (body of decodeUplink, part of the reason)
# fmt: off
STOPPED = {
    "endless loop": ("for (;;) {}", "longer than"),
    "loop that catches": ("for (;;) { try { for (;;) {} } catch (e) {} finally { continue; } }", "longer"),
    "loop in a getter": ("return { get data() { for (;;) {} } };", "longer than"),
    "loop in toJSON": ("return { data: { toJSON() { for (;;) {} } } };", "longer than"),
    "loop in a thrown thing": ("throw { toJSON() { for (;;) {} } };", "longer than"),
    "proxy without bottom": (
        "return { data: new Proxy({}, { ownKeys() { for (;;) {} } }) };",
        "longer than",
    ),
    "backtracking": ("return { data: /(a+)+b/.test('a'.repeat(60)) };", "longer than"),
    "sparse arrays": ("var a = []; a[4294967290] = 1; return { data: a.includes(2) };", "longer than"),
    "arrays": ("var a = []; for (;;) a.push(new Array(1000).fill(a.length));", "bytes of memory"),
    "strings": ("var s = 'x'; for (;;) s += s; return { data: s };", ""),
    "typed arrays": ("var a = []; for (;;) a.push(new Uint8Array(1000000));", "memory"),
    "recursion": ("function f(n) { return f(n + 1) + 1; } return { data: f(0) };", "call stack"),
    "recursion by sorting": ("function f() { [2, 1].sort(f); } f();", "call stack"),
    "deep output": ("var o = {}; for (var i = 0; i < 50000; i++) o = { o: o }; return { data: o };", ""),
    "deep arrays": ("var o = []; for (var i = 0; i < 20000; i++) o = [o]; return { data: o };", ""),
    "huge output": ("return { data: 'x'.repeat(400000) };", "longer than 262144"),
    "huge output of many": ("return { data: Array.from({ length: 90000 }, (_, i) => i) };", "longer than"),
    "huge output with big integers": ("return { data: new Array(90000).fill(10n) };", "longer than"),
    "circular": ("var o = {}; o.o = o; return { data: o };", "circular"),
    "circular with big integers": ("var o = { n: 1n }; o.o = o; return { data: o };", "circular"),
    "huge big integer": ("return { data: 2n ** 10000000n };", ""),
    "module std": ("return { data: std.exec };", "std"),
    "module os": ("return { data: os.exec('/bin/sh') };", "os"),
    "require": ("return { data: require('fs') };", "require"),
    "process": ("return { data: process.exit(1) };", "process"),
    "waiting": (
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return { data: 1 };",
        "block",
    ),
    "asynchronous": ("return Promise.resolve({ data: 1 });", "asynchronous"),
    "nothing": ("", "undefined instead of an object"),
    "null": ("return null;", "null instead of an object"),
    "a number": ("return 5;", "number instead of an object"),
    "throws null": ("throw null;", ""),
    "throws a symbol": ("throw Symbol('x');", "threw"),
    "throws nothing to show": ("throw { toJSON() { throw 1; } };", "cannot be shown"),
    "throws itself": ("var e = { get message() { throw e; }, __proto__: Error.prototype }; throw e;", ""),
}
# fmt: on
# What only the end of its process stops.
KILLED = {
    "indexOf": "var s = 'a'.repeat(3000000); return { data: s.indexOf('a'.repeat(1000000) + 'b') };",
    "join": "return { data: new Array(4000000000).join('').length };",
    "split": "var s = 'a'.repeat(3000000); return { data: s.split('a'.repeat(1000000) + 'b').length };",
}


def hostile(body):
    return Call(Source("function decodeUplink(input) { " + body + "\n}"), "uplink", GOOD.request)


def answered(pool, *calls):
    return [json.loads(answer) for answer in pool.run(calls)]


@pytest.mark.parametrize("name", STOPPED)
def test_what_a_codec_does_wrong_is_its_own_error(name, pool):
    body, reason = STOPPED[name]
    [before] = answered(pool, GOOD)
    [pid] = pool.pids()
    one, good, again, last = answered(pool, hostile(body), GOOD, hostile(body), GOOD)
    assert (before, good, last) == (ANSWER, ANSWER, ANSWER)
    assert reason in one["errors"][0]
    assert again["errors"]
    assert (pool.pids(), pool.killed) == ([pid], 0)


@pytest.mark.parametrize("name", KILLED)
def test_a_long_native_call_ends_its_process_and_nothing_else(name, pool):
    first, bad, good, other = answered(pool, GOOD, hostile(KILLED[name]), GOOD, GOOD)
    assert (first, good, other) == (ANSWER, ANSWER, ANSWER)
    assert "native call" in bad["errors"][0]
    assert pool.killed == 1


def test_patience_ends_by_the_wall_clock_too():
    pool = JavaScriptPool(JavaScriptLimits(cpu_s=30.0, wall_s=30.0, memory_bytes=64 << 20))
    try:
        assert answered(pool, GOOD) == [ANSWER]
    finally:
        pool.close()
    impatient = JavaScriptPool(JavaScriptLimits(cpu_s=0.4, wall_s=4.0))
    try:
        [pid] = [*answered_pids(impatient)]
        os.kill(pid, 19)  # SIGSTOP: no processor time passes any more
        bad, good = answered(impatient, GOOD, GOOD)
        assert "did not answer within 4 s" in bad["errors"][0]
        assert good == ANSWER
        assert not psutil.pid_exists(pid)
    finally:
        impatient.close()


def answered_pids(pool):
    assert answered(pool, GOOD) == [ANSWER]
    return pool.pids()


def test_a_process_killed_from_outside_costs_no_message(pool):
    [pid] = answered_pids(pool)
    os.kill(pid, 9)
    assert answered(pool, GOOD, GOOD) == [ANSWER, ANSWER]
    assert pool.killed == 1
    assert pool.pids() != [pid]


@pytest.mark.parametrize(
    "pollution",
    [
        "Object.prototype.polluted = 1;",
        "Array.prototype.toJSON = function () { return 'mine'; };",
        "JSON.stringify = JSON.parse = function () { return 'mine'; };",
        "var m = Math; m['PI'.slice(0)] = 3; m.mine = 1;",
        "Object.keys = Reflect.ownKeys = Reflect.deleteProperty = function () { return ['x']; };",
        "String = Number = Array = undefined;",
        "globalThis.leak = 1; leak2 = 2; Object.defineProperty(globalThis, 'leak3', { value: 1 });",
        "Buffer = 1; console = 2; undefined_thing = 3;",
        "Object.freeze(globalThis);",
        "Object.setPrototypeOf(globalThis, { leak: 1 });",
        "Error.prepareStackTrace = function () { return 'mine'; };",
        "delete globalThis.JSON; delete globalThis.Object; delete globalThis.Buffer;",
    ],
)
def test_pollution_reaches_neither_other_codecs_nor_the_next_message(pollution, pool):
    probe = (
        "return { data: { clean: typeof leak + typeof leak2 + typeof leak3 + typeof undefined_thing"
        " + typeof {}.polluted + typeof Buffer + typeof console.log + [1].concat([2]) + JSON.stringify([1])"
        " + Object.keys({ a: 1 }) + String(1) } };"
    )
    polluted = "if (input.bytes[0] === 7) { " + pollution + " return { data: {} }; } " + probe
    again = hostile(polluted)._replace(request='{"bytes":[1],"fPort":1,"recvTime":0}')
    clean = {"data": {"clean": "undefined" * 5 + "functionfunction1,2[1]a1"}}
    _, good, same, other = answered(pool, hostile(polluted), GOOD, again, hostile(probe))
    assert good == ANSWER
    assert same == clean
    assert other == clean
    assert pool.killed == 0


def test_there_is_no_way_out(pool):
    body = """
      var names = Object.getOwnPropertyNames(globalThis).join(), out = {};
      var tries = { imp: "import('os')", std: "std", scr: "loadScript", read: "readFile", prn: "print",
        fn: "(function(){}).constructor('return typeof process')()", wrk: "Worker", fet: "fetch",
        xhr: "XMLHttpRequest", tim: "setTimeout", bjs: "bjson",
        mod: "module.constructor.constructor('return typeof os')()" };
      for (var k in tries) {
        try { var v = (0, eval)(tries[k]); out[k] = typeof v === "string" ? v : typeof v; }
        catch (e) { out[k] = e.name; }
      }
      return { data: out };"""
    [answer] = answered(pool, hostile(body))
    # import() gives a promise nobody ever runs; there is no loader behind it either.
    assert answer["data"] == {
        "imp": "object", "fn": "undefined", "mod": "undefined",
        **dict.fromkeys(("std", "scr", "read", "prn", "wrk", "fet", "xhr", "tim", "bjs"), "ReferenceError"),
    }  # fmt: skip


def test_the_process_cannot_open_files_or_start_others(pool):
    [pid] = answered_pids(pool)
    process = psutil.Process(pid)
    assert process.rlimit(psutil.RLIMIT_NOFILE) == (3, 3)
    assert process.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_AS)[0] == JavaScriptLimits().address_space_bytes
    assert process.environ() == {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
    assert process.num_threads() == 1


def test_hostile_source_cannot_break_the_line_protocol(pool):
    nasty = Source("function decodeUplink(i) { return { data: 'a\\nC 0 x' }; }\n}\nC x\n")
    syntax, null, good = answered(
        pool, GOOD._replace(source=nasty), GOOD._replace(source=Source("// \0")), GOOD
    )
    assert "null character" in null["errors"][0]
    assert "SyntaxError" in syntax["errors"][0]
    assert good == ANSWER
    lines = Source("function decodeUplink(i) { return { data: 'a\\nC 0\\u2028\\u0000\\ud800' }; }")
    assert answered(pool, GOOD._replace(source=lines)) == [{"data": "a\nC 0\u2028\0\ud800"}]


def test_memory_returns_after_many_greedy_codecs():
    pool = JavaScriptPool(JavaScriptLimits(contexts=8, wall_s=20.0))
    try:
        [pid] = answered_pids(pool)
        before = psutil.Process(pid).memory_info().rss
        keeps = "Array.kept = (Array.kept || []).concat(new Uint8Array(7000000)); return { data: 1 };"
        for number in range(60):
            greedy = hostile(f"/* {number} */ {keeps}")
            assert answered(pool, greedy, GOOD) == [{"data": 1}, ANSWER]
        assert pool.pids() == [pid]
        assert psutil.Process(pid).memory_info().rss - before < 24 << 20
    finally:
        pool.close()


@pytest.mark.slow
def test_five_hundred_hostile_rounds_leave_every_good_message_answered():
    pool = JavaScriptPool(JavaScriptLimits(cpu_s=0.02, wall_s=20.0))
    bodies = [body for body, _ in STOPPED.values()] + [*KILLED.values()]
    descendants = psutil.Process().children()
    try:
        for number in range(500):
            bad, good = answered(pool, hostile(bodies[number % len(bodies)]), GOOD)
            assert bad["errors"]
            assert good == ANSWER
        assert len(pool.pids()) == 1
    finally:
        pool.close()
    assert psutil.Process().children() == descendants
