// Goal: a connection that moves to another core goes on as if nothing had happened. Method: phoenix
// clients chat in three rooms while the control plane moves one of them to and fro.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Presence, Socket } from "phoenix";
import { sleep, startGateway, until } from "./gateway.mjs";
import { RawClient, text } from "./raw.mjs";

const ROOMS = ["room:one", "room:two", "room:three"];
const move = (gateway, query) => fetch(`${gateway.origin}/connections/move?${query}`, { method: "POST" });

async function coreOf(gateway, user) {
  const { connections } = await gateway.json(`/connections?user=${user}`);
  const open = connections.filter(({ state }) => state !== "arriving");
  return open.length === 1 && connections.length === 1 ? open[0].core : null;
}

// Moves the user to its other core, and waits until it is there.
async function moveOver(gateway, user) {
  const from = await until(`${user} settled`, async () => {
    const core = await coreOf(gateway, user);
    return core === null ? null : { core };
  });
  const to = 1 - from.core;
  const answer = await move(gateway, `user=${user}&to=${to}`);
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).begun, 1);
  await until(`${user} on core ${to}`, async () => (await coreOf(gateway, user)) === to);
}

// A phoenix client in all rooms: what it saw, by room.
function member(gateway, user) {
  const socket = new Socket(gateway.socketUrl, { transport: WebSocket, params: { user }, timeout: 5000 });
  const client = { user, socket, seen: {}, replies: [], closes: 0, joins: [], leaves: [], channels: [] };
  socket.onClose(() => client.closes++);
  socket.connect();
  for (const topic of ROOMS) {
    const channel = socket.channel(topic);
    client.channels.push(channel);
    client.seen[topic] = [];
    channel.on("shout", ({ from, n }) => client.seen[topic].push(`${from} ${n}`));
    channel.on("gap", (gap) => assert.fail(`${user}: ${JSON.stringify(gap)}`));
    const presence = new Presence(channel);
    presence.onJoin((key) => client.joins.push(key));
    presence.onLeave((key) => client.leaves.push(key));
  }
  client.join = () => Promise.all(client.channels.map((channel) => new Promise((resolve, reject) =>
    channel.join().receive("ok", resolve).receive("error", reject).receive("timeout", reject))));
  client.shout = (channel, n) => channel.push("shout", { from: user, n })
    .receive("ok", ({ seq }) => client.replies.push(`${channel.topic} ${seq}`))
    .receive("error", (error) => assert.fail(`${user}: ${JSON.stringify(error)}`));
  return client;
}

describe("a connection that moves", () => {
  test("misses, doubles and reorders nothing, and nobody sees it go", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const clients = ["ann", "bob", "eve"].map((user) => member(gateway, user));
    for (const client of clients) await client.join();
    const [ann, bob] = clients;
    await until("everybody present", () => bob.joins.filter((key) => key === "eve").length === ROOMS.length);
    for (const client of clients) client.joins.length = client.leaves.length = 0;
    let rounds = 0;
    let goesOn = true;
    const talk = (async () => {
      for (; goesOn; rounds++, await sleep(1))
        for (const client of clients)
          for (const channel of client.channels) client.shout(channel, rounds);
    })();
    for (let i = 0; i < 20; i++) await moveOver(gateway, "ann");
    goesOn = false;
    await talk;
    const all = rounds * clients.length;
    await until("everything arrived", () => clients.every((client) =>
      client.replies.length === rounds * ROOMS.length && ROOMS.every((topic) => client.seen[topic].length === all)));
    for (const topic of ROOMS)
      for (const client of clients) assert.deepEqual(client.seen[topic], bob.seen[topic], `${client.user} in ${topic}`);
    assert.ok(rounds > 20, `${rounds} rounds`);
    for (const client of clients) {
      assert.equal(client.closes, 0);
      assert.deepEqual(client.joins, [], `${client.user} saw joins`);
      assert.deepEqual(client.leaves, [], `${client.user} saw leaves`);
    }
    for (const direction of ["in", "out"])
      assert.equal(await gateway.count("connection_moves_total", { direction }), 20);
    assert.equal((await gateway.json("/obituaries")).obituaries.length, 0, "a move is no end");
    assert.ok(ann.socket.isConnected());
    for (const client of clients) client.socket.disconnect();
    await gateway.finish();
  });

  test("takes half a frame along", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const client = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=half" });
    await client.join("lobby");
    const whole = text(["1", "2", "room:lobby", "shout", { said: "half here, half there" }]);
    client.write(whole.subarray(0, 40));
    await sleep(50);
    await moveOver(gateway, "half");
    client.write(whole.subarray(40));
    const seen = await until("its own copy", async () => {
      const message = await client.message();
      return JSON.stringify(message).includes("half here, half there") && message;
    });
    assert.ok(seen);
    client.destroy();
    await gateway.finish();
  });

  test("is named by its user or pid, and the core must be there", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const client = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=one" });
    const { connections: [one] } = await gateway.json("/connections?user=one");
    assert.equal((await move(gateway, `user=one&to=${one.core}`)).status, 404, "it is there");
    assert.equal((await move(gateway, "user=nobody&to=0")).status, 404);
    assert.equal((await move(gateway, "user=one&to=2")).status, 400);
    assert.equal((await move(gateway, "user=one")).status, 400);
    assert.equal((await move(gateway, "to=1")).status, 400);
    assert.equal(await gateway.status("/connections/move?user=one&to=1"), 405);
    const foreign = { method: "POST", headers: { Origin: "https://evil.example" } };
    assert.equal((await fetch(`${gateway.origin}/connections/move?user=one&to=1`, foreign)).status, 403);
    assert.equal((await move(gateway, `pid=${one.pid}&to=${1 - one.core}`)).status, 200);
    await until("it is there", async () => (await coreOf(gateway, "one")) === 1 - one.core);
    client.destroy();
    await gateway.finish();
  });
});
