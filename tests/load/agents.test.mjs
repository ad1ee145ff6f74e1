// Goal: a run by several agents says what one process would have said: every count exact, one
// verdict, an agent that was the limit or that goes away is named. Method: agents on this machine
// against the truth server, which does not know that they are several.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { LOAD, freePort, load, sleep, start, startLoad, startTruth, until } from "./truth.mjs";

async function startAgents(count, args = []) {
  const agents = [];
  for (let i = 0; i < count; i++) {
    const port = await freePort();
    const agent = start(LOAD, ["agent", "--listen", `127.0.0.1:${port}`, ...args]);
    await until("the agent waits", () => {
      assert.equal(agent.result, null, agent.err);
      return /waits|listens|listening|waiting/.test(agent.err + agent.out);
    });
    agents.push({ ...agent, child: agent.child, port, address: `127.0.0.1:${port}` });
  }
  return { agents, list: agents.map(({ address }) => address).join(","), stop: () => agents.forEach(({ child }) => child.kill("SIGTERM")) };
}

async function runWith(faults, args, { count = 2, target = "url" } = {}) {
  const truth = await startTruth(faults);
  const { list, stop } = await startAgents(count);
  const run = await load([...args, "--agents", list, "--target", truth[target]]);
  stop();
  const told = await truth.stop();
  assert.ok(run.json, run.stdout + run.stderr);
  return { run, told, checks: run.json.checks, messages: run.json.messages };
}

describe("agents", { concurrency: 2 }, () => {
  const rooms = ["rooms", "--connections", "90", "--room-size", "15", "--rate", "150", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];

  it("every count is the sum, faults included", async () => {
    const { run, told, checks, messages } = await runWith(
      ["--drop-one-in", "60", "--duplicate-one-in", "50", "--reorder-one-in", "40", "--gap-one-in", "70"], rooms);
    assert.equal(run.json.connections.joined, 90);
    assert.equal(told.joins, 90);
    assert.equal(messages.sent_all, told.publishes);
    assert.equal(messages.received_all, told.deliveries);
    assert.equal(checks.lost, told.dropped - told.dropped_last);
    assert.equal(checks.missing, told.dropped_last);
    assert.equal(checks.duplicates, told.duplicated);
    assert.equal(checks.disordered, told.reordered);
    assert.equal(checks.announced_lost, told.gap_messages);
    assert.equal(checks.messages_complete + checks.messages_incomplete, told.publishes);
    assert.equal(run.code, 1);
  });

  it("three agents, nothing wrong: the offered rate is the one asked for, histograms hold everything", async () => {
    const { run, told, messages } = await runWith(["--delay-ms", "20"], rooms, { count: 3 });
    assert.ok([0, 3].includes(run.code), run.stdout);
    assert.equal(messages.offered, 300);
    assert.equal(messages.sent_all, told.publishes);
    const { delivery, last_receiver: last } = run.json.latency_ns;
    assert.equal(delivery.count, 15 * messages.sent);
    assert.equal(last.count, messages.sent);
    assert.ok(delivery.min >= 20e6);
    assert.equal(run.json.checks.lost + run.json.checks.missing, 0);
  });

  it("echo is split, too", async () => {
    const { run, told, messages } = await runWith(["--drop-one-in", "50"], ["echo", "--connections", "31", "--room-size", "4", "--rate", "400", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"]);
    assert.equal(run.json.connections.joined, 31);
    assert.equal(messages.sent_all, told.requests);
    assert.equal(messages.unanswered, told.dropped);
    assert.equal(run.code, 1);
  });

  it("an agent that was the limit is named", async () => {
    const truth = await startTruth();
    const { agents, list, stop } = await startAgents(2);
    const tool = startLoad(["echo", "--connections", "10", "--room-size", "2", "--rate", "300", "--warmup-s", "0.5", "--duration-s", "4",
      "--send-lag-max-ms", "300", "--agents", list, "--target", truth.url]);
    await until("the window has begun", () => tool.err.includes("phase=connected") || / measure /.test(tool.err));
    await sleep(1200);
    // The one that drives is a child of the one that waits.
    const { execFileSync } = await import("node:child_process");
    const children = execFileSync("pgrep", ["-P", String(agents[1].child.pid)]).toString().trim().split("\n").map(Number);
    for (const pid of children) process.kill(pid, "SIGSTOP");
    await sleep(1000);
    for (const pid of children) process.kill(pid, "SIGCONT");
    const run = await tool.finish();
    stop();
    await truth.stop();
    assert.equal(run.code, 3, run.stdout + run.stderr);
    assert.match(run.first, /^THE CLIENT WAS THE LIMIT/);
    assert.ok(run.first.includes(agents[1].address), run.first);
  });

  it("an agent that is not there: one sentence, exit 4", async () => {
    const truth = await startTruth();
    const { list, stop } = await startAgents(1);
    const gone = `127.0.0.1:${await freePort()}`;
    const run = await load([...rooms, "--agents", `${list},${gone}`, "--target", truth.url], { json: false });
    stop();
    const told = await truth.stop();
    assert.equal(run.code, 4);
    assert.ok(run.stderr.includes(gone), run.stderr);
    assert.match(run.stderr, /refused/);
    assert.equal(told.publishes, 0, "the others did not begin");
  });

  it("an agent that dies in the middle: one sentence that names it, exit 4", async () => {
    const truth = await startTruth();
    const { agents, list, stop } = await startAgents(2);
    const tool = startLoad([...rooms, "--duration-s", "20", "--agents", list, "--target", truth.url]);
    await until("it runs", () => tool.err.includes("phase=connected") || / measure /.test(tool.err));
    await sleep(500);
    const { execFileSync } = await import("node:child_process");
    for (const pid of execFileSync("pgrep", ["-P", String(agents[1].child.pid)]).toString().trim().split("\n").map(Number)) process.kill(pid, "SIGKILL");
    const run = await tool.finish();
    stop();
    await truth.stop();
    assert.equal(run.code, 4, run.stdout + run.stderr);
    assert.ok((run.stderr + run.stdout).includes(agents[1].address), run.stderr);
  });

  it("Ctrl-C stops all, and what they saw is the result", async () => {
    const truth = await startTruth();
    const { list, stop } = await startAgents(2);
    const tool = startLoad([...rooms, "--duration-s", "60", "--agents", list, "--target", truth.url]);
    await until("it runs", () => tool.err.includes("phase=connected") || / measure /.test(tool.err));
    await sleep(1500);
    tool.child.kill("SIGINT");
    const run = await tool.finish();
    stop();
    const told = await truth.stop();
    assert.ok([0, 3].includes(run.code), run.stdout + run.stderr);
    assert.equal(run.json.interrupted, true);
    assert.equal(run.json.messages.sent_all, told.publishes);
    assert.equal(run.json.messages.received_all, told.due);
  });

  it("speaking to something else than an agent: exit 4", async () => {
    const truth = await startTruth(["--speaks", "ssh"]);
    const run = await load([...rooms, "--agents", `127.0.0.1:${truth.port}`, "--target", truth.url], { json: false });
    await truth.stop();
    assert.equal(run.code, 4);
    assert.ok(run.stderr.includes(`127.0.0.1:${truth.port}`), run.stderr);
  });
});
