// A broker under test, and people who use it with MQTT.js.
//
//   const broker = await startBroker(["--schedulers", "2"]);
//   const ann = await broker.connect({ v: 5, over: "ws", id: "ann", keep: true });
//   await ann.subscribe("a/#", { qos: 1 });     // the reason codes of the SUBACK
//   await ann.publish("a/b", "text", { qos: 2 });  // the reason code of the acknowledgement
//   await ann.texts(["text"]);                  // exactly these have come, in this order
//   await broker.finish();                      // sessions and retained messages taken away, nothing left
//
// FAIRLEAD_TEST_MQTT=mqtt://127.0.0.1:1883 (and FAIRLEAD_TEST_MQTT_WS=ws://127.0.0.1:8083/mqtt) points
// these tests at another broker, to prove the tests; what is Fairlead's alone is then skipped.
import mqtt from "mqtt";
import assert from "node:assert/strict";
import { openClients, startGateway } from "./gateway.mjs";

export const FOREIGN = process.env.FAIRLEAD_TEST_MQTT || "";
const FOREIGN_WS = process.env.FAIRLEAD_TEST_MQTT_WS || "";
const WAIT_MS = 20000;

export const QOS = [0, 1, 2];
export const CORES = FOREIGN ? [1] : [1, 2];
export const TRANSPORTS = FOREIGN && !FOREIGN_WS ? ["tcp"] : ["tcp", "ws"];
// Every version over every transport: { v, over, name }.
export const WAYS = TRANSPORTS.flatMap((over) => [4, 5].map((v) => ({ v, over, name: `${v === 5 ? "5.0" : "3.1.1"} over ${over}` })));
// For tests of what only Fairlead promises, or of its options.
export const OWN = FOREIGN ? { skip: "another broker" } : {};

let names = 0;
// Not used before, no beginning of another, and with another first level each time, so that owners differ.
export const fresh = (word) => `${word}${process.pid % 1000}n${++names}x`;

// Something that waits for its own events: each calls wake().
class Waiting {
  waiters = new Set();

  wake() {
    for (const waiter of this.waiters) waiter();
  }

  // Resolves with what probe() returns once that is truthy.
  async wait(what, probe, ms = WAIT_MS) {
    const value = probe();
    if (value) return value;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(reject, new Error(`after ${ms} ms still not: ${what}; ${this.state()}`)), ms);
      const done = (settle, result) => {
        clearTimeout(timer);
        this.waiters.delete(check);
        settle(result);
      };
      const check = () => {
        const now = probe();
        if (now) done(resolve, now);
      };
      this.waiters.add(check);
    });
  }
}

// A command that runs beside the test, of which lines are read: what it prints as `message|…` is a message.
class Beside extends Waiting {
  constructor(child, name, input) {
    super();
    Object.assign(this, { child, name, lines: [], errors: "", code: null });
    let rest = "";
    child.stdout.on("data", (data) => {
      const parts = (rest + data).split("\n");
      rest = parts.pop();
      this.lines.push(...parts);
      this.wake();
    });
    child.stderr.on("data", (data) => (this.errors += data));
    child.stdin.on("error", () => {}); // it ended first
    openClients.add(this);
    child.on("close", (code, signal) => {
      openClients.delete(this);
      this.code = code ?? signal;
      this.wake();
    });
    child.stdin.end(input);
  }

  messages() {
    return this.lines.filter((line) => line.startsWith("message|")).map((line) => line.slice("message|".length));
  }

  state() {
    return `${this.name} exit ${this.code}, ${JSON.stringify(this.lines.slice(-20).map((line) => line.slice(0, 200)))} ${this.errors}`;
  }

  async ended() {
    await this.wait("its end", () => this.code !== null);
    return this.code;
  }

  kill(signal) {
    this.child.kill(signal);
  }

  destroy() {
    this.kill("SIGKILL");
  }
}

export const openBeside = (child, name, input) => new Beside(child, name, input);

// One person. `got` has what came as messages: { topic, text, payload, qos, retain, dup, properties };
// `packets` every packet as it came; `left` the server's DISCONNECT; `closed` the end.
export class Person extends Waiting {
  constructor(broker, { v = 5, over = "tcp", id, keep = false, clean = !keep, expiry, will, user, properties = {}, silent = false, held = [], ...more } = {}) {
    super();
    Object.assign(this, { broker, v, over, got: [], packets: [], sent: [], left: null, closed: false, error: null });
    this.id = id ?? fresh("c");
    this.keeps = keep;
    this.heldKinds = new Set(held);
    this.held = [];
    if (v === 5 && (keep || expiry !== undefined)) properties = { sessionExpiryInterval: expiry ?? 3600, ...properties };
    const options = {
      protocolVersion: v, clientId: this.id, clean, username: user, reconnectPeriod: 0, resubscribe: false, connectTimeout: WAIT_MS,
      manualConnect: true, properties: v === 5 ? properties : undefined, wsOptions: { perMessageDeflate: false }, ...more,
    };
    if (will) {
      const { delay, properties: ofWill, ...rest } = will;
      options.will = { qos: 0, retain: false, payload: "will", ...rest };
      if (v === 5) options.will.properties = { ...(delay === undefined ? {} : { willDelayInterval: delay }), ...ofWill };
    }
    const client = (this.client = mqtt.connect(broker.url(over), options));
    const wake = (change) => (...args) => {
      change(...args);
      this.wake();
    };
    client.on("connect", wake((connack) => (this.connack = connack)));
    client.on("message", wake((topic, payload, { qos, retain, dup, properties: carried, messageId }) =>
      this.got.push({ topic, payload, text: payload.toString(), qos, retain, dup, properties: carried, messageId })));
    // As it came: the client may complete a topic by its alias later.
    client.on("packetreceive", wake((packet) => this.packets.push({ ...packet })));
    client.on("packetsend", wake((packet) => this.sent.push({ ...packet })));
    client.on("disconnect", wake((packet) => (this.left = packet)));
    client.on("error", wake((error) => (this.error = error)));
    client.on("close", wake(() => (this.closed = true)));
    // Acknowledgements in `held` stay here until release().
    const write = client._writePacket.bind(client);
    client._writePacket = (packet, done) => {
      if (!this.heldKinds.has(packet.cmd)) return write(packet, done);
      this.held.push(() => write(packet));
      this.wake();
      return done?.();
    };
    if (silent) client._setupKeepaliveManager = () => {};
    openClients.add(this);
    client.once("close", () => openClients.delete(this));
    client.connect();
  }

  state() {
    const texts = this.got.map(({ text }) => text.slice(0, 40));
    const shown = texts.length > 40 ? [...texts.slice(0, 20), `… ${texts.length} in all …`, ...texts.slice(-10)] : texts;
    return `${this.id}: got ${JSON.stringify(shown)}, closed ${this.closed}, DISCONNECT ${this.left?.reasonCode}, error ${this.error?.message}`;
  }

  async connected() {
    await this.wait("connected, or refused", () => this.connack || this.closed);
    assert.ok(this.connack, `${this.id} is let in: ${this.state()}`);
    return this;
  }

  // The code of the CONNACK that refuses, after which the connection ends.
  async refused() {
    await this.wait("refused", () => this.closed);
    const connack = this.packets.find(({ cmd }) => cmd === "connack");
    assert.ok(connack, `a CONNACK: ${this.state()}`);
    return this.v === 5 ? connack.reasonCode : connack.returnCode;
  }

  get resumed() {
    return this.connack.sessionPresent;
  }

  subscribe(filter, options = {}) {
    return new Promise((resolve, reject) => this.client.subscribe(filter, { qos: 0, ...options }, (error, granted, packet) => {
      const answer = packet ?? error?.packet;
      if (answer) resolve(answer.granted);
      else reject(error ?? new Error("no SUBACK"));
    }));
  }

  unsubscribe(filter) {
    return new Promise((resolve, reject) => this.client.unsubscribe(filter, (error, packet) =>
      error ? reject(error) : resolve(packet.granted ?? packet)));
  }

  // Resolves once it is acknowledged (QoS 0: written): the reason code.
  publish(topic, payload, { qos = 0, retain = false, ...rest } = {}) {
    if (retain) this.broker.retained.add(topic);
    return new Promise((resolve, reject) => this.client.publish(topic, payload, { qos, retain, ...rest }, (error, packet) => {
      if (error && error.code === undefined) reject(error);
      else resolve(error ? error.code : packet?.reasonCode ?? 0);
    }));
  }

  // What this person published at QoS 0 before has been taken where `topic` is at home.
  async settle(topic) {
    await this.publish(topic, "settled", { qos: 1 });
  }

  count(count, ms) {
    return this.wait(`${count} messages`, () => this.got.length >= count, ms);
  }

  // Exactly these texts have come, in this order. The last of them proves that no other is in between.
  async texts(wanted) {
    if (wanted.length > 0) {
      const last = wanted[wanted.length - 1];
      await this.wait(`text ${JSON.stringify(last)}`, () => this.got.some(({ text }) => text === last));
    }
    assert.deepEqual(this.got.map(({ text }) => text), wanted, this.id);
  }

  hold(...kinds) {
    for (const kind of kinds) this.heldKinds.add(kind);
  }

  // Lets go of the first `count` of what was held, and holds no more if it is all.
  release(count = Infinity) {
    if (count === Infinity) this.heldKinds.clear();
    for (const send of this.held.splice(0, count)) send();
  }

  // DISCONNECT, and the end of the connection.
  async end(disconnect = {}) {
    if (!this.closed) this.client.end(false, this.v === 5 ? disconnect : {});
    await this.wait("closed", () => this.closed);
  }

  // The connection is gone without a DISCONNECT.
  async kill() {
    this.client.stream.destroy();
    await this.wait("closed", () => this.closed);
  }

  async gone() {
    await this.wait("closed by the server", () => this.closed);
    return this.v === 5 ? this.left?.reasonCode : undefined;
  }

  destroy() {
    this.client.end(true);
  }
}

class Broker {
  constructor(gateway) {
    this.gateway = gateway;
    this.sessions = new Map(); // client id → version, of those that may outlive their connection
    this.retained = new Set();
    const foreign = FOREIGN ? new URL(FOREIGN) : null;
    this.host = foreign ? foreign.hostname : "127.0.0.1";
    this.port = foreign ? Number(foreign.port) : gateway.port;
  }

  url(over) {
    if (over === "ws") return FOREIGN ? FOREIGN_WS : `ws://${this.host}:${this.port}/mqtt`;
    return `mqtt://${this.host}:${this.port}`;
  }

  // `keep`: the session outlives the connection (and is resumed when there is one).
  connect(options = {}) {
    return this.begin(options).connected();
  }

  // The same, not waited for.
  begin(options = {}) {
    const person = new Person(this, options);
    if (options.keep || options.expiry) this.sessions.set(person.id, person.v);
    return person;
  }

  async forget() {
    for (const client of openClients) if (client instanceof Person && client.broker === this) await client.end();
    for (const [id, v] of this.sessions) await (await this.connect({ v, id })).end();
    this.sessions.clear();
    const cleaner = await this.connect();
    for (const topic of this.retained) await cleaner.publish(topic, "", { qos: 1, retain: true });
    this.retained.clear();
    await cleaner.end();
  }

  async finish(options) {
    if (!this.gateway) return this.forget();
    if (!this.gateway.ended) await this.forget();
    return this.gateway.finish(options);
  }
}

export async function startBroker(args = []) {
  return new Broker(FOREIGN ? null : await startGateway(args));
}
