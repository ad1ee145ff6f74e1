// Goal: what a server does to messages and connections, the tool reports, exactly: not about so
// many lost but those. Method: the truth server does each thing by seed and counts it; the figures
// of the tool's JSON must be the same figures, and the verdict must name them.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { assertFailures, assertNoFault, load, startTruth } from "./truth.mjs";

// Short, slow enough for a machine that is busy, and with a second of quiet before the end is called.
const ROOMS = ["--connections", "100", "--room-size", "50", "--rate", "200", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];
const ECHO = ["--connections", "20", "--rate", "500", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];

async function runWith(faults, args, target = "url") {
  const truth = await startTruth(faults);
  const run = await load([...args, "--target", truth[target]]);
  const told = await truth.stop();
  assert.ok(run.json, run.stderr);
  return { run, told, checks: run.json.checks, messages: run.json.messages };
}

// What every run without a fault in replies must agree on.
function assertSameTraffic({ run, told, checks, messages }) {
  assert.equal(run.json.connections.joined, told.joins);
  assert.equal(messages.sent_all, told.publishes);
  assert.equal(messages.answered_all, told.publishes);
  assert.equal(messages.received_all, told.deliveries, "deliveries, duplicates included");
  assert.equal(messages.rejected, 0);
  assert.equal(messages.strange, 0);
  assert.equal(checks.gap_events, told.gap_events);
  assert.equal(checks.messages_complete + checks.messages_incomplete, told.publishes);
}

const zeroBut = (checks, expected) => {
  const { lost, missing, announced_lost, duplicates, disordered } = checks;
  assert.deepEqual({ lost, missing, announced_lost, duplicates, disordered },
    { lost: 0, missing: 0, announced_lost: 0, duplicates: 0, disordered: 0, ...expected });
};

describe("a room's messages", { concurrency: 2 }, () => {
  it("a server that does nothing wrong is said to do nothing wrong", async () => {
    const seen = await runWith([], ["rooms", ...ROOMS]);
    assertNoFault(seen.run);
    assertSameTraffic(seen);
    assertFailures(seen.run, {});
    assert.equal(seen.checks.messages_complete, seen.told.publishes);
    assert.equal(seen.messages.received_all, seen.told.due);
  });

  it("one delivery in 10,000 dropped: those, and no other, are lost", async () => {
    const seen = await runWith(["--drop-one-in", "10000"], ["rooms", "--connections", "100", "--room-size", "100", "--rate", "200",
      "--warmup-s", "0.5", "--duration-s", "3", "--straggler-s", "2.5"]);
    assert.ok(seen.told.dropped > 0, "the seed drops some");
    assertSameTraffic(seen);
    zeroBut(seen.checks, { lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last });
    assert.equal(seen.checks.messages_incomplete, seen.told.dropped_messages);
    assert.equal(seen.run.code, 1);
    assert.match(seen.run.first, new RegExp(`^FAILED: .*\\b${seen.checks.lost} messages lost without a word`));
  });

  it("one in 20 dropped: the last one of a member is missing at the end, the others are lost", async () => {
    const seen = await runWith(["--drop-one-in", "20", "--seed", "7"], ["rooms", ...ROOMS]);
    assertSameTraffic(seen);
    assert.ok(seen.told.dropped_last > 0 && seen.told.dropped > 100);
    zeroBut(seen.checks, { lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last });
    assert.equal(seen.checks.messages_incomplete, seen.told.dropped_messages);
  });

  it("duplicates are counted, each once, and are no deliveries more", async () => {
    const seen = await runWith(["--duplicate-one-in", "50"], ["rooms", ...ROOMS]);
    assert.ok(seen.told.duplicated > 10);
    assertSameTraffic(seen);
    zeroBut(seen.checks, { duplicates: seen.told.duplicated });
    assert.equal(seen.checks.messages_complete, seen.told.publishes, "everybody had every message");
    assert.equal(seen.run.code, 1);
    assert.match(seen.run.first, /came twice/);
  });

  it("a duplicate that comes 40 messages later is one", async () => {
    const seen = await runWith(["--duplicate-one-in", "50", "--duplicate-distance", "40"], ["rooms", ...ROOMS, "--rate", "400"]);
    assert.ok(seen.told.duplicated > 10);
    assertSameTraffic(seen);
    zeroBut(seen.checks, { duplicates: seen.told.duplicated });
  });

  for (const distance of [1, 5, 63])
    it(`what comes ${distance} message${distance > 1 ? "s" : ""} late is out of order, not lost`, async () => {
      const seen = await runWith(["--reorder-one-in", "50", "--reorder-distance", String(distance)],
        ["rooms", ...ROOMS, "--rate", "400"]);
      assert.ok(seen.told.reordered > 5);
      assertSameTraffic(seen);
      zeroBut(seen.checks, { disordered: seen.told.reordered });
      assert.equal(seen.checks.messages_complete, seen.told.publishes);
      assert.equal(seen.run.code, 1);
      assert.match(seen.run.first, /came out of order/);
    });

  it("what comes 64 messages late cannot be told from a duplicate: out of order, and still lost", async () => {
    const seen = await runWith(["--reorder-one-in", "200", "--reorder-distance", "64"], ["rooms", ...ROOMS, "--rate", "400"]);
    assert.ok(seen.told.reordered_whole > 0);
    zeroBut(seen.checks, { disordered: seen.told.reordered, lost: seen.told.reordered_whole });
  });

  it("a loss that the server announced is counted apart and fails only when asked to", async () => {
    for (const extra of [[], ["--fail-on-gap"]]) {
      const seen = await runWith(["--gap-one-in", "100"], ["rooms", ...ROOMS, ...extra]);
      assert.ok(seen.told.gap_messages > 10);
      assertSameTraffic(seen);
      zeroBut(seen.checks, { announced_lost: seen.told.gap_messages });
      if (extra.length > 0) {
        assert.equal(seen.run.code, 1);
        assert.match(seen.run.first, new RegExp(`${seen.told.gap_messages} messages announced as lost`));
      } else {
        assert.ok([0, 3].includes(seen.run.code), seen.run.stdout);
      }
    }
  });

  it("everything at once is told apart", async () => {
    const seen = await runWith(["--drop-one-in", "90", "--duplicate-one-in", "80", "--reorder-one-in", "70", "--gap-one-in", "60", "--seed", "3"],
      ["rooms", ...ROOMS]);
    assertSameTraffic(seen);
    zeroBut(seen.checks, {
      lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last,
      duplicates: seen.told.duplicated, disordered: seen.told.reordered, announced_lost: seen.told.gap_messages,
    });
  });

  it("without the server's numbers the tool's own find loss, duplicates and, with one talker, order", async () => {
    const seen = await runWith(["--no-numbers", "--drop-one-in", "90", "--duplicate-one-in", "80", "--reorder-one-in", "70"],
      ["rooms", ...ROOMS]);
    assertSameTraffic(seen);
    assert.equal(seen.checks.server_numbers, false);
    assert.equal(seen.checks.order_checked, true);
    zeroBut(seen.checks, {
      lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last,
      duplicates: seen.told.duplicated, disordered: seen.told.reordered,
    });
  });

  it("without numbers and with several talkers order is that of each talker, loss is found all the same", async () => {
    const seen = await runWith(["--no-numbers", "--drop-one-in", "90", "--reorder-one-in", "70", "--reorder-distance", "60"],
      ["rooms", ...ROOMS, "--rate", "400", "--talkers", "5"]);
    assert.equal(seen.checks.order_checked, true);
    const { disordered } = seen.checks;
    zeroBut(seen.checks, { lost: seen.told.dropped - seen.told.dropped_last, missing: seen.told.dropped_last, disordered });
    // Five talk in turn, each on a connection of its own: of 60 messages that overtake one, some are its talker's, unless the
    // server, held up, read one talker's backlog after the other's. Exactly which: publisher_order_test.c.
    assert.ok(seen.told.reordered_whole > 20);
    assert.ok(disordered <= seen.told.reordered && disordered > seen.told.reordered_whole / 2, `${disordered} of ${seen.told.reordered}`);
  });

  it("a publish that is rejected is no loss, and its reason is shown", async () => {
    const seen = await runWith(["--reject-one-in", "10"], ["rooms", ...ROOMS]);
    assert.ok(seen.told.rejected > 5);
    assert.equal(seen.messages.rejected, seen.told.rejected);
    assert.equal(seen.messages.rejected_first, "truth rejects");
    assert.equal(seen.messages.sent_all, seen.told.publishes + seen.told.rejected);
    zeroBut(seen.checks, {});
    assert.equal(seen.messages.unanswered, 0);
    assert.equal(seen.run.code, 1);
    assert.match(seen.run.first, new RegExp(`${seen.told.rejected} requests were rejected`));
  });

  it("a server that answers no publish owes no answers", async () => {
    const seen = await runWith(["--no-publish-replies"], ["rooms", ...ROOMS]);
    assertNoFault(seen.run);
    assert.equal(seen.messages.answered_all, 0);
  });
});

describe("requests", { concurrency: 2 }, () => {
  for (const [name, extra, target, server] of [
    ["Phoenix pings", [], "url", []],
    ["WebSocket echoes", ["--raw-echo"], "echoUrl", []],
    ["TCP echoes", [], "tcpUrl", ["--speaks", "tcp-echo", "--message-bytes", "64"]],
  ]) {
    it(`${name}: nothing wrong is nothing wrong`, async () => {
      const { run, told, messages } = await runWith(server, ["echo", ...ECHO, ...extra], target);
      assertNoFault(run);
      assert.equal(messages.sent_all, told.requests);
      assert.equal(messages.received_all, told.replies);
    });

    it(`${name}: a dropped reply is an unanswered request`, async () => {
      const { run, told, checks, messages } = await runWith([...server, "--drop-one-in", "50"], ["echo", ...ECHO, ...extra], target);
      assert.ok(told.dropped > 5);
      assert.equal(messages.unanswered, told.dropped);
      assert.equal(messages.received_all, told.replies);
      assert.equal(checks.duplicates, 0);
      assert.equal(checks.disordered, 0);
      assert.equal(run.code, 1);
      assert.match(run.first, new RegExp(`${told.dropped} requests were not answered`));
    });

    it(`${name}: a second reply is a duplicate and answers nothing else`, async () => {
      // Held for 20 ms several requests of a connection are under way at once.
      const { run, told, checks, messages } = await runWith([...server, "--duplicate-one-in", "20", "--delay-ms", "20"],
        ["echo", "--connections", "4", "--rate", "600", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5", ...extra], target);
      assert.ok(told.duplicated > 5);
      assert.equal(checks.duplicates, told.duplicated);
      assert.equal(messages.unanswered, 0);
      assert.equal(messages.answered_all, told.requests);
      assert.equal(run.code, 1);
    });

    it(`${name}: a second reply that comes after others is a duplicate, too`, async () => {
      const { told, checks, messages } = await runWith([...server, "--duplicate-one-in", "20", "--duplicate-distance", "3", "--delay-ms", "20"],
        ["echo", "--connections", "4", "--rate", "600", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5", ...extra], target);
      assert.ok(told.duplicated > 5);
      assert.equal(checks.duplicates, told.duplicated);
      assert.equal(checks.disordered, 0);
      assert.equal(messages.unanswered, 0);
      assert.equal(messages.answered_all, told.requests);
    });

    it(`${name}: replies in another order than the requests are out of order`, async () => {
      const { run, told, checks, messages } = await runWith([...server, "--reorder-one-in", "20", "--delay-ms", "20"],
        ["echo", "--connections", "4", "--rate", "600", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5", ...extra], target);
      assert.ok(told.reordered > 5);
      assert.equal(checks.disordered, told.reordered);
      assert.equal(checks.duplicates, 0);
      assert.equal(messages.unanswered, 0);
      assert.equal(run.code, 1);
    });
  }

  it("a rejected ping is an answer with an error", async () => {
    const { run, told, messages } = await runWith(["--reject-one-in", "10"], ["echo", ...ECHO]);
    assert.ok(told.rejected > 5);
    assert.equal(messages.rejected, told.rejected);
    assert.equal(messages.unanswered, 0);
    assert.equal(run.code, 1);
  });
});

describe("connections", { concurrency: 2 }, () => {
  it("resets are counted as resets", async () => {
    const { run, told } = await runWith(["--reset-one-in", "100"], ["echo", ...ECHO, "--connections", "100"]);
    assert.ok(told.resets > 2);
    assertFailures(run, { reset: told.resets });
    assert.equal(run.json.connections.dropped, told.resets);
    assert.equal(run.json.connections.live_at_end, 100 - told.resets);
    assert.equal(run.code, 1);
    assert.match(run.first, new RegExp(`${told.resets} connections were dropped by the server`));
  });

  it("a refused upgrade is refused by HTTP status, with status and body in the first line", async () => {
    const { run, told } = await runWith(["--refuse-one-in", "5"], ["echo", ...ECHO, "--connections", "100"]);
    assert.ok(told.refused_http > 2);
    assertFailures(run, { http_status: told.refused_http });
    assert.equal(run.json.connections.joined, told.joins);
    assert.equal(run.code, 4);
    assert.match(run.first, new RegExp(`${told.refused_http} of 100 connections did not come about: .*answered HTTP 503: truth refuses`));
    assert.ok(run.json.messages.unsendable > 0, "requests of connections that are not there are told, not silently left out");
  });

  it("a refused join is a refused join, with its reason", async () => {
    const { run, told } = await runWith(["--refuse-join-one-in", "5"], ["hold", "--connections", "100", "--duration-s", "1"]);
    assert.ok(told.refused_join > 2);
    assertFailures(run, { join_refused: told.refused_join });
    assert.equal(run.json.connections.joined, told.joins);
    assert.equal(run.code, 4);
    assert.match(run.first, new RegExp(`${told.refused_join} of 100 connections did not come about: the join of room:bench-\\d+ was refused: truth refuses`));
  });

  it("all refused: no connection came about, exit 4", async () => {
    const { run, told } = await runWith(["--refuse-one-in", "1"], ["hold", "--connections", "20", "--duration-s", "1"]);
    assertFailures(run, { http_status: told.refused_http });
    assert.equal(run.code, 4);
    assert.match(run.first, /no connection came about: .*answered HTTP 503: truth refuses/);
  });

  it("connections closed by the server are counted as closed, with the code", async () => {
    const { run, told } = await runWith(["--close-at-s", "1", "--close-code", "1013"], ["rooms", ...ROOMS]);
    assert.equal(told.closed, 100);
    assertFailures(run, { closed_by_server: 100 });
    assert.equal(run.json.connections.live_at_end, 0);
    assert.equal(run.code, 1);
    assert.match(run.stdout, /closed a connection with code 1013/);
  });

  it("heartbeats that nobody answers are counted as such", async () => {
    const args = ["hold", "--connections", "50", "--heartbeat-s", "1", "--duration-s", "2"];
    const answered = await runWith([], args);
    assert.ok(answered.told.heartbeats >= 50);
    assert.equal(answered.messages.heartbeats, answered.told.heartbeats);
    assert.equal(answered.messages.heartbeats_answered, answered.told.heartbeats);
    const silent = await runWith(["--no-heartbeats"], args);
    assert.equal(silent.messages.heartbeats, silent.told.heartbeats);
    assert.equal(silent.messages.heartbeats_answered, 0);
  });
});
