// Goal: MQTT and Phoenix clients share rooms: one order, one presence, each other's messages.
// Method: phoenix.js, MQTT.js in both versions over both transports, and mosquitto's commands in one room.
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Presence, Socket } from "phoenix";
import { until } from "./gateway.mjs";
import { CORES, OWN, QOS, WAYS, fresh, openBeside, startBroker } from "./mqtt.mjs";

const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);
const property = ({ properties }, name) => properties?.userProperties?.[name];
// In the order of their PUBLISH packets: of QoS 2 the client shows a message when its handshake ends.
const arrived = ({ packets }) => packets.filter(({ cmd }) => cmd === "publish").map(({ payload }) => payload.toString());
const seqs = ({ got }) => got.map((message) => Number(property(message, "seq")));

for (const cores of CORES) {
  describe(`rooms of MQTT and Phoenix with ${cores} cores`, OWN, () => {
    let broker;
    const sockets = [];
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`, "--out-queue-bytes-max", "1MiB"]);
    });
    after(async () => {
      for (const socket of sockets) socket.disconnect();
      await broker.finish();
    });

    // A phoenix.js member of the room: seen has [event, payload] of what came.
    async function phoenix(room, user) {
      const socket = new Socket(broker.gateway.socketUrl, { transport: WebSocket, params: { user }, timeout: 20000 });
      sockets.push(socket);
      socket.connect();
      const channel = socket.channel(`room:${room}`);
      const member = { user, socket, channel, seen: [], presence: new Presence(channel), seenAtJoin: -1 };
      channel.onMessage = (event, payload) => {
        if (!/^(phx_|chan_|presence_)/.test(event)) member.seen.push([event, payload]);
        return payload;
      };
      member.push = (event, payload) => new Promise((resolve, reject) => channel.push(event, payload)
        .receive("ok", ({ seq }) => resolve(seq)).receive("error", reject).receive("timeout", () => reject(new Error("no reply"))));
      member.leave = () => socket.disconnect();
      member.users = () => member.presence.list((key) => key).sort();
      await new Promise((resolve, reject) => channel.join()
        .receive("ok", (response) => {
          Object.assign(member, response, { seenAtJoin: member.seen.length });
          resolve();
        })
        .receive("error", reject).receive("timeout", () => reject(new Error("no reply"))));
      return member;
    }
    const mosquitto = (name, args, input) => openBeside(
      spawn("stdbuf", ["-oL", name, "-h", broker.host, "-p", `${broker.port}`, ...args]), name, input);
    const leave = (...people) => Promise.all(people.map((one) => (one.end ? one.end() : one.leave())));

    test("ten publishers of every kind, a thousand messages: all members see one sequence, without holes", async () => {
      const room = fresh("room");
      const topic = `room/${room}`;
      const people = [];
      for (const { v, over } of WAYS) {
        for (const qos of QOS) {
          const one = await broker.connect({ v, over });
          assert.deepEqual(await one.subscribe(topic, { qos }), [qos]);
          people.push(one);
        }
      }
      const web = [];
      for (const user of ["ann", "bob", "eve"]) web.push(await phoenix(room, user));
      const commands = [];
      for (const [version, qos] of [["311", "0"], ["311", "1"], ["5", "1"]]) {
        const one = mosquitto("mosquitto_sub", ["-V", version, "-d", "-t", topic, "-q", qos, "-F", "message|%p"]);
        await one.wait("SUBACK", () => one.lines.some((line) => line.startsWith("Subscribed (mid")));
        commands.push(one);
      }
      // Three by phoenix.js, six by MQTT.js (3.1.1 and 5.0 at each quality), one by mosquitto_pub.
      const text = (from, n) => JSON.stringify({ from, n });
      const talks = web.map((one) => Promise.all(numbers(0, 100).map((n) => one.push("shout", { from: one.user, n }))));
      people.slice(0, 6).forEach((one, at) => talks.push(
        Promise.all(numbers(0, 100).map((n) => one.publish(topic, text(`mqtt${at}`, n), { qos: at % 3 })))));
      const pub = mosquitto("mosquitto_pub", ["-V", "5", "-t", topic, "-q", "1", "-l"], numbers(0, 100).map((n) => text("pub", n)).join("\n") + "\n");
      const replies = (await Promise.all(talks)).slice(0, 3);
      assert.equal(await pub.ended(), 0, pub.state());

      await Promise.all([...people.map((one) => one.count(1000)), ...commands.map((one) => one.wait("all", () => one.messages().length >= 1000)),
        ...web.map((one) => until(`${one.user} has all`, () => one.seen.length >= 1000, 20000))]);
      const sequences = [...people.map(arrived), ...commands.map((one) => one.messages()),
        ...web.map(({ seen }) => seen.map(([, payload]) => text(payload.from, payload.n)))];
      for (const [at, sequence] of sequences.entries()) assert.deepEqual(sequence, sequences[0], `member ${at}`);
      for (const from of ["ann", "bob", "eve", "mqtt0", "mqtt1", "mqtt2", "mqtt3", "mqtt4", "mqtt5", "pub"]) {
        const own = sequences[0].map((entry) => JSON.parse(entry)).filter((entry) => entry.from === from);
        assert.deepEqual(own.map(({ n }) => n), numbers(0, 100), `${from}'s own order`);
      }
      for (const one of people) {
        const publishes = one.packets.filter(({ cmd }) => cmd === "publish");
        if (one.v === 5) assert.deepEqual(seqs({ got: publishes }), numbers(1, 1001), "seq");
        else assert.ok(one.got.every(({ properties }) => properties === undefined));
      }
      // The reply that a Phoenix publisher got names the place at which all have its message.
      for (const [at, numbersOf] of replies.entries())
        for (const [n, seq] of numbersOf.entries()) assert.equal(sequences[0][seq - 1], text(web[at].user, n));
      for (const one of web) assert.ok(one.seen.every(([event]) => event === "shout"));
      for (const one of commands) one.kill("SIGINT");
      await leave(...people, ...web);
    });

    for (const { v, over, name } of WAYS) {
      describe(name, () => {
        const person = (options = {}) => broker.connect({ v, over, ...options });

        test("JSON comes to Phoenix as it is, other bytes as bytes; what Phoenix says comes with its event", async () => {
          const room = fresh("room");
          const topic = `room/${room}`;
          const ann = await phoenix(room, "ann");
          const bob = await person();
          await bob.subscribe(topic, { qos: 1 });
          const said = ['{"a":[1,2,{"b":"é\\u2028"}]}', "42", '"text"', "null", " [ ] ", "no json", '{"a":', Buffer.from([0, 255, 128])];
          for (const payload of said) await bob.publish(topic, payload, { qos: 1 });
          await ann.push("move", { to: "b3" });
          await ann.push("shout", { last: true });
          await ann.push("blob", new Uint8Array([1, 2, 0, 255]).buffer);
          await until("all at ann's", () => ann.seen.length >= said.length + 3);
          const seen = ann.seen.map(([event, payload]) => [event, payload instanceof ArrayBuffer ? Buffer.from(payload).toString("latin1") : payload]);
          assert.deepEqual(seen, [
            ["shout", { a: [1, 2, { b: "é\u2028" }] }], ["shout", 42], ["shout", "text"], ["shout", null], ["shout", []],
            ["shout", "no json"], ["shout", '{"a":'], ["shout", "\x00\xff\x80"],
            ["move", { to: "b3" }], ["shout", { last: true }], ["blob", "\x01\x02\x00\xff"]]);
          for (const at of [5, 6, 7, 10]) assert.ok(ann.seen[at][1] instanceof ArrayBuffer, `${at} is bytes`);
          await bob.count(said.length + 3);
          assert.deepEqual(bob.got.slice(0, said.length).map(({ payload }) => payload), said.map((payload) => Buffer.from(payload)), "as they were");
          const [move, shout, blob] = bob.got.slice(said.length);
          assert.deepEqual(JSON.parse(move.text), { to: "b3" });
          assert.deepEqual(JSON.parse(shout.text), { last: true });
          assert.deepEqual(blob.payload, Buffer.from([1, 2, 0, 255]));
          for (const message of bob.got) assert.deepEqual({ topic: message.topic, qos: message.qos, retain: message.retain }, { topic, qos: 1, retain: false });
          if (v === 5) {
            assert.deepEqual([move, shout, blob].map((message) => property(message, "event")), ["move", undefined, "blob"]);
            assert.deepEqual(seqs(bob), numbers(1, said.length + 4));
          }
          await leave(ann, bob);
        });

        test("who does not subscribe can publish into a room, a will can too; whispers stay in Phoenix", async () => {
          const room = fresh("room");
          const [ann, eve] = [await phoenix(room, "ann"), await phoenix(room, "eve")];
          const listener = await person();
          await listener.subscribe(`room/${room}`, { qos: 1 });
          const bob = await person();
          for (const qos of QOS) await bob.publish(`room/${room}`, `${qos}`, { qos });
          await ann.push("whisper", { secret: true });
          await until("the whisper", () => eve.seen.some(([event]) => event === "whisper"));
          await (await person({ will: { topic: `room/${room}`, payload: "3", qos: 1 } })).kill();
          await listener.texts(["0", "1", "2", "3"]);
          await until("all", () => ann.seen.length >= 4);
          assert.deepEqual(ann.seen, [0, 1, 2, 3].map((n) => ["shout", n]));
          assert.deepEqual(ann.users().filter((user) => user === bob.id), [], "who only publishes is no member");
          await leave(ann, eve, bob, listener);
        });

        test("members of MQTT show in presence by user name, else client identifier", async () => {
          const room = fresh("room");
          const ann = await phoenix(room, "ann");
          const bob = await person({ user: "bob" });
          const nameless = await person();
          const stays = await person({ keep: true });
          for (const one of [bob, nameless, stays]) await one.subscribe(`room/${room}`, { qos: 1 });
          const list = (...more) => ["ann", ...more].sort().join();
          await until("all present", () => ann.users().join() === list("bob", nameless.id, stays.id));
          const second = await person({ user: "bob" });
          await second.subscribe(`room/${room}`);
          await until("bob twice", () => ann.presence.list((key, { metas }) => `${key} ${metas.length}`).includes("bob 2"));
          await bob.kill();
          await until("bob once", () => ann.presence.list((key, { metas }) => `${key} ${metas.length}`).includes("bob 1"));
          await second.unsubscribe(`room/${room}`);
          await until("bob gone", () => ann.users().join() === list(nameless.id, stays.id));
          await stays.kill();
          await nameless.end();
          await until("only the session stays", () => ann.users().join() === list(stays.id));
          await (await person({ id: stays.id })).end();
          await until("the session is over", () => ann.users().join() === list());
          await leave(ann, second);
        });

        test("$presence tells who is there, and then who comes and goes", async () => {
          const room = fresh("room");
          const topic = `room/${room}`;
          const ann = await phoenix(room, "ann");
          const watcher = await person();
          assert.deepEqual(await watcher.subscribe(`${topic}/$presence`, { qos: 0 }), [0]);
          const known = {};
          const read = () => {
            for (const { text, topic: on } of watcher.got.splice(0)) {
              assert.equal(on, `${topic}/$presence`);
              const { state, joins, leaves } = JSON.parse(text);
              if (state) for (const key of Object.keys(known)) delete known[key];
              const count = (some, sign) => {
                for (const [key, { metas }] of Object.entries(some ?? {})) {
                  known[key] = (known[key] ?? 0) + sign * metas.length;
                  if (known[key] === 0) delete known[key];
                }
              };
              count(state, 1);
              count(joins, 1);
              count(leaves, -1);
            }
            return JSON.stringify(Object.fromEntries(Object.entries(known).sort()));
          };
          const first = await watcher.wait("the state", () => watcher.got[0]);
          assert.equal(first.retain, true);
          assert.deepEqual(Object.keys(JSON.parse(first.text)), ["state"]);
          await watcher.wait("ann", () => read() === '{"ann":1}');
          const bob = await person({ user: "bob" });
          await bob.subscribe(topic);
          await watcher.wait("bob", () => read() === '{"ann":1,"bob":1}');
          const eve = await phoenix(room, "eve");
          await watcher.wait("eve", () => read() === '{"ann":1,"bob":1,"eve":1}');
          await bob.kill();
          await leave(ann);
          await watcher.wait("eve alone", () => read() === '{"eve":1}');
          await eve.push("shout", {});
          await until("the users", () => eve.users().join() === "eve");
          const other = await person();
          await other.subscribe(`${topic}/$presence`);
          const state = await other.wait("a state", () => other.got[0]);
          assert.deepEqual(Object.keys(JSON.parse(state.text).state), ["eve"]);
          await watcher.unsubscribe(`${topic}/$presence`);
          await leave(watcher, eve, other);
        });

        test("wildcards and shared subscriptions are refused in rooms, and # does not see them", async () => {
          const room = fresh("room");
          const bob = await person();
          const wild = v === 5 ? 0xa2 : 0x80;
          const shared = v === 5 ? 0x9e : 0x80;
          assert.deepEqual(await bob.subscribe([`room/+`, "room/#", `room/${room}/#`, `room/${room}/+`, `$share/g/room/${room}`, `room/${room}`], { qos: 1 }),
            [wild, wild, wild, wild, shared, 1]);
          for (const filter of [`room/${room}/deeper`, "room/"]) assert.ok((await bob.subscribe(filter, { qos: 1 }))[0] >= 0x80, filter);
          if (v === 5) assert.ok((await bob.publish(`room/${room}/deeper`, "x", { qos: 1 })) >= 0x80);
          const all = await person();
          assert.deepEqual(await all.subscribe(["#", "+/+", `+/${room}`, `${room}/end`], { qos: 1 }), [1, 1, 1, 1]);
          await bob.publish(`room/${room}`, "in the room", { qos: 1 });
          await bob.texts(["in the room"]);
          await bob.publish(`${room}/end`, "end", { qos: 1 });
          await all.wait("the end", () => all.got.some(({ text }) => text === "end"));
          assert.deepEqual(all.got.filter(({ topic }) => topic.startsWith("room/")), []);
          const sub = mosquitto("mosquitto_sub", ["-V", v === 5 ? "5" : "311", "-t", "room/#"]);
          assert.notEqual(await sub.ended(), null);
          assert.match(sub.errors, /denied/);
          await leave(bob, all);
        });

        test("a retained message waits for who comes later, by either protocol, until it is cleared", async () => {
          const room = fresh("room");
          const topic = `room/${room}`;
          const ann = await phoenix(room, "ann");
          const bob = await person();
          await bob.subscribe(topic, { qos: 1 });
          await bob.publish(topic, '{"kept":0}', { qos: 1, retain: true });
          await bob.publish(topic, '{"kept":1}', { qos: 1, retain: true });
          await bob.publish(topic, '{"kept":"no"}', { qos: 1 });
          await bob.texts(['{"kept":0}', '{"kept":1}', '{"kept":"no"}']);
          assert.ok(bob.got.every(({ retain }) => !retain), "live");
          await until("ann's", () => ann.seen.length === 3);
          await leave(ann, bob); // a room with a retained message goes on without members
          const [late, web] = [await person(), await phoenix(room, "eve")];
          await late.subscribe(topic, { qos: 1 });
          assert.deepEqual(web.seen.slice(0, web.seenAtJoin), [["shout", { kept: 1 }]], "before the join reply");
          assert.equal(web.seq, 3);
          await web.push("shout", { n: 4 });
          await late.texts(['{"kept":1}', '{"n":4}']);
          assert.deepEqual(late.got.map(({ retain }) => retain), [true, false]);
          if (v === 5) {
            assert.deepEqual(late.got.map((message) => property(message, "seq")), [undefined, "4"], "outside the sequence");
            await late.subscribe(topic, { qos: 1, rh: 2 });
            await late.subscribe(topic, { qos: 1, rh: 1 });
          }
          await late.publish(topic, "", { qos: 1, retain: true });
          await late.count(3);
          assert.equal(late.got[2].text, "");
          const [last, lastWeb] = [await person(), await phoenix(room, "zoe")];
          await last.subscribe(topic, { qos: 1 });
          await lastWeb.push("shout", { last: 1 });
          await last.texts(['{"last":1}']);
          await until("its own", () => lastWeb.seen.length > 0);
          assert.deepEqual(lastWeb.seen, [["shout", { last: 1 }]]);
          await leave(late, web, last, lastWeb);
        });

        for (const qos of [1, 2]) {
          test(`a session that was away gets all it missed of the room, in order, QoS ${qos}`, async () => {
            const room = fresh("room");
            const topic = `room/${room}`;
            const ann = await phoenix(room, "ann");
            const bob = await person({ keep: true, user: "bob" });
            await bob.subscribe(topic, { qos });
            const other = await broker.connect({ v: v === 5 ? 4 : 5 });
            await ann.push("shout", 1);
            await bob.texts(["1"]);
            await bob.kill();
            for (let n = 2; n < 42; n += 2) {
              await ann.push("shout", n);
              await other.publish(topic, `${n + 1}`, { qos });
            }
            await until("a session that is away is a member", () => ann.users().join() === "ann,bob");
            const back = await person({ id: bob.id, keep: true, user: "bob" });
            assert.equal(back.resumed, true);
            await other.publish(topic, "42", { qos });
            await back.wait("the last", () => arrived(back).includes("42"));
            assert.deepEqual(arrived(back), numbers(2, 43).map(String));
            await back.count(41);
            if (v === 5) assert.deepEqual(seqs(back).sort((a, b) => a - b), numbers(2, 43));
            assert.ok(back.got.every((message) => message.qos === qos && !message.dup));
            await leave(ann, back, other);
          });
        }

        test("what a member had not acknowledged comes again after a break, before what is new", async () => {
          const room = fresh("room");
          const topic = `room/${room}`;
          const ann = await phoenix(room, "ann");
          const bob = await person({ keep: true, held: ["puback"] });
          await bob.subscribe(topic, { qos: 1 });
          for (const n of numbers(1, 6)) await ann.push("shout", n);
          await bob.texts(["1", "2", "3", "4", "5"]);
          bob.release(2);
          await bob.subscribe(`${room}/round-trip`);
          const next = await person({ id: bob.id, keep: true }); // takes its place
          await bob.gone();
          for (const n of numbers(6, 9)) await ann.push("shout", n);
          await next.texts(["3", "4", "5", "6", "7", "8"]);
          assert.deepEqual(next.got.map(({ dup }) => dup), [true, true, true, false, false, false]);
          if (v === 5) assert.deepEqual(seqs(next), numbers(3, 9));
          await leave(ann, next);
        });
      });
    }

    test("no-local keeps one's own messages of a room away, and only those", async () => {
      const room = fresh("room");
      const topic = `room/${room}`;
      const ann = await phoenix(room, "ann");
      for (const qos of QOS) {
        const [bob, eve] = [await broker.connect(), await broker.connect({ over: "ws" })];
        await bob.subscribe(topic, { qos, nl: true });
        await eve.subscribe(topic, { qos, nl: true });
        for (const n of numbers(0, 5)) {
          await bob.publish(topic, `"bob ${n}"`, { qos: 1 });
          await eve.publish(topic, `"eve ${n}"`, { qos: 1 });
          await ann.push("shout", `ann ${n}`);
        }
        for (const [one, other] of [[bob, "eve"], [eve, "bob"]]) {
          await one.count(10);
          assert.deepEqual(arrived(one), numbers(0, 5).flatMap((n) => [`"${other} ${n}"`, `"ann ${n}"`]));
        }
        await leave(bob, eve);
      }
      await until("all at ann's", () => ann.seen.length === 45);
      await leave(ann);
    });

    test("retain as published, identifiers and properties hold in rooms, too", async () => {
      const room = fresh("room");
      const topic = `room/${room}`;
      const [ann, bob, eve] = [await phoenix(room, "ann"), await broker.connect(), await broker.connect()];
      await bob.subscribe(topic, { qos: 1, rap: true, properties: { subscriptionIdentifier: 12 } });
      const properties = { contentType: "application/json", responseTopic: `room/${room}`, correlationData: Buffer.from("c"),
        userProperties: { colour: "blue" } };
      await eve.publish(topic, "1", { qos: 1, retain: true, properties });
      await ann.push("shout", 2);
      await bob.texts(["1", "2"]);
      assert.deepEqual(bob.got.map(({ retain }) => retain), [true, false]);
      assert.deepEqual(bob.got.map((message) => message.properties.subscriptionIdentifier), [12, 12]);
      const [{ properties: came }] = bob.got;
      assert.equal(came.contentType, "application/json");
      assert.equal(came.responseTopic, topic);
      assert.equal(came.correlationData.toString(), "c");
      assert.equal(came.userProperties.colour, "blue");
      assert.deepEqual(seqs(bob), [1, 2]);
      await eve.publish(topic, "", { qos: 1, retain: true });
      await leave(ann, bob, eve);
    });
  });
}
