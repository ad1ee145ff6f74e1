// Goal: what happened to a connection is told while it lives and after it died, and a trace of it
// while it lasts. Method: clients that end in every way, then the control plane is asked.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway, until } from "./gateway.mjs";
import { OPCODE, RawClient, frame, text } from "./raw.mjs";

const as = (user) => ({ target: `/socket/websocket?vsn=2.0.0&user=${user}` });
const names = (life) => life.events.map(({ event }) => event);

async function obituary(gateway, user) {
  const found = await until(`an obituary of ${user}`, async () => {
    const { obituaries } = await gateway.json(`/obituaries?user=${user}`);
    return obituaries.length > 0 && obituaries;
  });
  assert.equal(found.length, 1);
  return found[0];
}

describe("lives", () => {
  test("each way to end is told by its events", async () => {
    const gateway = await startGateway(["--schedulers", "2", "--idle-timeout-s", "3"]);
    const begin = Date.now();
    const reset = await RawClient.open(gateway.port, as("reset"));
    await reset.join("lobby");
    const closing = await RawClient.open(gateway.port, as("closing"));
    const nonsense = await RawClient.open(gateway.port, as("nonsense"));
    await RawClient.open(gateway.port, as("silent"));
    reset.resetNow();
    closing.write(frame(OPCODE.close, Buffer.from([15, 161])));
    nonsense.write(frame(OPCODE.text, "nonsense"));

    const life = await obituary(gateway, "reset");
    assert.deepEqual(names(life), ["accepted", "upgraded", "joined", "stream_ended", "left_all"]);
    assert.equal(life.events[2].room, "lobby");
    assert.equal(life.events[3].by, "reset");
    assert.equal(life.reason, "peer");
    assert.equal(life.address, null);
    const ended = Date.parse(life.ended);
    assert.ok(ended >= begin - 1000 && ended <= Date.now() + 1000, life.ended);

    const closed = (await obituary(gateway, "closing")).events;
    assert.equal(closed.find(({ event }) => event === "close_received").code, 4001);
    const bad = (await obituary(gateway, "nonsense")).events;
    assert.equal(bad.find(({ event }) => event === "close_sent").code, 1007);
    const silent = await obituary(gateway, "silent");
    assert.ok(names(silent).includes("silent"));
    assert.equal(silent.events.find(({ event }) => event === "close_sent").code, 1001);
    const { addresses, obituaries, ended_total } = await gateway.json("/obituaries?limit=2");
    assert.match(addresses, /--peer-addresses/);
    assert.equal(obituaries.length, 2);
    assert.equal(ended_total, 4);
    assert.ok(obituaries[0].ended >= obituaries[1].ended);
    await gateway.finish();
  });

  test("the living are found by name, address and pid", async () => {
    const gateway = await startGateway(["--schedulers", "2", "--peer-addresses"]);
    const clients = [];
    for (let n = 0; n < 20; n++) {
      const client = await RawClient.open(gateway.port, as(`user${n}`));
      await client.join(`room${n % 3}`);
      clients.push(client);
    }
    const { connections } = await gateway.json("/connections?user=user7");
    assert.equal(connections.length, 1);
    const [seven] = connections;
    assert.deepEqual(seven.rooms, ["room1"]);
    assert.equal(seven.state, "open");
    assert.equal(seven.address, "127.0.0.1");
    assert.deepEqual((await gateway.json(`/connections?pid=${seven.pid}`)).connections.length, 1);
    assert.equal((await gateway.json("/connections?address=127.0.0.1&limit=100")).connections.length, 20);
    assert.equal((await gateway.json("/connections?address=127.0.0.2")).connections.length, 0);
    clients[7].resetNow();
    assert.equal((await obituary(gateway, "user7")).pid, seven.pid);
    assert.equal((await gateway.json("/connections?user=user7")).connections.length, 0);
    const { actors } = await gateway.json("/actors");
    const count = (name) => actors.filter((kind) => kind.name === name).reduce((sum, kind) => sum + kind.count, 0);
    assert.equal(count("connections"), 19);
    assert.equal(count("rooms"), 3);
    assert.equal(await gateway.status("/connections?usr=user7"), 400);
    for (const client of clients) client.destroy();
    await gateway.finish();
  });

  test("a recorder that is off says so", async () => {
    const gateway = await startGateway(["--recorder-mib", "0"]);
    (await RawClient.open(gateway.port, as("gone"))).resetNow();
    await sleep(200);
    const { recorder, obituaries } = await gateway.json("/obituaries");
    assert.match(recorder, /--recorder-mib/);
    assert.equal(obituaries.length, 0);
    await gateway.finish();
  });

  test("a room's trace shows its messages, and nobody else's, while it lasts", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const url = (query) => `${gateway.origin}/trace${query}`;
    const trace = async () => (await (await fetch(url("?limit=4096"))).text()).trim().split("\n").map((line) => JSON.parse(line));
    const client = await RawClient.open(gateway.port, as("alice"));
    await client.join("lobby");
    await client.join("den");
    assert.equal((await fetch(url("?room=nowhere"), { method: "POST" })).status, 404);
    const begun = await fetch(url("?room=lobby&for_s=30"), { method: "POST" });
    assert.equal(begun.status, 200);
    assert.equal((await begun.json()).actors, 2); // the room and its leaf
    for (const room of ["lobby", "den"]) client.write(text(["1", "7", `room:${room}`, "shout", { n: 1 }]));
    const seen = (events, what, kind) => events.filter((event) => event.what === what && event.kind === kind).map(({ message }) => message);
    const events = await until("the relay in the trace", async () => {
      const [head, ...events] = await trace();
      assert.equal(head.on, true);
      assert.equal(head.lost, 0);
      return seen(events, "receive", "leaves").includes("relay") && events;
    });
    assert.deepEqual(seen(events, "receive", "rooms").filter((name) => name === "publish"), ["publish"]);
    assert.deepEqual(seen(events, "send", "rooms").filter((name) => name === "relay"), ["relay"]);
    assert.equal((await fetch(url(""), { method: "DELETE" })).status, 200);
    const [after, ...kept] = await trace();
    assert.equal(after.on, false);
    assert.ok(kept.length >= events.length, "the events stay to be read");

    assert.equal((await (await fetch(url("?user=alice&for_s=1"), { method: "POST" })).json()).actors, 1);
    client.write(text(["1", "8", "room:den", "shout", { n: 2 }]));
    await until("her bytes in the trace", async () => seen(await trace(), "bytes", "connections").length > 0);
    assert.ok(seen(await trace(), "send", "connections").includes("publish"));
    await sleep(1200);
    client.write(text(["1", "9", "room:den", "shout", { n: 3 }]));
    await sleep(200);
    assert.equal((await trace())[0].on, false, "it ended by itself");
    assert.equal(seen(await trace(), "bytes", "connections").length, 1);

    const foreign = { method: "POST", headers: { Origin: "https://evil.example" } };
    assert.equal((await fetch(url("?room=lobby"), foreign)).status, 403);
    assert.equal((await fetch(url("?room=lobby&user=alice"), { method: "POST" })).status, 400);
    assert.equal((await fetch(url("?room=lobby&for_s=601"), { method: "POST" })).status, 400);
    assert.equal((await fetch(url(""), { method: "PUT" })).status, 405);
    client.destroy();
    await gateway.finish();
  });
});
