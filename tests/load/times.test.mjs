// Goal: latencies are what they are said to be. Method: the truth server holds everything for a
// known time, or stops for one; bounds are from below only, and hold whatever else the machine does:
// a request that is due while the server stands still cannot be answered before it goes on.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { assertNoFault, countAbove, load, startTruth } from "./truth.mjs";

const PRECISION = 1 / 1024; // of a histogram's cell

describe("a delay shows in every figure", { concurrency: 2 }, () => {
  const scenarios = [
    ["rooms", ["rooms", "--connections", "40", "--room-size", "20", "--rate", "100"], "url", "delivery"],
    ["Phoenix ping", ["echo", "--connections", "20", "--rate", "200"], "url", "reply"],
    ["WebSocket echo", ["echo", "--raw-echo", "--connections", "20", "--rate", "200"], "echoUrl", "reply"],
    ["closed loop", ["echo", "--connections", "20", "--closed", "20"], "url", "reply"],
  ];
  for (const [name, args, target, kind] of scenarios)
    it(`${name}: no message is faster than the delay, all are counted`, async () => {
      const delay = 50;
      const truth = await startTruth(["--delay-ms", String(delay)]);
      const run = await load([...args, "--warmup-s", "0.5", "--duration-s", "2", "--target", truth[target]]);
      const told = await truth.stop();
      assertNoFault(run);
      const latencies = run.json.latency_ns;
      const bound = delay * 1e6;
      assert.ok(latencies[kind].count > 0);
      assert.ok(latencies[kind].min >= bound, `min ${latencies[kind].min}`);
      for (const key of ["p50", "p90", "p99", "p99_9", "max", "mean"])
        assert.ok(latencies[kind][key] >= bound * (1 - PRECISION), `${key} ${latencies[kind][key]}`);
      assert.equal(countAbove(run.histogram, delay * (1 - PRECISION)) > 0, true);
      // The upgrade and the join wait for one answer each.
      const answers = target === "url" ? 2 : 1;
      assert.ok(latencies.connect.min >= answers * bound, `connect ${latencies.connect.min}`);
      if (kind === "delivery") {
        assert.ok(latencies.first_receiver.min >= bound && latencies.last_receiver.min >= latencies.first_receiver.min);
        assert.equal(latencies.last_receiver.count, run.json.messages.sent);
        assert.equal(run.json.messages.received_all, told.due);
      }
      assert.equal(latencies[kind].count, kind === "delivery" ? run.json.messages.sent * 20 : run.json.messages.answered);
    });
});

describe("a server that stands still", { concurrency: 2 }, () => {
  const stall = 2000;
  const rate = 200;
  const seconds = 5;
  const faults = ["--stall-at-s", "1.5", "--stall-ms", String(stall)];

  // wrk2's picture: whatever was due within the stall waits for its end.
  for (const [name, args, kind, each] of [
    ["Phoenix ping", ["echo", "--connections", "10"], "reply", 1],
    ["rooms", ["rooms", "--connections", "10", "--room-size", "10"], "delivery", 10],
  ])
    it(`open loop, ${name}: latencies spread evenly from nothing to the stall`, async () => {
      const truth = await startTruth(faults);
      const run = await load([...args, "--rate", String(rate), "--warmup-s", "0.5", "--duration-s", String(seconds), "--target", truth.url]);
      const told = await truth.stop();
      assert.equal(told.stalls, 1);
      assertNoFault(run);
      const messages = run.json.messages.sent * each;
      const latency = run.json.latency_ns[kind];
      assert.equal(latency.count, messages, "what was due in the stall is counted like all else");
      assert.equal(run.json.messages.sent, run.json.messages.offered);
      // Due in the first (1 - part) of the stall: so many took `part` of it at least. The two that
      // may fall on its edges are left out.
      const stalled = (rate * stall / 1000 - 2) * each;
      for (const [key, quantile] of [["p90", 0.9], ["p99", 0.99], ["p99_9", 0.999], ["max", 1]]) {
        const part = 1 - (1 - quantile) * messages / stalled;
        const bound = (stall * part - 2 * 1000 / rate) * 1e6;
        assert.ok(latency[key] >= bound * (1 - PRECISION), `${key}: ${latency[key]}, at least ${bound}`);
      }
      // Rows of the .hgrm stand five to a halving: what lies beyond a row is known to a fifth of it.
      const half = countAbove(run.histogram, stall / 2);
      assert.ok(half >= 0.7 * stalled / 2, `${half} of some ${stalled / 2} above half of the stall`);
      assert.ok(latency.max >= (stall - 2 * 1000 / rate) * 1e6);
    });

  it("closed loop: one request of each connection shows it, whatever had been due", async () => {
    const truth = await startTruth(faults);
    const run = await load(["echo", "--connections", "1", "--closed", "1", "--warmup-s", "0.5", "--duration-s", String(seconds), "--target", truth.url]);
    const told = await truth.stop();
    assertNoFault(run);
    const latency = run.json.latency_ns.reply;
    // It was sent before the stall, by little.
    assert.ok(latency.max >= 0.9 * stall * 1e6, `max ${latency.max}`);
    // A second one would need another second of standstill, which this machine may have had.
    const others = Math.max(told.late_max_ns, run.json.client.loop_late_max_ns) / 1e6;
    if (others < stall / 4) assert.ok(latency.p99_99 < stall / 2 * 1e6 || latency.count < 10000, `p99.99 ${latency.p99_99} of ${latency.count}`);
  });
});
