// Starts the truth server (README.md) and the load tool for a test.
//
//   const truth = await startTruth(["--drop-one-in", "10000"]);
//   const run = await load(["rooms", "--connections", "100", truth.url]);
//   run.code  run.stdout  run.first (its first line)  run.stderr  run.json  run.histogram
//   const told = await truth.stop();     what the server did, counted
//
// Nothing here is timed from above: a machine that is busy makes latencies larger and the client
// late, and no test may fail for that. Where the tool's own verdict may then be "the client was the
// limit", `assertNoFault` takes it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import assert from "node:assert/strict";
import { ROOT, freePort, until } from "../e2e/gateway.mjs";

export { freePort, sleep, until } from "../e2e/gateway.mjs";

const BUILD = path.join(ROOT, "build", process.env.MODE || "release");
export const LOAD = process.env.FAIRLEAD_LOAD || path.join(BUILD, "fairlead-load");
const TRUTH = path.join(BUILD, "truth_server");
const RUN_MS = 90000;

export const folder = mkdtempSync(path.join(tmpdir(), "truth-"));
const running = new Set();
after(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

let fileNumber = 0;
export const freshFile = (ending) => path.join(folder, `${++fileNumber}.${ending}`);

// A process with its output, known to the end of the test file: { child, out, ended }.
export function start(program, args, { timeout = RUN_MS, stdin = "ignore" } = {}) {
  assert.ok(!path.isAbsolute(program) || existsSync(program), `${program} is not built`);
  const child = spawn(program, args, { stdio: [stdin, "pipe", "pipe"] });
  const started = { child, out: "", err: "", result: null };
  const late = setTimeout(() => child.kill("SIGKILL"), timeout);
  running.add(child);
  child.stdout.on("data", (data) => (started.out += data));
  child.stderr.on("data", (data) => (started.err += data));
  started.ended = once(child, "close").then(([code, signal]) => {
    clearTimeout(late);
    running.delete(child);
    return (started.result = { code, signal });
  });
  return started;
}

export async function startTruth(args = []) {
  const port = await freePort();
  const server = start(TRUTH, ["--listen", `127.0.0.1:${port}`, ...args]);
  await until("the truth server listens", () => {
    assert.equal(server.result, null, server.err);
    return server.out.startsWith("listening");
  });
  return {
    port,
    child: server.child,
    url: `ws://127.0.0.1:${port}/socket/websocket`,
    echoUrl: `ws://127.0.0.1:${port}/echo`,
    tcpUrl: `tcp://127.0.0.1:${port}`,
    mqttUrl: `mqtt://127.0.0.1:${port}`,
    async stop() {
      server.child.kill("SIGTERM");
      const { code } = await server.ended;
      assert.equal(code, 0, server.err);
      return JSON.parse(server.out.split("\n")[1]);
    },
  };
}

// The rows of an .hgrm file: { value (ms), percentile (0 … 1), count (up to here) }.
function parseHistogram(text) {
  return text.split("\n").filter((line) => /^\s*\d/.test(line)).map((line) => {
    const [value, percentile, count] = line.trim().split(/\s+/).map(Number);
    return { value, percentile, count };
  });
}

const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");

// Begins a run of the tool; `finish()` waits for its end.
export function startLoad(args, { timeout, program = LOAD, before = [], json = true } = {}) {
  const files = { json: freshFile("json"), histogram: freshFile("hgrm") };
  const reports = json ? ["--json", files.json, "--histogram", files.histogram] : [];
  const tool = start(before[0] || program, [...before.slice(1), ...(before[0] ? [program] : []), ...args, ...reports], { timeout });
  tool.finish = async () => {
    const { code, signal } = await tool.ended;
    const text = read(files.json);
    return {
      code, signal, stdout: tool.out, stderr: tool.err, first: tool.out.split("\n")[0],
      json: text ? JSON.parse(text) : null, histogram: parseHistogram(read(files.histogram)),
    };
  };
  return tool;
}

export const load = (args, options) => startLoad(args, options).finish();

// How many values are certainly above `ms`: what the first row at or beyond it leaves.
export function countAbove(histogram, ms) {
  const row = histogram.find(({ value }) => value >= ms);
  const total = histogram.length ? histogram[histogram.length - 1].count : 0;
  return row ? total - row.count : 0;
}

// Exit 0, or 3 because this machine was busy; in both cases nothing was wrong with the server.
export function assertNoFault(run) {
  assert.ok(run.code === 0 || (run.code === 3 && run.json.client.was_limit), `${run.code}: ${run.stdout}\n${run.stderr}`);
  const { checks, messages } = run.json;
  assert.deepEqual(
    [checks.lost, checks.missing, checks.duplicates, checks.disordered, checks.announced_lost, messages.unanswered, messages.rejected],
    [0, 0, 0, 0, 0, 0, 0], run.stdout);
}

// Every failure of connections, by cause: only these.
export function assertFailures(run, expected) {
  const failures = run.json.connections.failures ?? {};
  const seen = Object.fromEntries(Object.entries(failures).filter(([, count]) => count > 0));
  assert.deepEqual(seen, expected, run.stdout);
}
