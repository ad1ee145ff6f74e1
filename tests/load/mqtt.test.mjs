// Goal: what an MQTT server does to messages, handshakes, wills and connections, the tool reports,
// exactly; a connection that is held costs no more than docs/LOADGEN.md promises. Method: the truth
// server speaks MQTT, does each thing by seed and counts it; the tool's JSON must say the same.
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { assertFailures, assertNoFault, load, startLoad, startTruth, until } from "./truth.mjs";

const ROOMS = ["--connections", "100", "--room-size", "50", "--rate", "200", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];
const ECHO = ["--connections", "4", "--rate", "600", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];
const STORM = ["storm", "--connections", "200", "--room-size", "20", "--rate", "50", "--warmup-s", "0.5", "--duration-s", "3", "--straggler-s", "1.5"];

async function runWith(faults, args) {
  const truth = await startTruth(["--speaks", "mqtt", ...faults]);
  const run = await load([...args, "--target", truth.mqttUrl]);
  const told = await truth.stop();
  assert.ok(run.json, run.stderr);
  return { run, told, checks: run.json.checks, messages: run.json.messages, counters: run.json.counters };
}

function assertSameTraffic({ run, told, checks, messages }, { answered }) {
  assert.equal(run.json.connections.joined, told.joins);
  assert.equal(messages.sent_all, told.publishes);
  assert.equal(messages.answered_all, answered ? told.publishes : 0);
  assert.equal(messages.received_all, told.deliveries, "deliveries, duplicates included");
  assert.equal(messages.strange, 0);
  assert.equal(messages.unanswered, 0);
  assert.equal(checks.gap_events, told.gap_events);
  assert.equal(checks.messages_complete + checks.messages_incomplete, told.publishes);
}

const zeroBut = (checks, expected) => {
  const { lost, missing, announced_lost, duplicates, disordered } = checks;
  assert.deepEqual({ lost, missing, announced_lost, duplicates, disordered },
    { lost: 0, missing: 0, announced_lost: 0, duplicates: 0, disordered: 0, ...expected });
};

for (const version of ["5", "3.1.1"])
  for (const qos of [0, 1, 2])
    describe(`MQTT ${version}, QoS ${qos}`, { concurrency: 2 }, () => {
      const how = ["--mqtt-version", version, "--qos", String(qos)];
      const answered = qos > 0;

      it("a server that does nothing wrong is said to do nothing wrong", async () => {
        const seen = await runWith([], ["rooms", ...ROOMS, ...how]);
        assertNoFault(seen.run);
        assertSameTraffic(seen, { answered });
        assertFailures(seen.run, {});
        assert.equal(seen.checks.server_numbers, version === "5");
        assert.equal(seen.checks.messages_complete, seen.told.publishes);
        assert.equal(seen.messages.received_all, seen.told.due);
        // The last ones may be reset with their connection.
        assert.ok(seen.told.acks <= (qos > 0 ? seen.told.deliveries : 0));
        assert.ok(seen.told.acks >= (qos > 0 ? seen.told.deliveries - 100 : 0), `${seen.told.acks} of ${seen.told.deliveries}`);
      });

      it("everything at once is told apart", async () => {
        const gaps = version === "5" ? ["--gap-one-in", "60"] : [];
        const seen = await runWith(["--drop-one-in", "90", "--duplicate-one-in", "80", "--reorder-one-in", "70", "--seed", "3", ...gaps],
          ["rooms", ...ROOMS, ...how]);
        assertSameTraffic(seen, { answered });
        assert.ok(seen.told.dropped > 20 && seen.told.duplicated > 20 && seen.told.reordered > 20);
        zeroBut(seen.checks, {
          lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last,
          duplicates: seen.told.duplicated, disordered: seen.told.reordered, announced_lost: seen.told.gap_messages,
        });
        assert.equal(seen.checks.messages_incomplete >= seen.told.dropped_messages, true);
        assert.equal(seen.run.code, 1);
      });

      if (qos > 0)
        it("a repetition with the DUP flag is a redelivery, and no fault", async () => {
          const seen = await runWith(["--redeliver-one-in", "40"], ["rooms", ...ROOMS, ...how]);
          assertNoFault(seen.run);
          assert.ok(seen.told.redelivered > 50);
          assert.equal(seen.counters.redelivered, seen.told.redelivered);
          assert.equal(seen.checks.messages_complete, seen.told.publishes);
        });

      it("of a shared group exactly one member gets each message: loss and duplicates are found", async () => {
        const args = ["rooms", ...ROOMS, ...how, "--shared-group", "g", "--topic-prefix", "bench/"];
        const right = await runWith([], args);
        assertNoFault(right.run);
        assert.equal(right.messages.received_all, right.told.publishes);
        const wrong = await runWith(["--drop-one-in", "30", "--duplicate-one-in", "40"], args);
        assert.ok(wrong.told.dropped > 5 && wrong.told.duplicated > 5);
        assert.equal(wrong.checks.lost + wrong.checks.missing, wrong.told.dropped);
        assert.equal(wrong.checks.duplicates, wrong.told.duplicated);
        assert.equal(wrong.checks.disordered, 0);
        assert.equal(wrong.checks.messages_incomplete, wrong.told.dropped);
      });
    });

describe("MQTT requests", { concurrency: 2 }, () => {
  it("a dropped acknowledgement is an unanswered request", async () => {
    const { run, told, messages, checks } = await runWith(["--drop-one-in", "50"], ["echo", ...ECHO]);
    assert.ok(told.dropped > 5);
    assert.equal(messages.sent_all, told.requests);
    assert.equal(messages.unanswered, told.dropped);
    zeroBut(checks, {});
    assert.match(run.first, new RegExp(`${told.dropped} requests were not answered`));
  });

  it("a second one is a duplicate and answers nothing else, one that is late is out of order", async () => {
    const { told, messages, checks } = await runWith(["--duplicate-one-in", "20", "--reorder-one-in", "25", "--delay-ms", "20"], ["echo", ...ECHO]);
    assert.ok(told.duplicated > 5 && told.reordered > 5);
    assert.equal(messages.unanswered, 0);
    assert.equal(messages.answered_all, told.requests);
    zeroBut(checks, { duplicates: told.duplicated, disordered: told.reordered });
  });

  it("no round trip is shorter than the server's delay", async () => {
    const { run } = await runWith(["--delay-ms", "30"], ["echo", ...ECHO]);
    assert.ok(run.json.latency_ns.reply.min >= 30e6, run.stdout);
  });

  it("a rejected publish is told by its reason", async () => {
    const { run, told, messages, checks } = await runWith(["--reject-one-in", "10"], ["rooms", ...ROOMS, "--qos", "2"]);
    assert.ok(told.rejected > 5);
    assert.equal(messages.rejected, told.rejected);
    assert.equal(messages.rejected_first, "0x97 quota exceeded");
    assert.equal(messages.sent_all, told.publishes + told.rejected);
    zeroBut(checks, {});
    assert.match(run.first, new RegExp(`${told.rejected} requests were rejected`));
  });
});

describe("MQTT connections", { concurrency: 2 }, () => {
  it("a refused CONNECT is told by its reason", async () => {
    for (const [version, reason] of [["5", "0x87 not authorized"], ["3.1.1", "code 5 not authorized"]]) {
      const { run, told } = await runWith(["--refuse-one-in", "5"], ["hold", "--connections", "100", "--duration-s", "1", "--mqtt-version", version]);
      assert.ok(told.refused_connack > 2);
      assertFailures(run, { connack_refused: told.refused_connack });
      assert.equal(run.code, 4);
      assert.match(run.first, new RegExp(`${told.refused_connack} of 100 connections did not come about: the server refused the connection: ${reason}`));
    }
  });

  it("a refused subscription is told by its reason", async () => {
    const { run, told } = await runWith(["--refuse-join-one-in", "5"], ["hold", "--connections", "100", "--duration-s", "1"]);
    assert.ok(told.refused_join > 2);
    assertFailures(run, { join_refused: told.refused_join });
    assert.match(run.first, /the subscription to room\/bench-\d+ was refused: 0x87 not authorized/);
  });

  for (const speaks of ["http-200", "garbage", "ssh", "tls", "close"])
    it(`a server that speaks ${speaks} is no MQTT server`, async () => {
      const truth = await startTruth(["--speaks", speaks]);
      const run = await load(["hold", "--connections", "5", "--duration-s", "1", "--target", truth.mqttUrl]);
      await truth.stop();
      assertFailures(run, { not_mqtt: 5 });
      assert.equal(run.code, 4);
    });

  it("resets and ends are counted, heartbeats that nobody answers, too", async () => {
    const reset = await runWith(["--reset-one-in", "100"], ["echo", ...ECHO, "--connections", "100"]);
    assert.ok(reset.told.resets > 2);
    assertFailures(reset.run, { reset: reset.told.resets });
    const closed = await runWith(["--close-at-s", "1"], ["rooms", ...ROOMS]);
    assertFailures(closed.run, { closed_by_server: 100 });
    const silent = await runWith(["--no-heartbeats"], ["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "2"]);
    assert.equal(silent.messages.heartbeats, silent.told.heartbeats);
    assert.equal(silent.messages.heartbeats_unanswered, silent.told.heartbeats);
  });

  it("members who leave and join again are checked from join to leave", async () => {
    for (const version of ["5", "3.1.1"]) {
      const seen = await runWith([], ["rooms", ...ROOMS, "--qos", "1", "--churn-rate", "50", "--mqtt-version", version]);
      assertNoFault(seen.run);
      assert.equal(seen.counters.churn_leaves, seen.told.leaves);
      assert.ok(seen.told.leaves > 50);
    }
  });

  it("a storm: everybody is back, refused attempts are counted", async () => {
    const seen = await runWith(["--refuse-again", "2"], [...STORM, "--backoff", "fixed:50"]);
    assertNoFault(seen.run);
    assert.equal(seen.counters.storm_cut, 100);
    assert.equal(seen.counters.storm_back, seen.told.again_joins);
    assert.equal(seen.counters.storm_refused_connack, seen.told.again_refused);
    assert.equal(seen.counters.storm_attempts, seen.told.again_attempts);
  });
});

describe("MQTT wills", { concurrency: 2 }, () => {
  // Only the wills of those that the storm cuts: at its end the tool ends everybody.
  const wills = (percent, ...faults) => [["--wills", String(200 * percent / 100), ...faults], [...STORM, "--cut-percent", String(percent), "--will"]];

  it("each of those that are cut comes to each watcher once", async () => {
    for (const version of ["5", "3.1.1"]) {
      const [faults, args] = wills(50);
      const { run, told, counters } = await runWith(faults, [...args, "--will-watchers", "3", "--qos", "1", "--mqtt-version", version]);
      assertNoFault(run);
      assert.equal(told.wills, 100);
      assert.deepEqual([counters.wills_due, counters.wills_received, counters.wills_twice, counters.wills_wrong], [300, 300, 0, 0]);
      assert.equal(run.json.latency_ns.will.count, 300);
    }
  });

  it("those that do not come and those that come twice are told, and fail", async () => {
    const [faults, args] = wills(100, "--drop-will-one-in", "20", "--double-will-one-in", "10");
    const { run, told, counters } = await runWith(faults, [...args, "--will-watchers", "2"]);
    const due = 2 * counters.storm_cut;
    assert.ok(told.wills_dropped > 5 && told.wills_doubled > 5);
    assert.deepEqual([counters.wills_due, counters.wills_received, counters.wills_twice, counters.wills_wrong],
      [due, due - told.wills_dropped, told.wills_doubled, 0]);
    assert.equal(run.code, 1);
    assert.match(run.first, new RegExp(`${told.wills_dropped} wills did not come, ${told.wills_doubled} wills came twice`));
  });

  it("--expect decides by them", async () => {
    const [faults, args] = wills(100, "--drop-will-one-in", "20");
    const allowed = await runWith(faults, [...args, "--expect", "will_loss<=1000, will_duplicates=0"]);
    assert.ok([0, 3].includes(allowed.run.code), allowed.run.stdout);
    const strict = await runWith(faults, [...args, "--expect", "will_loss=0"]);
    assert.equal(strict.run.code, 1);
    assert.match(strict.run.first, new RegExp(`expected will_loss=0, it was ${strict.told.wills_dropped}`));
  });
});

describe("memory", () => {
  const BYTES_MAX = 256;

  async function held(connections) {
    const truth = await startTruth(["--speaks", "mqtt"]);
    const tool = startLoad(["hold", "--connections", String(connections), "--room-size", "100", "--connect-rate", "3000", "--connecting-max", "64",
      "--heartbeat-s", "3600", "--duration-s", "2", "--connect-timeout-s", "60", "--qos", "1", "--target", truth.mqttUrl]);
    await until("all are held", () => tool.err.includes("phase=measure_begin"), 60000);
    const text = readFileSync(`/proc/${tool.child.pid}/smaps_rollup`, "utf8");
    const run = await tool.finish();
    await truth.stop();
    assert.equal(run.json.connections.joined, connections, run.stdout);
    return Number(/^Pss_Anon: +(\d+) kB/m.exec(text)[1]) * 1024;
  }

  it(`an MQTT connection that is held costs at most ${BYTES_MAX} bytes`, async () => {
    const few = await held(1000);
    const many = await held(9000);
    const each = (many - few) / 8000;
    assert.ok(each > 64, `${each} bytes are less than its own table entry: something else was measured`);
    assert.ok(each <= BYTES_MAX, `${each} bytes for each connection`);
  });
});
