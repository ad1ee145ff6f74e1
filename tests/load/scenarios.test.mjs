// Goal: storms, slow readers, churn, mixes of rooms and whole plans end well against the real gateway,
// and a day passes as its file says. Method: short runs of the tool; plan.test.mjs holds the same
// scenarios against a server that counts.
import { after, before, describe, it } from "node:test";
import assert from "node:assert/strict";
import path from "node:path";
import { ROOT, startGateway } from "../e2e/gateway.mjs";
import { assertNoFault, load } from "./truth.mjs";

describe("against the gateway", () => {
  let gateway;
  before(async () => { gateway = await startGateway(); });
  after(() => gateway.finish());
  const mqttUrl = () => `mqtt://127.0.0.1:${gateway.port}`; // the same port

  it("a storm ends well", async () => {
    const run = await load(["storm", "--connections", "200", "--room-size", "20", "--rate", "100", "--warmup-s", "0.3", "--duration-s", "3",
      "--target", gateway.websocketUrl]);
    assertNoFault(run);
    assert.equal(run.json.counters.storm_cut, 100);
    assert.equal(run.json.counters.storm_back, 100);
  });

  it("with nobody there nobody publishes, and that is no rate missed", async () => {
    const run = await load(["storm", "--connections", "40", "--room-size", "10", "--rate", "100", "--cut-percent", "100", "--backoff", "fixed:700",
      "--warmup-s", "0.3", "--duration-s", "2", "--target", gateway.websocketUrl]);
    assertNoFault(run);
    assert.equal(run.json.counters.storm_back, 40);
    assert.ok(run.json.latency_ns.recovery.min >= 700e6);
    assert.ok(run.json.counters.absent >= 60, `${run.json.counters.absent}`);
    assert.equal(run.json.messages.sent, run.json.messages.offered);
  });

  it("who is not back when the run ends is told, and fails it", async () => {
    const run = await load(["storm", "--connections", "40", "--room-size", "10", "--rate", "100", "--cut-percent", "10", "--backoff", "fixed:60000",
      "--warmup-s", "0.3", "--duration-s", "1", "--target", gateway.websocketUrl]);
    assert.equal(run.code, 1);
    assert.match(run.first, /^FAILED: 4 of the clients that were cut had not come back when the run ended/);
  });

  it("deliveries that no client can read are refused before the run", async () => {
    const run = await load(["rooms", "--connections", "5000", "--room-size", "5000", "--rate", "1000000"], { json: false });
    assert.equal(run.code, 2);
    assert.match(run.stderr, /^fairlead load: --rate: 1000000 publishes a second are 5e\+09 deliveries a second/);
  });

  it("slow readers hold nobody up", async () => {
    const run = await load(["slow", "--connections", "100", "--room-size", "20", "--rate", "200", "--payload-bytes", "2000", "--slow-percent", "10",
      "--slow-bytes-per-s", "2000", "--warmup-s", "0.3", "--duration-s", "3", "--target", gateway.websocketUrl]);
    assertNoFault(run);
    const { slow_readers: slow, delivery } = run.json.latency_ns;
    assert.ok(slow.count > 0 && slow.max > delivery.p50);
  });

  it("rooms of a Zipf mix, with churn and Poisson arrivals", async () => {
    const run = await load(["rooms", "--connections", "300", "--room-sizes", "zipf:1:2-80", "--rate", "200", "--arrivals", "poisson", "--churn-rate", "40",
      "--warmup-s", "0.3", "--duration-s", "2", "--target", gateway.websocketUrl]);
    assertNoFault(run);
    assert.ok(run.json.counters.churn_joins > 20);
    assert.ok(run.json.messages.offered > 300 && run.json.messages.offered < 500, `${run.json.messages.offered}`);
  });

  it("a day passes as its file says", async () => {
    const run = await load(["mix", path.join(ROOT, "tests/load/day.yaml"), "--speed", "7200", "--target", gateway.websocketUrl]);
    assertNoFault(run);
    const { phases, counters } = run.json;
    assert.deepEqual(phases.map(({ name }) => name), ["night", "morning", "day", "network fails", "train", "evening"]);
    assert.deepEqual(phases.map(({ measured }) => measured), [false, true, true, true, true, true]);
    assert.ok(Math.abs(phases[2].duration_s - 4) < 1e-9);
    for (const phase of phases) assert.ok(phase.sent > 0 && phase.sent <= phase.offered && phase.latency_ns.count > 0, JSON.stringify(phase));
    assert.equal(phases.slice(1).reduce((sum, { sent }) => sum + sent, 0), run.json.messages.sent);
    assert.ok(counters.storm_cut > 100 && counters.storm_cut < 140, "a third of those that were up");
    assert.equal(counters.storm_back, counters.storm_cut);
    assert.ok(counters.churn_leaves > 40);
    assert.equal(run.json.connections.live_at_end, 120, "30 % in the evening");
    assert.ok(run.json.latency_ns.slow_readers.count > 0);
  });

  // Short, and everything that MQTT has beside: the truth server's tests (mqtt.test.mjs) know the faults.
  const short = ["--connections", "100", "--room-size", "20", "--rate", "100", "--warmup-s", "0.3", "--duration-s", "1.5"];

  for (const [name, args] of [
    ["a room at QoS 0", ["rooms"]],
    ["a room at QoS 2, 3.1.1, several talkers", ["rooms", "--qos", "2", "--mqtt-version", "3.1.1", "--talkers", "3"]],
    ["plain topics at QoS 1, with churn", ["rooms", "--qos", "1", "--topic-prefix", "bench/", "--churn-rate", "20"]],
    ["a shared group", ["rooms", "--qos", "1", "--topic-prefix", "bench/", "--shared-group", "g"]],
    ["requests", ["echo", "--qos", "2"]],
  ])
    it(`MQTT: ${name}: nothing is lost, nothing comes twice`, async () => {
      const [scenario, ...rest] = args;
      const run = await load([scenario, ...short, ...rest, "--target", mqttUrl()]);
      assertNoFault(run);
      assert.ok(run.json.messages.received_all > 100);
    });

  it("MQTT: a storm over WebSocket ends well, and each will comes once", async () => {
    const run = await load(["storm", ...short, "--duration-s", "3", "--qos", "1", "--will", "--will-watchers", "2", "--protocol", "mqtt-ws",
      "--target", `${mqttUrl().replace("mqtt:", "ws:")}/mqtt`]);
    assertNoFault(run);
    const { storm_cut, storm_back, wills_due, wills_received, wills_twice, wills_wrong } = run.json.counters;
    assert.deepEqual([storm_cut, storm_back, wills_due, wills_received, wills_twice, wills_wrong], [50, 50, 100, 100, 0, 0]);
  });

  it("MQTT and Phoenix members of one room see one sequence", async () => {
    const room = ["--connections", "20", "--room-size", "20", "--rate", "50", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1"];
    const runs = await Promise.all([
      load(["rooms", ...room, "--qos", "1", "--target", mqttUrl()]),
      load(["rooms", ...room, "--event", "shout", "--first-user", "1000", "--target", gateway.websocketUrl]),
    ]);
    for (const run of runs) {
      assertNoFault(run);
      assert.equal(run.json.checks.server_numbers, true);
      assert.ok(run.json.counters.foreign > 0, "each has the other's messages");
    }
  });
});
