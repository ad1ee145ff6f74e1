// Goal: what outlives a connection: wills, sessions, what is queued and sent again, take-over, the drain.
// Method: MQTT.js in 3.1.1 and 5.0, over TCP and WebSocket, whose connections end in every way.
import mqtt from "mqtt";
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { CORES, FOREIGN, OWN, QOS, WAYS, fresh, startBroker } from "./mqtt.mjs";

const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => `${from + n}`);

for (const cores of CORES) {
  describe(`sessions with ${cores} cores`, { concurrency: 4 }, () => {
    let broker;
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`]);
    });
    after(() => broker.finish());

    for (const { v, over, name } of WAYS) {
      describe(name, () => {
        const person = (options = {}) => broker.connect({ v, over, ...options });
        const end = (...people) => Promise.all(people.map((one) => one.end()));

        for (const qos of QOS) {
          test(`a will is sent when the connection breaks, retained if so asked, QoS ${qos}`, async () => {
            const topic = `${fresh("will")}/a`;
            const bob = await person();
            await bob.subscribe(topic, { qos });
            await (await person({ will: { topic, payload: "first", qos } })).kill();
            await bob.count(1);
            await (await person({ will: { topic, payload: "kept", qos, retain: true } })).kill();
            await bob.texts(["first", "kept"]);
            broker.retained.add(topic);
            const eve = await person();
            await eve.subscribe(topic, { qos });
            await eve.texts(["kept"]);
            assert.deepEqual([bob, eve].map(({ got }) => got.map((message) => `${message.qos} ${message.retain}`)),
              [[`${qos} false`, `${qos} false`], [`${qos} true`]]);
            await end(bob, eve);
          });
        }

        test("a will is not sent after DISCONNECT, but with reason 0x04 it is", async () => {
          const topic = `${fresh("will")}/a`;
          const bob = await person();
          await bob.subscribe(topic, { qos: 1 });
          await (await person({ will: { topic, payload: "not sent", qos: 1 } })).end();
          const told = [];
          if (v === 5) {
            await (await person({ will: { topic, payload: "sent all the same", qos: 1 } })).end({ reasonCode: 4 });
            told.push("sent all the same");
          }
          await (await person({ will: { topic, payload: "broken", qos: 1 } })).kill();
          await bob.texts([...told, "broken"]);
          await bob.end();
        });

        test("a will is sent when nothing is heard for one and a half times the keep-alive", async () => {
          const topic = `${fresh("will")}/a`;
          const bob = await person();
          await bob.subscribe(topic, { qos: 1 });
          const silent = await person({ keepalive: 1, silent: true, will: { topic, payload: "silent", qos: 1 } });
          const alive = await person({ keepalive: 1, will: { topic, payload: "alive", qos: 1 } });
          const reason = await silent.gone();
          if (v === 5 && !FOREIGN) assert.equal(reason, 0x8d); // Mosquitto 2.0.11 just closes
          await bob.texts(["silent"]);
          assert.equal(alive.closed, false, "who pings stays");
          await end(bob, alive);
        });

        if (v === 5) {
          test("a will waits for its delay, and is not sent to who is back before", async () => {
            const base = fresh("will");
            const bob = await person();
            await bob.subscribe(`${base}/+`, { qos: 1 });
            const back = await person({ keep: true, will: { topic: `${base}/back`, payload: "back", qos: 1, delay: 1 } });
            await back.kill();
            const again = await person({ id: back.id, keep: true });
            assert.equal(again.resumed, true);
            const late = await person({ keep: true, will: { topic: `${base}/late`, payload: "late", qos: 1, delay: 2 } });
            await late.kill();
            await bob.texts(["late"]); // by then the other's second has passed
            await end(bob, again);
          });

          test("a session's end brings the will before its delay is over", OWN, async () => {
            const topic = `${fresh("will")}/a`;
            const bob = await person();
            await bob.subscribe(topic, { qos: 1 });
            // No session after the connection: at once.
            await (await person({ expiry: 0, will: { topic, payload: "none", qos: 1, delay: 3600 } })).kill();
            await bob.count(1);
            // One of a second: then.
            const dying = await person({ keep: true, expiry: 1, will: { topic, payload: "expired", qos: 1, delay: 3600 } });
            await dying.subscribe(`${topic}/own`, { qos: 1 });
            await dying.kill();
            await bob.texts(["none", "expired"]);
            const next = await person({ id: dying.id, keep: true });
            assert.equal(next.resumed, false, "the session is over");
            // A clean start ends a session, too.
            const third = await person({ keep: true, will: { topic, payload: "cleaned", qos: 1, delay: 3600 } });
            await third.kill();
            const fourth = await person({ id: third.id });
            assert.equal(fourth.resumed, false);
            await bob.texts(["none", "expired", "cleaned"]);
            await end(bob, next, fourth);
          });

          test("DISCONNECT may shorten the session's life", async () => {
            const ann = await person({ keep: true });
            await ann.end({ properties: { sessionExpiryInterval: 0 } });
            const next = await person({ id: ann.id, keep: true });
            assert.equal(next.resumed, false);
            await next.end({ properties: { sessionExpiryInterval: 100 } });
            const third = await person({ id: ann.id, keep: true });
            assert.equal(third.resumed, true);
            await third.end();
          });
        }

        for (const qos of [1, 2]) {
          test(`a session that is resumed has its subscriptions, and gets what it missed in order, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const ann = await person();
            const bob = await person({ keep: true });
            assert.equal(bob.resumed, false);
            await bob.subscribe(topic, { qos });
            await ann.publish(topic, "0", { qos });
            await bob.texts(["0"]);
            await bob.end();
            for (const text of numbers(1, 31)) await ann.publish(topic, text, { qos });
            const back = await person({ id: bob.id, keep: true });
            assert.equal(back.resumed, true);
            await ann.publish(topic, "31", { qos });
            await back.texts(numbers(1, 32));
            assert.ok(back.got.every((message) => message.qos === qos && !message.dup && !message.retain));
            await back.end();
            const clean = await person({ id: bob.id });
            assert.equal(clean.resumed, false);
            await ann.publish(topic, "to nobody", { qos });
            await clean.subscribe(`${topic}/end`, { qos });
            await ann.publish(`${topic}/end`, "end", { qos });
            await clean.texts(["end"]);
            await clean.end();
            const last = await person({ id: bob.id, keep: true });
            assert.equal(last.resumed, false, "a clean session leaves none");
            await end(ann, last);
          });
        }

        test("what was not acknowledged comes again, marked, in order, before what was queued, QoS 1", async () => {
          const topic = `${fresh("t")}/a`;
          const ann = await person();
          const bob = await person({ keep: true, held: ["puback"] });
          await bob.subscribe(topic, { qos: 1 });
          for (const text of numbers(0, 6)) await ann.publish(topic, text, { qos: 1 });
          await bob.texts(numbers(0, 6));
          bob.release(2);
          await bob.subscribe(`${topic}/round-trip`);
          await bob.kill();
          for (const text of numbers(6, 10)) await ann.publish(topic, text, { qos: 1 });
          const back = await person({ id: bob.id, keep: true });
          await back.texts(numbers(2, 10));
          assert.deepEqual(back.got.map(({ dup }) => dup), numbers(2, 10).map((text) => text < 6));
          assert.deepEqual(back.got.slice(0, 4).map(({ messageId }) => messageId), bob.got.slice(2).map(({ messageId }) => messageId), "by their identifiers");
          await end(ann, back);
        });

        for (const held of ["pubrec", "pubcomp"]) {
          test(`a QoS 2 delivery that broke before ${held} is finished, once`, async () => {
            const topic = `${fresh("t")}/a`;
            const ann = await person();
            const stores = { incomingStore: new mqtt.Store({ clean: false }) };
            const bob = await person({ keep: true, held: [held], ...stores });
            await bob.subscribe(topic, { qos: 2 });
            for (const text of numbers(0, 5)) await ann.publish(topic, text, { qos: 2 });
            await bob.wait("five held", () => bob.held.length === 5);
            await bob.kill();
            for (const text of numbers(5, 8)) await ann.publish(topic, text, { qos: 2 });
            const back = await person({ id: bob.id, keep: true, ...stores });
            assert.equal(back.resumed, true);
            await back.wait("the last", () => back.got.some(({ text }) => text === "7"));
            assert.deepEqual([...bob.got, ...back.got].map(({ text }) => text), numbers(0, 8), "each once, in order");
            const publishes = back.packets.filter(({ cmd }) => cmd === "publish");
            assert.deepEqual(publishes.map(({ payload, dup }) => `${payload} ${dup}`),
              (held === "pubrec" ? numbers(0, 8) : numbers(5, 8)).map((text) => `${text} ${text < 5}`));
            await end(ann, back);
          });
        }

        test("a QoS 2 publish that broke half-way is taken once, whatever is repeated", async () => {
          const topic = `${fresh("t")}/a`;
          const bob = await person();
          await bob.subscribe(topic, { qos: 2 });
          const ann = await person({ keep: true, held: ["pubrel"] });
          ann.publish(topic, "one", { qos: 2 }).catch(() => {});
          await ann.wait("PUBREC", () => ann.held.length === 1);
          const first = ann.sent.find(({ cmd }) => cmd === "publish");
          await ann.kill();
          const resume = async (packet) => {
            const outgoingStore = new mqtt.Store({ clean: false });
            outgoingStore.put(packet);
            const back = await person({ id: ann.id, keep: true, outgoingStore });
            assert.equal(back.resumed, true);
            await back.wait("the handshake's end", () => back.packets.some(({ cmd }) => cmd === "pubcomp"));
            return back;
          };
          await (await resume({ ...first, dup: true })).kill(); // PUBLISH again, then PUBREL and PUBCOMP
          const back = await resume({ cmd: "pubrel", messageId: first.messageId, qos: 2 }); // PUBREL again
          await back.publish(topic, "two", { qos: 2 });
          await bob.texts(["one", "two"]);
          await end(bob, back);
        });

        // Mosquitto 2.0.11 sends neither the reason nor the will.
        test("who connects with a client identifier in use takes its place and its session", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, watcher] = [await person(), await person()];
          await watcher.subscribe(`${topic}/will`, { qos: 1 });
          let holder = await person({ keep: true, will: { topic: `${topic}/will`, payload: "0", qos: 1 } });
          await holder.subscribe(topic, { qos: 1 });
          for (let n = 1; n <= 5; n++) {
            const next = await person({ id: holder.id, keep: true, will: { topic: `${topic}/will`, payload: `${n}`, qos: 1 } });
            assert.equal(next.resumed, true);
            const reason = await holder.gone();
            if (v === 5) assert.equal(reason, 0x8e);
            await ann.publish(topic, `to ${n}`, { qos: 1 });
            await next.texts([`to ${n}`]);
            holder = next;
          }
          await watcher.texts(numbers(0, 5));
          await end(ann, holder, watcher);
        });

        test("a session changes its transport and its version", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const ann = await person();
          const bob = await person({ keep: true });
          await bob.subscribe(topic, { qos: 1 });
          const other = { v: v === 5 ? 4 : 5, over: over === "ws" ? "tcp" : "ws" };
          const next = await person({ id: bob.id, keep: true, ...other });
          assert.equal(next.resumed, true);
          await bob.gone();
          await ann.publish(topic, "one", { qos: 1 });
          await next.texts(["one"]);
          await next.kill();
          await ann.publish(topic, "two", { qos: 1 });
          const back = await person({ id: bob.id, keep: true });
          await back.texts(["two"]);
          await end(ann, back);
        });

        test("messages published while a session is taken over and over arrive, and in order at first", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const ann = await person();
          const holders = [await person({ keep: true })];
          await holders[0].subscribe(topic, { qos: 1 });
          let done = false;
          const talk = (async () => {
            for (const text of numbers(0, 200)) await ann.publish(topic, text, { qos: 1 });
            done = true;
          })();
          for (let n = 0; !done || n < 3; n++) holders.push(await person({ id: holders[0].id, keep: true }));
          await talk;
          const last = holders[holders.length - 1];
          await ann.publish(topic, "200", { qos: 1 });
          await last.wait("the end", () => last.got.some(({ text }) => text === "200"));
          const seen = holders.flatMap(({ got }) => got);
          const firsts = [...new Set(seen.map(({ text }) => text))];
          assert.deepEqual(firsts, numbers(0, 201));
          await end(ann, last);
        });

        test("an empty client identifier will do for a clean session", async () => {
          const [ann, bob] = [await person({ id: "" }), await person({ id: "" })];
          assert.equal(ann.resumed, false);
          const topic = `${fresh("t")}/a`;
          await bob.subscribe(topic);
          await ann.publish(topic, "one");
          await bob.texts(["one"]);
          await end(ann, bob);
        });
      });
    }

    test("MQTT 3.1 is refused with code 1", OWN, async () => {
      const old = broker.begin({ v: 3, protocolId: "MQIsdp" });
      assert.equal(await old.refused(), 1);
    });
  });

  // One at a time: a gateway that finishes ends the connections of all.
  describe(`gateways of their own with ${cores} cores`, () => {
    for (const { v, over, name } of WAYS) {
      describe(name, () => {
        test("a session's queue keeps the newest", OWN, async () => {
          const own = await startBroker(["--schedulers", `${cores}`, "--mqtt-session-queue-max", "50"]);
          const topic = `${fresh("t")}/a`;
          const ann = await own.connect({ v, over });
          const bob = await own.connect({ v, over, keep: true });
          await bob.subscribe(topic, { qos: 1 });
          await bob.end();
          for (const text of numbers(0, 60)) await ann.publish(topic, text, { qos: 1 });
          const back = await own.connect({ v, over, id: bob.id, keep: true });
          await back.texts(numbers(10, 60));
          await own.finish();
        });

        test("a drain sends DISCONNECT 0x8B and ends, sessions and all", OWN, async () => {
          const own = await startBroker(["--schedulers", `${cores}`]);
          const topic = `${fresh("t")}/a`;
          const people = [];
          for (let n = 0; n < 5; n++) people.push(await own.connect({ v, over, keep: n % 2 === 0 }));
          for (const one of people) await one.subscribe(topic, { qos: 1 });
          await people[0].publish(topic, "one", { qos: 2 });
          await Promise.all(people.map((one) => one.texts(["one"])));
          const stopped = own.gateway.stop("SIGTERM");
          const reasons = await Promise.all(people.map((one) => one.gone()));
          if (v === 5) assert.deepEqual(reasons, [0x8b, 0x8b, 0x8b, 0x8b, 0x8b]);
          assert.deepEqual(await stopped, { code: 0, signal: null }, own.gateway.stderr);
        });
      });
    }
  });
}
