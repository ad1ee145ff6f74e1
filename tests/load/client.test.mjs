// Goal: what is the client's fault is called that, in the first line and with exit code 3, and never
// the server's. Method: the tool is stopped for a second (SIGSTOP), is given next to no CPU
// (SCHED_IDLE beside a process that spins on the same CPU), or is asked for what no client can do.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { start, startLoad, startTruth, load, sleep, until } from "./truth.mjs";

const FIRST = /^THE CLIENT WAS THE LIMIT, not the server: /;

function assertClientWasLimit(run, cause) {
  assert.match(run.first, FIRST);
  assert.match(run.first, cause);
  assert.equal(run.code, 3);
  assert.equal(run.json.exit_code, 3);
  assert.equal(run.json.client.was_limit, true);
  assert.match(run.json.verdict, FIRST);
}

describe("the client was the limit", () => {
  it("stopped for a second: it sent late, and says so", async () => {
    const truth = await startTruth();
    const tool = startLoad(["echo", "--connections", "10", "--rate", "500", "--warmup-s", "0.5", "--duration-s", "4", "--target", truth.url]);
    await until("the window has begun", () => tool.err.includes("phase=measure_begin"));
    await sleep(500);
    tool.child.kill("SIGSTOP");
    await sleep(1000);
    tool.child.kill("SIGCONT");
    const run = await tool.finish();
    const told = await truth.stop();
    assertClientWasLimit(run, /it sent late: p99 [\d.]+ ms after the intended time/);
    // All of it is there, and none of it is blamed on the server.
    assert.equal(run.json.messages.sent, run.json.messages.offered);
    assert.equal(run.json.messages.unanswered, 0);
    assert.equal(told.requests, run.json.messages.sent_all);
    assert.ok(run.json.latency_ns.send_lag.max >= 0.9e9, "a second late at worst");
    assert.ok(run.json.client.loop_late_max_ns >= 0.9e9);
    assert.ok(run.json.latency_ns.reply.max >= run.json.latency_ns.send_lag.max);
  });

  it("stopped for a second in a closed loop: nothing was due, the stall is told all the same", async () => {
    const truth = await startTruth();
    const tool = startLoad(["echo", "--connections", "2", "--closed", "2", "--warmup-s", "0.2", "--duration-s", "3", "--target", truth.url]);
    await until("the window has begun", () => tool.err.includes("phase=measure_begin"));
    await sleep(500);
    tool.child.kill("SIGSTOP");
    await sleep(1000);
    tool.child.kill("SIGCONT");
    const run = await tool.finish();
    await truth.stop();
    assert.ok([0, 3].includes(run.code), run.stdout);
    assert.match(run.stdout, /its loop \d+\.\d ms late at worst/);
  });

  it("next to no CPU: the client's fault, not the server's", async () => {
    const truth = await startTruth();
    const tool = startLoad(["echo", "--connections", "10", "--rate", "500", "--warmup-s", "0.2", "--duration-s", "3", "--cpus", "0", "--target", truth.url],
      { before: ["chrt", "--idle", "0"] });
    await until("the window has begun", () => tool.err.includes("phase=measure_begin"), 60000);
    const rival = start("taskset", ["-c", "0", process.execPath, "-e", "for (;;);"]);
    const run = await tool.finish();
    rival.child.kill("SIGKILL");
    await truth.stop();
    assertClientWasLimit(run, /it sent late|of the offered rate|waited for one/);
    assert.equal(run.json.messages.unanswered, 0);
  });

  it("a rate that this client cannot offer is found out by running it", async () => {
    const truth = await startTruth();
    const run = await load(["echo", "--connections", "10", "--rate", "10000000", "--warmup-s", "0", "--duration-s", "0.5", "--straggler-s", "20", "--target", truth.url]);
    await truth.stop();
    assertClientWasLimit(run, /busy|late|of the offered rate|waited for one/);
  });
});
