// Goal: what a peer cannot be given, it is told; what it does not read, it does not make others
// wait for. Method: clients that stop reading, and more clients than allowed.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway, until } from "./gateway.mjs";
import { RawClient, text, upgrade } from "./raw.mjs";

const WINDOW = 2; // messages under way to a reader that keeps up: less than its queue holds

const user = (name) => ({ target: `/socket/websocket?vsn=2.0.0&user=${name}` });

describe("slow readers", () => {
  let gateway;
  before(async () => {
    gateway = await startGateway(["--out-queue-bytes-max", "16KiB", "--send-buffer-bytes", "16KiB"]);
  });
  after(() => gateway.finish());

  test("a member that stops reading is told what it missed, in its place; others miss nothing", async () => {
    const slow = await RawClient.open(gateway.port, user("slow"));
    const { seq: before } = await slow.join("slow");
    const fast = await RawClient.open(gateway.port, user("fast"));
    await fast.join("slow");
    slow.socket.pause();
    const filler = "x".repeat(4000);
    const count = 3000; // 12 MB: more than every buffer between here and there
    let got = 0;
    for (let n = 1; n <= count; n++) {
      fast.write(text(["1", String(n), "room:slow", "shout", { n, filler }]));
      while (n - got >= WINDOW) {
        const message = await fast.event("shout");
        assert.equal(message[5], before + ++got, "the fast one gets every message");
      }
    }
    while (got < count) assert.equal((await fast.event("shout"))[5], before + ++got);
    slow.socket.resume();
    let next = before + 1;
    let gaps = 0;
    while (next <= before + count) {
      const message = await slow.message();
      if (message[3] === "gap") {
        assert.equal(message[4].from, next, "a gap stands where the first lost message would");
        assert.ok(message[4].to >= message[4].from);
        next = message[4].to + 1;
        gaps++;
      } else if (message[3] === "shout") {
        assert.equal(message[5], next, "no message is missing that no gap tells");
        next++;
      }
    }
    assert.ok(gaps > 0, "some were lost");
    assert.ok(await gateway.count("audit_dropped_total", { reason: "slow" }) > 0);
    slow.destroy();
    fast.destroy();
  });

  test("a peer that pushes and never reads is read no more, then closed, and harms nobody", async () => {
    const rude = await RawClient.open(gateway.port, user("rude"));
    await rude.join("rude");
    rude.socket.pause();
    const other = await RawClient.open(gateway.port, user("other"));
    await other.join("polite");
    let sent = 0;
    const push = text(["1", "2", "room:rude", "ping", { filler: "y".repeat(1000) }]);
    const limit = 64 * 1024 * 1024;
    while (sent < limit && !rude.closed && rude.socket.writableLength < 4 * 1024 * 1024) {
      rude.write(push);
      sent += push.length;
      if (sent % (100 * push.length) === 0) await sleep(0);
    }
    assert.ok(sent < limit, "the gateway stops reading");
    other.write(text(["1", "2", "room:polite", "shout", {}]));
    assert.equal((await other.event("phx_reply"))[4].status, "ok");
    rude.destroy();
    other.destroy();
  });

  test("presence is not queued for a slow member; it gets a fresh state when it reads again", async () => {
    const slow = await RawClient.open(gateway.port, user("slow"));
    await slow.join("stale");
    slow.socket.pause();
    const fast = await RawClient.open(gateway.port, user("fast"));
    await fast.join("stale");
    const filler = "x".repeat(4000);
    for (let n = 1; n <= 1500; n++) {
      fast.write(text(["1", String(n), "room:stale", "shout", { filler }]));
      await fast.event("shout");
    }
    const late = await RawClient.open(gateway.port, user("late"));
    await late.join("stale");
    await sleep(400);
    slow.socket.resume();
    const users = new Set();
    await until("the slow one knows who is here", async () => {
      const [, , , event, payload] = await slow.message();
      if (event === "presence_state") {
        users.clear();
        for (const name of Object.keys(payload)) users.add(name);
      } else if (event === "presence_diff") {
        for (const name of Object.keys(payload.joins)) users.add(name);
      }
      return users.has("slow") && users.has("fast") && users.has("late");
    }, 20000);
    for (const client of [slow, fast, late]) client.destroy();
  });
});

describe("room policy close", () => {
  test("a slow member of such a room is closed with 1008", async () => {
    const gateway = await startGateway(["--room-policy", "close", "--out-queue-bytes-max", "16KiB", "--send-buffer-bytes", "16KiB"]);
    const slow = await RawClient.open(gateway.port, user("slow"));
    await slow.join("strict");
    slow.socket.pause();
    const fast = await RawClient.open(gateway.port, user("fast"));
    await fast.join("strict");
    const filler = "x".repeat(4000);
    for (let n = 1; n <= 3000; n++) {
      fast.write(text(["1", String(n), "room:strict", "shout", { filler }]));
      await fast.event("shout");
    }
    slow.socket.resume();
    const code = await slow.closeCode().catch(() => "ended without a close frame");
    assert.equal(code, 1008);
    slow.destroy();
    fast.destroy();
    await gateway.finish();
  });
});

describe("connections_max", () => {
  test("beyond it: 503 with Retry-After, counted; a place that is freed is taken again", async () => {
    const max = 8;
    const gateway = await startGateway(["--connections-max", String(max), "--schedulers", "1"]);
    const clients = [];
    for (let n = 0; n < max; n++) clients.push(await RawClient.open(gateway.port, user(`u${n}`)));
    const refused = new RawClient(gateway.port);
    await refused.connected;
    refused.write(upgrade(gateway.port));
    const { status, headers } = await refused.response();
    assert.equal(status, 503);
    const wait = Number(headers["retry-after"]);
    assert.ok(wait >= 1 && wait <= 30, headers["retry-after"]);
    await refused.end();
    refused.destroy();
    assert.equal(await gateway.status("/readyz"), 503, "full: not ready");
    assert.equal(await gateway.status("/healthz"), 200);
    clients.pop().destroy();
    await until("a place", async () => {
      const client = new RawClient(gateway.port);
      await client.connected;
      client.write(upgrade(gateway.port));
      const answer = await client.response().catch(() => ({ status: 0 }));
      if (answer.status === 101) clients.push(client);
      else client.destroy();
      return answer.status === 101;
    });
    for (const client of clients) client.destroy();
    await gateway.finish();
  });

  // The kernel spreads connections unevenly, and so few that each core has slots for them all: only
  // the sum over the cores can refuse. One after another, because accepts at the same moment on
  // several cores may each see the last place.
  test("over several schedulers: exactly so many, wherever the kernel puts them", async () => {
    const max = 10;
    const gateway = await startGateway(["--connections-max", String(max), "--schedulers", "4"]);
    const statuses = [];
    const clients = [];
    for (let n = 0; n < 3 * max; n++) {
      const client = new RawClient(gateway.port);
      clients.push(client);
      await client.connected;
      client.write(upgrade(gateway.port, user(`u${n}`)));
      statuses.push((await client.response()).status);
    }
    assert.deepEqual(statuses.slice(0, max), Array(max).fill(101), "every place is given away");
    assert.deepEqual(statuses.slice(max), Array(2 * max).fill(503), "and no more");
    for (const client of clients) client.destroy();
    await gateway.finish();
  });

  test("a storm far beyond it is survived, and the members inside notice nothing", async () => {
    const gateway = await startGateway(["--connections-max", "20", "--schedulers", "1"]);
    const inside = await RawClient.open(gateway.port, user("inside"));
    await inside.join("inside");
    const storm = Array.from({ length: 400 }, () => new RawClient(gateway.port));
    for (const client of storm) client.connected.then(() => client.write(upgrade(gateway.port)), () => {});
    await sleep(300);
    inside.write(text(["1", "2", "room:inside", "shout", {}]));
    assert.equal((await inside.event("phx_reply"))[4].status, "ok");
    for (const client of storm) client.destroy();
    await until("a place after the storm", async () => {
      const client = await RawClient.open(gateway.port).catch(() => null);
      if (client) client.destroy();
      return client;
    });
    inside.destroy();
    await gateway.finish();
  });
});

describe("large rooms", () => {
  test("above --presence-list-max: a sample, exact counts; back below: the list", async () => {
    const gateway = await startGateway(["--presence-list-max", "10"]);
    const watcher = await RawClient.open(gateway.port, user("watcher"));
    await watcher.join("large");
    const others = [];
    for (let n = 0; n < 14; n++) {
      others.push(await RawClient.open(gateway.port, user(`u${n}`)));
      await others[n].join("large");
    }
    let counts = (await watcher.event("presence_count"))[4];
    while (counts.users !== 15) counts = (await watcher.event("presence_count"))[4];
    assert.deepEqual(counts, { users: 15, connections: 15 });
    for (const client of others.splice(0)) client.destroy();
    let state = (await watcher.event("presence_state", 15000))[4];
    while (Object.keys(state).join() !== "watcher") {
      const message = await watcher.message(15000);
      if (message[3] === "presence_state") state = message[4];
      if (message[3] === "presence_diff") for (const name of Object.keys(message[4].leaves)) delete state[name];
    }
    watcher.destroy();
    await gateway.finish();
  });
});
