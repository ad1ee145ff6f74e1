// Goal: what the gateway counts of its traffic is what was sent, and a replay of a recording sends
// that again, at every speed. Method: clients that do a known number of things while `fairlead load
// record` listens; shapes of known numbers that are played and recorded again.
//
// How far a recorded share may be from the played one after n draws: 2 + ln n (loadgen/sampler.h).
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { run, sleep, startGateway } from "./gateway.mjs";
import { RawClient, text } from "./raw.mjs";

const USAGE = 2;
const CLIENT_LIMIT = 3; // a busy machine: what was sent was sent late, all the same
const TARGET = 4;

const folder = mkdtempSync(path.join(os.tmpdir(), "fairlead-replay-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = (name) => path.join(folder, name);

const sum = (list) => list.reduce((total, value) => total + value, 0);
const total = (shape, series) => sum(shape.per_second[series]);
const cells = (histogram) => sum(histogram.map(([, , count]) => count));
// How many were counted from `low` to `high`.
const counted = (histogram, low, high) =>
  sum(histogram.filter(([from, to]) => from >= low && to <= high).map(([, , count]) => count));

async function record(gateway, name, seconds, during) {
  const recording = run(["load", "record", gateway.origin, "--duration-s", String(seconds), "--out", file(name), "--quiet"],
    { timeout: 30000 });
  await sleep(300); // it asks what is there, and begins
  await during();
  const { code, stderr } = await recording;
  assert.equal(code, 0, stderr);
  return JSON.parse(readFileSync(file(name), "utf8"));
}

// 100 members in rooms of 2, 8 and 40, three seconds.
const SHAPE = {
  shape: "fairlead-traffic", format: 1, seconds: 3, begin: { connections: 100, members: 100 },
  per_second: {
    connects: [0, 0, 0], disconnects: [0, 0, 0], joins: [0, 0, 0], leaves: [0, 0, 0], departures: [0, 0, 0],
    publishes: [50, 200, 150], deliveries: [0, 0, 0], pings: [20, 0, 10],
  },
  publish_bytes: [[64, 71, 200], [256, 287, 150], [4096, 4607, 50]],
  publish_gap_us: [],
  fan_out: [[2, 2, 100], [8, 8, 200], [40, 43, 100]],
  rooms_begin: [[2, 2, 10], [8, 8, 5], [40, 40, 1]],
  rooms_end: [],
};

// Something that answers /info and /traffic with these: [status, text].
async function pretend(info, traffic, use) {
  const server = http.createServer((request, response) => {
    const [status, body] = request.url === "/info" ? info : traffic;
    response.writeHead(status).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await use(`http://127.0.0.1:${server.address().port}`);
  await new Promise((resolve) => server.close(resolve));
}

// Plays a shape while the gateway records; what it recorded.
async function play(gateway, shape, speed, options = []) {
  writeFileSync(file("shape.json"), JSON.stringify(shape));
  const begun = await fetch(`${gateway.origin}/traffic?for_s=60`, { method: "POST" });
  assert.equal(begun.status, 200);
  const { code, stderr } = await run(
    ["load", "replay", file("shape.json"), gateway.websocketUrl, "--speed", String(speed), "--straggler-s", "0.5",
      "--json", file("result.json"), "--quiet", ...options], { timeout: 60000 });
  assert.ok(code === 0 || code === CLIENT_LIMIT, `exit ${code}: ${stderr}`);
  await fetch(`${gateway.origin}/traffic`, { method: "DELETE" });
  return gateway.json("/traffic");
}

const within = (what, seen, wanted, n) =>
  assert.ok(Math.abs(seen - wanted) <= 2 + Math.log(n), `${what}: ${seen}, ${wanted} played`);

describe("record and replay", () => {
  test("what clients did is what was recorded, in its second's sum and its cell", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const early = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=early" });
    await early.join("lobby");
    const shape = await record(gateway, "known.json", 3, async () => {
      const clients = [early];
      for (let i = 0; i < 4; i++) clients.push(await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0" }));
      for (const client of clients.slice(1)) await client.join("lobby");
      for (let i = 0; i < 30; i++) {
        const payload = { p: "x".repeat(i < 10 ? 12 : 200) }; // 20 bytes, 208 bytes
        clients[i % 5].write(text(["1", `${i}`, "room:lobby", "shout", payload]));
      }
      for (let i = 0; i < 7; i++) clients[0].write(text([null, `p${i}`, "phoenix", "ping", {}]));
      clients[0].write(text([null, "h", "phoenix", "heartbeat", {}]));
      await sleep(200);
      for (const core of [0, 1]) { // who moves to another core neither goes nor comes
        await fetch(`${gateway.origin}/connections/move?user=early&to=${core}`, { method: "POST" });
        await sleep(100);
      }
      clients[4].write(text(["1", "l", "room:lobby", "phx_leave", {}]));
      await sleep(200);
      clients[1].write(text(["1", "w", "room:lobby", "whisper", {}]));
      clients[1].write(text(["1", "z", "room:lobby", "shout", { p: "xxxxxxxxxxxx" }]));
      await sleep(200);
      for (const client of clients.slice(2)) client.resetNow();
      await sleep(300);
    });
    assert.deepEqual(shape.begin, { connections: 1, members: 1 });
    assert.ok(await gateway.count("connection_moves_total", { direction: "in" }) >= 1);
    const totals = Object.fromEntries(Object.keys(shape.per_second).map((series) => [series, total(shape, series)]));
    assert.deepEqual(totals, { connects: 4, disconnects: 3, joins: 4, leaves: 1, departures: 2, publishes: 31,
      deliveries: 30 * 5 + 4, whispers: 1, pings: 7, heartbeats: 1 });
    assert.deepEqual(shape.publish_bytes, [[20, 21, 11], [208, 223, 20]]);
    assert.deepEqual(shape.fan_out, [[4, 4, 1], [5, 5, 30]]);
    assert.equal(cells(shape.publish_gap_us), 30);
    assert.deepEqual(shape.rooms_begin, [[1, 1, 1]]);
    assert.deepEqual(shape.rooms_end, [[2, 2, 1]]);
    const kept = readFileSync(file("known.json"), "utf8");
    for (const secret of ["lobby", "shout", "xxxx", "anon"]) assert.ok(!kept.includes(secret), `no ${secret} in it`);
    early.destroy();
    await gateway.finish();
  });

  for (const speed of [1, 5])
    test(`a shape that is played ${speed} times as fast is recorded as it was`, async () => {
      const gateway = await startGateway(["--schedulers", "2"]);
      const seen = await play(gateway, SHAPE, speed);
      assert.equal(total(seen, "joins"), 100);
      assert.equal(total(seen, "publishes"), 400);
      assert.equal(total(seen, "pings"), 30);
      assert.equal(total(seen, "leaves"), 0);
      assert.equal(cells(seen.publish_bytes), 400);
      for (const [low, high, count] of SHAPE.publish_bytes)
        within(`messages of ${low} bytes`, counted(seen.publish_bytes, low, high), count, 400);
      for (const [low, high, count] of SHAPE.fan_out)
        within(`messages to ${low} members`, counted(seen.fan_out, low, high), count, 400);
      const played = JSON.parse(readFileSync(file("result.json"), "utf8"));
      assert.equal(played.checks.lost + played.checks.duplicates + played.checks.disordered, 0);
      assert.ok(played.window.seconds < 3 / speed + 1, `${played.window.seconds} s`);
      await gateway.finish();
    });

  test("members who come, go and change are played as many as were recorded", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const shape = structuredClone(SHAPE);
    // 60 at first, 100, then 20 of them give way to 20 others, 5 leave and come back, 90 in the end.
    shape.begin = { connections: 60, members: 60 };
    shape.per_second.joins = [40, 25, 0];
    shape.per_second.leaves = [0, 5, 0];
    shape.per_second.departures = [0, 20, 10];
    const seen = await play(gateway, shape, 2);
    assert.equal(total(seen, "connects"), 60 + 40 + 20);
    assert.equal(total(seen, "leaves"), 5);
    assert.equal(total(seen, "joins"), 60 + 40 + 20 + 5);
    // What is on its way when its sender goes is lost with the connection; nothing else is.
    assert.ok(total(seen, "publishes") <= 400 && total(seen, "publishes") >= 400 - 30, `${total(seen, "publishes")}`);
    await gateway.finish();
  });

  test("nobody there, something else there, and what is no shape get a sentence and an exit code", async () => {
    const gateway = await startGateway([]);
    const fails = async (args, code, sentence) => {
      const got = await run(["load", ...args]);
      assert.equal(got.code, code, got.stderr);
      assert.match(got.stderr, sentence);
    };
    await fails(["record", "http://127.0.0.1:1"], TARGET, /cannot ask http:\/\/127\.0\.0\.1:1\/info/);
    await fails(["record", `http://127.0.0.1:${gateway.port}`], TARGET, /no control plane of Fairlead/);
    const fairlead = [200, '{"name":"fairlead","version":"0.0.9"}'];
    await pretend(fairlead, [404, "not found\n"], (url) =>
      fails(["record", url], TARGET, /\(version 0\.0\.9\) cannot record its traffic: it is older/));
    await pretend(fairlead, [403, "ask it by the name localhost\n"], (url) =>
      fails(["record", url], TARGET, /answers 403: ask it by the name localhost/));
    await pretend([200, "<html>"], [200, ""], (url) =>
      fails(["record", url], TARGET, /is no control plane of Fairlead/));
    await fails(["record", gateway.origin, "--for", "3"], USAGE, /no option --for/);
    await fetch(`${gateway.origin}/traffic?for_s=60`, { method: "POST" });
    await fails(["record", gateway.origin, "--out", file("never.json")], TARGET, /recording already.*--replace/);
    await fails(["replay"], USAGE, /wants a recorded shape/);
    await fails(["replay", file("never.json"), "--agents", "127.0.0.1:1"], USAGE, /--agents belongs to every scenario but replay/);
    await fails(["replay", file("never.json"), "--rate", "5"], USAGE, /--rate belongs to every scenario but replay/);
    await fails(["replay", file("never.json")], USAGE, /never\.json: No such file/);
    writeFileSync(file("bad.json"), JSON.stringify({ ...SHAPE, seconds: "three" }));
    await fails(["replay", file("bad.json")], USAGE, /bad\.json: seconds: want/);
    writeFileSync(file("bad.json"), '{\n"shape": "fairlead-traffic",\n"format": 1;\n}');
    await fails(["replay", file("bad.json")], USAGE, /bad\.json:3: column/);
    await gateway.finish();
  });
});
