// fairlead tune --measure, --knee, --try: tiny runs of the real programs. What is checked is that
// every part comes together, that mistakes get a sentence and the right exit code, and that nothing
// is left behind; no figure is checked, speed is no matter of a test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { BINARY, sleep, startGateway, until } from "./gateway.mjs";

const TUNE = path.join(path.dirname(BINARY), "fairlead-tune");
const PORT = process.env.TUNE_PORT || "17900";
// A client that is slow on a busy machine is not what is tested.
const PATIENT = ["--load", "--send-lag-max-ms 100000 --connect-timeout-s 60", "--slo", "60s"];
const TINY = ["--port", PORT, "--connections", "60", "--rooms-of", "10", "--step-s", "0.4", "--quiet", ...PATIENT];

let folder;
before(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "tune-"))));
after(() => rm(folder, { recursive: true, force: true }));

function start(args, { program = TUNE, env = process.env } = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  child.out = "";
  child.errors = "";
  child.stdout.on("data", (data) => (child.out += data));
  child.stderr.on("data", (data) => (child.errors += data));
  child.ended = once(child, "close").then(([code, signal]) => ({ code, signal, out: child.out, errors: child.errors }));
  return child;
}

const run = (args, options) => start(args, options).ended;

// Servers and load tools on our ports that are still there.
async function left() {
  const found = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    const ours = words.some((word) => new RegExp(`^(ws://)?127\\.0\\.0\\.1:${PORT.slice(0, -2)}\\d\\d`).test(word));
    if (ours && /fairlead(-load)?$/.test(words[0])) found.push(words.join(" "));
  }
  return found;
}

test("--knee climbs to its bound on a server of its own and tells every step", async () => {
  const end = await run(["--knee", ...TINY, "--rate-start", "20", "--rate-max", "60", "--json", "-"]);
  assert.equal(end.code, 0, end.errors);
  const result = JSON.parse(end.out);
  assert.equal(result.exit_code, 0);
  assert.equal(result.rate, 60);
  assert.equal(result.deliveries_per_s, 600);
  assert.equal(result.at_least, true);
  assert.match(result.verdict, /at least 60 publishes\/s .* no faster was tried/);
  const passed = result.steps.filter((step) => step.passed).map((step) => step.rate);
  assert.deepEqual(passed, [20, 40, 60]);
  for (const step of result.steps) assert.ok(step.passed || step.why.length > 0, JSON.stringify(step));
  assert.match(end.errors, /publishes\/s/); // the table, since stdout is the JSON's
  assert.deepEqual(await left(), []);
});

test("--knee searches a server that is not its own, with its counters, and writes a page", async () => {
  const gateway = await startGateway();
  const page = path.join(folder, "knee.html");
  const args = ["--target", gateway.websocketUrl, "--control", gateway.origin];
  const end = await run(["--knee", ...args, ...TINY, "--rate-start", "30", "--rate-max", "30", "--html", page]);
  assert.equal(end.code, 0, end.out + end.errors);
  assert.match(end.out, /at least 30 publishes\/s/);
  assert.match(await readFile(page, "utf8"), /at least 30 publishes\/s/);
  await gateway.finish();
});

test("--knee on echo asks for requests", async () => {
  const end = await run(["--knee", ...TINY, "--scenario", "echo", "--rate-start", "50", "--rate-max", "50", "--json", "-"]);
  assert.equal(end.code, 0, end.errors);
  assert.match(JSON.parse(end.out).verdict, /requests\/s/);
});

test("a bound that nothing meets: exit 1 and the sentence", async () => {
  const end = await run(["--knee", ...TINY, "--slo", "1us", "--tries", "1", "--rate-start", "60"]);
  assert.equal(end.code, 1, end.errors);
  assert.match(end.out, /no rate keeps p99 under 0\.001 ms/);
});

test("targets that are not there, no URL, or words that nobody knows", async () => {
  const refused = await run(["--knee", "--target", "ws://127.0.0.1:1/socket/websocket", ...TINY]);
  assert.equal(refused.code, 4);
  assert.match(refused.out, /Connection refused/);
  const nonsense = await run(["--knee", "--target", "nonsense", ...TINY]);
  assert.equal(nonsense.code, 2);
  assert.match(nonsense.out, /no URL/);
  const words = await run(["--knee", "--port", PORT, "--serve", "--no-such 1"]);
  assert.equal(words.code, 2);
  assert.match(words.errors, /unknown option --no-such/);
  const file = await run(["--knee", "--json", "/nonexistent/folder/x.json"]);
  assert.equal(file.code, 2);
  assert.match(file.errors, /cannot write \/nonexistent/);
});

test("without the server's program beside it: exit 4 and where it was looked for", async () => {
  const lonely = path.join(folder, "fairlead-tune");
  await copyFile(TUNE, lonely);
  for (const mode of [["--knee"], ["--measure"], ["--try", "min-wait=0"]]) {
    const end = await run(mode, { program: lonely, env: { PATH: "/nonexistent" } });
    assert.equal(end.code, 4, mode);
    assert.match(end.errors, new RegExp(`no fairlead in ${folder}`));
  }
});

test("ports that are taken are passed over; when all are, exit 4 says so", async () => {
  const servers = [];
  const take = async (count) => {
    while (servers.length < count) {
      const server = net.createServer().listen({ port: Number(PORT) + 2 * servers.length, host: "127.0.0.1" });
      await once(server, "listening");
      servers.push(server);
    }
  };
  try {
    await take(3);
    const some = await run(["--knee", ...TINY, "--rate-start", "10", "--rate-max", "10"]);
    assert.equal(some.code, 0, some.errors);
    await take(25);
    const none = await run(["--knee", ...TINY]);
    assert.equal(none.code, 4);
    assert.match(none.errors, /no two free ports in a row .* choose others with --port/);
  } finally {
    for (const server of servers) server.close();
  }
});

test("Ctrl-C in the middle: results so far, exit 1, nothing left", async () => {
  const file = path.join(folder, "stopped.json");
  const child = start(["--knee", ...TINY, "--rate-start", "20", "--json", file]);
  await until("the first step", () => /\n +1 /.test(child.out), 60000);
  child.kill("SIGINT");
  const end = await child.ended;
  assert.equal(end.code, 1, end.errors);
  assert.match(end.out, /stopped/);
  const result = JSON.parse(await readFile(file, "utf8"));
  assert.equal(result.interrupted, true);
  assert.ok(result.steps.length >= 1);
  assert.deepEqual(await left(), []);
});

test("killed: its children go with it", async () => {
  const child = start(["--knee", ...TINY, "--rate-start", "20"]);
  await until("a server", async () => (await left()).length > 0, 60000);
  child.kill("SIGKILL");
  await child.ended;
  await until("nothing is left", async () => (await left()).length === 0);
});

test("--try measures pairs and says what they show", async () => {
  const end = await run(["--try", "min-wait=0", ...TINY, "--pairs", "2", "--rate", "40", "--json", "-"]);
  assert.ok(end.code === 0 || end.code === 1, end.errors);
  const result = JSON.parse(end.out);
  assert.equal(result.knob, "min-wait-us");
  assert.equal(result.runs, 4);
  const cpu = result.measures.find((measure) => measure.name === "CPU per delivery");
  assert.equal(cpu.with.length, 2);
  assert.equal(cpu.without.length, 2);
  assert.equal(end.code, ["worse", "mixed"].includes(result.shown) ? 1 : 0);
  assert.deepEqual(await left(), []);
});

test("--try refuses what is no knob, before anything is measured", async () => {
  const cases = [
    ["min-wait", /wants KNOB=VALUE/],
    ["no-such=1", /unknown option --no-such/],
    ["recv-buffers=8", /from 16 to 1024/],
    ["net.no.such=1", /no sysctl net\.no\.such/],
  ];
  for (const [knob, why] of cases) {
    const end = await run(["--try", knob, ...TINY]);
    assert.equal(end.code, 2, knob);
    assert.match(end.errors, why);
  }
});

test("--measure tells what it found, and answers again from its file", async () => {
  const file = path.join(folder, "measure.json");
  const end = await run(["--measure", ...TINY, "--hold", "400", "--json", file]);
  assert.equal(end.code, 0, end.errors);
  const first = JSON.parse(await readFile(file, "utf8"));
  assert.match(first.verdict, /^this machine: .* idle connections/);
  assert.ok(first.measured.user_bytes > 0 && first.measured.heartbeat_ns > 0);
  assert.deepEqual(first.measured.one.fanouts.map((row) => row.members), [1, 10]);
  const again = await run(["--measure", "--from", file, "--rooms-of", "10", "--slo", "60s", "--json", "-"]);
  assert.equal(again.code, 0, again.errors);
  assert.deepEqual(JSON.parse(again.out).answers, first.answers);
  const many = await run(["--measure", "--from", file, "--users", "1000000000"]);
  assert.equal(many.code, 1);
  assert.match(many.out, /^NO: /);
  assert.deepEqual(await left(), []);
});

test("a spoilt file is named with its field", async () => {
  const file = path.join(folder, "spoilt.json");
  for (const [text, why] of [["{", /spoilt\.json/], ["{}", /no result of --measure/],
    ['{"measured":{"cpu_count":2}}', /memory_available_bytes is missing/]]) {
    await writeFile(file, text);
    const end = await run(["--measure", "--from", file]);
    assert.equal(end.code, 2, text);
    assert.match(end.errors, why);
  }
});

test("--measure stopped in its first part has nothing to say, exit 1", async () => {
  const child = start(["--measure", ...TINY, "--hold", "400"]);
  await until("a client", async () => (await left()).some((words) => words.includes("fairlead-load")), 60000);
  child.kill("SIGINT");
  const end = await child.ended;
  assert.equal(end.code, 1, end.errors);
  assert.match(end.errors, /stopped/);
  await sleep(100);
  assert.deepEqual(await left(), []);
});
