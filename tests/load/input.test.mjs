// Goal: what cannot work is refused with one sentence that names cause and cure, and the exit code
// that docs/LOADGEN.md promises. Method: wrong command lines, servers that are none, files that
// cannot be written, Ctrl-C at every stage.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { folder, freePort, freshFile, load, sleep, startLoad, startTruth, until } from "./truth.mjs";

const USAGE = 2, TARGET = 4;
const refused = (run) => run.stderr.trim().split("\n").filter((line) => !line.startsWith("phase="));

// Refused before anything is done: one line on stderr, nothing on stdout.
async function assertRefused(args, code, sentence) {
  const run = await load(args, { json: false });
  assert.equal(run.code, code, `${args.join(" ")}: ${run.stdout}${run.stderr}`);
  assert.equal(run.stdout, "");
  assert.equal(refused(run).length, 1, run.stderr);
  assert.match(run.stderr, /^fairlead load: /);
  assert.match(run.stderr, sentence);
}

describe("the command line", { concurrency: 2 }, () => {
  for (const [args, code, sentence] of [
    [["hold", "--target", "htp://127.0.0.1:80/"], USAGE, /htp:\/\/127\.0\.0\.1:80\/ is no URL of the form ws:\/\/host:port\/path/],
    [["hold", "--target", "127.0.0.1:80"], USAGE, /is no URL of the form/],
    [["hold", "--target", "wss://127.0.0.1:80/"], USAGE, /TLS is not spoken by this tool; point it at the plain port/],
    [["hold", "--target", "http://127.0.0.1:80/"], USAGE, /write ws:\/\/ instead of http:\/\//],
    [["hold", "--target", "ws://"], USAGE, /has no host/],
    [["hold", "--target", "ws://127.0.0.1:0/"], USAGE, /has no port between 1 and 65535/],
    [["hold", "--target", "ws://127.0.0.1:65536/"], USAGE, /has no port between 1 and 65535/],
    [["hold", "--target", "ws://no.such.host.invalid/"], TARGET, /no\.such\.host\.invalid does not resolve: /],
    [["hodl"], USAGE, /no scenario 'hodl'; did you mean hold\?/],
    [["hold", "--conections", "5"], USAGE, /--conections.*--connections/],
    [["hold", "--connections", "five"], USAGE, /--connections wants a whole number, not 'five'/],
    [["hold", "--connections", "0"], USAGE, /--connections 0 is out of range: 1 to /],
    [["hold", "--connections", "-1"], USAGE, /--connections -1 is out of range/],
    [["hold", "--connections", "1.5"], USAGE, /--connections wants a whole number/],
    [["hold", "--connections"], USAGE, /--connections/],
    [["echo", "--rate", "nan"], USAGE, /--rate wants a number/],
    [["echo", "--rate", "1e99"], USAGE, /--rate 1e99 is out of range/],
    [["rooms", "--payload-bytes", "10"], USAGE, /--payload-bytes 10 is out of range/],
    [["hold", "--cpus", "999"], USAGE, /--cpus 999: Invalid argument/],
    [["hold", "--cpus", "one"], USAGE, /--cpus wants CPUs like 1 or 0-3, not 'one'/],
    [["hold", "--sources", "1.2.3"], USAGE, /--sources: '1\.2\.3' is neither an address nor a range/],
  ])
    it(`${args.join(" ")}: exit ${code}`, () => assertRefused(args, code, sentence));
});

describe("what is no server", { concurrency: 2 }, () => {
  const quick = ["--connections", "5", "--duration-s", "1", "--connect-timeout-s", "1"];

  async function assertNobody(run, cause, sentence) {
    assert.equal(run.code, TARGET, run.stdout + run.stderr);
    assert.match(run.first, /^no connection came about: /);
    assert.match(run.first, sentence);
    assert.match(run.first, /^[\x20-\x7e…·]*$/, "what the other side sent is shown as text");
    assert.equal(run.json.verdict, run.first);
    assert.equal(run.json.exit_code, TARGET);
    assert.equal(run.json.connections.joined, 0);
    assert.equal(run.json.connections.failures[cause], 5, JSON.stringify(run.json.connections));
  }

  it("nobody listens", async () => {
    const port = await freePort();
    const run = await load(["hold", ...quick, "--target", `ws://127.0.0.1:${port}/x`]);
    await assertNobody(run, "unreachable", /127\.0\.0\.1:\d+: Connection refused \(is the server running there\?\)/);
  });

  for (const [speaks, cause, sentence] of [
    ["http-200", "http_status", /answered HTTP 200: <h1>It works!<\/h1> \(a web page, no WebSocket endpoint\?\)/],
    ["bad-key", "not_websocket", /its 101 does not answer our Sec-WebSocket-Key/],
    ["half", "not_websocket", /its answer to the upgrade ended early/],
    ["garbage", "not_websocket", /is no WebSocket server/],
    ["ssh", "not_websocket", /is no WebSocket server: .*it said 'SSH-2\.0-OpenSSH_9\.2p1 Debian-2'/],
    ["tls", "not_websocket", /speaks TLS, which this tool does not: point it at the plain port/],
    ["close", "not_websocket", /the server closed the connection before it answered the WebSocket upgrade/],
    ["silence", "connect_timeout", /within 1\.0 s no answer to the WebSocket upgrade/],
    ["deaf", "connect_timeout", /no answer to the join: is this a Phoenix server\?/],
    ["tcp-echo", "not_websocket", /is no WebSocket server/],
  ])
    it(`${speaks}: exit 4, ${cause}`, async () => {
      const truth = await startTruth(["--speaks", speaks]);
      const run = await load(["hold", ...quick, "--target", truth.url]);
      await truth.stop();
      await assertNobody(run, cause, sentence);
    });
});

describe("files that cannot be written", { concurrency: 2 }, () => {
  const run = (truth, extra) => load(["echo", "--connections", "3", "--rate", "20", "--warmup-s", "0", "--duration-s", "1", "--quiet", "--target", truth.url, ...extra], { json: false });

  for (const option of ["--json", "--histogram", "--hgrm", "--csv", "--html"]) {
    it(`${option} into a folder that is not there: exit 2 before anything is done`, async () => {
      await assertRefused(["hold", option, `${folder}/nowhere/file`], USAGE, /nowhere\/file: No such file or directory/);
    });

    it(`${option} on a full disk: the result is printed, the file is named, and it does not exit with 0`, async () => {
      const truth = await startTruth();
      const done = await run(truth, [option, "/dev/full"]);
      await truth.stop();
      assert.match(done.stderr, /fairlead load: \/dev\/full: No space left on device/);
      assert.match(done.first, /^ok|^THE CLIENT/);
      assert.match(done.stdout, /replies/);
      assert.notEqual(done.code, 0);
    });
  }

  it("stdout on a full disk does not exit with 0", async () => {
    const truth = await startTruth();
    const done = await load(["-c", `exec "$0" "$@" > /dev/full`, process.env.FAIRLEAD_LOAD || (await import("./truth.mjs")).LOAD,
      "hold", "--connections", "2", "--duration-s", "0.5", "--quiet", "--target", truth.url], { json: false, program: "/bin/sh" });
    await truth.stop();
    assert.match(done.stderr, /stdout: No space left on device/);
    assert.notEqual(done.code, 0);
  });

  it("a file that could be written before is replaced, not appended to", async () => {
    const truth = await startTruth();
    const file = freshFile("json");
    writeFileSync(file, "x".repeat(100000));
    await run(truth, ["--json", file]);
    await truth.stop();
    assert.ok(existsSync(file));
    assert.equal(JSON.parse(readFileSync(file, "utf8")).asked.scenario, "echo");
  });
});

describe("Ctrl-C", { concurrency: 2 }, () => {
  it("in the middle: what was seen so far is the result", async () => {
    const truth = await startTruth();
    const tool = startLoad(["rooms", "--connections", "20", "--room-size", "10", "--rate", "100", "--warmup-s", "0.2", "--duration-s", "60", "--target", truth.url]);
    await until("the window has begun", () => tool.err.includes("phase=measure_begin"));
    await sleep(1000);
    tool.child.kill("SIGINT");
    const run = await tool.finish();
    const told = await truth.stop();
    assert.ok([0, 3].includes(run.code), run.stdout);
    assert.match(run.first, /interrupted|^THE CLIENT/);
    assert.equal(run.json.interrupted, true);
    assert.equal(run.json.messages.sent_all, told.publishes);
    assert.equal(run.json.messages.received_all, told.due, "what was under way was waited for");
    assert.ok(run.json.latency_ns.delivery.count > 0);
    assert.ok(run.json.window.seconds < 55);
    assert.ok(run.histogram.length > 0);
  });

  it("while connecting: the connections so far are told", async () => {
    const truth = await startTruth();
    const tool = startLoad(["hold", "--connections", "1000", "--connect-rate", "50", "--duration-s", "60", "--target", truth.url]);
    await until("some have joined", () => / connect +[1-9]\d* connections/.test(tool.err));
    tool.child.kill("SIGINT");
    const run = await tool.finish();
    const told = await truth.stop();
    assert.match(run.first, /interrupted/);
    assert.equal(run.json.interrupted, true);
    const { joined } = run.json.connections;
    assert.ok(joined > 0 && joined <= told.joins && told.joins < 1000, `${joined} of ${told.joins}: the answer to the last join may be under way`);
    assert.match(run.stdout, new RegExp(`connections +${joined} of 1,000 joined`));
  });

  it("while a server says nothing: it ends at once and says that nobody was there", async () => {
    const truth = await startTruth(["--speaks", "silence"]);
    const tool = startLoad(["hold", "--connections", "10", "--connect-timeout-s", "60", "--duration-s", "60", "--target", truth.url]);
    await until("it runs", () => / connect /.test(tool.err));
    tool.child.kill("SIGINT");
    const run = await tool.finish();
    await truth.stop();
    assert.match(run.first, /interrupted|no connection/);
    assert.equal(run.json.interrupted, true);
    assert.equal(run.json.connections.joined, 0);
  });

  it("a second one does not wait for stragglers", async () => {
    const truth = await startTruth(["--speaks", "deaf"]);
    const tool = startLoad(["echo", "--raw-echo", "--connections", "2", "--rate", "20", "--warmup-s", "0", "--duration-s", "60", "--straggler-s", "50", "--target", truth.echoUrl]);
    await until("the window has begun", () => tool.err.includes("phase=measure_begin"));
    await sleep(300);
    tool.child.kill("SIGINT");
    await until("it waits", () => tool.err.includes("phase=measure_end"));
    await sleep(300);
    assert.equal(tool.result, null, "the first waits for what is under way");
    tool.child.kill("SIGINT");
    const run = await tool.finish();
    await truth.stop();
    assert.equal(run.code, 128 + 2);
    assert.equal(run.stdout, "");
  });
});
