// As much of Node's Buffer as codecs use: built on Uint8Array, so that everything else behaves as there.
(function () {
  "use strict";
  function Buffer(value, encodingOrOffset, length) {
    return typeof value === "number" ? Buffer.alloc(value) : Buffer.from(value, encodingOrOffset, length);
  }
  Object.setPrototypeOf(Buffer, Uint8Array);
  Buffer.prototype = Object.create(Uint8Array.prototype, {
    constructor: { value: Buffer, writable: true, configurable: true },
  });
  const own = (bytes) => Object.setPrototypeOf(bytes, Buffer.prototype);
  const binary = (string) => Uint8Array.from(string, (one) => one.charCodeAt(0) & 0xff);
  const named = (encoding) => String(encoding === undefined || encoding === null ? "utf8" : encoding).toLowerCase();

  const writers = {
    hex(string) {
      const pairs = /^(?:[0-9a-f]{2})*/i.exec(string)[0];
      const bytes = new Uint8Array(pairs.length / 2);
      for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(pairs.substr(2 * i, 2), 16);
      return bytes;
    },
    utf8: (string) => binary(unescape(encodeURIComponent(string.toWellFormed()))),
    base64: (string) => binary(atob(string.replace(/-/g, "+").replace(/_/g, "/").replace(/[^A-Za-z0-9+/]/g, ""))),
    latin1: binary,
    utf16le(string) {
      const bytes = new Uint8Array(2 * string.length);
      for (let i = 0; i < string.length; i++) {
        bytes[2 * i] = string.charCodeAt(i) & 0xff;
        bytes[2 * i + 1] = string.charCodeAt(i) >> 8;
      }
      return bytes;
    },
  };
  const characters = (bytes, mask) => {
    let string = "";
    for (let i = 0; i < bytes.length; i++) string += String.fromCharCode(bytes[i] & mask);
    return string;
  };
  const readers = {
    hex(bytes) {
      let string = "";
      for (let i = 0; i < bytes.length; i++) string += (bytes[i] < 16 ? "0" : "") + bytes[i].toString(16);
      return string;
    },
    utf8(bytes) {
      const raw = characters(bytes, 0xff);
      try {
        return decodeURIComponent(escape(raw));
      } catch {
        const piece = /[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[^]/g;
        return raw.replace(piece, (one) => {
          try {
            return decodeURIComponent(escape(one));
          } catch {
            return "\ufffd";
          }
        });
      }
    },
    base64: (bytes) => btoa(characters(bytes, 0xff)),
    base64url: (bytes) => readers.base64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, ""),
    ascii: (bytes) => characters(bytes, 0x7f),
    latin1: (bytes) => characters(bytes, 0xff),
    utf16le(bytes) {
      let string = "";
      for (let i = 0; i + 1 < bytes.length; i += 2) string += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8));
      return string;
    },
  };
  writers["utf-8"] = writers.utf8;
  readers["utf-8"] = readers.utf8;
  writers.base64url = writers.base64;
  writers.ascii = writers.binary = writers.latin1;
  readers.binary = readers.latin1;
  writers.ucs2 = writers["utf-16le"] = writers.utf16le;
  readers.ucs2 = readers["utf-16le"] = readers.utf16le;
  const coder = (table, encoding) => {
    const one = table[named(encoding)];
    if (!one) throw new TypeError("Unknown encoding: " + encoding);
    return one;
  };

  const methods = {
    toString(encoding, start, end) {
      return coder(readers, encoding)(this.subarray(start || 0, end === undefined ? this.length : end));
    },
    toJSON() {
      return { type: "Buffer", data: Array.from(this) };
    },
    slice(start, end) {
      return this.subarray(start, end);
    },
    equals(other) {
      return Buffer.compare(this, other) === 0;
    },
    compare(other) {
      return Buffer.compare(this, other);
    },
    copy(target, at = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(part, at);
      return part.length;
    },
    write(string, offset, length, encoding) {
      if (typeof offset === "string") [encoding, offset, length] = [offset, 0, undefined];
      else if (typeof length === "string") [encoding, length] = [length, undefined];
      const at = offset || 0;
      const bytes = coder(writers, encoding)(String(string)).subarray(0, Math.min(length ?? Infinity, this.length - at));
      this.set(bytes, at);
      return bytes.length;
    },
    fill(value, start, end, encoding) {
      if (typeof value !== "string") return Uint8Array.prototype.fill.call(this, value, start, end);
      const bytes = coder(writers, encoding)(value);
      for (let i = start || 0; i < (end ?? this.length); i++) this[i] = bytes[(i - (start || 0)) % bytes.length];
      return this;
    },
    indexOf(value, from) {
      if (typeof value === "number") return Uint8Array.prototype.indexOf.call(this, value, from);
      const wanted = Buffer.from(value);
      for (let i = from || 0; i + wanted.length <= this.length; i++) {
        if (wanted.every((one, j) => this[i + j] === one)) return i;
      }
      return -1;
    },
    includes(value, from) {
      return this.indexOf(value, from) !== -1;
    },
  };
  const check = (buffer, offset, size) => {
    if (!(offset >= 0 && offset + size <= buffer.length)) {
      throw new RangeError("Attempt to access memory outside buffer bounds");
    }
  };
  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const number = (name, viewed, size) => {
    for (const [ending, little] of size === 1 ? [["", true]] : [["LE", true], ["BE", false]]) {
      const reading = function (offset = 0) {
        check(this, offset, size);
        return view(this)["get" + viewed](offset, little);
      };
      const writing = function (value, offset = 0) {
        check(this, offset, size);
        view(this)["set" + viewed](offset, value, little);
        return offset + size;
      };
      for (const alias of [name, name.replace("UInt", "Uint")]) {
        methods["read" + alias + ending] = reading;
        methods["write" + alias + ending] = writing;
      }
    }
  };
  number("UInt8", "Uint8", 1);
  number("Int8", "Int8", 1);
  number("UInt16", "Uint16", 2);
  number("Int16", "Int16", 2);
  number("UInt32", "Uint32", 4);
  number("Int32", "Int32", 4);
  number("Float", "Float32", 4);
  number("Double", "Float64", 8);
  number("BigUInt64", "BigUint64", 8);
  number("BigInt64", "BigInt64", 8);
  for (const [ending, little] of [["LE", true], ["BE", false]]) {
    const readUnsigned = function (offset, size) {
      check(this, offset, size);
      let value = 0;
      for (let i = 0; i < size; i++) value = value * 256 + this[offset + (little ? size - 1 - i : i)];
      return value;
    };
    const readSigned = function (offset, size) {
      const value = readUnsigned.call(this, offset, size);
      return value < 2 ** (8 * size - 1) ? value : value - 2 ** (8 * size);
    };
    const write = function (value, offset, size) {
      check(this, offset, size);
      let rest = value < 0 ? value + 2 ** (8 * size) : value;
      for (let i = 0; i < size; i++, rest = Math.floor(rest / 256)) {
        this[offset + (little ? i : size - 1 - i)] = rest % 256;
      }
      return offset + size;
    };
    methods["readUInt" + ending] = methods["readUint" + ending] = readUnsigned;
    methods["readInt" + ending] = readSigned;
    methods["writeUInt" + ending] = methods["writeUint" + ending] = methods["writeInt" + ending] = write;
  }
  for (const name of Object.keys(methods)) {
    Object.defineProperty(Buffer.prototype, name, { value: methods[name], writable: true, configurable: true });
  }

  const statics = {
    from(value, encodingOrOffset, length) {
      if (typeof value === "string") return own(coder(writers, encodingOrOffset)(value));
      if (value instanceof ArrayBuffer) return own(new Uint8Array(value, encodingOrOffset, length));
      if (value && value.type === "Buffer" && Array.isArray(value.data)) return own(Uint8Array.from(value.data));
      if (value === null || typeof value !== "object") {
        throw new TypeError("Buffer.from wants a string, an array, an ArrayBuffer or a Buffer");
      }
      return own(Uint8Array.from(value));
    },
    alloc(size, fill, encoding) {
      const made = own(new Uint8Array(size));
      return fill === undefined || fill === 0 ? made : made.fill(fill, 0, size, encoding);
    },
    concat(list, total) {
      const made = Buffer.alloc(total ?? list.reduce((sum, one) => sum + one.length, 0));
      let at = 0;
      for (const one of list) {
        const part = one.subarray(0, made.length - at);
        made.set(part, at);
        at += part.length;
      }
      return made;
    },
    isBuffer: (value) => value instanceof Buffer,
    isEncoding: (encoding) => named(encoding) in readers,
    byteLength: (value, encoding) => (typeof value === "string" ? coder(writers, encoding)(value) : value).length,
    compare(one, other) {
      for (let i = 0; i < Math.min(one.length, other.length); i++) {
        if (one[i] !== other[i]) return one[i] < other[i] ? -1 : 1;
      }
      return Math.sign(one.length - other.length);
    },
  };
  statics.allocUnsafe = statics.allocUnsafeSlow = statics.alloc;
  for (const name of Object.keys(statics)) {
    Object.defineProperty(Buffer, name, { value: statics[name], writable: true, configurable: true });
  }
  return Buffer;
})()
