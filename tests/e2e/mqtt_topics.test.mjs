// Goal: plain topics as MQTT.js sees them: matching, quality of service, retained messages, shared
// subscriptions. Method: every behaviour in 3.1.1 and 5.0, over TCP and WebSocket, with one and two cores.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { CORES, FOREIGN, OWN, QOS, WAYS, fresh, startBroker } from "./mqtt.mjs";

const numbers = (count) => Array.from({ length: count }, (_, n) => `${n}`);

for (const cores of CORES) {
  describe(`plain topics with ${cores} cores`, { concurrency: 4 }, () => {
    let broker;
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`]);
    });
    after(() => broker.finish());

    for (const { v, over, name } of WAYS) {
      describe(name, () => {
        const person = (options = {}) => broker.connect({ v, over, ...options });
        const end = (...people) => Promise.all(people.map((one) => one.end()));

        test("a message arrives whole, with the lower of the two qualities of service", async () => {
          const topic = `${fresh("t")}/a`;
          const ann = await person();
          const payloads = [Buffer.alloc(0), Buffer.from("text"), Buffer.from([0, 255, 128, 10]), Buffer.alloc(40000, "x")];
          for (const granted of QOS) {
            const bob = await person();
            assert.deepEqual(await bob.subscribe(topic, { qos: granted }), [granted]);
            for (const qos of QOS) {
              const first = bob.got.length;
              for (const payload of payloads) assert.equal(await ann.publish(topic, payload, { qos }), 0);
              await bob.count(first + payloads.length);
              for (const [at, payload] of payloads.entries()) {
                const { payload: bytes, retain, dup, qos: came, topic: on } = bob.got[first + at];
                assert.ok(payload.equals(bytes), `payload ${at}`);
                assert.deepEqual({ retain, dup, came, on }, { retain: false, dup: false, came: Math.min(qos, granted), on: topic });
              }
            }
            await bob.end();
          }
          await ann.end();
        });

        for (const qos of QOS) {
          test(`300 messages arrive once each and in order, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const [ann, bob, eve] = [await person(), await person(), await person()];
            await bob.subscribe(topic, { qos });
            await eve.subscribe(`${topic}/#`, { qos });
            await Promise.all(numbers(300).map((text) => ann.publish(topic, text, { qos })));
            await bob.texts(numbers(300));
            await eve.texts(numbers(300));
            assert.ok(bob.got.every((message) => message.qos === qos && !message.dup));
            await end(ann, bob, eve);
          });
        }

        test("filters match by level, with + and #", async () => {
          const base = fresh("t");
          const topics = ["", "/", "/a", "/a/b", "/a/b/c", "//b", "/A", "/a/", "/é/b", "/a/x/c", "x"].map((tail) => base + tail);
          const filters = {
            [base]: [""],
            [`${base}/#`]: ["", "/", "/a", "/a/b", "/a/b/c", "//b", "/A", "/a/", "/é/b", "/a/x/c"],
            [`${base}/+`]: ["/", "/a", "/A"],
            [`${base}/+/b`]: ["/a/b", "//b", "/é/b"],
            [`${base}/a/#`]: ["/a", "/a/b", "/a/b/c", "/a/", "/a/x/c"],
            [`${base}/+/+`]: ["/a/b", "//b", "/a/", "/é/b"],
            [`${base}/a/+/c`]: ["/a/b/c", "/a/x/c"],
            [`${base}/a`]: ["/a"],
            [`+/a/b`]: ["/a/b"],
            [`+/+/b/#`]: ["/a/b", "/a/b/c", "//b", "/é/b"],
            [`#`]: ["", "/", "/a", "/a/b", "/a/b/c", "//b", "/A", "/a/", "/é/b", "/a/x/c", "x"],
          };
          const people = [];
          for (const filter of Object.keys(filters)) {
            const one = await person();
            people.push(one);
            assert.deepEqual(await one.subscribe([filter, `${base}end`], { qos: 1 }), [1, 1], filter);
          }
          const ann = await person();
          for (const topic of topics) await ann.publish(topic, topic.slice(base.length), { qos: 1 });
          await ann.publish(`${base}end`, "end", { qos: 1 });
          for (const [at, [filter, wanted]] of Object.entries(filters).entries()) {
            const one = people[at];
            // The end may overtake: it has another first level, and so another owner.
            await one.wait(`all of ${filter}`, () => one.got.filter(({ topic }) => topic.startsWith(base)).length > wanted.length);
            const came = one.got.filter(({ topic, text }) => topic.startsWith(base) && text !== "end").map(({ text }) => text);
            assert.deepEqual(came.sort(), [...wanted].sort(), filter);
          }
          await end(ann, ...people);
        });

        test("topics that begin with $ are the server's, and no wildcard at the beginning sees them", async () => {
          const tail = fresh("s");
          const [all, plus, named, ann] = [await person(), await person(), await person(), await person()];
          await all.subscribe("#", { qos: 1 });
          await plus.subscribe(`+/${tail}`, { qos: 1 });
          await named.subscribe([`$app/${tail}`, `app/${tail}`], { qos: 1 });
          const answer = await ann.publish(`$app/${tail}`, "hidden", { qos: 1 });
          if (v === 5 && !FOREIGN) assert.ok(answer >= 0x80, `refused, not ${answer}`);
          await ann.publish(`app/${tail}`, "seen", { qos: 1 });
          await all.wait("the other", () => all.got.some(({ topic }) => topic === `app/${tail}`));
          await plus.texts(["seen"]);
          await named.texts(FOREIGN ? ["hidden", "seen"] : ["seen"]);
          assert.ok(all.got.every(({ topic }) => !topic.startsWith("$")));
          await end(all, plus, named, ann);
        });

        test("$SYS is read, never written, and no wildcard at the beginning sees it", async () => {
          const [reader, all, ann] = [await person(), await person(), await person()];
          const tail = fresh("mine");
          await all.subscribe("#", { qos: 0 });
          assert.deepEqual(await reader.subscribe("$SYS/#", { qos: 0 }), [0]);
          await reader.count(3);
          assert.ok(reader.got.every(({ topic, payload }) => topic.startsWith("$SYS/") && payload.length > 0));
          await ann.publish(`$SYS/${tail}`, "mine", { qos: 1 });
          await ann.publish(`${tail}/end`, "end", { qos: 1 });
          await reader.subscribe(`${tail}/end`);
          await ann.publish(`${tail}/end`, "end", { qos: 1 });
          await reader.wait("the end", () => reader.got.some(({ text }) => text === "end"));
          await all.wait("the end", () => all.got.some(({ text }) => text === "end"));
          assert.ok(!reader.got.some(({ topic }) => topic === `$SYS/${tail}`), "written");
          assert.ok(!all.got.some(({ topic }) => topic.startsWith("$SYS/")), "seen by #");
          await end(reader, all, ann);
        });

        test("nothing comes after unsubscribing; what was never subscribed is told in 5.0", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          await bob.subscribe([topic, `${topic}/end`], { qos: 1 });
          await ann.publish(topic, "one", { qos: 1 });
          await bob.count(1);
          const answer = await bob.unsubscribe([topic, `${topic}/never`]);
          if (v === 5) assert.deepEqual(answer, [0, 0x11]);
          await ann.publish(topic, "two", { qos: 1 });
          await ann.publish(`${topic}/end`, "end", { qos: 1 });
          await bob.texts(["one", "end"]);
          await end(ann, bob);
        });

        test("subscriptions that overlap bring one copy, with the highest quality of service", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          await bob.subscribe(topic, { qos: 0 });
          await bob.subscribe(`${topic}/#`, { qos: 2 });
          await bob.subscribe(topic.replace("/a", "/+"), { qos: 1 });
          for (const text of ["one", "two", "three"]) await ann.publish(topic, text, { qos: 2 });
          await bob.texts(["one", "two", "three"]);
          assert.deepEqual(bob.got.map(({ qos }) => qos), [2, 2, 2]);
          await end(ann, bob);
        });

        test("subscribing again replaces the subscription", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          assert.deepEqual(await bob.subscribe(topic, { qos: 2 }), [2]);
          assert.deepEqual(await bob.subscribe(topic, { qos: 0 }), [0]);
          await ann.publish(topic, "one", { qos: 2 });
          await ann.publish(topic, "two", { qos: 2 });
          await bob.texts(["one", "two"]);
          assert.deepEqual(bob.got.map(({ qos }) => qos), [0, 0]);
          await end(ann, bob);
        });

        for (const qos of QOS) {
          test(`a retained message waits for who subscribes, until it is replaced or cleared, QoS ${qos}`, async () => {
            const base = fresh("t");
            const ann = await person();
            const ask = async (filter, wanted) => {
              await ann.settle(`${base}/settled/by/one`);
              const one = await person();
              await one.subscribe(filter, { qos });
              await ann.publish(`${base}/live`, "end", { qos });
              const live = await one.wait("the end", () => one.got.find(({ text }) => text === "end"));
              assert.equal(live.retain, false, "what comes live is not marked");
              const kept = one.got.filter(({ text }) => text !== "end");
              assert.deepEqual(kept.map(({ topic, text }) => `${topic.slice(base.length)} ${text}`).sort(), wanted, filter);
              assert.ok(kept.every((message) => message.retain && !message.dup && message.qos === qos), "marked as retained");
              await one.end();
            };
            const early = await person();
            await early.subscribe([`${base}/a`, `${base}/b/c`], { qos });
            await ann.publish(`${base}/a`, "old", { qos, retain: true });
            await ann.publish(`${base}/a`, "new", { qos, retain: true });
            await ann.publish(`${base}/b/c`, "deep", { qos, retain: true });
            await ann.publish(`${base}/a`, "not kept", { qos });
            await ask(`${base}/#`, ["/a new", "/b/c deep"]);
            await ask([`${base}/+`], ["/a new"]);
            await ask([`${base}/live`, `${base}/b/c`], ["/b/c deep"]);
            await ann.publish(`${base}/a`, "", { qos, retain: true });
            await ask(`${base}/#`, ["/b/c deep"]);
            await ann.publish(`${base}/b/c`, "", { qos, retain: true });
            await ask(`${base}/#`, []);
            const live = (tail) => early.got.filter(({ topic }) => topic === base + tail).slice(0, 3).map(({ text, retain }) => `${text} ${retain}`);
            assert.deepEqual(live("/a"), ["old false", "new false", "not kept false"]);
            assert.deepEqual(live("/b/c").slice(0, 1), ["deep false"]);
            await end(ann, early);
          });
        }

        test("a retained message comes with the lower of the two qualities of service, and again at each subscribing", async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob] = [await person(), await person()];
          await ann.publish(topic, "kept", { qos: 1, retain: true });
          for (const qos of [2, 0, 1]) await bob.subscribe(topic, { qos });
          await bob.count(3);
          assert.deepEqual(bob.got.map(({ qos, retain }) => `${qos} ${retain}`), ["1 true", "0 true", "1 true"]);
          await end(ann, bob);
        });

        for (const qos of QOS) {
          test(`a shared subscription gives each message to one member, fairly, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const ann = await person();
            const group = [];
            for (let n = 0; n < 6; n++) {
              const one = await person();
              assert.deepEqual(await one.subscribe(`$share/g/${topic}`, { qos }), [qos]);
              group.push(one);
            }
            const [other, plain] = [await person(), await person()];
            await other.subscribe(`$share/h/${topic}`, { qos });
            await plain.subscribe(topic, { qos });
            await Promise.all(numbers(240).map((text) => ann.publish(topic, text, { qos })));
            await plain.texts(numbers(240));
            await other.count(240);
            const all = () => group.reduce((sum, { got }) => sum + got.length, 0);
            await Promise.all(group.map((one) => one.wait("its share", () => one.got.length >= 20)));
            await Promise.race(group.map((one) => one.wait("all 240 among them", () => all() >= 240)));
            const came = group.flatMap(({ got }) => got.map(({ text }) => Number(text)));
            assert.deepEqual(came.sort((a, b) => a - b), numbers(240).map(Number), "each once");
            for (const { got } of group) {
              assert.ok(got.length >= 20 && got.length <= 60, `a share of ${got.length}, 40 would be even`);
              const order = got.map(({ text }) => Number(text));
              assert.deepEqual(order, [...order].sort((a, b) => a - b), "in order");
            }
            await end(ann, other, plain, ...group);
          });
        }

        test("a shared subscription gets no retained message, and ends with its last member", OWN, async () => {
          const topic = `${fresh("t")}/a`;
          const [ann, bob, eve] = [await person(), await person(), await person()];
          await ann.publish(topic, "kept", { qos: 1, retain: true });
          await bob.subscribe(`$share/g/${topic}`, { qos: 1 });
          await eve.subscribe(`$share/g/${topic}`, { qos: 1 });
          await bob.unsubscribe(`$share/g/${topic}`);
          for (const text of numbers(10)) await ann.publish(topic, text, { qos: 1 });
          await eve.texts(numbers(10));
          await eve.end();
          await ann.publish(topic, "to nobody", { qos: 1 });
          await bob.subscribe(`${topic}/end`, { qos: 1 });
          await ann.publish(`${topic}/end`, "end", { qos: 1 });
          await bob.texts(["end"]);
          await end(ann, bob);
        });
      });
    }
  });
}
