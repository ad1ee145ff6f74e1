// Goal: what the normative statements of MQTT 5.0 and 3.1.1 ask of a server that behaves, packet by
// packet; docs/MQTT_STATEMENTS.md says which test holds which. Method: packets made and taken apart by
// hand; every test that has a meaning in both versions runs in both; that nothing came is told by
// what came next.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep } from "./gateway.mjs";
import {
  OWN, QOS, Raw, ack, connect, disconnect, pingreq, publish, startTarget, subscribe, unsubscribe,
} from "./mqtt_raw.mjs";

let target;

const KEEP = 1000;
let names = 0;
const fresh = (word = "t") => `${word}${process.pid % 1000}n${++names}`;

// A person with a session of its own; `keep`: it outlasts the connection.
const open = (version, { keep = false, id = fresh("c"), props = {}, ...rest } = {}) =>
  Raw.open(target, { version, id, clean: !keep, props: keep && version === 5 ? { sessionExpiry: KEEP, ...props } : props, ...rest });

// Sends, and goes through the handshake: the last reason code (0 for QoS 0).
async function send(raw, topic, payload, { qos = 0, packetId = 1, ...rest } = {}) {
  const own = (packet) => packet.packetId === packetId;
  raw.write(publish(raw.version, topic, payload, { qos, packetId, ...rest }));
  if (qos === 1) return (await raw.among("PUBACK", own)).code;
  if (qos === 2) {
    const rec = await raw.among("PUBREC", own);
    if (rec.code >= 0x80) return rec.code;
    raw.write(ack("PUBREL", packetId));
    await raw.among("PUBCOMP", own);
  }
  return 0;
}

// The next message, acknowledged as its QoS asks.
async function receive(raw) {
  const message = await raw.among("PUBLISH");
  if (message.qos === 1) raw.write(ack("PUBACK", message.packetId));
  if (message.qos === 2) {
    raw.write(ack("PUBREC", message.packetId));
    await raw.among("PUBREL", ({ packetId }) => packetId === message.packetId); // [MQTT-4.3.3-4]
    raw.write(ack("PUBCOMP", message.packetId));
  }
  return Object.assign(message, { text: String(message.payload) });
}

async function texts(raw, wanted) {
  for (const text of wanted) assert.equal((await receive(raw)).text, text);
}

// Both go, and what they left on the server, too.
async function gone(...people) {
  for (const raw of people) await raw.bye();
}
async function forget(id, version) {
  (await Raw.open(target, { version, id, clean: true })).bye();
}

const both = (name, body, options = {}) => {
  for (const [version, words] of [[4, "3.1.1"], [5, "5.0"]]) test(`${name}, ${words}`, options, () => body(version));
};

describe("what MQTT asks of a server", () => {
  before(async () => {
    target = await startTarget(["--schedulers", "2", "--mqtt-topic-alias-max", "16", "--mqtt-keep-alive-max-s", "600"]);
  });
  after(() => target.finish());

  describe("CONNECT and CONNACK", () => {
    both("one CONNACK answers CONNECT, before anything else", async (version) => {
      const ann = await Raw.connected(target, { version });
      ann.write(connect(version, { id: fresh() }), pingreq(), subscribe(version, [["a"]]));
      const types = [(await ann.next()).type, (await ann.next()).type, (await ann.next()).type];
      assert.equal(types[0], "CONNACK");
      assert.deepEqual(types.slice(1).sort(), ["PINGRESP", "SUBACK"]);
      await gone(ann);
    });

    both("a session that is kept is there again, a clean one is not", async (version) => {
      const id = fresh();
      const first = await open(version, { id, keep: true });
      assert.equal(first.connack.sessionPresent, false, "there was none");
      const topic = fresh();
      await first.subscribe([[topic, 1]]);
      await gone(first);
      const bob = await open(version);
      await send(bob, topic, "meanwhile", { qos: 1 });
      const second = await open(version, { id, keep: true });
      assert.equal(second.connack.sessionPresent, true);
      await texts(second, ["meanwhile"]);
      await gone(second);
      const clean = await open(version, { id });
      assert.equal(clean.connack.sessionPresent, false, "[MQTT-3.2.2-2]");
      await send(bob, topic, "unheard", { qos: 1 });
      assert.deepEqual(await clean.settled(), [], "its subscription is gone");
      await gone(clean);
      const last = await open(version, { id, keep: true });
      assert.equal(last.connack.sessionPresent, false, "and did not outlast its connection");
      await gone(last, bob);
      await forget(id, version);
    });

    both("an empty client id is given one of its own", async (version) => {
      const [ann, bob] = [await open(version, { id: "" }), await open(version, { id: "" })];
      if (version === 5) {
        const ids = [ann, bob].map((one) => one.connack.props.assignedClientId);
        assert.ok(ids.every((id) => id?.length > 0) && ids[0] !== ids[1], JSON.stringify(ids));
        await gone(ann);
        const again = await open(5, { id: ids[1] });
        const [left] = await bob.rest();
        assert.equal(left.code, 0x8e, "the assigned one is its client id");
        await gone(again);
      } else {
        assert.deepEqual(await ann.settled(), []);
        assert.deepEqual(await bob.settled(), [], "two at a time");
        await gone(ann, bob);
      }
    });

    both("client ids of 1 to 23 letters and digits are allowed", async (version) => {
      for (const id of ["a", "Z", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"]) await gone(await open(version, { id }));
    });

    both("a second connection of a client id takes the session over", async (version) => {
      const id = fresh();
      const first = await open(version, { id, keep: true });
      await first.subscribe([["x", 1]]);
      const second = await open(version, { id, keep: true });
      const packets = await first.rest();
      assert.deepEqual(packets.map(({ type, code }) => [type, code]), version === 5 ? [["DISCONNECT", 0x8e]] : []);
      assert.equal(second.connack.sessionPresent, true);
      assert.deepEqual(await second.settled(), []);
      await gone(second);
      await forget(id, version);
    });

    both("who says nothing for one and a half keep-alives is let go, as if the network had failed", async (version) => {
      const topic = fresh("w");
      const bob = await open(version);
      await bob.subscribe([topic]);
      const ann = await open(version, { keepAlive: 1, will: { topic, payload: "lost" } });
      assert.deepEqual((await ann.rest()).map(({ type, code }) => [type, code]), version === 5 ? [["DISCONNECT", 0x8d]] : []);
      ann.destroy();
      await texts(bob, ["lost"]);
      await gone(bob);
    });

    test("the server names its keep-alive where the client's is not taken", OWN, async () => {
      for (const [asked, given] of [[0, 600], [601, 600], [600, undefined], [7, undefined]]) {
        const ann = await open(5, { keepAlive: asked });
        assert.equal(ann.connack.props.serverKeepAlive, given, `${asked}`);
        await gone(ann);
      }
    });

    test("a session ends when its expiry is over, and not before", async () => {
      const id = fresh();
      const first = await Raw.open(target, { id, clean: false, props: { sessionExpiry: 1 } });
      await gone(first);
      const second = await Raw.open(target, { id, clean: false, props: { sessionExpiry: 1 } });
      assert.equal(second.connack.sessionPresent, true);
      await sleep(1200);
      assert.deepEqual(await second.settled(), [], "[MQTT-4.1.0-1] not while it is connected");
      await gone(second);
      await sleep(4200);
      const third = await Raw.open(target, { id, clean: false });
      assert.equal(third.connack.sessionPresent, false, "[MQTT-4.1.0-2]");
      await gone(third);
    });

    test("DISCONNECT may change the session's expiry", async () => {
      const id = fresh();
      const first = await Raw.open(target, { id, clean: false, props: { sessionExpiry: KEEP } });
      first.write(disconnect(0, { sessionExpiry: 0 }));
      await first.rest();
      const second = await Raw.open(target, { id, clean: false });
      assert.equal(second.connack.sessionPresent, false);
      await gone(second);
    });

    test("no response information and no reason strings for who wants none", async () => {
      const ann = await open(5, { props: { requestProblem: 0, requestResponse: 0 } });
      assert.equal(ann.connack.props.responseInfo, undefined, "[MQTT-3.1.2-28]");
      ann.write(subscribe(5, [["a#"], ["$share/g", 0]]), unsubscribe(5, ["never"], { packetId: 2 }), ack("PUBREL", 77));
      for (const packet of [...(await ann.settled())]) {
        assert.equal(packet.props.reason, undefined, `[MQTT-3.1.2-29] ${packet.type}`);
        assert.deepEqual(packet.props.user, [], packet.type);
      }
      await gone(ann);
    });

    test("what a client with a tiny maximum packet size is told fits it", async () => {
      const packetMax = 40;
      const ann = await Raw.connected(target);
      ann.write(connect(5, { id: fresh(), props: { packetMax } }));
      const packets = [await ann.packet("CONNACK")];
      assert.equal(packets[0].code, 0);
      ann.write(subscribe(5, [["a#"], ["b"]]), unsubscribe(5, ["never"], { packetId: 2 }), ack("PUBREC", 77), ack("PUBREL", 78),
        publish(5, "b", "x", { qos: 1, packetId: 3 }), publish(5, "b", "y", { qos: 2, packetId: 4 }));
      packets.push(...(await ann.settled()));
      ann.write(Buffer.from([0x36, 3, 0, 1, 97]));
      packets.push(...(await ann.rest()));
      assert.equal(packets.at(-1).code, 0x81);
      for (const { type, bytes } of packets) assert.ok(bytes <= packetMax, `${type} of ${bytes} bytes`);
      ann.destroy();
      for (const options of [{ props: { packetMax, authMethod: "none" } }, { will: { topic: "#" } }]) {
        const eve = await Raw.connected(target);
        eve.write(connect(5, { id: fresh(), props: { packetMax }, ...options }));
        const [refused] = await eve.rest();
        assert.ok(refused.code >= 0x80 && refused.bytes <= packetMax, JSON.stringify(refused));
        eve.destroy();
      }
    });

    test("CONNACK names the limits, and nothing that is not so", OWN, async () => {
      const ann = await open(5);
      const { props } = ann.connack;
      assert.deepEqual([props.receiveMax, props.aliasMax], [1000, 16]);
      assert.ok(props.packetMax > 0);
      for (const name of ["maximumQos", "retainAvailable", "wildcards", "subscriptionIds", "shared"]) assert.ok([undefined, 1].includes(props[name]), name);
      assert.equal(props.authMethod, undefined, "[MQTT-4.12.0-6]");
      await gone(ann);
    });
  });

  describe("wills", () => {
    both("a will is published when the connection ends without DISCONNECT, and once", async (version) => {
      const topic = fresh("w");
      const bob = await open(version);
      await bob.subscribe([[topic, 2]]);
      for (const qos of [0, 1, 2]) {
        const ann = await open(version, { will: { topic, payload: `gone ${qos}`, qos } });
        ann.destroy();
        const will = await receive(bob);
        assert.deepEqual([will.text, will.qos, will.retain], [`gone ${qos}`, qos, false]);
      }
      await send(bob, topic, "after");
      await texts(bob, ["after"]);
      await gone(bob);
    });

    both("DISCONNECT drops the will", async (version) => {
      const topic = fresh("w");
      const bob = await open(version);
      await bob.subscribe([topic]);
      await gone(await open(version, { will: { topic, payload: "never" } }));
      await send(bob, topic, "next");
      await texts(bob, ["next"]);
      await gone(bob);
    });

    test("DISCONNECT 0x04 publishes the will", async () => {
      const topic = fresh("w");
      const bob = await open(5);
      await bob.subscribe([topic]);
      const ann = await open(5, { will: { topic, payload: "wanted" } });
      ann.write(disconnect(4));
      await ann.rest();
      await texts(bob, ["wanted"]);
      await gone(bob);
    });

    both("a malformed packet ends the connection, and the will is published", async (version) => {
      const topic = fresh("w");
      const bob = await open(version);
      await bob.subscribe([topic]);
      const ann = await open(version, { will: { topic, payload: "bad" } });
      ann.write(Buffer.from([0x36, 3, 0, 1, 97]));
      await ann.rest();
      await texts(bob, ["bad"]);
      await gone(bob);
    });

    both("a will with retain is a retained message, one without is none", async (version) => {
      const topic = fresh("w");
      const bob = await open(version);
      await bob.subscribe([topic]);
      (await open(version, { will: { topic, payload: "kept", retain: true } })).destroy();
      assert.equal((await receive(bob)).retain, false, "a live copy");
      (await open(version, { will: { topic, payload: "not kept" } })).destroy();
      await texts(bob, ["not kept"]);
      const eve = await open(version);
      await eve.subscribe([topic]);
      const kept = await receive(eve);
      assert.deepEqual([kept.text, kept.retain], ["kept", true]);
      await send(bob, topic, "", { retain: true });
      await gone(eve, bob);
    });

    test("a will waits its delay, a new connection of the session drops it", async () => {
      const [topic, id] = [fresh("w"), fresh()];
      const bob = await open(5);
      await bob.subscribe([topic]);
      const options = { id, keep: true, will: { topic, payload: "late", props: { willDelay: 1 } } };
      (await open(5, options)).destroy();
      const back = await open(5, { ...options, will: undefined });
      await sleep(2500);
      await send(bob, topic, "first");
      await texts(bob, ["first"]);
      await gone(back);
      (await open(5, options)).destroy();
      await texts(bob, ["late"]);
      // The session's end comes before the delay's.
      (await Raw.open(target, { id, clean: true, will: { topic, payload: "at once", props: { willDelay: 100 } } })).destroy();
      await texts(bob, ["at once"]);
      await gone(bob);
      await forget(id, 5);
    });

    test("a will carries its properties, in their order", async () => {
      const topic = fresh("w");
      const bob = await open(5);
      await bob.subscribe([topic]);
      const user = [["b", "1"], ["a", "2"], ["b", "3"]];
      const props = { payloadFormat: 1, contentType: "text/plain", responseTopic: "r", correlationData: Buffer.from([0, 255]), user };
      (await open(5, { will: { topic, payload: "with", props } })).destroy();
      const { props: got } = await receive(bob);
      assert.deepEqual(got.user, user, "[MQTT-3.1.3-10]");
      assert.deepEqual([got.payloadFormat, got.contentType, got.responseTopic, [...got.correlationData]], [1, "text/plain", "r", [0, 255]]);
      await gone(bob);
    });
  });

  describe("quality of service", () => {
    both("a PUBLISH is answered as its QoS asks, with its identifier", async (version) => {
      const ann = await open(version);
      const topic = fresh();
      ann.write(publish(version, topic, "0"), publish(version, topic, "1", { qos: 1, packetId: 65535 }));
      const ok = ({ packetId, code }) => assert.deepEqual([packetId, code < 0x80], [65535, true]);
      ok(await ann.packet("PUBACK"));
      ann.write(publish(version, topic, "2", { qos: 2, packetId: 65535 }));
      ok(await ann.packet("PUBREC"));
      ann.write(ack("PUBREL", 65535));
      ok(await ann.packet("PUBCOMP"));
      await gone(ann);
    });

    both("QoS 1: after its PUBACK the identifier names a new message, whatever DUP says", async (version) => {
      const [ann, bob, topic] = [await open(version), await open(version), fresh()];
      await bob.subscribe([[topic, 1]]);
      for (const text of ["one", "two", "three"]) await send(ann, topic, text, { qos: 1, packetId: 4, dup: text !== "one" });
      await texts(bob, ["one", "two", "three"]);
      await gone(ann, bob);
    });

    both("QoS 2: until PUBREL the same identifier is the same message; after PUBCOMP a new one", async (version) => {
      const [ann, bob, topic] = [await open(version), await open(version), fresh()];
      await bob.subscribe([[topic, 2]]);
      for (const dup of [false, true, true]) {
        ann.write(publish(version, topic, "once", { qos: 2, packetId: 4, dup }));
        const rec = await ann.packet("PUBREC");
        assert.deepEqual([rec.packetId, rec.code < 0x80], [4, true], "[MQTT-4.3.3-10]");
      }
      ann.write(ack("PUBREL", 4));
      await ann.packet("PUBCOMP");
      await send(ann, topic, "twice", { qos: 2, packetId: 4 });
      await texts(bob, ["once", "twice"]);
      await gone(ann, bob);
    });

    both("QoS 2: an identifier that waits for its PUBREL outlasts the connection", async (version) => {
      const [id, bob, topic] = [fresh(), await open(version), fresh()];
      await bob.subscribe([[topic, 2]]);
      const first = await open(version, { id, keep: true });
      first.write(publish(version, topic, "once", { qos: 2, packetId: 8 }));
      await first.packet("PUBREC");
      first.destroy();
      const second = await open(version, { id, keep: true });
      second.write(publish(version, topic, "once", { qos: 2, packetId: 8, dup: true }));
      assert.equal((await second.packet("PUBREC")).packetId, 8);
      second.write(ack("PUBREL", 8), ack("PUBREL", 8));
      assert.equal((await second.packet("PUBCOMP")).code, 0);
      assert.equal((await second.packet("PUBCOMP")).packetId, 8, "a repeated PUBREL is answered, too");
      await send(second, topic, "next", { qos: 2, packetId: 8 });
      await texts(bob, ["once", "next"]);
      await gone(second, bob);
      await forget(id, version);
    });

    both("what was not acknowledged comes again, in order, with its identifier and DUP", async (version) => {
      const [id, topic, bob] = [fresh(), fresh(), await open(version)];
      const first = await open(version, { id, keep: true });
      await first.subscribe([[topic, 2]]);
      for (let n = 0; n < 6; n++) await send(bob, topic, `${n}`, { qos: 1 + (n % 2), packetId: n + 1 });
      const sent = [];
      while (sent.length < 6) sent.push(await first.packet("PUBLISH"));
      assert.ok(sent.every(({ dup }) => !dup), "[MQTT-4.3.2-2] first with DUP 0");
      assert.deepEqual(sent.map(({ qos }) => qos), [1, 2, 1, 2, 1, 2]);
      assert.equal(new Set(sent.map(({ packetId }) => packetId)).size, 6, "[MQTT-2.2.1-4]");
      assert.ok(sent.every(({ packetId }) => packetId > 0));
      // The first of QoS 1 is done, the first of QoS 2 is released but not complete.
      first.write(ack("PUBACK", sent[0].packetId), ack("PUBREC", sent[1].packetId));
      assert.equal((await first.packet("PUBREL")).packetId, sent[1].packetId);
      first.destroy();
      const second = await open(version, { id, keep: true });
      const again = [];
      while (again.length < 5) again.push(await second.next());
      const releases = again.filter(({ type }) => type === "PUBREL");
      assert.deepEqual(releases.map(({ packetId }) => packetId), [sent[1].packetId], "[MQTT-4.3.3-6] no PUBLISH after PUBREL");
      const publishes = again.filter(({ type }) => type === "PUBLISH");
      assert.deepEqual(publishes.map(({ packetId, dup, payload }) => [packetId, dup, String(payload)]),
        sent.slice(2).map(({ packetId, payload }) => [packetId, true, String(payload)]), "[MQTT-4.4.0-1] [MQTT-3.3.1-1]");
      second.write(ack("PUBCOMP", sent[1].packetId));
      for (const { packetId, qos } of publishes) {
        second.write(ack(qos === 1 ? "PUBACK" : "PUBREC", packetId));
        if (qos === 2) {
          await second.packet("PUBREL");
          second.write(ack("PUBCOMP", packetId));
        }
      }
      await send(bob, topic, "new", { qos: 1 });
      const fresh1 = await receive(second);
      assert.deepEqual([fresh1.text, fresh1.dup], ["new", false], "[MQTT-3.3.1-3]");
      await gone(second, bob);
      await forget(id, version);
    });

    both("nothing is sent again on a connection that stays", async (version) => {
      const [topic, ann, bob] = [fresh(), await open(version), await open(version)];
      await ann.subscribe([[topic, 1]]);
      await send(bob, topic, "one", { qos: 1 });
      const { packetId } = await ann.packet("PUBLISH");
      await sleep(1500);
      assert.deepEqual(await ann.settled(), [], "[MQTT-4.4.0-1]");
      ann.write(ack("PUBACK", packetId));
      await gone(ann, bob);
    });

    test("an acknowledgement of 0x80 or more ends the delivery: it does not come again", async () => {
      const [id, topic, bob] = [fresh(), fresh(), await open(5)];
      const first = await open(5, { id, keep: true });
      await first.subscribe([[topic, 2]]);
      await send(bob, topic, "refused 1", { qos: 1 });
      first.write(ack("PUBACK", (await first.packet("PUBLISH")).packetId, 0x97));
      await send(bob, topic, "refused 2", { qos: 2 });
      first.write(ack("PUBREC", (await first.packet("PUBLISH")).packetId, 0x97));
      assert.deepEqual(await first.settled(), [], "no PUBREL follows");
      await gone(first);
      const second = await open(5, { id, keep: true });
      await send(bob, topic, "next", { qos: 1 });
      await texts(second, ["next"]);
      await gone(second, bob);
      await forget(id, 5);
    });

    test("no more QoS 1 and 2 under way than the client's receive maximum; all else goes on", async () => {
      const [topic, ann, bob] = [fresh(), await open(5, { props: { receiveMax: 3 } }), await open(5)];
      await ann.subscribe([[topic, 1], [`${topic}/0`, 0]]);
      for (let n = 0; n < 10; n++) await send(bob, topic, `${n}`, { qos: 1 });
      await send(bob, `${topic}/0`, "at once");
      const came = [];
      while (came.length < 4) came.push(await ann.packet("PUBLISH"));
      const atOnce = came.findIndex(({ qos }) => qos === 0); // another topic: anywhere among them
      assert.equal(String(came.splice(atOnce, 1)[0].payload), "at once");
      assert.deepEqual(came.map(({ payload }) => String(payload)), ["0", "1", "2"]);
      ann.write(pingreq());
      assert.equal((await ann.packet("PINGRESP")).type, "PINGRESP", "[MQTT-3.3.4-10] [MQTT-4.9.0-3]");
      for (let n = 0; n < 10; n++) {
        ann.write(ack("PUBACK", came[n].packetId));
        if (n < 7) came.push(await ann.packet("PUBLISH"));
      }
      assert.deepEqual(came.slice(3).map(({ payload }) => String(payload)), ["3", "4", "5", "6", "7", "8", "9"]);
      await gone(ann, bob);
    });

    both("the messages of one publisher come in their order", async (version) => {
      const [topic, ann, bob] = [fresh(), await open(version), await open(version)];
      await ann.subscribe([[topic, 2]]);
      for (const [qos, length] of [[0, 100], [1, 100], [2, 20]]) {
        const wanted = Array.from({ length }, (_, n) => `${qos}.${n}`);
        bob.write(...wanted.map((text, n) => publish(version, topic, text, { qos, packetId: n + 1 })));
        await texts(ann, wanted);
        const answers = [];
        while (qos > 0 && answers.length < length) answers.push((await bob.packet(["PUBACK", "PUBREC"])).packetId);
        if (qos > 0) assert.deepEqual(answers, wanted.map((_, n) => n + 1), "[MQTT-4.6.0-2] [MQTT-4.6.0-3]");
        if (qos === 2) bob.write(...answers.map((packetId) => ack("PUBREL", packetId)));
        for (let n = 0; qos === 2 && n < length; n++) assert.equal((await bob.packet("PUBCOMP")).packetId, n + 1);
      }
      await gone(ann, bob);
    });
  });

  describe("messages", () => {
    test("properties reach every subscriber as they were, in their order", async () => {
      const [topic, bob] = [fresh(), await open(5)];
      const people = [await open(5), await open(5)];
      for (const one of people) await one.subscribe([[`${topic}/#`, 1]]);
      const user = [["z", "1"], ["a", ""], ["z", "1"], ["", "é"]];
      const props = { payloadFormat: 1, messageExpiry: 100, contentType: "c/t", responseTopic: "answer/here", correlationData: Buffer.from([0, 1, 255]), user };
      await send(bob, `${topic}/x`, "é", { qos: 1, props });
      for (const one of people) {
        const { props: got, topic: on } = await receive(one);
        assert.equal(on, `${topic}/x`, "[MQTT-3.3.2-3]");
        assert.deepEqual(got.user, user, "[MQTT-3.3.2-17] [MQTT-3.3.2-18]");
        assert.deepEqual([got.payloadFormat, got.contentType, got.responseTopic, [...got.correlationData]], [1, "c/t", "answer/here", [0, 1, 255]]);
        assert.ok(got.messageExpiry <= 100 && got.messageExpiry > 90, "[MQTT-3.3.2-6]");
      }
      await gone(bob, ...people);
    });

    test("a message that expires while its subscriber is away is not sent; what is left is told", async () => {
      const [id, topic, bob] = [fresh(), fresh(), await open(5)];
      const first = await open(5, { id, keep: true });
      await first.subscribe([[topic, 1]]);
      await gone(first);
      await send(bob, topic, "short", { qos: 1, props: { messageExpiry: 1 } });
      await send(bob, topic, "long", { qos: 1, props: { messageExpiry: 100 } });
      await sleep(2300);
      const second = await open(5, { id, keep: true });
      const message = await receive(second);
      assert.equal(message.text, "long", "[MQTT-3.3.2-5]");
      assert.ok(message.props.messageExpiry < 99 && message.props.messageExpiry > 80, `[MQTT-3.3.2-6] ${message.props.messageExpiry}`);
      await gone(second, bob);
      await forget(id, 5);
    });

    test("a message that was sent is completed, though it expires", async () => {
      const [topic, ann, bob] = [fresh(), await open(5), await open(5)];
      await ann.subscribe([[topic, 2]]);
      await send(bob, topic, "short", { qos: 2, props: { messageExpiry: 1 } });
      const { packetId } = await ann.packet("PUBLISH");
      await sleep(1500);
      ann.write(ack("PUBREC", packetId));
      assert.equal((await ann.packet("PUBREL")).code, 0, "[MQTT-4.3.3-7] [MQTT-4.3.3-13]");
      ann.write(ack("PUBCOMP", packetId));
      await gone(ann, bob);
    });

    test("a client's aliases hold for its connection, every one up to the maximum", async () => {
      const [topic, id, bob] = [fresh(), fresh(), await open(5)];
      const ann = await open(5, { id, keep: true });
      await bob.subscribe([`${topic}/#`]);
      for (let alias = 1; alias <= ann.connack.props.aliasMax; alias++) ann.write(publish(5, `${topic}/${alias}`, "", { props: { alias } }));
      for (let alias = ann.connack.props.aliasMax; alias >= 1; alias--) ann.write(publish(5, "", "by alias", { props: { alias } }));
      ann.write(publish(5, `${topic}/new`, "", { props: { alias: 1 } }), publish(5, "", "another", { props: { alias: 1 } }));
      // Of each topic in its order; between topics there is none.
      const aliases = Array.from({ length: ann.connack.props.aliasMax }, (_, at) => `${at + 1}`);
      const wanted = new Map([...aliases.map((name) => [`${topic}/${name}`, ["", "by alias"]]), [`${topic}/new`, ["", "another"]]]);
      for (let left = 2 * wanted.size; left > 0; left--) {
        const message = await receive(bob);
        assert.equal(message.props.alias, undefined);
        assert.equal(wanted.get(message.topic)?.shift(), message.text, message.topic);
      }
      await gone(ann);
      const again = await open(5, { id, keep: true });
      again.write(publish(5, "", "of before", { props: { alias: 1 } }));
      assert.deepEqual((await again.rest()).map(({ code }) => code), [0x82], "[MQTT-3.3.2-7]");
      await gone(bob);
      await forget(id, 5);
    });

    test("the server's aliases stay within the client's maximum, and mean one topic", async () => {
      const [topic, bob] = [fresh(), await open(5)];
      for (const aliasMax of [0, 2]) {
        const ann = await open(5, { props: aliasMax ? { aliasMax } : {} });
        await ann.subscribe([[`${topic}/#`, 1]]);
        const known = new Map();
        for (let n = 0; n < 12; n++) {
          const name = `${topic}/${n % 3}/and/a/long/name/that/is/worth/an/alias`;
          await send(bob, name, "x", { qos: 1 });
          const { topic: came, props } = await receive(ann);
          if (props.alias !== undefined) {
            assert.ok(props.alias >= 1 && props.alias <= aliasMax, `[MQTT-3.1.2-26] [MQTT-3.1.2-27] ${props.alias}`);
            if (came !== "") known.set(props.alias, came);
          }
          assert.equal(came || known.get(props.alias), name);
        }
        await gone(ann);
      }
      await gone(bob);
    });

    test("what is larger than the client takes is not sent, and holds nothing up", async () => {
      const [topic, ann, bob] = [fresh(), await open(5, { props: { packetMax: 100, receiveMax: 2 } }), await open(5)];
      await ann.subscribe([[topic, 1]]);
      for (let n = 0; n < 5; n++) await send(bob, topic, Buffer.alloc(200, 120), { qos: 1 });
      await send(bob, topic, "fits", { qos: 1 });
      const message = await receive(ann);
      assert.equal(message.text, "fits", "[MQTT-3.1.2-24] [MQTT-3.1.2-25]");
      // To the byte: one that has the maximum, one that is a byte larger.
      const overhead = message.bytes - "fits".length;
      for (const size of [101, 100]) await send(bob, topic, Buffer.alloc(size - overhead, 121), { qos: 1 });
      assert.equal((await receive(ann)).bytes, 100);
      await gone(ann, bob);
    });

    both("what one publishes is of the topic, byte by byte", async (version) => {
      const [base, ann, bob] = [fresh(), await open(version), await open(version)];
      const topics = ["é", "e\u0301", "\ufeffx", "x", "X", " x", "a//b", "a/b", "/", "\u{1f600}"].map((name) => `${base}/${name}`);
      await ann.subscribe(topics.map((topic) => [topic, 0]));
      for (const topic of topics) await send(bob, topic, topic, { qos: 1 });
      for (const topic of topics) {
        const message = await receive(ann);
        assert.deepEqual([message.topic, message.text], [topic, topic], "[MQTT-4.7.3-4] [MQTT-1.5.4-3]");
      }
      await gone(ann, bob);
    });

    test("a filter that begins with a wildcard does not see topics that begin with $", async () => {
      // A gateway of its own: what $SYS retains, once somebody has asked for it, is the server's to keep.
      const own = await startTarget(["--schedulers", "2"]);
      try {
        for (const version of [4, 5]) {
          const [ann, bob, eve] = await Promise.all(["a", "b", "e"].map((id) => Raw.open(own, { version, id: fresh(id) })));
          await ann.subscribe([["#", 0], ["+/#", 0], ["+/+", 0]]);
          await eve.subscribe([["$SYS/#", 0]]);
          assert.ok((await eve.packet("PUBLISH", 20000)).topic.startsWith("$SYS/"));
          await send(bob, "own/here", "seen", { qos: 1 });
          for (;;) {
            const message = await receive(ann);
            assert.ok(!message.topic.startsWith("$"), `[MQTT-4.7.2-1] ${message.topic}`);
            if (message.text === "seen") break;
          }
          for (const raw of [ann, bob, eve]) {
            raw.write(disconnect());
            await raw.rest();
            raw.destroy();
          }
        }
      } finally {
        await own.finish({ quiet: false });
      }
    });

    both("topics that begin with $ are the server's: a client's PUBLISH is refused, or dropped", async (version) => {
      const [ann, bob] = [await open(version), await open(version)];
      await bob.subscribe([["$SYS/mine", 2], ["after", 2]]);
      for (const qos of [0, 1, 2]) {
        ann.write(publish(version, "$SYS/mine", "x", { qos, packetId: 5 }));
        if (qos === 0) continue;
        const answer = await ann.packet(qos === 1 ? "PUBACK" : "PUBREC");
        assert.deepEqual([answer.packetId, answer.code], [5, version === 5 ? 0x87 : 0]);
        if (qos === 2 && version === 4) {
          ann.write(ack("PUBREL", 5));
          await ann.packet("PUBCOMP");
        }
      }
      // [MQTT-4.3.3-9]: after a PUBREC of 0x80 or more the identifier is a new message's.
      await send(ann, "after", "y", { qos: 2, packetId: 5 });
      await texts(bob, ["y"]);
      await gone(ann, bob);
    }, OWN);
  });

  describe("retained messages", () => {
    both("the last one is kept, an empty one takes it away and is not kept", async (version) => {
      const [topic, bob] = [fresh(), await open(version)];
      const look = async () => {
        const eve = await open(version);
        await eve.subscribe([[topic, 1]]);
        const found = (await eve.settled()).map(({ payload, retain, qos }) => [String(payload), retain, qos]);
        await gone(eve);
        return found;
      };
      const watcher = await open(version);
      await watcher.subscribe([[topic, 1]]);
      await send(bob, topic, "one", { qos: 1, retain: true });
      await send(bob, topic, "two", { qos: 1, retain: true });
      await send(bob, topic, "live", { qos: 1 });
      assert.deepEqual(await look(), [["two", true, 1]], "[MQTT-3.3.1-5] [MQTT-3.3.1-8]");
      await send(bob, topic, "three", { qos: 0, retain: true });
      await send(bob, topic, "barrier", { qos: 1 });
      assert.deepEqual(await look(), [["three", true, 0]], "of QoS 0, too");
      await send(bob, topic, "", { qos: 1, retain: true });
      assert.deepEqual(await look(), [], "[MQTT-3.3.1-6] [MQTT-3.3.1-7]");
      for (const text of ["one", "two", "live", "three", "barrier", ""]) {
        const message = await receive(watcher);
        assert.deepEqual([message.text, message.retain], [text, false], "[MQTT-3.3.1-12]");
      }
      await gone(bob, watcher);
    });

    test("retain handling says when, retain as published how", async () => {
      const [topic, bob, ann] = [fresh(), await open(5), await open(5)];
      await send(bob, topic, "kept", { qos: 1, retain: true });
      const seen = async (retain) => {
        await ann.subscribe([[topic, QOS(0, { retain })]]);
        return (await ann.settled()).map(({ payload, retain: flag }) => [String(payload), flag]);
      };
      const kept = [["kept", true]];
      assert.deepEqual(await seen(2), [], "[MQTT-3.3.1-11]");
      assert.deepEqual(await seen(1), [], "[MQTT-3.3.1-10] it exists");
      assert.deepEqual(await seen(0), kept, "[MQTT-3.3.1-9] [MQTT-3.8.4-4]");
      ann.write(unsubscribe(5, [topic]));
      await ann.packet("UNSUBACK");
      assert.deepEqual(await seen(1), kept, "[MQTT-3.3.1-10] it is new");
      await ann.subscribe([[topic, QOS(0, { asPublished: true, retain: 2 })]]);
      await send(bob, topic, "flag", { qos: 1, retain: true });
      await send(bob, topic, "no flag", { qos: 1 });
      assert.deepEqual([(await receive(ann)).retain, (await receive(ann)).retain], [true, false], "[MQTT-3.3.1-13]");
      await ann.subscribe([[topic, QOS(0, { retain: 2 })]]);
      await send(bob, topic, "flag", { qos: 1, retain: true });
      assert.equal((await receive(ann)).retain, false, "[MQTT-3.3.1-12]");
      await send(bob, topic, "", { retain: true });
      await gone(ann, bob);
    });

    both("a subscription again sends retained messages again, without losing live ones", async (version) => {
      const [topic, bob, ann] = [fresh(), await open(version), await open(version)];
      await send(bob, topic, "kept", { qos: 1, retain: true });
      await ann.subscribe([[topic, 0]]);
      assert.equal((await receive(ann)).text, "kept");
      await ann.subscribe([[topic, 1]]);
      const again = await receive(ann);
      assert.deepEqual([again.text, again.retain, again.qos], ["kept", true, 1], "[MQTT-3.8.4-3] [MQTT-3.8.4-4]");
      await send(bob, topic, "live", { qos: 1 });
      assert.equal((await receive(ann)).qos, 1, "replaced, not added");
      assert.deepEqual(await ann.settled(), []);
      await send(bob, topic, "", { retain: true });
      await gone(ann, bob);
    });

    both("retained messages outlast the session of their publisher", async (version) => {
      const topic = fresh();
      const ann = await open(version);
      await send(ann, topic, "kept", { qos: 1, retain: true });
      await gone(ann);
      const bob = await open(version);
      await bob.subscribe([topic]);
      assert.equal((await receive(bob)).text, "kept");
      await send(bob, topic, "", { retain: true });
      await gone(bob);
    });
  });

  describe("subscriptions", () => {
    both("SUBACK has the identifier, and a code for every filter in its order", async (version) => {
      const [ann, base] = [await open(version), fresh()];
      ann.write(subscribe(version, [[`${base}/a`, 2], [`${base}/b`, 0], ["bad#", 1], [`${base}/c`, 1]], { packetId: 4321 }));
      const suback = await ann.packet("SUBACK");
      assert.equal(suback.packetId, 4321);
      assert.deepEqual(suback.codes, [2, 0, version === 5 ? 0x8f : 0x80, 1], "[MQTT-3.8.4-6] [MQTT-3.9.3-1]");
      await gone(ann);
    }, OWN);

    both("messages come with the lower of the two qualities of service", async (version) => {
      const [base, ann, bob] = [fresh(), await open(version), await open(version)];
      for (const granted of [0, 1, 2]) {
        assert.deepEqual(await ann.subscribe([[`${base}/${granted}`, granted]]), [granted]);
        for (const qos of [0, 1, 2]) {
          await send(bob, `${base}/${granted}`, "x", { qos });
          assert.equal((await receive(ann)).qos, Math.min(granted, qos));
        }
      }
      await gone(ann, bob);
    });

    both("overlapping subscriptions: the highest quality of service, every identifier", async (version) => {
      const [base, ann, bob] = [fresh(), await open(version), await open(version)];
      const props = (subscriptionId) => (version === 5 ? { props: { subscriptionId } } : {});
      await ann.subscribe([[`${base}/#`, 2]], props(7));
      await ann.subscribe([[`${base}/+`, 1]], props(300));
      await ann.subscribe([[`${base}/x`, 0]]);
      await send(bob, `${base}/x`, "one", { qos: 2 });
      await send(bob, `${base}/x/y`, "end", { qos: 2 });
      const copies = [];
      for (;;) {
        const message = await receive(ann);
        if (message.text === "end") break;
        copies.push(message);
      }
      assert.equal(Math.max(...copies.map(({ qos }) => qos)), 2, "[MQTT-3.3.4-2]");
      if (version === 5) assert.deepEqual(copies.flatMap(({ props: { subscriptionId } }) => subscriptionId).sort(), [300, 7], "[MQTT-3.3.4-3] [MQTT-3.3.4-4]");
      await gone(ann, bob);
    });

    test("one copy for a session, however many of its subscriptions match", OWN, async () => {
      const [base, ann, bob] = [fresh(), await open(5), await open(5)];
      await ann.subscribe([[`${base}/#`, 2]], { props: { subscriptionId: 1 } });
      await ann.subscribe([[`${base}/+`, 1]], { props: { subscriptionId: 2 } });
      await send(bob, `${base}/x`, "one", { qos: 2 });
      const message = await receive(ann);
      assert.deepEqual([message.qos, [...message.props.subscriptionId].sort()], [2, [1, 2]]);
      assert.deepEqual(await ann.settled(), []);
      await gone(ann, bob);
    });

    test("no-local keeps a client's own messages from it, and no others", async () => {
      const [topic, ann, bob] = [fresh(), await open(5), await open(5)];
      await ann.subscribe([[topic, QOS(1, { noLocal: true })]]);
      await send(ann, topic, "own", { qos: 1 });
      await send(bob, topic, "other", { qos: 1 });
      await texts(ann, ["other"]);
      await gone(ann, bob);
    });

    both("UNSUBSCRIBE ends exactly the filter it names, and is always answered", async (version) => {
      const [base, ann, bob] = [fresh(), await open(version), await open(version)];
      await ann.subscribe([[`${base}/a`, 0], [`${base}/+`, 1], [`${base}/A`, 0]]);
      ann.write(unsubscribe(version, [`${base}/a`, `${base}/never`, `${base}/#`], { packetId: 555 }));
      const unsuback = await ann.packet("UNSUBACK");
      assert.equal(unsuback.packetId, 555, "[MQTT-3.10.4-5]");
      assert.deepEqual(unsuback.codes, version === 5 ? [0, 0x11, 0x11] : [], "[MQTT-3.11.3-1]");
      await send(bob, `${base}/a`, "by the wildcard", { qos: 1 });
      await texts(ann, ["by the wildcard"]);
      ann.write(unsubscribe(version, [`${base}/+`], { packetId: 556 }));
      await ann.packet("UNSUBACK");
      await send(bob, `${base}/a`, "nobody", { qos: 1 });
      await send(bob, `${base}/A`, "last", { qos: 1 });
      await texts(ann, ["last"]);
      await gone(ann, bob);
    });

    both("what was under way when UNSUBSCRIBE came is completed", async (version) => {
      const [topic, ann, bob] = [fresh(), await open(version), await open(version)];
      await ann.subscribe([[topic, 2]]);
      await send(bob, topic, "under way", { qos: 2 });
      const { packetId } = await ann.packet("PUBLISH");
      ann.write(unsubscribe(version, [topic]));
      await ann.packet("UNSUBACK");
      ann.write(ack("PUBREC", packetId));
      assert.equal((await ann.packet("PUBREL")).code, 0, "[MQTT-3.10.4-3]");
      ann.write(ack("PUBCOMP", packetId));
      assert.deepEqual(await ann.settled(), []);
      await gone(ann, bob);
    });

    both("in rooms wildcards and shared subscriptions are refused by name, the others stand", async (version) => {
      const [room, ann, bob] = [fresh("r"), await open(version), await open(version)];
      const filters = ["room/+", "room/#", `room/${room}/#`, `$share/g/room/${room}`, `room/${room}`];
      const wanted = version === 5 ? [0xa2, 0xa2, 0xa2, 0x9e, 1] : [0x80, 0x80, 0x80, 0x80, 1];
      assert.deepEqual(await ann.subscribe(filters.map((filter) => [filter, 1])), wanted);
      await send(bob, `room/${room}`, '{"a":1}', { qos: 1 });
      assert.equal((await receive(ann)).text, '{"a":1}');
      await gone(ann, bob);
    }, OWN);

    both("PINGREQ is answered", async (version) => {
      const ann = await open(version);
      ann.write(pingreq(), pingreq(), pingreq());
      for (let n = 0; n < 3; n++) await ann.packet("PINGRESP");
      await gone(ann);
    });

    both("DISCONNECT is not answered: the connection ends", async (version) => {
      const ann = await open(version);
      ann.write(disconnect(), pingreq(), publish(version, "after", "x", { qos: 1 }));
      assert.deepEqual(await ann.rest(), [], "what follows a DISCONNECT is not looked at");
      ann.destroy();
    });
  });

  describe("shared subscriptions", () => {
    test("each message goes to one of a group, with the quality of service of that one", async () => {
      const [topic, bob] = [fresh(), await open(5)];
      const [ann, eve] = [await open(5), await open(5)];
      await ann.subscribe([[`$share/g/${topic}/+`, 1]]);
      await eve.subscribe([[`$share/g/${topic}/+`, 2]]);
      const wanted = Array.from({ length: 40 }, (_, n) => `${n}`);
      for (const text of wanted) await send(bob, `${topic}/x`, text, { qos: 2 });
      const got = [];
      while (got.length < 40) {
        for (const one of [ann, eve]) {
          for (let packet = one.take(); packet; packet = one.take()) {
            if (packet.type === "PUBREL") one.write(ack("PUBCOMP", packet.packetId));
            else {
              assert.equal(packet.qos, one === ann ? 1 : 2, "[MQTT-4.8.2-3]");
              one.write(ack(packet.qos === 1 ? "PUBACK" : "PUBREC", packet.packetId));
              got.push(String(packet.payload));
            }
          }
        }
        await sleep(5);
      }
      assert.deepEqual(got.map(Number).sort((a, b) => a - b), wanted.map(Number), "each once");
      for (const raw of [ann, eve, bob]) {
        raw.write(disconnect());
        await raw.rest();
        raw.destroy();
      }
    });

    test("a QoS 2 delivery that was begun is completed when its client is back", async () => {
      const [id, topic, bob] = [fresh(), fresh(), await open(5)];
      const first = await open(5, { id, keep: true });
      await first.subscribe([[`$share/g/${topic}`, 2]]);
      await send(bob, topic, "begun", { qos: 2 });
      const { packetId } = await first.packet("PUBLISH");
      first.destroy();
      const eve = await open(5);
      await eve.subscribe([[`$share/g/${topic}`, 2]]);
      const second = await open(5, { id, keep: true });
      const again = await second.packet("PUBLISH");
      assert.deepEqual([again.packetId, again.dup], [packetId, true], "[MQTT-4.8.2-4]");
      second.write(ack("PUBREC", packetId));
      await second.packet("PUBREL");
      second.write(ack("PUBCOMP", packetId));
      assert.deepEqual(await eve.settled(), []);
      await gone(second, eve, bob);
      await forget(id, 5);
    });

    test("a QoS 2 delivery whose session ends goes to nobody else", async () => {
      const [id, topic, bob] = [fresh(), fresh(), await open(5)];
      const ann = await open(5, { id });
      await ann.subscribe([[`$share/g/${topic}`, 2]]);
      await send(bob, topic, "begun", { qos: 2 });
      await ann.packet("PUBLISH");
      const eve = await open(5);
      await eve.subscribe([[`$share/g/${topic}`, 2]]);
      ann.write(disconnect());
      await ann.rest();
      await forget(id, 5);
      await send(bob, topic, "next", { qos: 2 });
      await texts(eve, ["next"]);
      await gone(eve, bob);
    });

    test("a refused delivery goes to nobody else", async () => {
      const [topic, bob, ann, eve] = [fresh(), await open(5), await open(5), await open(5)];
      await ann.subscribe([[`$share/g/${topic}`, 1]]);
      await send(bob, topic, "refused", { qos: 1 });
      const { packetId } = await ann.packet("PUBLISH");
      await eve.subscribe([[`$share/g/${topic}`, 1]]);
      ann.write(ack("PUBACK", packetId, 0x80));
      assert.deepEqual(await ann.settled(), []);
      assert.deepEqual(await eve.settled(), [], "[MQTT-4.8.2-6]");
      await gone(ann, eve, bob);
    });
  });
});
