// An MQTT client that may do anything wrong: packets made by hand, over TCP or in WebSocket frames.
//
//   const ann = await Raw.open(gateway, { version: 5, id: "ann" });   // CONNECT, CONNACK in ann.connack
//   ann.write(publish(5, "a/b", "text", { qos: 1, packetId: 1 }));
//   (await ann.packet("PUBACK")).code
//   await refusal(gateway, 5, bytes)         // { packets, reset }: what came before the connection ended
//
// FAIRLEAD_TEST_MQTT=mqtt://127.0.0.1:1883 points the tests at another broker, to prove the tests.
import assert from "node:assert/strict";
import { startGateway } from "./gateway.mjs";
import { OPCODE, RawClient, frame, upgrade } from "./raw.mjs";

export const FOREIGN = process.env.FAIRLEAD_TEST_MQTT || "";
// For tests of what only Fairlead promises, or of its options.
export const OWN = FOREIGN ? { skip: "another broker" } : {};

export const TYPE = {
  CONNECT: 1, CONNACK: 2, PUBLISH: 3, PUBACK: 4, PUBREC: 5, PUBREL: 6, PUBCOMP: 7, SUBSCRIBE: 8,
  SUBACK: 9, UNSUBSCRIBE: 10, UNSUBACK: 11, PINGREQ: 12, PINGRESP: 13, DISCONNECT: 14, AUTH: 15,
};
const NAME = Object.fromEntries(Object.entries(TYPE).map(([name, type]) => [type, name]));
export const FLAGS = { PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2 };

// --- fields ------------------------------------------------------------------------------------

export const u8 = (value) => Buffer.from([value]);
export const u16 = (value) => Buffer.from([value >> 8, value & 255]);
export const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export function variable(value) {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return Buffer.from(bytes);
}
export const binary = (value) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u16(bytes.length), bytes]);
};
export const string = binary;

// Identifier and how its value is written.
const PROPERTY = {
  payloadFormat: [0x01, u8], messageExpiry: [0x02, u32], contentType: [0x03, string], responseTopic: [0x08, string],
  correlationData: [0x09, binary], subscriptionId: [0x0b, variable], sessionExpiry: [0x11, u32],
  assignedClientId: [0x12, string], serverKeepAlive: [0x13, u16], authMethod: [0x15, string], authData: [0x16, binary],
  requestProblem: [0x17, u8], willDelay: [0x18, u32], requestResponse: [0x19, u8], responseInfo: [0x1a, string],
  serverReference: [0x1c, string], reason: [0x1f, string], receiveMax: [0x21, u16], aliasMax: [0x22, u16],
  alias: [0x23, u16], maximumQos: [0x24, u8], retainAvailable: [0x25, u8],
  user: [0x26, ([name, value]) => Buffer.concat([string(name), string(value)])], packetMax: [0x27, u32],
  wildcards: [0x28, u8], subscriptionIds: [0x29, u8], shared: [0x2a, u8],
};
const PROPERTY_OF = Object.fromEntries(Object.entries(PROPERTY).map(([name, [id, write]]) => [id, [name, write]]));

// One property, encoded; `user` and `subscriptionId` may be lists: once per value.
export function property(name, value) {
  const [id, write] = PROPERTY[name];
  const list = name === "user" ? (Array.isArray(value[0]) ? value : [value]) : [value].flat();
  return Buffer.concat(list.flatMap((one) => [u8(id), write(one)]));
}
// A block with its length; `raw` is appended as it is.
export function properties(values = {}, raw = Buffer.alloc(0)) {
  const block = Buffer.concat([...Object.entries(values).map(([name, value]) => property(name, value)), raw]);
  return Buffer.concat([variable(block.length), block]);
}

// --- packets -----------------------------------------------------------------------------------

// `flags` of the fixed header; `size` announces another remaining length than the body has.
export function packet(type, body = [], { flags = FLAGS[type] ?? 0, size } = {}) {
  const bytes = Buffer.concat([body].flat());
  return Buffer.concat([u8((TYPE[type] << 4) | flags), variable(size ?? bytes.length), bytes]);
}

const only5 = (version, ...fields) => (version === 5 ? fields : []);

export function connect(version, { id = "", clean = true, keepAlive = 0, will, user, password, props = {}, level = version, name = "MQTT", flags = 0, ...header } = {}) {
  const bits = (clean ? 2 : 0) | (will ? 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0) : 0) |
    (password === undefined ? 0 : 64) | (user === undefined ? 0 : 128) | flags;
  const body = [string(name), u8(level), u8(bits), u16(keepAlive), ...only5(version, properties(props)), string(id)];
  if (will) body.push(...only5(version, properties(will.props)), string(will.topic), binary(will.payload ?? ""));
  if (user !== undefined) body.push(string(user));
  if (password !== undefined) body.push(binary(password));
  return packet("CONNECT", body, header);
}

export function publish(version, topic, payload = "", { qos = 0, packetId, retain = false, dup = false, props = {}, ...header } = {}) {
  const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const id = qos > 0 ? [u16(packetId ?? 1)] : [];
  return packet("PUBLISH", [string(topic), ...id, ...only5(version, properties(props)), Buffer.from(payload)], { flags, ...header });
}

// PUBACK, PUBREC, PUBREL, PUBCOMP.
export function ack(type, packetId, code, props, header = {}) {
  const body = [u16(packetId)];
  if (code !== undefined) body.push(u8(code));
  if (props) body.push(properties(props));
  return packet(type, body, header);
}

// `filters`: [["a/b", options], …]; options are the byte, QoS 0 when left out.
export function subscribe(version, filters, { packetId = 1, props = {}, ...header } = {}) {
  const list = filters.flatMap(([filter, options = 0]) => [string(filter), u8(options)]);
  return packet("SUBSCRIBE", [u16(packetId), ...only5(version, properties(props)), ...list], header);
}
export function unsubscribe(version, filters, { packetId = 1, props = {}, ...header } = {}) {
  return packet("UNSUBSCRIBE", [u16(packetId), ...only5(version, properties(props)), ...filters.map((filter) => string(filter))], header);
}
export const pingreq = (header = {}) => packet("PINGREQ", [], header);
// 5.0 with a code.
export function disconnect(code, props, header = {}) {
  const body = code === undefined ? [] : [u8(code), ...(props ? [properties(props)] : [])];
  return packet("DISCONNECT", body, header);
}
export const QOS = (qos, { noLocal = false, asPublished = false, retain = 0 } = {}) =>
  qos | (noLocal ? 4 : 0) | (asPublished ? 8 : 0) | (retain << 4);

// --- reading -----------------------------------------------------------------------------------

class Fields {
  constructor(bytes) {
    this.bytes = bytes;
  }
  take(size) {
    assert.ok(size <= this.bytes.length, "a field of the server ends beyond its packet");
    const field = this.bytes.subarray(0, size);
    this.bytes = this.bytes.subarray(size);
    return field;
  }
  u8 = () => this.take(1)[0];
  u16 = () => this.take(2).readUInt16BE();
  u32 = () => this.take(4).readUInt32BE();
  binary = () => this.take(this.u16());
  string = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.binary());
  variable() {
    let value = 0;
    for (let at = 0, byte = 128; byte & 128; at++) {
      byte = this.u8();
      value += (byte & 127) * 128 ** at;
      assert.ok(at < 4 && (byte !== 0 || at === 0), "[MQTT-1.5.5-1] the server writes the shortest form");
    }
    return value;
  }
  properties() {
    const block = new Fields(this.take(this.variable()));
    const found = { user: [], subscriptionId: [] };
    while (block.bytes.length > 0) {
      const [name, write] = PROPERTY_OF[block.variable()];
      if (name === "user") found.user.push([block.string(), block.string()]);
      else if (name === "subscriptionId") found.subscriptionId.push(block.variable());
      else {
        assert.ok(!(name in found), `${name} once`);
        found[name] = { [u8]: block.u8, [u16]: block.u16, [u32]: block.u32 }[write]?.() ??
          (name.endsWith("Data") ? block.binary() : block.string());
      }
    }
    return found;
  }
}

// What a server may send, taken apart; every field must be there, and nothing be left.
export function parse(version, type, flags, body) {
  const fields = new Fields(body);
  const is5 = version === 5;
  const found = { type: NAME[type], flags, size: body.length };
  const props = () => (is5 && fields.bytes.length > 0 ? fields.properties() : { user: [], subscriptionId: [] });
  if (found.type !== "PUBLISH") assert.equal(flags, FLAGS[found.type] ?? 0, `[MQTT-2.1.3-1] flags of ${found.type}`);
  switch (found.type) {
    case "CONNACK": {
      const bits = fields.u8();
      assert.equal(bits & 0xfe, 0, "[MQTT-3.2.2-1]");
      Object.assign(found, { sessionPresent: bits === 1, code: fields.u8() });
      if (is5) found.props = fields.properties();
      break;
    }
    case "PUBLISH":
      Object.assign(found, { dup: (flags & 8) !== 0, qos: (flags >> 1) & 3, retain: (flags & 1) !== 0, topic: fields.string() });
      if (found.qos > 0) found.packetId = fields.u16();
      found.props = is5 ? fields.properties() : { user: [], subscriptionId: [] };
      found.payload = fields.take(fields.bytes.length);
      break;
    case "PUBACK": case "PUBREC": case "PUBREL": case "PUBCOMP":
      found.packetId = fields.u16();
      found.code = is5 && fields.bytes.length > 0 ? fields.u8() : 0;
      found.props = props();
      break;
    case "SUBACK": case "UNSUBACK":
      found.packetId = fields.u16();
      if (is5) found.props = fields.properties();
      found.codes = [...fields.take(fields.bytes.length)];
      break;
    case "DISCONNECT": case "AUTH":
      assert.ok(is5, `a server of 3.1.1 sends no ${found.type}`);
      found.code = fields.bytes.length > 0 ? fields.u8() : 0;
      found.props = props();
      assert.equal(found.props.sessionExpiry, undefined, "[MQTT-3.14.2-2]");
      break;
    case "PINGRESP":
      break;
    default:
      assert.fail(`a server sends no ${found.type ?? `packet of type ${type}`}`);
  }
  assert.equal(fields.bytes.length, 0, `nothing is left of ${found.type}`);
  return found;
}

// --- connections -------------------------------------------------------------------------------

export class Raw {
  // `ws`: over WebSocket. `port` instead of the target's.
  constructor(target, { version = 5, ws = false, port = target.port, host } = {}) {
    Object.assign(this, { version, ws, target, stream: Buffer.alloc(0), seen: [], held: [] });
    this.client = new RawClient(port, host);
  }

  static async connected(target, options = {}) {
    const raw = new Raw(target, options);
    await raw.client.connected;
    if (!raw.ws) return raw;
    raw.client.write(upgrade(target.port, { target: "/mqtt", headers: { "Sec-WebSocket-Protocol": "mqtt" } }));
    const { status, headers } = await raw.client.response();
    assert.equal(status, 101);
    assert.equal(headers["sec-websocket-protocol"], "mqtt", "[MQTT-6.0.0-4]");
    return raw;
  }

  // CONNECT and its CONNACK, which must let it in.
  static async open(target, { version = 5, ws, port, host, ...rest } = {}) {
    const raw = await Raw.connected(target, { version, ws, port, host });
    raw.write(connect(version, rest));
    raw.connack = await raw.packet("CONNACK");
    assert.equal(raw.connack.code, 0, `let in: ${JSON.stringify(raw.connack)}`);
    return raw;
  }

  write(...bytes) {
    const all = Buffer.concat(bytes);
    this.client.write(this.ws ? frame(OPCODE.binary, all) : all);
    return this;
  }

  // One byte a write; over WebSocket one byte a frame.
  async dribble(bytes) {
    for (const byte of bytes) {
      if (this.client.closed) return;
      this.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
  }

  // Moves what came in WebSocket frames into the stream of packets.
  pump() {
    if (this.client.received.length === 0) return;
    if (!this.ws) {
      this.stream = Buffer.concat([this.stream, this.client.received]);
      this.client.received = Buffer.alloc(0);
      return;
    }
    for (;;) {
      const data = this.client.received;
      if (data.length < 2) return;
      const short = data[1] & 127;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (data.length < head) return;
      const size = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
      if (data.length < head + size) return;
      const opcode = data[0] & 15;
      const payload = data.subarray(head, head + size);
      this.client.received = data.subarray(head + size);
      if (opcode === OPCODE.close) this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      else if (opcode !== OPCODE.pong) {
        assert.ok(opcode === OPCODE.binary || opcode === OPCODE.continuation, `[MQTT-6.0.0-1] binary frames, not opcode ${opcode}`);
        this.stream = Buffer.concat([this.stream, payload]);
      }
    }
  }

  // The next packet, if it is here.
  take() {
    return this.held.shift() ?? this.read();
  }

  read() {
    this.pump();
    const data = this.stream;
    let size = 0;
    let head = 1;
    for (; ; head++) {
      if (data.length < head + 1) return undefined;
      size += (data[head] & 127) * 128 ** (head - 1);
      if (!(data[head++] & 128)) break;
      head--;
    }
    if (data.length < head + size) return undefined;
    this.stream = data.subarray(head + size);
    const found = parse(this.version, data[0] >> 4, data[0] & 15, data.subarray(head, head + size));
    found.bytes = head + size;
    this.seen.push(found);
    return found;
  }

  async next(what = "a packet", ms = undefined) {
    return this.client.wait(what, () => this.take(), ms);
  }

  // The next packet, which must be of this type (or one of these).
  async packet(type, ms) {
    const found = await this.next(type, ms);
    assert.ok([type].flat().includes(found.type), `${type}, not ${JSON.stringify(found)}`);
    return found;
  }

  // The first packet of this type that fits; those before it stay for later, in their order.
  async among(type, fits = () => true) {
    const at = this.held.findIndex((found) => found.type === type && fits(found));
    if (at >= 0) return this.held.splice(at, 1)[0];
    for (;;) {
      const found = await this.client.wait(type, () => this.read());
      if (found.type === type && fits(found)) return found;
      this.held.push(found);
    }
  }

  // Every packet up to the end of the connection.
  async rest() {
    const packets = [];
    for (;;) {
      for (let found = this.take(); found; found = this.take()) packets.push(found);
      if (this.client.ended || this.client.closed) return packets;
      await this.client.change("the end of the connection").catch((error) => {
        throw new Error(`${error.message}; packets ${JSON.stringify(packets)}`);
      });
    }
  }

  // Everything up to PINGRESP: what was sent before has been acted on, on this connection.
  async settled() {
    this.write(pingreq());
    const packets = [];
    for (;;) {
      const found = await this.next("PINGRESP");
      if (found.type === "PINGRESP") return packets;
      packets.push(found);
    }
  }

  // The codes of the SUBACK; what came before it (retained messages) is there to be received.
  async subscribe(filters, options = {}) {
    this.write(subscribe(this.version, filters.map((filter) => [filter].flat()), options));
    return (await this.among("SUBACK")).codes;
  }

  async bye() {
    this.write(disconnect());
    const packets = await this.rest();
    this.client.destroy();
    return packets;
  }

  // Ends without a DISCONNECT.
  destroy() {
    this.client.destroy();
  }
}

// Writes bytes on a new connection (after a CONNECT when `connected`), waits for its end: the
// packets that came, without the CONNACK that let it in. `way`: whole, bytes (one at a time),
// together (one write with the CONNECT).
export async function refusal(target, version, bytes, { connected = true, way = "whole", ws = false, port, options = {} } = {}) {
  const raw = await Raw.connected(target, { version, ws, port });
  const hello = connect(version, { id: "", ...options });
  try {
    if (connected && way === "together") raw.write(hello, bytes);
    else {
      if (connected) {
        raw.write(hello);
        assert.equal((await raw.packet("CONNACK")).code, 0);
      }
      if (way === "bytes") await raw.dribble(bytes);
      else raw.write(bytes);
    }
    const packets = await raw.rest();
    assert.equal(raw.stream.length, 0, "no half packet before the end");
    if (connected && way === "together") assert.equal(packets.shift()?.code, 0, "the CONNACK comes first");
    return packets;
  } finally {
    raw.destroy();
  }
}

// A gateway with MQTT, or the broker that FAIRLEAD_TEST_MQTT names.
export async function startTarget(args = []) {
  if (!FOREIGN) return startGateway(args);
  const { port } = new URL(FOREIGN);
  return { port: Number(port), foreign: true, finish: async () => {} };
}
