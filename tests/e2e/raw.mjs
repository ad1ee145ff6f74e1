// A client that may do anything wrong: bytes over TCP, and WebSocket frames made by hand.
import net from "node:net";
import { createHash, randomBytes } from "node:crypto";
import assert from "node:assert/strict";
import { openClients } from "./gateway.mjs";

export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = createHash("sha1").update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
const WAIT_MS = Number(process.env.E2E_WAIT_MS || 8000);

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

// The usual upgrade request; a header given as null is left out, the rest replaces or adds.
export function upgrade(port, { target = "/socket/websocket?vsn=2.0.0&user=raw", method = "GET", version = "HTTP/1.1", headers = {} } = {}) {
  const all = {
    Host: `127.0.0.1:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  return `${method} ${target} ${version}\r\n${lines.join("\r\n")}\r\n\r\n`;
}

// One frame of a client. `mask: false` leaves the mask out; `rsv` sets reserved bits (0–7);
// `size` announces another length than the payload has.
export function frame(opcode, payload = "", { fin = true, rsv = 0, mask = true, size } = {}) {
  const body = Buffer.from(payload);
  const announced = size ?? body.length;
  const bit = mask ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  let head;
  if (announced < 126) head = Buffer.from([first, bit | announced]);
  else if (announced < 65536) {
    head = Buffer.from([first, bit | 126, 0, 0]);
    head.writeUInt16BE(announced, 2);
  } else {
    head = Buffer.concat([Buffer.from([first, bit | 127]), Buffer.alloc(8)]);
    head.writeBigUInt64BE(BigInt(announced), 2);
  }
  if (!mask) return Buffer.concat([head, body]);
  const key = randomBytes(4);
  const masked = Buffer.from(body.map((byte, at) => byte ^ key[at % 4]));
  return Buffer.concat([head, key, masked]);
}

export const text = (value, options) =>
  frame(OPCODE.text, typeof value === "string" ? value : JSON.stringify(value), options);

export class RawClient {
  constructor(port, host = "127.0.0.1") {
    this.received = Buffer.alloc(0);
    this.ended = false; // the other side closed its half
    this.closed = false;
    this.reset = false;
    this.socket = net.connect({ port, host, allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.connected = new Promise((resolve, reject) => {
      this.socket.once("connect", resolve);
      this.socket.once("error", reject);
    });
    this.connected.catch(() => {});
    this.socket.on("data", (data) => {
      this.received = Buffer.concat([this.received, data]);
      this.wake();
    });
    this.socket.on("end", () => {
      this.ended = true;
      this.wake();
    });
    this.socket.on("error", (error) => {
      this.reset = error.code === "ECONNRESET" || error.code === "EPIPE";
    });
    openClients.add(this);
    this.socket.on("close", () => {
      openClients.delete(this);
      this.closed = true;
      this.wake();
    });
    this.wake = () => {};
  }

  static async open(port, options = {}) {
    const client = new RawClient(port, options.host);
    await client.connected;
    client.write(upgrade(port, options));
    const { status, headers } = await client.response();
    assert.equal(status, 101);
    client.headers = headers;
    return client;
  }

  write(data) {
    if (!this.socket.destroyed) this.socket.write(data);
    return this;
  }

  async change(what, ms = WAIT_MS) {
    let timer;
    await new Promise((resolve, reject) => {
      this.wake = resolve;
      timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}; received ${this.received.subarray(0, 300)}`)), ms);
    }).finally(() => {
      clearTimeout(timer);
      this.wake = () => {};
    });
  }

  async wait(what, probe, ms) {
    for (;;) {
      const value = probe();
      if (value !== undefined) return value;
      if (this.ended || this.closed) throw new Error(`connection ended before: ${what}; received ${this.received.subarray(0, 300)}`);
      await this.change(what, ms);
    }
  }

  // The head of an HTTP answer: { status, headers, line }.
  async response() {
    const end = await this.wait("an HTTP answer", () => {
      const at = this.received.indexOf("\r\n\r\n");
      return at < 0 ? undefined : at;
    });
    const [line, ...lines] = this.received.subarray(0, end).toString("latin1").split("\r\n");
    this.received = this.received.subarray(end + 4);
    const headers = Object.fromEntries(lines.map((header) => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }));
    return { line, status: Number(line.split(" ")[1]), headers };
  }

  // The next frame of the server: { opcode, fin, payload }.
  async frame(ms) {
    return this.wait("a frame", () => {
      const data = this.received;
      if (data.length < 2) return undefined;
      let size = data[1] & 0x7f;
      let at = 2;
      if (size === 126) {
        if (data.length < 4) return undefined;
        size = data.readUInt16BE(2);
        at = 4;
      } else if (size === 127) {
        if (data.length < 10) return undefined;
        size = Number(data.readBigUInt64BE(2));
        at = 10;
      }
      assert.equal(data[1] & 0x80, 0, "a server's frame is not masked");
      assert.equal(data[0] & 0x70, 0, "no reserved bits");
      if (data.length < at + size) return undefined;
      this.received = data.subarray(at + size);
      return { opcode: data[0] & 15, fin: (data[0] & 0x80) !== 0, payload: data.subarray(at, at + size) };
    }, ms);
  }

  // The next text frame, parsed.
  async message(ms) {
    const { opcode, payload } = await this.frame(ms);
    assert.equal(opcode, OPCODE.text, `a text frame, not opcode ${opcode} ${payload.toString("hex").slice(0, 60)}`);
    return JSON.parse(payload.toString("utf8"));
  }

  // Skips what else comes until the event (of a topic) is here.
  async event(name, ms) {
    for (;;) {
      const message = await this.message(ms);
      if (message[3] === name) return message;
    }
  }

  // Skips frames until the close frame: its code (1005 when it carries none).
  async closeCode(ms) {
    for (;;) {
      const { opcode, payload } = await this.frame(ms);
      if (opcode === OPCODE.close) return payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    }
  }

  async end(ms = WAIT_MS) {
    while (!this.ended && !this.closed) await this.change("the end", ms);
  }

  async join(room = "raw", payload = {}) {
    this.write(text(["1", "1", `room:${room}`, "phx_join", payload]));
    const reply = await this.event("phx_reply");
    assert.equal(reply[4].status, "ok", JSON.stringify(reply));
    return reply[4].response;
  }

  destroy() {
    this.socket.destroy();
  }

  resetNow() {
    this.socket.resetAndDestroy();
  }
}

// Sends bytes as they are; the status of the answer, after which the connection ends.
export async function refusedWith(port, bytes) {
  const client = new RawClient(port);
  try {
    await client.connected;
    client.write(bytes);
    const { status } = await client.response();
    await client.end();
    return status;
  } finally {
    client.destroy();
  }
}

// Upgrades, sends bytes; the code of the close frame, after which the connection ends.
export async function closedWith(port, bytes, options) {
  const client = await RawClient.open(port, options);
  try {
    client.write(bytes);
    const code = await client.closeCode();
    await client.end();
    return code;
  } finally {
    client.destroy();
  }
}
