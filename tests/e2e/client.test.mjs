// Goal: fairlead.js, the page's own client library, keeps its promises. Method: the file itself in
// Node over `ws`, against the gateway, and against a server made here where the gateway would not
// misbehave on demand.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import vm from "node:vm";
import WebSocket, { WebSocketServer } from "ws";
import { ROOT, freePort, sleep, startGateway, until } from "./gateway.mjs";
import { RawClient, text } from "./raw.mjs";

// As a page loads it: a plain script that leaves one global behind.
async function load() {
  const source = await readFile(path.join(ROOT, "gateway/console/fairlead.js"), "utf8");
  const context = vm.createContext({ setTimeout, clearTimeout, TextEncoder, TextDecoder, URL, btoa, Promise, Error, ArrayBuffer, Uint8Array, Object, Map, Set, JSON, Math });
  vm.runInContext(source, context);
  return context.Fairlead;
}

const { Socket } = await load();
let rooms = 0;
const freshRoom = () => `room:client-${++rooms}`;
const plain = (value) => JSON.parse(JSON.stringify(value));

describe("fairlead.js and the gateway", () => {
  let gateway;
  const sockets = [];
  const connect = (user, options = {}) => {
    const socket = new Socket(gateway.websocketUrl, { user, WebSocket, ...options });
    sockets.push(socket);
    return socket;
  };

  before(async () => {
    gateway = await startGateway();
  });
  after(async () => {
    for (const socket of sockets) socket.close();
    await gateway.finish();
  });

  test("join, push and broadcast", async () => {
    const room = connect("ann").channel(freshRoom());
    const got = [];
    room.on("shout", (payload, { seq }) => got.push([plain(payload), seq]));
    const { epoch, seq } = await room.join();
    assert.equal(typeof epoch, "string");
    assert.equal(seq, 0);
    assert.deepEqual(plain(await room.push("shout", { a: 1 })), { seq: 1 });
    await until("the copy", () => got.length > 0);
    assert.deepEqual(got, [[{ a: 1 }, 1]]);
    assert.equal(room.seq, 1);
  });

  test("a push before the join is sent after it", async () => {
    const room = connect("ann").channel(freshRoom());
    const pushed = room.push("shout", {});
    room.join();
    assert.deepEqual(plain(await pushed), { seq: 1 });
  });

  test("a refused join rejects with the reason", async () => {
    const room = connect("ann").channel("nonsense");
    await assert.rejects(room.join(), { message: "unmatched topic" });
    assert.equal(room.state, "closed");
  });

  test("a refused push rejects with the reason", async () => {
    const room = connect("ann").channel(freshRoom());
    await room.join();
    await assert.rejects(room.push("gap", {}), { message: "reserved event" });
  });

  test("whisper, presence with devices, leave", async () => {
    const topic = freshRoom();
    const ann = connect("ann").channel(topic, { device: "desk" });
    const bob = connect("bob").channel(topic, { device: "phone" });
    const events = [];
    ann.on("whisper", (payload) => events.push(plain(payload)));
    ann.on("presence", ({ joins, leaves, first }) => events.push([...joins, ...leaves.map((user) => `-${user}`), first]));
    await ann.join();
    await until("the state", () => ann.users.size === 1);
    await bob.join();
    await until("bob", () => ann.users.size === 2);
    assert.equal(ann.users.get("bob")[0].device, "phone");
    const second = connect("bob").channel(topic);
    await second.join();
    await until("bob twice", () => ann.users.get("bob").length === 2);
    bob.whisper({ typing: true });
    await until("the whisper", () => events.some((event) => event.typing));
    await second.leave();
    await until("bob once", () => ann.users.get("bob").length === 1);
    await bob.leave();
    await until("bob gone", () => ann.users.size === 1);
    assert.deepEqual(events.filter(Array.isArray).filter((event) => event.length > 1), [["ann", true], ["bob", false], ["-bob", false]]);
  });

  test("binary payloads go both ways and are counted in the numbers", async () => {
    const room = connect("ann").channel(freshRoom());
    const got = [];
    room.on("file", (payload, { seq }) => got.push([payload.byteLength, seq]));
    room.on("gap", (gap) => got.push(gap));
    await room.join();
    await room.push("file", new Uint8Array([1, 2, 3]).buffer);
    await room.push("shout", {});
    await until("both", () => room.seq === 2);
    assert.deepEqual(got, [[3, 1]]);
  });

  test("what was missed while away is told when it returns", async () => {
    const topic = freshRoom();
    const held = new Set(); // this client's connections, to be cut
    class Cut extends WebSocket {
      constructor(...args) {
        super(...args);
        held.add(this);
      }
    }
    const ann = connect("ann", { WebSocket: Cut }).channel(topic);
    const bob = await RawClient.open(gateway.port);
    await bob.join(topic.slice(5));
    const events = [];
    ann.on("joined", ({ again, renewed }) => events.push({ again, renewed }));
    ann.on("gap", (gap) => events.push(plain(gap)));
    await ann.join();
    for (const connection of held) connection.terminate();
    bob.write(text(["1", "2", topic, "shout", {}])).write(text(["1", "3", topic, "shout", {}]));
    await bob.event("shout");
    await until("joined again", () => events.length >= 2);
    assert.deepEqual(events.slice(0, 2), [{ again: false, renewed: false }, { again: true, renewed: false }]);
    if (events[2]) assert.deepEqual(events[2].away, true);
    bob.destroy();
  });

  test("after a restart it joins again and sees a new epoch", async () => {
    const socket = connect("ann");
    const room = socket.channel(freshRoom());
    const { epoch } = await room.join();
    await room.push("shout", {});
    const joins = [];
    room.on("joined", (info) => joins.push(info));
    await gateway.restart();
    await until("joined again", () => joins.length > 0, 20000);
    assert.deepEqual([joins[0].again, joins[0].renewed, joins[0].seq], [true, true, 0]);
    assert.notEqual(joins[0].epoch, epoch);
    assert.deepEqual(plain(await room.push("shout", {})), { seq: 1 });
  });
});

describe("fairlead.js and a server that misbehaves", () => {
  // Answers joins; `on` decides the rest. Closes when the test ends.
  async function serve(t, on = () => {}) {
    const port = await freePort();
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    const state = { port, server, connections: 0, url: `ws://127.0.0.1:${port}/socket/websocket`, epoch: "e", seq: 0 };
    server.on("connection", (ws, request) => {
      state.connections++;
      state.request = request;
      state.ws = ws;
      state.say = (...message) => ws.send(JSON.stringify(message));
      ws.on("message", (data) => {
        const [joinRef, ref, topic, event, payload] = JSON.parse(data);
        if (event === "phx_join") {
          state.joinRef = joinRef;
          state.say(joinRef, ref, topic, "phx_reply", { status: "ok", response: { epoch: state.epoch, seq: state.seq } });
        } else on(state, { joinRef, ref, topic, event, payload });
      });
    });
    t.after(() => {
      for (const ws of server.clients) ws.terminate();
      server.close();
    });
    return state;
  }

  function connect(t, state, options = {}) {
    const socket = new Socket(state.url, { user: "ann", WebSocket, ...options });
    t.after(() => socket.close());
    return socket;
  }

  test("it asks for version 2.0.0 and its user", async (t) => {
    const state = await serve(t);
    await connect(t, state, { user: "Zoë & co", params: { a: "b" } }).channel("room:a").join();
    const query = new URL(state.request.url, "http://x").searchParams;
    assert.deepEqual([query.get("vsn"), query.get("user"), query.get("a")], ["2.0.0", "Zoë & co", "b"]);
  });

  test("it returns after every close code that it did not start", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    await room.join();
    for (const code of [1000, 1001, 1008, 1011, 1012, 4000]) {
      const before = state.connections;
      state.ws.close(code);
      await until(`back after ${code}`, () => state.connections > before && room.state === "joined");
    }
  });

  test("after close() it stays away", async (t) => {
    const state = await serve(t);
    const socket = connect(t, state);
    await socket.channel("room:a").join();
    socket.close();
    await sleep(600);
    assert.equal(state.connections, 1);
    assert.equal(socket.state, "closed");
  });

  test("an unanswered heartbeat means a dead connection", async (t) => {
    const state = await serve(t); // answers nothing but joins
    const socket = connect(t, state, { heartbeatMs: 50, timeoutMs: 100 });
    const codes = [];
    socket.on("state", (name, code) => name === "waiting" && codes.push(code));
    await socket.channel("room:a").join();
    await until("a second connection", () => state.connections >= 2);
    assert.equal(codes[0], 1006);
  });

  test("a push is rejected when the time is up, or the connection is lost", async (t) => {
    const state = await serve(t, (server, { event }) => event === "cut" && server.ws.terminate());
    const room = connect(t, state, { timeoutMs: 100 }).channel("room:a");
    await room.join();
    await assert.rejects(room.push("shout", {}), { message: "timeout" });
    await assert.rejects(room.push("cut", {}), { message: "connection lost" });
  });

  test("gap events and jumps of the numbers are told", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    const gaps = [];
    room.on("gap", (gap) => gaps.push(plain(gap)));
    await room.join();
    state.say(null, null, "room:a", "shout", {}, 1);
    state.say(null, null, "room:a", "gap", { from: 2, to: 5 });
    state.say(null, null, "room:a", "shout", {}, 6);
    state.say(null, null, "room:a", "shout", {}, 9);
    state.say(null, null, "room:a", "shout", {});
    await until("all", () => room.seq === 10);
    assert.deepEqual(gaps, [{ from: 2, to: 5, away: false }, { from: 7, to: 8, away: false }]);
  });

  test("messages missed while away are told with their numbers", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    const gaps = [];
    room.on("gap", (gap) => gaps.push(plain(gap)));
    await room.join();
    state.seq = 7;
    state.ws.terminate();
    await until("the gap", () => gaps.length > 0);
    assert.deepEqual(gaps, [{ from: 1, to: 7, away: true }]);
  });

  test("a room that began anew while away tells what its new life said before", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    const events = [];
    room.on("joined", ({ again, renewed }) => events.push({ again, renewed }));
    room.on("gap", (gap) => events.push(plain(gap)));
    await room.join();
    state.say(null, null, "room:a", "shout", {}, 1);
    await until("the first", () => room.seq === 1);
    Object.assign(state, { epoch: "f", seq: 2 });
    state.ws.terminate();
    await until("the gap", () => events.length === 3);
    assert.deepEqual(events.slice(1), [{ again: true, renewed: true }, { from: 1, to: 2, away: true }]);
  });

  test("presence: diffs before the state wait for it, joins come before leaves", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    await room.join();
    const diff = (joins, leaves) => state.say(null, null, "room:a", "presence_diff", { joins, leaves });
    const metas = (...refs) => ({ metas: refs.map((phx_ref) => ({ phx_ref })) });
    const shown = () => plain(Object.fromEntries([...room.users].map(([user, list]) => [user, list.map(({ phx_ref }) => phx_ref)])));
    diff({ bob: metas("2") }, {});
    diff({}, { eve: metas("3") });
    state.say(state.joinRef, null, "room:a", "presence_state", { ann: metas("1"), eve: metas("3", "4") });
    await until("bob", () => room.users.has("bob"));
    assert.deepEqual(shown(), { ann: ["1"], bob: ["2"], eve: ["4"] });
    diff({ bob: metas("5") }, { bob: metas("2"), eve: metas("4") });
    await until("eve gone", () => !room.users.has("eve"));
    assert.deepEqual(shown(), { ann: ["1"], bob: ["5"] });
  });

  test("counts of a large room are kept until a whole list comes", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    await room.join();
    state.say(null, null, "room:a", "presence_count", { users: 5000, connections: 7000 });
    await until("the count", () => room.count);
    assert.deepEqual(plain(room.count), { users: 5000, connections: 7000 });
    const metas = { metas: [{ phx_ref: "1" }] };
    const users = (size) => Object.fromEntries(Array.from({ length: size }, (_, n) => [`u${n}`, metas]));
    state.say(null, null, "room:a", "presence_state", users(50));
    await until("the sample", () => room.users.size === 50);
    assert.equal(room.count.users, 5000);
    state.say(null, null, "room:a", "presence_state", users(51));
    await until("the list", () => room.users.size === 51);
    assert.equal(room.count, null);
  });

  test("messages of a former join are ignored", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    const got = [];
    room.on("*", (payload) => got.push(plain(payload)));
    await room.join();
    state.say("999", null, "room:a", "shout", { old: true });
    state.say(null, null, "room:b", "shout", { elsewhere: true });
    state.say(null, null, "room:a", "shout", { now: true }, 1);
    await until("one", () => got.length > 0);
    assert.deepEqual(got, [{ now: true }]);
  });

  test("a channel error is followed by another join", async (t) => {
    const state = await serve(t);
    const room = connect(t, state).channel("room:a");
    await room.join();
    state.say(state.joinRef, state.joinRef, "room:a", "phx_error", {});
    await until("out", () => room.state === "closed");
    await until("in", () => room.state === "joined");
    assert.equal(state.connections, 1);
  });
});
