// Goal: a recorded shape is played as it is written, once at each speed; a file that is none is
// refused. Method: a shape made by hand, played against the truth server, which counts what came.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { freshFile, load, startTruth } from "./truth.mjs";

// Four seconds: rooms of 5 and 10, publishes of 100 and of 200 bytes, a few pings, some leave.
const shape = {
  shape: "fairlead-traffic", format: 1, seconds: 4,
  begin: { connections: 30, members: 30 },
  per_second: {
    connects: [0, 0, 0, 0], disconnects: [0, 0, 0, 0], joins: [0, 0, 0, 0], leaves: [0, 0, 0, 0], departures: [0, 0, 0, 0],
    publishes: [40, 80, 20, 60], deliveries: [300, 600, 150, 450], pings: [10, 0, 10, 20],
  },
  publish_bytes: [[100, 100, 100], [200, 200, 100]],
  publish_gap_us: [[10000, 20000, 100]],
  fan_out: [[5, 5, 100], [10, 10, 100]],
  rooms_begin: [[5, 5, 2], [10, 10, 2]], rooms_end: [[5, 5, 2], [10, 10, 2]],
};
const sum = (list) => list.reduce((total, count) => total + count, 0);
const written = (value) => {
  const file = freshFile("json");
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
};

describe("replay", { concurrency: 2 }, () => {
  for (const speed of [1, 5, 50])
    it(`at ${speed}×: as many publishes and pings as were recorded, checked like all others`, async () => {
      const truth = await startTruth();
      const run = await load(["replay", written(shape), "--speed", String(speed), "--straggler-s", "1.5", "--target", truth.url]);
      const told = await truth.stop();
      assert.ok([0, 3].includes(run.code), run.stdout + run.stderr);
      const { checks, messages } = run.json;
      assert.deepEqual([checks.lost, checks.missing, checks.duplicates, checks.disordered], [0, 0, 0, 0]);
      assert.equal(told.joins, 30);
      assert.equal(messages.sent_all, told.publishes + told.requests);
      const near = (seen, wanted, slack) => assert.ok(Math.abs(seen - wanted) <= slack, `${seen}, not ${wanted}`);
      // Each second may round one up or down.
      near(told.publishes, sum(shape.per_second.publishes), 4);
      near(told.requests, sum(shape.per_second.pings), 4);
      near(run.json.phases.filter(({ measured }) => measured).reduce((total, phase) => total + phase.duration_s, 0), 4 / speed, 0.05);
      assert.equal(messages.received_all, told.due);
      assert.equal(messages.answered_all, told.publishes + told.requests);
    });

  it("a fault is found in it as in any other run", async () => {
    const truth = await startTruth(["--drop-one-in", "50"]);
    const run = await load(["replay", written({ ...shape, per_second: { ...shape.per_second, pings: [0, 0, 0, 0] } }), "--straggler-s", "1.5", "--target", truth.url]);
    const told = await truth.stop();
    assert.ok(told.dropped > 5);
    assert.equal(run.json.checks.lost, told.dropped - told.dropped_last);
    assert.equal(run.json.checks.missing, told.dropped_last);
    assert.equal(run.code, 1);
  });

  for (const [name, value, sentence] of [
    ["no JSON", "{\"shape\": ", /\.json:\d+: /],
    ["another JSON", { day: 1 }, /\.json: shape: this is no recorded traffic/],
    ["a key that is wrong", { ...shape, per_second: { ...shape.per_second, joins: [0, 0, "many", 0] } }, /\.json: per_second\.joins\[2\]: /],
    ["a newer format", { ...shape, format: 2 }, /\.json: format: want 1/],
    ["nothing at all", "", /\.json/],
  ])
    it(`${name} is refused`, async () => {
      const run = await load(["replay", written(value)], { json: false });
      assert.equal(run.code, 2, run.stdout + run.stderr);
      assert.equal(run.stdout, "");
      assert.match(run.stderr, sentence);
    });

  it("recording from what is no gateway: exit 4 and a sentence", async () => {
    for (const speaks of ["phoenix", "ssh", "http-200"]) {
      const truth = await startTruth(["--speaks", speaks]);
      const run = await load(["record", `http://127.0.0.1:${truth.port}`, "--duration-s", "1", "--out", freshFile("json")], { json: false });
      await truth.stop();
      assert.equal(run.code, 4, `${speaks}: ${run.stdout}${run.stderr}`);
      assert.ok(run.stderr.includes(`127.0.0.1:${truth.port}`), run.stderr);
    }
  });
});
