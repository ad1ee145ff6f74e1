// Goal: the finer figures are what their names say: reach, service time, the lag of the tool's own,
// heartbeats, the median receiver. Method: faults that make each of them known, or relations that
// hold whatever a machine does (a mean is the difference of two means).
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { assertNoFault, load, sleep, startLoad, startTruth, until } from "./truth.mjs";

const ROOMS = ["rooms", "--connections", "60", "--room-size", "20", "--rate", "100", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];

// Of what is stored in whole microseconds: one for each message.
const close = (a, b, slack, what) => assert.ok(Math.abs(a - b) <= slack, `${what}: ${a}, ${b}`);

describe("reach", { concurrency: 2 }, () => {
  for (const numbers of [[], ["--no-numbers"]])
    it(`is the share of members that got it, exactly, and the worst message is known ${numbers}`, async () => {
      const truth = await startTruth(["--drop-one-in", "30", ...numbers]);
      const run = await load([...ROOMS, "--target", truth.url]);
      const told = await truth.stop();
      const { checks } = run.json;
      assert.ok(told.dropped > 20);
      assert.equal(checks.reach_due, told.due);
      assert.equal(checks.reach_received, told.due - told.dropped);
      assert.equal(checks.missed_worst_ppm, told.dropped_worst_ppm);
      assert.equal(checks.messages_incomplete, told.dropped_messages);
    });

  it("is whole when nothing is dropped, and --expect knows it", async () => {
    const truth = await startTruth(["--duplicate-one-in", "30"]);
    const run = await load([...ROOMS, "--send-lag-max-ms", "100000", "--expect", "reach=100%,duplicates>=1", "--target", truth.url]);
    const told = await truth.stop();
    assert.ok([0, 3].includes(run.code), run.first);
    assert.equal(run.json.checks.reach_received, told.due, "a duplicate reaches nobody");
    assert.equal(run.json.checks.missed_worst_ppm, 0);
  });
});

describe("first, median, last receiver", { concurrency: 2 }, () => {
  it("stand in this order, each counted once for each message", async () => {
    const truth = await startTruth(["--delay-ms", "30"]);
    const run = await load([...ROOMS, "--target", truth.url]);
    await truth.stop();
    assertNoFault(run);
    const { first_receiver: first, median_receiver: median, last_receiver: last, delivery } = run.json.latency_ns;
    for (const histogram of [first, median, last]) {
      assert.equal(histogram.count, run.json.messages.sent);
      assert.ok(histogram.min >= 30e6);
    }
    for (const key of ["min", "p50", "p90", "p99", "max", "mean"])
      assert.ok(first[key] <= median[key] && median[key] <= last[key], `${key}: ${first[key]}, ${median[key]}, ${last[key]}`);
    assert.equal(first.min, delivery.min);
    assert.equal(last.max, delivery.max);
  });

  it("a message that not everybody got has a first receiver and no last", async () => {
    const truth = await startTruth(["--drop-one-in", "20"]);
    const run = await load([...ROOMS, "--warmup-s", "0", "--target", truth.url]);
    const told = await truth.stop();
    const { first_receiver: first, last_receiver: last } = run.json.latency_ns;
    assert.ok(told.dropped_messages > 20);
    assert.equal(last.count, told.publishes - told.dropped_messages);
    assert.equal(first.count, told.publishes, "of twenty somebody always got it");
  });
});

describe("service time", { concurrency: 2 }, () => {
  for (const [name, args, target, kind, server] of [
    ["Phoenix ping", ["echo", "--connections", "10", "--rate", "300"], "url", "reply", []],
    ["WebSocket echo", ["echo", "--raw-echo", "--connections", "10", "--rate", "300"], "echoUrl", "reply", []],
    ["TCP echo", ["echo", "--connections", "10", "--rate", "300"], "tcpUrl", "reply", ["--speaks", "tcp-echo", "--message-bytes", "64"]],
    ["rooms", ["rooms", "--connections", "10", "--room-size", "5", "--rate", "300"], "url", "delivery", []],
  ])
    it(`${name}: latency without this client's own lag, also when it was stopped for a second`, async () => {
      const truth = await startTruth(["--delay-ms", "20", ...server]);
      const tool = startLoad([...args, "--warmup-s", "0.3", "--duration-s", "3", "--target", truth[target]]);
      await until("the window has begun", () => tool.err.includes("phase=measure_begin"));
      await sleep(500);
      tool.child.kill("SIGSTOP");
      await sleep(1000);
      tool.child.kill("SIGCONT");
      const run = await tool.finish();
      await truth.stop();
      assert.equal(run.code, 3, run.first);
      const { service, send_lag: lag, [kind]: latency } = run.json.latency_ns;
      assert.ok(service.min >= 20e6 - 1000, `service ${service.min}`);
      assert.ok(latency.min >= 20e6);
      assert.equal(service.count, latency.count);
      if (kind === "reply") {
        assert.equal(lag.count, latency.count);
        close(service.mean, latency.mean - lag.mean, 1000, "service is latency less lag");
      }
      // Some 300 of 900 were due while it was stopped: half of a second on average.
      assert.ok(lag.max >= 0.9e9 && latency.max >= lag.max, `${lag.max}, ${latency.max}`);
      assert.ok(latency.mean - service.mean >= 0.05e9, `${latency.mean}, ${service.mean}`);
    });
});

describe("heartbeats", { concurrency: 2 }, () => {
  it("are timed like a request", async () => {
    const truth = await startTruth(["--delay-ms", "40"]);
    const run = await load(["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "3", "--target", truth.url]);
    const told = await truth.stop();
    assert.ok([0, 3].includes(run.code), run.stdout);
    const { heartbeat } = run.json.latency_ns;
    assert.ok(heartbeat.count >= 50 && heartbeat.count <= told.heartbeats, `${heartbeat.count} of ${told.heartbeats}`);
    assert.ok(heartbeat.min >= 40e6, `${heartbeat.min}`);
  });

  it("that nobody answers are a failure of the server", async () => {
    const truth = await startTruth(["--no-heartbeats"]);
    const run = await load(["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "2.2", "--straggler-s", "1", "--target", truth.url]);
    const told = await truth.stop();
    assert.equal(run.code, 1, run.first);
    assert.match(run.first, new RegExp(`^FAILED: ${told.heartbeats} heartbeats were not answered`));
    assert.equal(run.json.messages.heartbeats_unanswered, told.heartbeats);
    assert.equal(run.json.messages.heartbeats, told.heartbeats, "the last ones were waited for");
  });

  it("that are answered are waited for at the end", async () => {
    const truth = await startTruth(["--delay-ms", "500"]);
    const run = await load(["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "2.2", "--target", truth.url]);
    const told = await truth.stop();
    assert.ok([0, 3].includes(run.code), run.first);
    assert.equal(run.json.messages.heartbeats, told.heartbeats);
    assert.equal(run.json.messages.heartbeats_answered, told.heartbeats);
    assert.equal(run.json.messages.heartbeats_unanswered, 0);
  });

  it("that nobody answers have no latency, and an expectation about it does not hold", async () => {
    const truth = await startTruth(["--no-heartbeats"]);
    const run = await load(["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "2", "--expect", "heartbeat.p99<1s", "--target", truth.url]);
    await truth.stop();
    assert.equal(run.json.messages.heartbeats_answered, 0);
    assert.equal(run.code, 1, run.first);
    assert.equal(run.json.latency_ns.heartbeat?.count ?? 0, 0);
  });
});
