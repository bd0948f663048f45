// Runs one codec inside its context: finds its functions, calls them, turns whatever comes into JSON text.
// Evaluated once per context, before the codec. It keeps the built-ins it needs, since a codec may replace them.
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const { keys, assign, defineProperty } = Object;
  const { apply, deleteProperty } = Reflect;
  const { isArray, from } = Array;
  const { isView } = ArrayBuffer;
  const { join } = Array.prototype;
  const text = String;
  const host = globalThis;
  const deepest = 48;

  class Refusal extends Error {} // ours: without the name and line of a fault in the codec

  function pristine(object) {
    for (const _ in object) return false; // whatever a codec adds by assignment shows here
    return true;
  }

  // Network servers have no console; codecs call it all the same.
  const silent = function () {};
  const console = {};
  for (const name of ["log", "info", "warn", "error", "debug", "trace", "dir", "table", "assert", "count",
    "group", "groupCollapsed", "groupEnd", "time", "timeEnd", "timeLog"]) console[name] = silent;
  for (const name of keys(host)) deleteProperty(host, name); // `performance`: a clock nobody's codec is tested with
  const hidden = (name, value) =>
    defineProperty(host, name, { value, writable: true, configurable: true, enumerable: false });
  hidden("console", console);
  hidden("module", undefined);
  hidden("exports", undefined);

  // Few codecs want a Buffer: it is only built for those.
  return function (program, bufferSource, mostCharacters) {
    let replaced = false;
    defineProperty(host, "Buffer", {
      configurable: true,
      enumerable: false,
      get() {
        const made = (0, eval)(bufferSource);
        hidden("Buffer", made);
        return made;
      },
      set(value) {
        hidden("Buffer", value);
        replaced = true;
      },
    });

    const builtIn = Object.getOwnPropertyNames(host).filter((name) =>
      !["module", "exports", "Buffer"].includes(name) && host[name] === host[name]); // all but NaN
    const meant = builtIn.map((name) => host[name]);
    const prototypes = [Object, Array, String, Number, Boolean, Function, Date, RegExp, Error, Math, JSON, Map, Set,
      Promise, Uint8Array].flatMap((one) => (one.prototype ? [one, one.prototype] : [one])).filter(pristine);

    // Network servers start every message anew, and codecs rely on it (`var decoded = {}` at the top).
    // The program is a function, so its own names are new each time; here go the undeclared ones.
    function leftNothing() {
      if (replaced) return false;
      const stray = keys(host);
      for (let i = 0; i < stray.length; i++) if (!deleteProperty(host, stray[i])) return false;
      for (let i = 0; i < builtIn.length; i++) {
        if (host[builtIn[i]] !== meant[i]) return false;
      }
      for (let i = 0; i < prototypes.length; i++) {
        if (!pristine(prototypes[i])) return false;
      }
      return true;
    }

    function found() {
      const module = { exports: {} };
      host.module = module;
      host.exports = module.exports;
      const named = apply(program, host, []);
      if (named === null || typeof named !== "object") throw new Refusal("the file returns before its end");
      const exported = module.exports;
      return (name) => {
        const one = named[name];
        if (one !== undefined) return one;
        const other = exported === null || exported === undefined ? undefined : exported[name];
        return typeof other === "function" ? other : undefined;
      };
    }

    function mapping(value, name) {
      if (value !== null && typeof value === "object" && !isArray(value)) {
        if (typeof value.then === "function") throw new Refusal(name + " is asynchronous; codecs must answer at once");
        return value;
      }
      const what = value === null ? "null" : isArray(value) ? "an array" : typeof value;
      throw new Refusal(name + " returned " + what + " instead of an object");
    }

    // What `+` makes of long strings, a rope, cannot leave the engine.
    const flat = (pieces) => apply(join, pieces, [""]);

    const plainBytes = (value) => (isView(value) ? from(value) : value);

    function whole(answer) {
      return isView(answer.bytes) ? assign({}, answer, { bytes: plainBytes(answer.bytes) }) : answer;
    }

    function normalised(answer, normalise) {
      const { data, errors } = answer;
      if (data === undefined || data === null || (errors && errors.length)) return answer;
      let normalizedOutput;
      try {
        normalizedOutput = mapping(normalise({ data }), "normalizeUplink");
      } catch (error) {
        if (exhausted(error)) throw error;
        normalizedOutput = { errors: [told(error)] };
      }
      return assign({}, answer, { normalizedOutput });
    }

    // Passed on as it is, the time keeps the digits it came with: a Date has but milliseconds.
    function moment(recvTime, exactly) {
      const date = new Date(recvTime);
      if (exactly !== undefined) defineProperty(date, "toJSON", { value: () => exactly, configurable: true });
      return date;
    }

    const kinds = {
      __proto__: null,
      uplink(find, { bytes, fPort, recvTime, recvTimeText, variables }) {
        let one;
        if ((one = find("decodeUplink"))) {
          const answer = mapping(one({ bytes, fPort, recvTime: moment(recvTime, recvTimeText), variables }), "decodeUplink");
          const normalise = find("normalizeUplink");
          return normalise ? normalised(answer, normalise) : answer;
        }
        if ((one = find("Decoder"))) return { data: one(bytes, fPort) };
        if ((one = find("Decode"))) return { data: one(fPort, bytes, variables ?? {}) };
        throw new Refusal("the file has neither decodeUplink nor Decoder nor Decode");
      },
      "downlink-encode"(find, { data, fPort, variables }) {
        let one;
        if ((one = find("encodeDownlink"))) return whole(mapping(one({ data, fPort, variables }), "encodeDownlink"));
        if ((one = find("Encoder"))) return { bytes: plainBytes(one(data, fPort)), fPort };
        if ((one = find("Encode"))) return { bytes: plainBytes(one(fPort, data, variables ?? {})), fPort };
        throw new Refusal("the file has neither encodeDownlink nor Encoder nor Encode");
      },
      "downlink-decode"(find, { bytes, fPort, recvTime, variables }) {
        const one = find("decodeDownlink");
        if (!one) throw new Refusal("the file has no decodeDownlink");
        return mapping(one({ bytes, fPort, recvTime: new Date(recvTime), variables }), "decodeDownlink");
      },
    };

    // JSON knows no BigInt; its digits are written as they are. Only ever needed after stringify refused.
    function exact(value, depth) {
      if (depth > deepest) throw new Refusal("the result is circular or nested deeper than " + deepest + " levels");
      if (value !== null && typeof value === "object" && typeof value.toJSON === "function") value = value.toJSON();
      if (typeof value === "bigint") return text(value);
      if (value === null || typeof value !== "object") return stringify(value);
      let written = "";
      if (isArray(value)) {
        for (let i = 0; i < value.length; i++) {
          written += (i ? "," : "") + (exact(value[i], depth + 1) ?? "null");
          if (written.length > mostCharacters) break;
        }
        return "[" + written + "]";
      }
      for (const key of keys(value)) {
        const member = exact(value[key], depth + 1);
        if (member !== undefined) written += (written ? "," : "") + stringify(key) + ":" + member;
        if (written.length > mostCharacters) break;
      }
      return "{" + written + "}";
    }

    // The Things Stack gives members of `data` without a value as null, and published examples say so.
    function missing(value, depth) {
      if (value === undefined) return true;
      if (value === null || typeof value !== "object" || depth > deepest) return false;
      if (isArray(value)) {
        for (let i = 0; i < value.length; i++) if (typeof value[i] === "object" && missing(value[i], depth + 1)) return true;
        return false; // an array's own gaps are null in any case
      }
      const members = keys(value);
      for (let i = 0; i < members.length; i++) if (missing(value[members[i]], depth + 1)) return true;
      return false;
    }
    const present = (_, value) => (value === undefined ? null : value);

    function json(answer) {
      let written;
      try {
        written = stringify(answer);
        if (answer.data !== undefined && missing(answer.data, 1)) written = stringify(assign({}, answer, { data: parse(stringify(answer.data, present)) }));
      } catch (error) {
        if (exhausted(error)) throw error;
        written = flat([exact(answer, 0)]);
      }
      if (typeof written !== "string") throw new Refusal("the result is not representable in JSON");
      if (written.length > mostCharacters) {
        throw new Refusal("the result is longer than " + mostCharacters + " characters of JSON");
      }
      return written;
    }

    // The engine throws null where it has not even the memory for an error.
    function exhausted(error) {
      return error === null || (error instanceof InternalError && error.message === "out of memory");
    }

    function told(error) {
      if (!(error instanceof Error)) {
        let shown;
        try {
          shown = typeof error === "object" ? stringify(error) : text(error);
        } catch (other) {
          if (exhausted(other)) throw other;
          shown = "something that cannot be shown";
        }
        return "the codec threw " + text(shown).slice(0, 500);
      }
      if (error instanceof Refusal) return error.message;
      const line = /<input>:(\d+)/.exec(text(error.stack));
      return (text(error.name) + ": " + text(error.message)).slice(0, 500) + (line ? " (line " + line[1] + ")" : "");
    }

    const InternalError = host.InternalError;
    const refusal = (problem) => stringify({ errors: [problem] });

    return function (kind, request) {
      let answer;
      try {
        answer = json(kinds[kind](found(), parse(request)));
      } catch (error) {
        if (exhausted(error)) throw error;
        try {
          answer = refusal(told(error));
        } catch (other) {
          if (exhausted(other)) throw other;
          answer = refusal("the codec threw an error that cannot be shown");
        }
      }
      return leftNothing() ? answer : flat(["!", answer]);
    };
  };
})()
