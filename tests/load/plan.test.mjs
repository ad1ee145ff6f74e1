// Goal: storms, slow readers, churn and phases do to the server what they say, and tell of it what
// was. Method: the truth server counts who came back how often, refuses as often as it is told to,
// and remembers nothing of the tool's own plan; times are bounded from below by the back-off tables.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { assertNoFault, freshFile, load, startTruth } from "./truth.mjs";

const okOrBusy = (run) => assert.ok([0, 3].includes(run.code), `${run.code}: ${run.stdout}\n${run.stderr}`);
const noneWrong = ({ lost, missing, duplicates, disordered, announced_lost }) =>
  assert.deepEqual([lost, missing, duplicates, disordered, announced_lost], [0, 0, 0, 0, 0]);

describe("storm", { concurrency: 2 }, () => {
  // The waits before attempts 1, 2, …: phoenix.js's reconnectAfterMs, or always the same.
  const tables = {
    phoenix: [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000],
    "fixed:100": Array(10).fill(100),
  };
  for (const [backoff, table] of Object.entries(tables))
    for (const refusals of [0, 4])
      it(`${backoff}, ${refusals} refusals each: attempts, refusals and the time until they are back`, async () => {
        const truth = await startTruth(["--refuse-again", String(refusals)]);
        const run = await load(["storm", "--connections", "200", "--room-size", "20", "--cut-percent", "50", "--rate", "100", "--backoff", backoff,
          "--warmup-s", "0.5", "--duration-s", "4", "--straggler-s", "1.5", "--target", truth.url]);
        const told = await truth.stop();
        const { counters, latency_ns: { recovery }, checks } = run.json;
        okOrBusy(run);
        assert.equal(counters.storm_cut, 100);
        assert.equal(counters.storm_back, 100);
        assert.equal(told.again_joins, 100);
        assert.equal(told.again_attempts, 100 * (refusals + 1));
        assert.equal(counters.storm_attempts, told.again_attempts);
        assert.equal(told.again_refused, 100 * refusals);
        assert.equal(counters.storm_refused_http, told.again_refused);
        assert.equal(recovery.count, 100);
        const waits = table.slice(0, refusals + 1).reduce((sum, ms) => sum + ms, 0);
        assert.ok(recovery.min >= waits * 1e6, `back after ${recovery.min}, not before ${waits} ms`);
        // Who was away misses nothing that counts; who stayed gets everything, all in order.
        noneWrong(checks);
        assert.equal(run.json.connections.live_at_end, 200);
        assert.equal(run.json.connections.dropped, 0, "cut by ourselves is not dropped by the server");
      });

  it("exponential with jitter: within its bounds from above and below there is nothing but chance", async () => {
    const truth = await startTruth(["--refuse-again", "2"]);
    const run = await load(["storm", "--connections", "100", "--room-size", "20", "--cut-percent", "30", "--rate", "50", "--backoff", "exponential:50-200",
      "--warmup-s", "0.2", "--duration-s", "3", "--straggler-s", "1.5", "--target", truth.url]);
    const told = await truth.stop();
    okOrBusy(run);
    assert.equal(run.json.counters.storm_cut, 30);
    assert.equal(told.again_attempts, 90);
    assert.equal(run.json.counters.storm_back, told.again_joins);
    noneWrong(run.json.checks);
  });

  it("a member that is back is checked again, from its new watermark", async () => {
    const truth = await startTruth(["--duplicate-one-in", "40", "--gap-one-in", "60"]);
    const run = await load(["storm", "--connections", "100", "--room-size", "20", "--cut-percent", "50", "--rate", "100", "--backoff", "fixed:100",
      "--warmup-s", "0.5", "--duration-s", "3", "--straggler-s", "1.5", "--target", truth.url]);
    const told = await truth.stop();
    const { checks } = run.json;
    assert.equal(run.json.counters.storm_back, told.again_joins);
    // What was said to a connection just before it was cut nobody read.
    const unread = told.deliveries - run.json.messages.received_all;
    assert.ok(unread >= 0 && checks.duplicates <= told.duplicated && checks.duplicates >= told.duplicated - unread, `${checks.duplicates} of ${told.duplicated}, ${unread} unread`);
    assert.ok(checks.gap_events <= told.gap_events && checks.gap_events >= told.gap_events - 200);
    assert.ok(checks.duplicates > 20);
    assert.equal(checks.lost, 0);
    assert.equal(checks.missing, 0);
    assert.equal(checks.disordered, 0);
  });

  it("--reconnect: those that the server dropped come back", async () => {
    const truth = await startTruth(["--close-at-s", "1"]);
    const run = await load(["rooms", "--connections", "50", "--room-size", "10", "--rate", "50", "--reconnect", "--backoff", "fixed:100",
      "--warmup-s", "0.2", "--duration-s", "3", "--straggler-s", "1.5", "--target", truth.url]);
    const told = await truth.stop();
    assert.equal(told.closed, 50);
    assert.equal(run.json.counters.dropped_back, 50);
    assert.equal(told.again_joins, 50);
    assert.equal(run.json.connections.live_at_end, 50);
  });
});

describe("slow readers", { concurrency: 2 }, () => {
  const args = ["slow", "--connections", "40", "--room-size", "10", "--slow-percent", "10", "--slow-bytes-per-s", "2000", "--rate", "200", "--payload-bytes", "500",
    "--warmup-s", "0.3", "--duration-s", "4", "--straggler-s", "1.5"];

  it("only the slow ones' figures suffer", async () => {
    const truth = await startTruth();
    const run = await load([...args, "--target", truth.url]);
    const told = await truth.stop();
    okOrBusy(run);
    const { latency_ns: { delivery, last_receiver: last, slow_readers: slow }, checks, messages } = run.json;
    noneWrong(checks);
    // 4 of 40 are slow: 9 of each room's 10 get everything.
    assert.equal(delivery.count, 9 * messages.sent);
    assert.equal(last.count, messages.sent);
    assert.equal(checks.reach_due, told.publishes * 9);
    assert.equal(checks.reach_received, told.publishes * 9);
    assert.equal(checks.messages_complete, told.publishes);
    // 50 messages a second of some 560 bytes come to each, and it reads 2,000 bytes a second: of the
    // first second it reads the last message only once it may read as it likes, after the last phase.
    assert.ok(slow.max >= 1e9, `a slow reader was ${slow.max} behind`);
    // One member of each room is slow.
    assert.ok(slow.count <= messages.sent);
    if (checks.slow_behind === 0) assert.equal(slow.count, messages.sent, "in the end it has read everything");
  });

  it("what the server announces as lost to them is told apart", async () => {
    const truth = await startTruth(["--queue-bytes-max", "4096", "--send-buffer-bytes", "4096"]);
    const run = await load([...args, "--fail-on-gap", "--target", truth.url]);
    const told = await truth.stop();
    okOrBusy(run);
    noneWrong(run.json.checks);
    assert.ok(told.gap_messages > 0);
    assert.ok(run.json.checks.slow_announced <= told.gap_messages);
    assert.equal(run.json.checks.announced_lost, 0);
  });
});

describe("churn", { concurrency: 2 }, () => {
  it("those who come and go are checked from join to leave; the others are counted on", async () => {
    const truth = await startTruth();
    const run = await load(["rooms", "--connections", "100", "--room-size", "20", "--rate", "200", "--churn-rate", "50", "--churn-percent", "20",
      "--warmup-s", "0.3", "--duration-s", "3", "--straggler-s", "1.5", "--target", truth.url]);
    const told = await truth.stop();
    assertNoFault(run);
    const { counters, checks } = run.json;
    assert.ok(told.leaves > 50);
    assert.equal(counters.churn_leaves, told.leaves);
    assert.equal(told.joins, 100 + counters.churn_joins);
    assert.equal(run.json.connections.dropped, 0);
    // 16 of each room's 20 stay.
    assert.equal(checks.reach_due, told.publishes * 16);
    assert.equal(checks.reach_received, told.publishes * 16);
    assert.equal(run.json.messages.received_all, told.deliveries);
  });
});

describe("mix", { concurrency: 2 }, () => {
  const file = (text) => {
    const name = freshFile("yaml");
    writeFileSync(name, text);
    return name;
  };

  for (const [text, sentence] of [
    ["phases:\n  - duration_s: 5\n  - duration_s: 5\n  - duration_s: 5\n    publish_rate: fast\n",
      /\.yaml:5: phases\[2\]\.publish_rate: want a number a second from 0 to 10,000,000, not 'fast'/],
    ["phases:\n  - duration_s: 5\n    publsh_rate: 5\n", /\.yaml:3: phases\[0\]\.publsh_rate: no such key; did you mean publish_rate\?/],
    ["phases:\n  - publish_rate: 5\n", /\.yaml:2: phases\[0\].*duration_s/],
    ["phases: []\n", /\.yaml.*phases: .*at least one phase/],
    ["options:\n  conections: 5\nphases:\n  - duration_s: 1\n", /\.yaml:2: options\.conections: .*connections/],
    ["phases:\n  - duration_s: [\n", /\.yaml:\d+: /],
    ["", /\.yaml/],
  ])
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, async () => {
      const run = await load(["mix", file(text)], { json: false });
      assert.equal(run.code, 2, run.stdout + run.stderr);
      assert.equal(run.stdout, "");
      assert.equal(run.stderr.trim().split("\n").length, 1);
      assert.match(run.stderr, sentence);
    });

  it("refuses a file that is not there, and none at all", async () => {
    const gone = await load(["mix", "/nowhere/day.yaml"], { json: false });
    assert.equal(gone.code, 2);
    assert.match(gone.stderr, /\/nowhere\/day\.yaml: No such file or directory/);
    const none = await load(["mix"], { json: false });
    assert.equal(none.code, 2);
    assert.match(none.stderr, /mix/);
  });

  it("each phase sends what it says, and the total is their sum", async () => {
    const truth = await startTruth();
    const name = file(`
options:
  connections: 40
  room-size: 10
  straggler-s: 1.5
phases:
  - {name: warm, duration_s: 0.5, measured: false, publish_rate: 50}
  - {name: low, duration_s: 1, publish_rate: 50}
  - {name: ramp, duration_s: 2, publish_rate: 50, publish_rate_end: 150, ping_rate: 30}
  - {name: cut, duration_s: 2, publish_rate: 20, cut_percent: 25}
`);
    const run = await load(["mix", name, "--backoff", "fixed:100", "--target", truth.url]);
    const told = await truth.stop();
    okOrBusy(run);
    const { phases, messages, counters, checks } = run.json;
    noneWrong(checks);
    assert.deepEqual(phases.map((phase) => [phase.name, phase.measured]), [["warm", false], ["low", true], ["ramp", true], ["cut", true]]);
    const near = (seen, wanted) => assert.ok(Math.abs(seen - wanted) <= 1, `${seen}, not ${wanted}`);
    near(phases[0].offered, 25);
    near(phases[1].offered, 50);
    near(phases[2].offered, 200 + 60);
    assert.ok(phases[3].offered <= 40 && phases[3].offered >= 30, "some talkers were away");
    const sum = (key) => phases.filter(({ measured }) => measured).reduce((total, phase) => total + phase[key], 0);
    assert.equal(messages.offered, sum("offered"));
    assert.equal(messages.sent, sum("sent"));
    assert.equal(messages.sent_all, told.publishes + told.requests);
    assert.equal(counters.storm_cut, 10);
    assert.equal(told.again_joins, counters.storm_back);
  });

  it("the share of connections moves in a line, and those who leave are not lost", async () => {
    const truth = await startTruth();
    const name = file(`
options: {connections: 40, room-size: 10, straggler-s: 1.5}
phases:
  - {duration_s: 1, publish_rate: 50, connections_percent: 50}
  - {duration_s: 1.5, publish_rate: 50, connections_percent: 100}
  - {duration_s: 1.5, publish_rate: 50, connections_percent: 25}
`);
    const run = await load(["mix", name, "--target", truth.url]);
    const told = await truth.stop();
    okOrBusy(run);
    noneWrong(run.json.checks);
    assert.equal(told.joins, 40);
    assert.equal(run.json.connections.live_at_end, 10);
    assert.equal(run.json.connections.dropped, 0);
  });
});
