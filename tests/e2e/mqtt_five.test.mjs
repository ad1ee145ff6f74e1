// Goal: what MQTT 5.0 adds for a publisher and a subscriber: properties passed on, request and response,
// subscription options and identifiers, aliases, expiry, limits. Method: MQTT.js over TCP and WebSocket.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { CORES, OWN, QOS, TRANSPORTS, fresh, startBroker } from "./mqtt.mjs";

const CARRIED = {
  payloadFormatIndicator: true,
  contentType: "text/plain; charset=utf-8",
  responseTopic: "answers/hère",
  correlationData: Buffer.from([0, 1, 2, 255]),
  userProperties: { one: "1", two: ["first", "second"], "": "empty name", "ключ": "" },
};
// Of what came, that which was sent; plain objects, so that they compare.
const carried = ({ properties }) => JSON.parse(JSON.stringify(Object.fromEntries(Object.keys(CARRIED).map((key) => [key, properties?.[key]]))));

for (const cores of CORES) {
  describe(`MQTT 5.0 with ${cores} cores`, { concurrency: 4 }, () => {
    let broker;
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`, "--mqtt-receive-max", "20", "--message-bytes-max", "4096", "--mqtt-keep-alive-max-s", "50"]);
    });
    after(() => broker.finish());

    for (const over of TRANSPORTS) {
      describe(`over ${over}`, () => {
        const person = (options = {}) => broker.connect({ v: 5, over, ...options });
        const end = (...people) => Promise.all(people.map((one) => one.end()));

        for (const qos of QOS) {
          test(`properties of a message are passed on, live, retained and as a will, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const [ann, bob] = [await person(), await person()];
            await bob.subscribe(topic, { qos });
            await ann.publish(topic, "live", { qos, retain: true, properties: CARRIED });
            const eve = await bob.count(1).then(() => person());
            await eve.subscribe(topic, { qos });
            await eve.count(1);
            const dying = await person({ will: { topic, qos, payload: "will", properties: CARRIED } });
            await dying.kill();
            await bob.texts(["live", "will"]);
            await eve.texts(["live", "will"]);
            const wanted = JSON.parse(JSON.stringify(CARRIED));
            for (const message of [...bob.got, ...eve.got]) assert.deepEqual(carried(message), wanted, message.text);
            await end(ann, bob, eve);
          });
        }

        test("a message without properties arrives without", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          await bob.subscribe(topic);
          await ann.publish(topic, "bare");
          await bob.texts(["bare"]);
          assert.deepEqual(Object.keys(bob.got[0].properties ?? {}), []);
          await end(ann, bob);
        });

        for (const qos of QOS) {
          test(`requests are answered to where and with what they ask, QoS ${qos}`, async () => {
            const base = fresh("t");
            const responder = await person();
            responder.client.on("message", (_, payload, { properties: { responseTopic, correlationData } }) =>
              responder.publish(responseTopic, `answer to ${payload}`, { qos, properties: { correlationData } }));
            await responder.subscribe(`${base}/ask`, { qos });
            const askers = [];
            for (const who of ["ann", "bob", "eve"]) {
              const one = await person();
              await one.subscribe(`${base}/answers/${who}`, { qos });
              askers.push([who, one]);
            }
            for (let n = 0; n < 10; n++) {
              await Promise.all(askers.map(([who, one]) => one.publish(`${base}/ask`, `${who} ${n}`,
                { qos, properties: { responseTopic: `${base}/answers/${who}`, correlationData: Buffer.from([n]) } })));
            }
            for (const [who, one] of askers) {
              await one.texts(Array.from({ length: 10 }, (_, n) => `answer to ${who} ${n}`));
              assert.deepEqual(one.got.map(({ properties }) => properties.correlationData[0]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            }
            await end(responder, ...askers.map(([, one]) => one));
          });
        }

        test("a subscription's identifier comes with its messages, retained ones too", async () => {
          const base = fresh("t");
          const [ann, bob] = [await person(), await person()];
          await ann.publish(`${base}/kept`, "kept", { qos: 1, retain: true });
          await bob.subscribe(`${base}/+`, { qos: 1, properties: { subscriptionIdentifier: 7 } });
          await bob.subscribe(`${base}/x/y`, { qos: 1, properties: { subscriptionIdentifier: 268435455 } });
          await bob.subscribe(`${base}/z/z`, { qos: 1 });
          for (const tail of ["a", "x/y", "z/z"]) await ann.publish(`${base}/${tail}`, tail, { qos: 1 });
          await bob.subscribe(`${base}/+`, { qos: 1, rh: 2, properties: { subscriptionIdentifier: 8 } });
          await ann.publish(`${base}/a`, "again", { qos: 1 });
          await bob.texts(["kept", "a", "x/y", "z/z", "again"]);
          assert.deepEqual(bob.got.map(({ properties }) => properties?.subscriptionIdentifier), [7, 7, 268435455, undefined, 8]);
          await end(ann, bob);
        });

        test("one copy carries the identifiers of all subscriptions that match", OWN, async () => {
          const base = fresh("t");
          const [ann, bob] = [await person(), await person()];
          for (const [filter, id] of [[`${base}/a`, 1], [`${base}/#`, 2], [`${base}/+`, 300], [`${base}/b`, 4]])
            await bob.subscribe(filter, { qos: 1, properties: { subscriptionIdentifier: id } });
          await ann.publish(`${base}/a`, "one", { qos: 1 });
          await ann.publish(`${base}/a`, "two", { qos: 1 });
          await bob.texts(["one", "two"]);
          for (const { properties } of bob.got) assert.deepEqual([...properties.subscriptionIdentifier].sort((a, b) => a - b), [1, 2, 300]);
          await end(ann, bob);
        });

        for (const qos of QOS) {
          test(`no-local keeps one's own messages away, and only those, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const [ann, bob] = [await person(), await person()];
            await ann.subscribe(topic, { qos, nl: true });
            await bob.subscribe(topic, { qos, nl: false });
            await ann.publish(topic, "ann's", { qos });
            await bob.count(1);
            await bob.publish(topic, "bob's", { qos });
            await ann.texts(["bob's"]);
            await bob.texts(["ann's", "bob's"]);
            await end(ann, bob);
          });
        }

        test("retain handling 0 sends what is retained always, 1 for a new subscription, 2 never", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          await ann.publish(topic, "kept", { qos: 1, retain: true });
          const after_ = async (rh) => {
            bob.got.length = 0;
            await bob.subscribe(topic, { qos: 1, rh });
            await ann.publish(topic, "live", { qos: 1 });
            await bob.wait("the live one", () => bob.got.some(({ text }) => text === "live"));
            return bob.got.map(({ text }) => text);
          };
          assert.deepEqual(await after_(2), ["live"]);
          assert.deepEqual(await after_(1), ["live"], "it exists");
          assert.deepEqual(await after_(0), ["kept", "live"]);
          await bob.unsubscribe(topic);
          assert.deepEqual(await after_(1), ["kept", "live"], "it is new");
          await end(ann, bob);
        });

        test("retain as published keeps the mark on what comes live", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob, eve] = [await person(), await person(), await person()];
          await bob.subscribe(topic, { qos: 1, rap: true });
          await eve.subscribe(topic, { qos: 1, rap: false });
          await ann.publish(topic, "kept", { qos: 1, retain: true });
          await ann.publish(topic, "not kept", { qos: 1 });
          await bob.texts(["kept", "not kept"]);
          await eve.texts(["kept", "not kept"]);
          assert.deepEqual(bob.got.map(({ retain }) => retain), [true, false]);
          assert.deepEqual(eve.got.map(({ retain }) => retain), [false, false]);
          await end(ann, bob, eve);
        });

        for (const qos of QOS) {
          test(`a client's topic aliases stand for their topics, QoS ${qos}`, async () => {
            const base = fresh("t");
            const [ann, bob] = [await person({ autoAssignTopicAlias: true }), await person()];
            assert.ok(ann.connack.properties.topicAliasMaximum > 0);
            await bob.subscribe(`${base}/#`, { qos });
            const wanted = [];
            // More topics than aliases: the client gives each alias to others in turn.
            for (let round = 0; round < 3; round++) {
              for (let n = 0; n < 4 + round * 10; n++) {
                wanted.push(`${base}/${n}`);
                await ann.publish(`${base}/${n}`, `${base}/${n}`, { qos });
                await ann.publish(`${base}/${n}`, `${base}/${n}`, { qos });
                wanted.push(`${base}/${n}`);
              }
            }
            await bob.count(wanted.length);
            // Between topics there is no order at QoS 0.
            assert.deepEqual(bob.got.map(({ text }) => text).sort(), [...wanted].sort());
            for (const { topic, text } of bob.got) assert.equal(topic, text);
            assert.ok(ann.sent.some(({ cmd, topic }) => cmd === "publish" && topic === ""), "aliases were used");
            assert.ok(bob.got.every(({ properties }) => properties?.topicAlias === undefined), "they are the publisher's alone");
            await end(ann, bob);
          });

          test(`the server's aliases stand for their topics, within the client's maximum, QoS ${qos}`, OWN, async () => {
            const base = fresh("t");
            const [ann, bob] = [await person(), await person({ properties: { topicAliasMaximum: 2 } })];
            await bob.subscribe(`${base}/#`, { qos });
            const wanted = [];
            for (let n = 0; n < 30; n++) wanted.push(`${base}/${n % 3}`, `${base}/${n % 3}`);
            for (const topic of wanted) await ann.publish(topic, topic, { qos });
            await bob.count(wanted.length);
            assert.deepEqual(bob.got.map(({ text }) => text).sort(), [...wanted].sort());
            // Of QoS 2 MQTT.js shows what stood in the packet.
            for (const { topic, text } of bob.got) assert.ok(topic === text || (qos === 2 && topic === ""), `${text} on ${topic}`);
            const publishes = bob.packets.filter(({ cmd }) => cmd === "publish");
            // QoS 0 may be encoded once for all subscribers, without.
            assert.ok(qos === 0 || publishes.some(({ topic }) => topic === ""), "aliases were used");
            assert.ok(publishes.every(({ properties }) => (properties?.topicAlias ?? 1) <= 2));
            await end(ann, bob);
          });
        }

        test("a message ends with its expiry, retained or queued, and tells what is left of it", async () => {
          const base = fresh("t");
          const [ann, away] = [await person(), await person({ keep: true })];
          await away.subscribe(`${base}/+`, { qos: 1 });
          await away.end();
          const within = (seconds) => ({ qos: 1, properties: { messageExpiryInterval: seconds } });
          await ann.publish(`${base}/queued`, "short", within(1));
          await ann.publish(`${base}/queued`, "long", within(1000));
          await ann.publish(`${base}/queued`, "forever", { qos: 1 });
          await ann.publish(`${base}/kept`, "short", { ...within(1), retain: true });
          await ann.publish(`${base}/kept2`, "long", { ...within(1000), retain: true });
          // A will that comes after two seconds tells that they have passed.
          const clock = fresh("clock");
          await ann.subscribe(clock, { qos: 1 });
          const dying = await person({ expiry: 1000, will: { topic: clock, delay: 3, qos: 1 } });
          await dying.kill();
          await ann.texts(["will"]);
          const back = await person({ id: away.id, keep: true });
          assert.equal(back.resumed, true);
          await back.texts(["long", "forever", "long"]);
          const eve = await person();
          await eve.subscribe(`${base}/+`, { qos: 1 });
          await eve.texts(["long"]);
          for (const { text, properties } of [...back.got, ...eve.got]) {
            const left = properties?.messageExpiryInterval;
            if (text === "forever") assert.equal(left, undefined);
            else assert.ok(left > 900 && left <= 998, `${left} s left of 1000`);
          }
          await end(ann, back, eve);
        });

        test("the CONNACK tells the server's limits and gives an identifier", OWN, async () => {
          const [ann, bob] = [await person({ id: "" }), await person({ id: "" })];
          const { properties } = ann.connack;
          assert.equal(properties.receiveMaximum, 20);
          assert.ok(properties.maximumPacketSize >= 4096 && properties.maximumPacketSize < 3 * 4096, `${properties.maximumPacketSize}`);
          assert.equal(properties.serverKeepAlive, 50);
          assert.ok(properties.topicAliasMaximum > 0);
          assert.ok(properties.assignedClientIdentifier.length > 0);
          assert.notEqual(properties.assignedClientIdentifier, bob.connack.properties.assignedClientIdentifier);
          for (const able of ["retainAvailable", "wildcardSubscriptionAvailable", "sharedSubscriptionAvailable", "subscriptionIdentifiersAvailable"])
            assert.notEqual(properties[able], false, able);
          assert.ok(properties.maximumQoS === undefined || properties.maximumQoS === 2);
          assert.ok(properties.sessionExpiryInterval === undefined, "as asked for");
          const named = await person({ keepalive: 20 });
          assert.equal(named.connack.properties.assignedClientIdentifier, undefined);
          assert.ok([undefined, 20].includes(named.connack.properties.serverKeepAlive), "less than the server's");
          await end(ann, bob, named);
        });

        test("a message over the client's maximum packet size is not sent to it, the others are", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob, eve] = [await person(), await person({ properties: { maximumPacketSize: 100 } }), await person()];
          for (const qos of QOS) {
            bob.got.length = eve.got.length = 0;
            await bob.subscribe(topic, { qos });
            await eve.subscribe(topic, { qos });
            const large = "x".repeat(200);
            for (const text of ["one", large, "two"]) await ann.publish(topic, text, { qos });
            await bob.texts(["one", "two"]);
            await eve.texts(["one", large, "two"]);
          }
          await end(ann, bob, eve);
        });

        test("a packet over the server's maximum ends the connection with 0x95", OWN, async () => {
          const [ann, bob] = [await person(), await person()];
          const topic = `${fresh("t")}/a`;
          await bob.subscribe(topic, { qos: 1 });
          const most = ann.connack.properties.maximumPacketSize;
          const around = 2 + 3 + topic.length + 2 + 1; // fixed header 3, topic with size, identifier, properties
          await ann.publish(topic, "x".repeat(4096 - 200), { qos: 1 });
          ann.publish(topic, "y".repeat(most - around + 1), { qos: 1 }).catch(() => {});
          assert.equal(await ann.gone(), 0x95);
          await bob.publish(topic, "end", { qos: 1 });
          await bob.texts(["x".repeat(4096 - 200), "end"]);
          await bob.end();
        });

        for (const [qos, ack] of [[1, "puback"], [2, "pubrec"], [2, "pubcomp"]]) {
          // Mosquitto 2.0.11 sends three for one acknowledgement.
          test(`no more are under way than the client's receive maximum, by ${ack}`, OWN, async () => {
            const topic = `${fresh("t")}/a`;
            const [ann, bob] = [await person(), await person({ properties: { receiveMaximum: 3 }, held: [ack] })];
            await bob.subscribe([topic, `${topic}/0`], { qos });
            const texts = Array.from({ length: 10 }, (_, n) => `${n}`);
            const begun = () => bob.packets.filter(({ cmd, qos: of }) => cmd === "publish" && of > 0).length;
            for (const text of texts) await ann.publish(topic, text, { qos });
            await bob.wait("three", () => begun() >= 3);
            await ann.publish(`${topic}/0`, "meanwhile", { qos: 0 });
            await bob.wait("QoS 0 goes on", () => bob.got.some(({ text }) => text === "meanwhile"));
            for (let n = 3; n < 10; n++) {
              await bob.subscribe(`${topic}/other`); // a round trip
              assert.equal(begun(), n);
              bob.release(1);
              await bob.wait("one more", () => begun() > n);
            }
            bob.release();
            await bob.wait("all", () => bob.got.length === 11);
            assert.deepEqual(bob.got.map(({ text }) => text).filter((text) => text !== "meanwhile"), texts);
            await end(ann, bob);
          });
        }

        test("more under way than the server's receive maximum ends the connection with 0x93", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const ann = await person({ held: ["pubrel"] });
          const recs = () => ann.packets.filter(({ cmd }) => cmd === "pubrec").length;
          for (let n = 0; n < 20; n++) ann.publish(topic, `${n}`, { qos: 2 }).catch(() => {});
          await ann.wait("20 received", () => recs() === 20);
          ann.publish(topic, "one too many", { qos: 2 }).catch(() => {});
          assert.equal(await ann.gone(), 0x93);
        });

        test("the server's keep-alive binds a client that asked for none", OWN, async () => {
          const quiet = await person({ keepalive: 0 });
          assert.equal(quiet.connack.properties.serverKeepAlive, 50);
          await quiet.end();
        });

        test("enhanced authentication is refused by its reason", OWN, async () => {
          const ann = broker.begin({ v: 5, over, properties: { authenticationMethod: "SCRAM-SHA-1", authenticationData: Buffer.from("n,,") } });
          assert.equal(await ann.refused(), 0x8c);
        });
      });
    }
  });
}
