// Goal: every class of malformed or forbidden MQTT packet gets the reason code that the specification
// names, and an end; 3.1.1, which has no such codes, the end (or the CONNACK code its table has).
// Method: one connection per packet, made by hand; each delivered whole, in one write with the
// CONNECT, byte by byte, and in WebSocket frames.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { freePort } from "./gateway.mjs";
import { OPCODE, RawClient, frame, refusedWith, upgrade } from "./raw.mjs";
import {
  FLAGS, FOREIGN, OWN, QOS, Raw, TYPE, ack, connect, disconnect, packet, pingreq, properties, property, publish,
  refusal, startTarget, string, subscribe, u16, u8, unsubscribe, variable,
} from "./mqtt_raw.mjs";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const BAD_VERSION = 0x84;
const BAD_METHOD = 0x8c;
const TOPIC_INVALID = 0x90;
const RECEIVE_MAX_EXCEEDED = 0x93;
const ALIAS_INVALID = 0x94;
const TOO_LARGE = 0x95;

const RECEIVE_MAX = 5;
const ALIAS_MAX = 16;
const BAD_STRINGS = {
  "a lone continuation byte": [0x80],
  "an overlong slash": [0xc0, 0xaf],
  "a surrogate": [0xed, 0xa0, 0x80],
  "above U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
  "a character cut off": [0x61, 0xc3],
  "U+0000": [0x61, 0, 0x62],
};
const hello = (version, options) => connect(version, { id: "hostile", ...options });

// [name, bytes(version), reason]; the connection is open. Statement numbers in brackets are 5.0's.
const CLASSES = {
  "reserved flags of a fixed header [MQTT-2.1.3-1]": {
    reason: MALFORMED,
    cases: [
      ...["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"].flatMap((type) =>
        Array.from({ length: 16 }, (_, flags) => flags).filter((flags) => flags !== (FLAGS[type] ?? 0))
          .map((flags) => [`${type} ${flags}`, () => ack(type, 1, undefined, undefined, { flags })])),
      ...[0, 1, 3, 6, 10, 15].flatMap((flags) => [
        [`SUBSCRIBE ${flags}`, (v) => subscribe(v, [["a"]], { flags })],
        [`UNSUBSCRIBE ${flags}`, (v) => unsubscribe(v, ["a"], { flags })]]),
      ...[1, 2, 4, 8, 15].flatMap((flags) => [
        [`PINGREQ ${flags}`, () => pingreq({ flags })],
        [`DISCONNECT ${flags}`, () => disconnect(undefined, undefined, { flags })],
        [`a second CONNECT ${flags}`, (v) => hello(v, { flags: 0 }).fill(0x10 | flags, 0, 1)]]),
    ],
  },
  "packet type 0 (2.1.2)": { reason: MALFORMED, cases: [["empty", () => Buffer.from([0, 0])], ["with flags", () => Buffer.from([0x0f, 0])]] },
  "a remaining length of five bytes, or longer than it must be [MQTT-1.5.5-1]": {
    reason: MALFORMED,
    cases: [
      ["five bytes", () => Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
      ["five bytes of nothing", () => Buffer.from([0xc0, 0x80, 0x80, 0x80, 0x80, 0x00])],
      ["0 in two bytes", () => Buffer.from([0xc0, 0x80, 0x00])],
      ["1 in four bytes", () => Buffer.from([0x30, 0x81, 0x80, 0x80, 0x00])],
    ],
  },
  "a remaining length that is not the packet's (2.1.4)": {
    reason: MALFORMED,
    cases: [
      ["PUBLISH without its topic", () => packet("PUBLISH", [u8(0)])],
      ["PUBLISH, topic beyond the end", () => packet("PUBLISH", [u16(5), Buffer.from("a")])],
      ["PUBLISH of QoS 1 without its identifier", (v) => packet("PUBLISH", [string("a"), u8(0)], { flags: 2 })],
      ["PUBACK of one byte", () => packet("PUBACK", [u8(1)])],
      ["PUBREL of no bytes", () => packet("PUBREL")],
      ["SUBSCRIBE, filter beyond the end", (v) => packet("SUBSCRIBE", [u16(1), ...(v === 5 ? [u8(0)] : []), u16(9), Buffer.from("a")])],
      ["SUBSCRIBE, filter without options", (v) => packet("SUBSCRIBE", [u16(1), ...(v === 5 ? [u8(0)] : []), string("a")])],
      ["UNSUBSCRIBE, half a length", (v) => packet("UNSUBSCRIBE", [u16(1), ...(v === 5 ? [u8(0)] : []), string("a"), u8(0)])],
      ["PINGREQ with a body", () => packet("PINGREQ", [u8(0)])],
    ],
  },
  "properties beyond their packet, or beyond their block (2.2.2.1)": {
    reason: MALFORMED, versions: [5],
    cases: [
      ["a block beyond the packet", () => packet("PUBLISH", [string("a"), u8(9)])],
      ["a value beyond the block", () => packet("PUBLISH", [string("a"), u8(2), u8(2), u8(0), u8(0), u8(0), u8(9)])],
      ["a length that is not in its shortest form", () => packet("PUBLISH", [string("a"), Buffer.from([0x80, 0x00])])],
      ["a length of five bytes", () => packet("PUBLISH", [string("a"), Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01])])],
      ["PUBACK, bytes behind its properties", () => packet("PUBACK", [u16(1), u8(0), u8(0), u8(0)])],
      ["SUBSCRIBE without a length", () => packet("SUBSCRIBE", [u16(1)])],
    ],
  },
  "bytes behind the last field (3.1.1)": {
    versions: [4],
    cases: [
      ["PUBACK of three bytes", () => ack("PUBACK", 1, 0)],
      ["PUBREL with a code", () => ack("PUBREL", 1, 0)],
      ["DISCONNECT with a code", () => disconnect(0)],
    ],
  },
  "a string that is no UTF-8, or has U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2]": {
    reason: MALFORMED,
    cases: Object.entries(BAD_STRINGS).flatMap(([name, bytes]) => [
      [`topic: ${name}`, (v) => publish(v, Buffer.from(bytes), "x")],
      [`filter: ${name}`, (v) => subscribe(v, [[Buffer.from(bytes)]])],
      [`filter to end: ${name}`, (v) => unsubscribe(v, [Buffer.from(bytes)])],
    ]),
  },
  "a property's string that is no UTF-8 [MQTT-1.5.7-1] [MQTT-3.3.2-13] [MQTT-3.3.2-19]": {
    reason: MALFORMED, versions: [5],
    cases: Object.entries(BAD_STRINGS).flatMap(([name, bytes]) => [
      [`user property's name: ${name}`, (v) => publish(v, "a", "", { props: { user: [[Buffer.from(bytes), "v"]] } })],
      [`user property's value: ${name}`, (v) => publish(v, "a", "", { props: { user: [["n", Buffer.from(bytes)]] } })],
      [`response topic: ${name}`, (v) => publish(v, "a", "", { props: { responseTopic: Buffer.from(bytes) } })],
      [`content type: ${name}`, (v) => publish(v, "a", "", { props: { contentType: Buffer.from(bytes) } })],
      [`reason string: ${name}`, () => ack("PUBACK", 1, 0, { reason: Buffer.from(bytes) })],
    ]),
  },
  "QoS 3 [MQTT-3.3.1-4]": {
    reason: MALFORMED,
    cases: [["PUBLISH", (v) => publish(v, "a", "", { qos: 3 })], ["with DUP and RETAIN", (v) => publish(v, "a", "", { qos: 3, dup: true, retain: true })]],
  },
  "DUP with QoS 0 [MQTT-3.3.1-2]": { reason: MALFORMED, cases: [["PUBLISH", (v) => publish(v, "a", "", { dup: true })]] },
  "packet identifier 0 [MQTT-2.2.1-3]": {
    reason: PROTOCOL_ERROR,
    cases: [
      ...[1, 2].map((qos) => [`PUBLISH of QoS ${qos}`, (v) => publish(v, "a", "", { qos, packetId: 0 })]),
      ["SUBSCRIBE", (v) => subscribe(v, [["a"]], { packetId: 0 })],
      ["UNSUBSCRIBE", (v) => unsubscribe(v, ["a"], { packetId: 0 })],
      ...["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"].map((type) => [type, () => ack(type, 0)]),
    ],
  },
  "a topic name with a wildcard [MQTT-3.3.2-2]": {
    reason: TOPIC_INVALID,
    cases: ["#", "+", "a/#", "a/+/b", "a+b", "room/+"].map((topic) => [topic, (v) => publish(v, topic)]),
  },
  "an empty topic name without an alias [MQTT-4.7.3-1]": { reason: PROTOCOL_ERROR, cases: [["PUBLISH", (v) => publish(v, "")]] },
  "a response topic with a wildcard [MQTT-3.3.2-14]": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: ["a/#", "+"].map((responseTopic) => [responseTopic, (v) => publish(v, "a", "", { props: { responseTopic } })]),
  },
  "topic alias 0, or above the maximum [MQTT-3.3.2-8] [MQTT-3.3.2-9]": {
    reason: ALIAS_INVALID, versions: [5],
    cases: [0, ALIAS_MAX + 1, 65535].flatMap((alias) => [
      [`${alias}, with a topic`, (v) => publish(v, "a", "", { props: { alias } })],
      [`${alias} alone`, (v) => publish(v, "", "", { props: { alias } })],
    ]),
  },
  "a topic alias that was not set (3.3.4)": { reason: PROTOCOL_ERROR, versions: [5], cases: [["alone", (v) => publish(v, "", "", { props: { alias: 3 } })]] },
  "a property twice (2.2.2.2)": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: [
      ...Object.entries({ payloadFormat: 1, messageExpiry: 9, contentType: "t", responseTopic: "r", correlationData: "c", alias: 1 })
        .map(([name, value]) => [`PUBLISH ${name}`, () =>
          packet("PUBLISH", [string("a"), properties({}, Buffer.concat([property(name, value), property(name, value)]))])]),
      ["SUBSCRIBE subscriptionId", (v) => subscribe(v, [["a"]], { props: { subscriptionId: [1, 2] } })],
      ["PUBACK reason", () => packet("PUBACK", [u16(1), u8(0), properties({}, Buffer.concat([property("reason", "r"), property("reason", "r")]))])],
      ["DISCONNECT sessionExpiry", () =>
        packet("DISCONNECT", [u8(0), properties({}, Buffer.concat([property("sessionExpiry", 0), property("sessionExpiry", 0)]))])],
    ],
  },
  "a property that does not exist (2.2.2.2)": {
    reason: MALFORMED, versions: [5],
    cases: [0x00, 0x04, 0x7f, 0x80, 0xffff].map((id) => [`identifier ${id}`, () =>
      packet("PUBLISH", [string("a"), properties({}, Buffer.concat([variable(id), u8(0)]))])]),
  },
  "a property in a packet that cannot have it (2.2.2.2)": {
    reason: MALFORMED, versions: [5],
    cases: [
      ...Object.entries({ sessionExpiry: 1, assignedClientId: "c", serverKeepAlive: 1, willDelay: 1, reason: "r", receiveMax: 1, aliasMax: 1, maximumQos: 1, packetMax: 99, shared: 1, authMethod: "m" })
        .map(([name, value]) => [`PUBLISH ${name}`, (v) => publish(v, "a", "", { props: { [name]: value } })]),
      ...Object.entries({ contentType: "t", alias: 1, reason: "r", sessionExpiry: 1 })
        .map(([name, value]) => [`SUBSCRIBE ${name}`, (v) => subscribe(v, [["a"]], { props: { [name]: value } })]),
      ["UNSUBSCRIBE subscriptionId", (v) => unsubscribe(v, ["a"], { props: { subscriptionId: 1 } })],
      ["PUBREL alias", () => ack("PUBREL", 1, 0, { alias: 1 })],
      ["DISCONNECT receiveMax", () => disconnect(0, { receiveMax: 1 })],
    ],
  },
  "a second CONNECT [MQTT-3.1.0-2]": { reason: PROTOCOL_ERROR, cases: [["same client id", (v) => hello(v)], ["another version", (v) => hello(v === 5 ? 4 : 5)]] },
  "SUBSCRIBE and UNSUBSCRIBE without filters [MQTT-3.8.3-2] [MQTT-3.10.3-2]": {
    reason: PROTOCOL_ERROR,
    cases: [["SUBSCRIBE", (v) => subscribe(v, [])], ["UNSUBSCRIBE", (v) => unsubscribe(v, [])]],
  },
  "reserved bits of subscription options [MQTT-3.8.3-5]": {
    reason: MALFORMED,
    cases: [0x40, 0x80, 0xc1].map((options) => [`${options}`, (v) => subscribe(v, [["a", options]])]),
  },
  "subscription options of 5.0 in 3.1.1 [MQTT-3-8.3-4]": {
    versions: [4], cases: [0x04, 0x08, 0x10, 0x20, 0x03].map((options) => [`${options}`, (v) => subscribe(v, [["a", options]])]),
  },
  "a subscription of QoS 3 (3.8.3.1)": { reason: PROTOCOL_ERROR, cases: [["SUBSCRIBE", (v) => subscribe(v, [["a", 3]])], ["as the second", (v) => subscribe(v, [["a"], ["b", 3]])]] },
  "retain handling 3 (3.8.3.1)": { reason: PROTOCOL_ERROR, versions: [5], cases: [["SUBSCRIBE", (v) => subscribe(v, [["a", QOS(0, { retain: 3 })]])]] },
  "no-local on a shared subscription [MQTT-3.8.3-4]": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: [["SUBSCRIBE", (v) => subscribe(v, [["$share/g/a", QOS(1, { noLocal: true })]])], ["as the second", (v) => subscribe(v, [["b"], ["$share/g/a", QOS(0, { noLocal: true })]])]],
  },
  "subscription identifier 0 (3.8.2.1.2)": { reason: PROTOCOL_ERROR, versions: [5], cases: [["SUBSCRIBE", (v) => subscribe(v, [["a"]], { props: { subscriptionId: 0 } })]] },
  "a subscription identifier in a client's PUBLISH [MQTT-3.3.4-6]": { reason: PROTOCOL_ERROR, versions: [5], cases: [["PUBLISH", (v) => publish(v, "a", "", { props: { subscriptionId: 1 } })]] },
  "packets that only a server sends (2.1.2)": {
    reason: PROTOCOL_ERROR,
    cases: [
      ["CONNACK", (v) => packet("CONNACK", [u16(0), ...(v === 5 ? [u8(0)] : [])])],
      ["SUBACK", (v) => packet("SUBACK", [u16(1), ...(v === 5 ? [u8(0)] : []), u8(0)])],
      ["UNSUBACK", (v) => packet("UNSUBACK", [u16(1), ...(v === 5 ? [u8(0), u8(0)] : [])])],
      ["PINGRESP", () => packet("PINGRESP")],
    ],
  },
  "AUTH where no method was agreed on [MQTT-4.12.0-7]": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: [["empty", () => packet("AUTH")], ["again", () => packet("AUTH", [u8(0x19), properties({ authMethod: "SCRAM" })])]],
  },
  "AUTH in 3.1.1 (2.2.1)": { versions: [4], cases: [["AUTH", () => packet("AUTH")]] },
  "a reason code that its packet cannot have [MQTT-3.4.2-1] [MQTT-3.14.2-1]": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: [
      ...["PUBACK", "PUBREC"].flatMap((type) => [0x01, 0x92, 0xff].map((code) => [`${type} ${code}`, () => ack(type, 1, code)])),
      ...["PUBREL", "PUBCOMP"].flatMap((type) => [0x10, 0x91].map((code) => [`${type} ${code}`, () => ack(type, 1, code)])),
      ...[0x01, 0x18, 0x85, 0xff].map((code) => [`DISCONNECT ${code}`, () => disconnect(code)]),
    ],
  },
  "a session expiry at DISCONNECT where CONNECT gave 0 (3.14.2.2.2)": { reason: PROTOCOL_ERROR, versions: [5], cases: [["DISCONNECT", () => disconnect(0, { sessionExpiry: 9 })]] },
  "more open messages than the receive maximum [MQTT-3.3.4-7]": {
    reason: RECEIVE_MAX_EXCEEDED, isOwn: true, ignored: "PUBREC", // of those before, as far as they were taken already
    cases: [["QoS 2", (v) => Buffer.concat(Array.from({ length: RECEIVE_MAX + 1 }, (_, at) => publish(v, "open", "", { qos: 2, packetId: at + 1 })))]],
  },
};

// The first packet of a connection: [name, bytes, reason of 5.0's CONNACK or none, code of 3.1.1's].
const FIRST = {
  "CONNECT's reserved flag [MQTT-3.1.2-3]": { reason: MALFORMED, cases: [["flags", (v) => hello(v, { flags: 1 })]] },
  "a will's flags without a will, or QoS 3 [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13]": {
    reason: MALFORMED,
    cases: [
      ["QoS 1 without a will", (v) => hello(v, { flags: 8 })],
      ["retain without a will", (v) => hello(v, { flags: 32 })],
      ["QoS 3", (v) => hello(v, { will: { topic: "w", qos: 3 } })],
    ],
  },
  "flags that announce what does not come, or not what comes [MQTT-3.1.2-9] [MQTT-3.1.2-16] [MQTT-3.1.2-17]": {
    reason: MALFORMED,
    cases: [
      ["a will that is missing", (v) => hello(v, { flags: 4 })],
      ["a user name that is missing", (v) => hello(v, { flags: 128 })],
      ["bytes behind the client id", (v) => Buffer.concat([hello(v).fill(hello(v)[1] + 3, 1, 2), string("u")])],
      ["a length that ends within the client id", (v) => hello(v).fill(hello(v)[1] - 2, 1, 2).subarray(0, -2)],
      ["nothing but the protocol", (v) => packet("CONNECT", [string("MQTT"), u8(v)])],
    ],
  },
  "a password without a user name [MQTT-3.1.2-22] (3.1.1)": { versions: [4], cases: [["CONNECT", (v) => hello(v, { password: "p" })]] },
  "CONNECT's strings that are no UTF-8 [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12]": {
    reason: MALFORMED,
    cases: Object.entries(BAD_STRINGS).flatMap(([name, bytes]) => [
      [`client id: ${name}`, (v) => connect(v, { id: Buffer.from(bytes) })],
      [`user name: ${name}`, (v) => hello(v, { user: Buffer.from(bytes) })],
      [`will topic: ${name}`, (v) => hello(v, { will: { topic: Buffer.from(bytes) } })],
    ]),
  },
  "a will to no topic name [MQTT-4.7.0-1] [MQTT-4.7.3-1]": {
    reason: TOPIC_INVALID, cases: ["", "a/#", "+"].map((topic) => [JSON.stringify(topic), (v) => hello(v, { will: { topic } })]),
  },
  "a will's response topic with a wildcard [MQTT-3.3.2-14]": {
    reason: PROTOCOL_ERROR, versions: [5], cases: [["#", (v) => hello(v, { will: { topic: "w", props: { responseTopic: "#" } } })]],
  },
  "an empty client id that wants a session kept [MQTT-3.1.3-8] (3.1.1)": { versions: [4], code: 2, cases: [["CONNECT", (v) => connect(v, { id: "", clean: false })]] },
  "a client id that cannot be one here [MQTT-3.1.3-8]": {
    reason: 0x85, code: 2, isOwn: true,
    cases: [["256 bytes", (v) => connect(v, { id: "i".repeat(256) })], ["a control character", (v) => connect(v, { id: "a\u0007b" })]],
  },
  "a user name that cannot be a room's user (3.1.3.5)": {
    reason: 0x86, code: 4, isOwn: true,
    cases: [["65 bytes", (v) => hello(v, { user: "u".repeat(65) })], ["a control character", (v) => hello(v, { user: "\u0001" })]],
  },
  "CONNECT's properties out of range (3.1.2.11)": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: Object.entries({ receiveMax: 0, packetMax: 0, requestProblem: 2, requestResponse: 2 })
      .map(([name, value]) => [`${name} ${value}`, (v) => hello(v, { props: { [name]: value } })]),
  },
  "a property twice in CONNECT (3.1.2.11)": {
    reason: PROTOCOL_ERROR, versions: [5],
    cases: Object.entries({ sessionExpiry: 1, receiveMax: 1, packetMax: 100, aliasMax: 1, requestProblem: 1, requestResponse: 1, authMethod: "m" })
      .map(([name, value]) => [name, () => packet("CONNECT", [string("MQTT"), u8(5), u8(2), u16(0),
        properties({}, Buffer.concat([property(name, value), property(name, value)])), string("x")])]),
  },
  "a property in CONNECT, or in a will, that cannot be there (3.1.2.11)": {
    reason: MALFORMED, versions: [5],
    cases: [
      ...Object.entries({ assignedClientId: "c", reason: "r", willDelay: 1, alias: 1, subscriptionId: 1, maximumQos: 1 })
        .map(([name, value]) => [`CONNECT ${name}`, (v) => hello(v, { props: { [name]: value } })]),
      ...Object.entries({ sessionExpiry: 1, alias: 1, subscriptionId: 1, reason: "r" })
        .map(([name, value]) => [`will ${name}`, (v) => hello(v, { will: { topic: "w", props: { [name]: value } } })]),
    ],
  },
  "authentication data without a method (3.1.2.11.10)": { reason: PROTOCOL_ERROR, versions: [5], cases: [["CONNECT", (v) => hello(v, { props: { authData: "x" } })]] },
  "enhanced authentication, which is not spoken here [MQTT-4.12.0-1]": { reason: BAD_METHOD, versions: [5], cases: [["SCRAM", (v) => hello(v, { props: { authMethod: "SCRAM-SHA-256", authData: "x" } })]] },
  "another version [MQTT-3.1.2-2]": {
    reason: BAD_VERSION, versions: [5], cases: [6, 7, 255].map((level) => [`level ${level}`, (v) => hello(v, { level })]),
  },
  "MQTT 3.1 (MQIsdp) [MQTT-3.1.2-1]": { versions: [4], code: 1, cases: [["level 3", (v) => hello(v, { name: "MQIsdp", level: 3 })]] },
};

const WAYS = [
  ["whole", {}], ["in one write with what is before it", { way: "together" }], ["byte by byte", { way: "bytes" }],
  ["over WebSocket", { ws: true }], ["over WebSocket, a byte a frame", { ws: true, way: "bytes" }],
].filter(([, { ws }]) => !ws || !FOREIGN);

const names = { 4: "3.1.1", 5: "5.0" };
const show = (packets) => packets.map(({ type, code }) => `${type} ${code?.toString(16) ?? ""}`).join(", ") || "nothing";

describe("hostile MQTT packets", () => {
  let target;
  let own; // the port of MQTT alone
  before(async () => {
    own = await freePort();
    target = await startTarget(["--listen-mqtt", `127.0.0.1:${own}`, "--mqtt-receive-max", `${RECEIVE_MAX}`,
      "--mqtt-topic-alias-max", `${ALIAS_MAX}`, "--schedulers", "2", "--handshake-timeout-s", "2"]);
    if (FOREIGN) own = target.port;
  });
  after(() => target.finish());

  // All cases of a class in all ways; every wrong answer is told, not the first alone.
  async function holds({ cases, versions = [4, 5], reason, code, ignored }, connected) {
    const wrong = [];
    const tried = [];
    for (const [wayName, way] of WAYS) {
      for (const version of versions) {
        for (const [name, bytes] of cases) {
          const wanted = [];
          if (version === 5 && reason !== undefined) wanted.push(`${connected ? "DISCONNECT" : "CONNACK"} ${reason.toString(16)}`);
          if (version === 4 && code !== undefined) wanted.push(`CONNACK ${code}`);
          tried.push(refusal(target, version, bytes(version), { connected, ...way })
            .then((packets) => show(packets.filter(({ type }) => type !== ignored)), (error) => error.message)
            .then((got) => {
              if (got !== (wanted.join(", ") || "nothing")) wrong.push(`${names[version]}, ${name}, ${wayName}: ${got}, not ${wanted.join(", ") || "nothing"}`);
            }));
          if (tried.length % 64 === 0) await Promise.all(tried);
          if (wrong.length >= 64) break;
        }
      }
    }
    await Promise.all(tried);
    assert.equal(wrong.length, 0, `${wrong.length} of ${tried.length}:\n${wrong.slice(0, 20).join("\n")}`);
  }

  for (const [name, entry] of Object.entries(CLASSES)) {
    test(name, entry.isOwn ? OWN : {}, () => holds(entry, true));
  }
  for (const [name, entry] of Object.entries(FIRST)) test(name, entry.isOwn ? OWN : {}, () => holds(entry, false));

  test("a first packet that is no CONNECT ends the connection, without a word [MQTT-3.1.0-1]", async () => {
    for (const [type, number] of Object.entries(TYPE)) {
      if (type === "CONNECT") continue;
      const bytes = packet(type, [u16(1)]);
      const packets = await refusal(target, 5, bytes, { connected: false, port: own });
      assert.equal(show(packets), "nothing", `${type} (${number}), a port of MQTT alone`);
      if (!FOREIGN) assert.equal(show(await refusal(target, 5, bytes, { connected: false, ws: true })), "nothing", `${type}, WebSocket`);
    }
  });

  test("on the port of many protocols a first byte that is not CONNECT's is no MQTT: 400", OWN, async () => {
    for (const first of [0x11, 0x1f, 0x20, 0x82, 0xc0, 0xe0]) assert.equal(await refusedWith(target.port, Buffer.from([first])), 400, `${first}`);
  });

  test("on the port of MQTT alone everything else is closed", OWN, async () => {
    for (const bytes of [upgrade(own), Buffer.from([0x16, 3, 1, 0, 5]), Buffer.from([0xff]), Buffer.from([0x11, 0])]) {
      const client = new RawClient(own);
      await client.connected;
      client.write(bytes);
      await client.end();
      assert.equal(client.received.length, 0);
      client.destroy();
    }
  });

  test("CONNECT after a refusal is not looked at [MQTT-3.1.4-6]", async () => {
    for (const version of [4, 5]) {
      const both = Buffer.concat([connect(version, { id: "", clean: false, flags: 1 }), connect(version, { id: "late" }), pingreq()]);
      assert.equal(show(await refusal(target, version, both, { connected: false })), version === 5 ? "CONNACK 81" : "nothing");
    }
  });

  test("a packet above the maximum is refused at its header, before the rest has come [MQTT-3.2.2-15]", OWN, async () => {
    const ann = await Raw.open(target, { version: 5 });
    const maximum = ann.connack.props.packetMax;
    assert.ok(maximum > 1000, `a maximum packet size: ${maximum}`);
    const topic = "large";
    const head = 2 + topic.length + 1;
    const largest = (extra) => publish(5, topic, Buffer.alloc(maximum - 4 - head + extra, 120));
    assert.equal(largest(0).length, maximum);
    assert.deepEqual(await ann.subscribe([topic]), [0]);
    ann.write(largest(0));
    assert.equal((await ann.packet("PUBLISH")).payload.length, maximum - 4 - head);
    await ann.bye();
    for (const version of [4, 5]) {
      for (const ws of [false, true]) {
        const wanted = version === 5 ? `DISCONNECT ${TOO_LARGE.toString(16)}` : "nothing";
        assert.equal(show(await refusal(target, version, largest(1).subarray(0, 4), { ws })), wanted, `one byte more, ${names[version]}`);
        assert.equal(show(await refusal(target, version, Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), { ws })), wanted, `268,435,455 bytes, ${names[version]}`);
      }
    }
  });

  test("a CONNECT above the maximum ends the connection at its header", OWN, async () => {
    const packets = await refusal(target, 5, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), { connected: false });
    assert.ok(["nothing", "CONNACK 95"].includes(show(packets)), show(packets));
  });

  test("filters that are none are told one by one, and the connection goes on [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]", OWN, async () => {
    const bad = ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a", "$share/g/a#"];
    for (const version of [4, 5]) {
      for (const ws of [false, true]) {
        const ann = await Raw.open(target, { version, ws });
        const codes = await ann.subscribe([...bad, "good/#"]);
        assert.deepEqual(codes, [...bad.map(() => (version === 5 ? 0x8f : 0x80)), 0], names[version]);
        ann.write(publish(version, "good/x", "y"));
        assert.equal(String((await ann.packet("PUBLISH")).payload), "y");
        await ann.bye();
      }
    }
  });

  test("acknowledgements of unknown identifiers are answered, or ignored, and the connection goes on (4.3)", OWN, async () => {
    for (const version of [4, 5]) {
      const ann = await Raw.open(target, { version });
      ann.write(ack("PUBACK", 7), ack("PUBCOMP", 8));
      assert.deepEqual(await ann.settled(), [], "nothing to say");
      const code = version === 5 ? 0x92 : 0;
      ann.write(ack("PUBREC", 9));
      const [rel] = await ann.settled();
      assert.deepEqual([rel.type, rel.packetId, rel.code], ["PUBREL", 9, code]);
      ann.write(ack("PUBREL", 10));
      const [comp] = await ann.settled();
      assert.deepEqual([comp.type, comp.packetId, comp.code], ["PUBCOMP", 10, code]);
      await ann.bye();
    }
  });

  test("many packets in one write are answered in their order, in both versions", async () => {
    for (const version of [4, 5]) {
      const ann = await Raw.connected(target, { version });
      const packets = [connect(version, { id: "" })];
      const answers = ["CONNACK"];
      for (let n = 1; n <= 300; n++) {
        packets.push(pingreq(), subscribe(version, [[`many/${n}`]], { packetId: n }), unsubscribe(version, [`many/${n}`], { packetId: n }));
        answers.push("PINGRESP", "SUBACK", "UNSUBACK");
      }
      ann.write(...packets);
      const got = [];
      while (got.length < answers.length) got.push((await ann.next()).type);
      // PINGRESP is at once, SUBACK and UNSUBACK when the owner of the topic has answered.
      const kind = (list, type) => list.filter((one) => one === type).length;
      for (const type of new Set(answers)) assert.equal(kind(got, type), kind(answers, type), type);
      assert.deepEqual(ann.seen.filter(({ type }) => type === "SUBACK").map(({ packetId }) => packetId), Array.from({ length: 300 }, (_, at) => at + 1));
      await ann.bye();
    }
  });

  test("everything good arrives byte by byte, too", async () => {
    for (const version of [4, 5]) {
      for (const ws of FOREIGN ? [false] : [false, true]) {
        const ann = await Raw.connected(target, { version, ws });
        const topic = `bytes/${version}/${ws}`;
        await ann.dribble(Buffer.concat([
          connect(version, { id: "", will: { topic: "w", payload: "x" }, user: "u", password: "p" }), subscribe(version, [[topic, 1]], { packetId: 3 }),
        ]));
        assert.equal((await ann.packet("CONNACK")).code, 0);
        assert.deepEqual((await ann.packet("SUBACK")).codes, [1]);
        await ann.dribble(publish(version, topic, "slow", { qos: 1, packetId: 9 }));
        const both = [await ann.next(), await ann.next()];
        assert.deepEqual(both.map(({ type }) => type).sort(), ["PUBACK", "PUBLISH"]);
        const { packetId, payload } = both.find(({ type }) => type === "PUBLISH");
        assert.equal(String(payload), "slow");
        await ann.dribble(Buffer.concat([ack("PUBACK", packetId), pingreq()]));
        assert.equal((await ann.packet("PINGRESP")).type, "PINGRESP");
        await ann.dribble(disconnect());
        assert.deepEqual(await ann.rest(), []);
        ann.destroy();
      }
    }
  });

  describe("over WebSocket", OWN, () => {
    test("a text frame ends the connection [MQTT-6.0.0-1]", async () => {
      for (const first of [[], [connect(5, { id: "" })]]) {
        const ann = await Raw.connected(target, { ws: true });
        for (const bytes of first) ann.write(bytes);
        if (first.length > 0) await ann.packet("CONNACK");
        ann.client.write(frame(OPCODE.text, "c0 00"));
        await ann.rest();
        assert.equal(ann.closeCode, 1003);
        ann.destroy();
      }
    });

    test("another subprotocol, or none, is refused: 400 [MQTT-6.0.0-3]", async () => {
      for (const offered of [null, "phoenix", "mqttv3.1"]) {
        const bytes = upgrade(target.port, { target: "/mqtt", headers: { "Sec-WebSocket-Protocol": offered } });
        assert.equal(await refusedWith(target.port, bytes), 400, `${offered}`);
      }
    });

    test("of several subprotocols mqtt is chosen [MQTT-6.0.0-4]", async () => {
      const client = new RawClient(target.port);
      await client.connected;
      client.write(upgrade(target.port, { target: "/mqtt", headers: { "Sec-WebSocket-Protocol": "mqttv3.1, mqtt" } }));
      const { status, headers } = await client.response();
      assert.deepEqual([status, headers["sec-websocket-protocol"]], [101, "mqtt"]);
      client.destroy();
    });

    test("packets may span frames, and a frame hold many [MQTT-6.0.0-2]", async () => {
      const ann = await Raw.connected(target, { ws: true });
      const bytes = Buffer.concat([connect(5, { id: "" }), subscribe(5, [["f"]]), publish(5, "f", "one"), publish(5, "f", "two"), pingreq()]);
      for (let at = 0; at < bytes.length; at += 7) ann.client.write(frame(OPCODE.binary, bytes.subarray(at, at + 7)));
      assert.equal((await ann.packet("CONNACK")).code, 0);
      const types = [];
      while (types.filter((type) => type === "PUBLISH").length < 2) types.push((await ann.next()).type);
      await ann.bye();
      const whole = await Raw.connected(target, { ws: true });
      whole.write(bytes);
      assert.equal((await whole.packet("CONNACK")).code, 0);
      await whole.bye();
    });

    test("a fragmented message, with a ping between, is one stream of bytes", async () => {
      const ann = await Raw.connected(target, { ws: true });
      const bytes = connect(5, { id: "" });
      ann.client.write(frame(OPCODE.binary, bytes.subarray(0, 5), { fin: false }));
      ann.client.write(frame(OPCODE.ping, "p"));
      ann.client.write(frame(OPCODE.continuation, bytes.subarray(5)));
      assert.equal((await ann.packet("CONNACK")).code, 0);
      await ann.bye();
    });

    test("a frame that is not masked ends the connection: 1002", async () => {
      const ann = await Raw.open(target, { ws: true });
      ann.client.write(frame(OPCODE.binary, pingreq(), { mask: false }));
      await ann.rest();
      assert.equal(ann.closeCode, 1002);
      ann.destroy();
    });
  });

  test("refusals are counted by name", OWN, async () => {
    const samples = (await target.metrics()).filter(({ name, labels }) => /mqtt/.test(name + JSON.stringify(labels)) && /(refus|malform|protocol|bad)/.test(name + JSON.stringify(labels)));
    assert.ok(samples.some(({ value }) => value > 100), "refusals of MQTT are counted");
  });
});
