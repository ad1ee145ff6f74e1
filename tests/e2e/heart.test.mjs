// Goal: `serve --supervised` keeps the ports open over deaths of the gateway, tells why each died,
// gives up in time and ends as asked. Method: real signals to the real processes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Socket } from "phoenix";
import WebSocket from "ws";
import { BINARY, freePort, run, sleep, startGateway, until } from "./gateway.mjs";
import { RawClient, text, upgrade } from "./raw.mjs";

// A sanitizer would answer the signals of these tests itself.
const LEAVE_SIGNALS = "handle_segv=0:handle_abort=0:handle_sigbus=0:disable_coredump=1";
process.env.ASAN_OPTIONS = [process.env.ASAN_OPTIONS, LEAVE_SIGNALS].filter(Boolean).join(":");

// The gateway under a supervisor, or 0 while there is none.
function childOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}

const isAlive = (pid) => existsSync(`/proc/${pid}`);
const deathsIn = (log) => log.match(/event=gateway_died .*/g) || [];

async function startSupervised(args = []) {
  const gateway = await startGateway(["--supervised", ...args]);
  gateway.gatewayPid = () => childOf(gateway.child.pid);
  // Ends the gateway by a signal and returns what the next one knows of it.
  gateway.kill = async (signal) => {
    const { restarts } = await gateway.json("/healthz");
    process.kill(gateway.gatewayPid(), signal);
    return until(`restart after ${signal}`, async () => {
      const health = await gateway.json("/healthz").catch(() => null); // cut by the death
      return health && health.restarts === restarts + 1 && (await gateway.status("/readyz")) === 200 && health;
    });
  };
  return gateway;
}

describe("a gateway that dies", () => {
  // A supervisor of its own for each test: deaths make the next restart later.
  let gateway;
  beforeEach(async () => (gateway = await startSupervised(["--restart-intensity", "50"])));
  afterEach(() => gateway.finish());

  test("is started again by the same supervisor, which tells why it died", async () => {
    const supervisor = gateway.child.pid;
    assert.deepEqual(await gateway.json("/healthz"), { state: "alive", supervised: true, restarts: 0, last_death: null });
    let restarts = 0;
    for (const [signal, cause] of [["SIGSEGV", /sent by process \d+/], ["SIGABRT", /sent by process \d+/], ["SIGKILL", /killed from outside|out of memory/], ["SIGTERM", /told to stop/]]) {
      const pid = gateway.gatewayPid();
      const { last_death: death } = await gateway.kill(signal);
      restarts++;
      assert.equal(death.reason, signal === "SIGTERM" ? "exit 0" : signal);
      assert.match(death.cause, cause);
      assert.ok(Date.now() - Date.parse(death.at) < 60000);
      assert.notEqual(gateway.gatewayPid(), pid);
      assert.equal(gateway.child.pid, supervisor);
      assert.equal(await gateway.count("restarts_total"), restarts);
      const line = deathsIn(gateway.stderr).at(-1);
      assert.match(line, new RegExp(`pid=${pid} `));
      assert.match(line, signal === "SIGTERM" ? /exit=0/ : new RegExp(`signal=${signal} core_dumped=(yes|no)`));
      assert.match(line, new RegExp(`uptime_s=\\d+\\.\\d restarts=${restarts - 1} restart_in_ms=\\d+ cause="`));
    }
    assert.match(gateway.stderr, /event=restarted restarts=1 down_ms=\d+ last_death="SIGSEGV"/);
  });

  test("leaves the ports open: who connects while it is down is served by the next", async () => {
    for (const delayMs of [0, 100, 200, 400, 800]) {
      await gateway.kill("SIGKILL");
      assert.match(deathsIn(gateway.stderr).at(-1), new RegExp(`restart_in_ms=${delayMs} `));
    }
    process.kill(gateway.gatewayPid(), "SIGKILL"); // the next delay is 1.6 s
    await until("nobody is there", () => gateway.gatewayPid() === 0);
    // Not by fetch: it may take a connection that it has kept from the life before.
    const operator = new RawClient(Number(new URL(gateway.origin).port));
    await operator.connected;
    operator.write("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    const clients = Array.from({ length: 20 }, () => new RawClient(gateway.port));
    for (const client of clients) {
      await client.connected;
      client.write(upgrade(gateway.port)).write(text(["1", "1", "room:down", "phx_join", {}]));
    }
    assert.equal(gateway.gatewayPid(), 0, "connected while nobody was there");
    assert.equal((await operator.response()).status, 200);
    operator.destroy();
    for (const client of clients) {
      assert.equal((await client.response()).status, 101);
      assert.equal((await client.event("phx_reply"))[4].status, "ok");
      client.destroy();
    }
  });

  test("refuses nobody: no connection attempt fails over its deaths", async () => {
    const outcomes = { served: 0, cut: 0 };
    const failures = [];
    let isOver = false;
    const tries = [];
    // One attempt, to the answer of the upgrade. Cut: the gateway that took it died.
    const attempt = () => new Promise((resolve) => {
      const socket = net.connect({ port: gateway.port, host: "127.0.0.1" });
      let isConnected = false;
      socket.on("connect", () => {
        isConnected = true;
        socket.write(upgrade(gateway.port));
      });
      socket.on("data", (data) => {
        if (data.toString("latin1").startsWith("HTTP/1.1 101")) outcomes.served++;
        else failures.push(data.toString("latin1"));
        socket.resetAndDestroy();
      });
      socket.on("error", (error) => {
        if (isConnected && /ECONNRESET|EPIPE/.test(error.code)) outcomes.cut++;
        else failures.push(error.code);
      });
      socket.on("end", () => outcomes.cut++);
      socket.on("close", resolve);
    });
    const load = (async () => {
      while (!isOver) {
        tries.push(attempt());
        await sleep(2);
      }
    })();
    for (const signal of ["SIGSEGV", "SIGABRT", "SIGKILL"]) {
      await sleep(100);
      await gateway.kill(signal);
    }
    isOver = true;
    await load;
    await Promise.all(tries);
    assert.deepEqual(failures, []);
    assert.equal(outcomes.served + outcomes.cut, tries.length);
    assert.ok(outcomes.served > tries.length / 2, JSON.stringify(outcomes));
    // Those under way at the moment of a death: 3 deaths, an attempt takes about a millisecond.
    assert.ok(outcomes.cut < 60, JSON.stringify(outcomes));
  });

  test("loses its clients for a moment: phoenix clients return and join again", async () => {
    const people = ["ann", "bob", "eve"].map((user) => {
      const socket = new Socket(gateway.socketUrl, { transport: WebSocket, params: { user } });
      const channel = socket.channel("room:again");
      const heard = [];
      let joins = 0;
      channel.on("shout", ({ text: said }) => heard.push(said));
      socket.connect();
      channel.join().receive("ok", () => joins++);
      return { socket, channel, heard, joins: () => joins };
    });
    await until("all joined", () => people.every(({ joins }) => joins() === 1));
    for (const [at, signal] of ["SIGSEGV", "SIGKILL", "SIGABRT"].entries()) {
      await gateway.kill(signal);
      await until(`all joined again after ${signal}`, () => people.every(({ channel, joins }) => joins() === at + 2 && channel.state === "joined"), 20000);
      people[at].channel.push("shout", { text: signal });
      await until("all heard it", () => people.every(({ heard }) => heard.at(-1) === signal));
    }
    for (const { socket } of people) await new Promise((resolve) => socket.disconnect(resolve));
  });
});

describe("a supervisor", () => {
  test("gives up after the deaths it was told to bear, with cause and cure: exit 1", async () => {
    const gateway = await startSupervised(["--restart-intensity", "2", "--restart-period-s", "600"]);
    await gateway.kill("SIGSEGV");
    await gateway.kill("SIGABRT");
    process.kill(gateway.gatewayPid(), "SIGSEGV");
    await gateway.exit;
    assert.deepEqual(gateway.ended, { code: 1, signal: null });
    assert.equal(deathsIn(gateway.stderr).length, 3);
    assert.match(deathsIn(gateway.stderr).at(-1), /restart=no/);
    assert.match(gateway.stderr, /the gateway died 3 times within 600 s, at last by SIGSEGV: .*--restart-intensity/);
    assert.equal(await gateway.status("/healthz"), 0, "the ports are closed");
  });

  test("passes a usage error on: exit 2", async () => {
    const { code, stderr } = await run(["serve", "--supervised", "--restart-intensity", "101"]);
    assert.equal(code, 2);
    assert.match(stderr, /--restart-intensity.*0 to 100/);
  });

  test("refuses a port in use as a gateway alone does, and tries once", async () => {
    const gateway = await startGateway();
    for (const [data, control] of [[gateway.port, await freePort()], [await freePort(), gateway.controlPort]]) {
      const { code, stderr } = await run(["serve", "--supervised", "--listen", `127.0.0.1:${data}`, "--control", `127.0.0.1:${control}`]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`in use by fairlead \\(pid ${gateway.child.pid}\\)`));
      assert.doesNotMatch(stderr, /event=gateway_died/);
    }
    await gateway.finish();
  });

  test("passes the gateway's own refusal to start on, and tries once", { skip: process.env.MODE === "debug" && "sanitizers need the address space" }, async () => {
    const addresses = `--listen 127.0.0.1:${await freePort()} --control 127.0.0.1:${await freePort()}`;
    const child = spawn("sh", ["-c", `ulimit -v 1000000; exec ${BINARY} serve --supervised ${addresses}`], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (data) => (stderr += data));
    const [code] = await once(child, "close");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /refuses the address space/);
    assert.equal(stderr.match(/refuses/g).length, 1, stderr);
    assert.doesNotMatch(stderr, /event=gateway_died/);
  });

  test("starts no process by a variable that is set by mistake: exit 2", async () => {
    process.env.FAIRLEAD_HEART = "5";
    try {
      const { code, stderr } = await run(["serve"]);
      assert.equal(code, 2);
      assert.match(stderr, /FAIRLEAD_HEART is set/);
    } finally {
      delete process.env.FAIRLEAD_HEART;
    }
  });

  test("gives every child the settings it read at its start", async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), "fairlead-e2e-"));
    const file = path.join(folder, "fairlead.yaml");
    await fs.writeFile(file, "schedulers: 3\nidle-timeout-s: 33\n");
    const gateway = await startSupervised(["--config", file]);
    const started = () => gateway.stderr.match(/event=started .*/g);
    await fs.writeFile(file, "schedulers: 1\nno such key: 1\n");
    await gateway.kill("SIGSEGV");
    assert.equal(started().length, 2);
    assert.match(started()[0], / schedulers=3 /);
    assert.equal(started()[1], started()[0], "the same plan to the last number");
    await gateway.finish();
    await fs.rm(folder, { recursive: true });
  });

  test("drains on SIGTERM and on SIGINT, and ends with the gateway's exit code", async () => {
    for (const signal of ["SIGTERM", "SIGINT"]) {
      const gateway = await startSupervised(["--drain-timeout-s", "2"]);
      const client = await RawClient.open(gateway.port);
      const pid = gateway.gatewayPid();
      const stopped = gateway.stop(signal);
      assert.equal(await client.closeCode(), 1012);
      client.destroy();
      assert.deepEqual(await stopped, { code: 0, signal: null }, gateway.stderr);
      assert.match(gateway.stderr, /event=stopped clean=yes/);
      assert.equal(deathsIn(gateway.stderr).length, 0);
      assert.ok(!isAlive(pid));
    }
  });

  test("drains once when a terminal or a service manager tells parent and child", async () => {
    const gateway = await startSupervised(["--drain-timeout-s", "2"]);
    const client = await RawClient.open(gateway.port);
    for (const pid of [gateway.gatewayPid(), gateway.child.pid]) process.kill(pid, "SIGINT");
    assert.equal(await client.closeCode(), 1012);
    client.destroy();
    await gateway.exit;
    assert.deepEqual(gateway.ended, { code: 0, signal: null }, gateway.stderr);
    assert.doesNotMatch(gateway.stderr, /event=stopping/);
  });

  test("stops at once on a second SIGTERM", async () => {
    const gateway = await startSupervised(["--drain-timeout-s", "3600"]);
    const client = await RawClient.open(gateway.port); // one that does not go by itself
    gateway.child.kill("SIGTERM");
    await until("draining", () => /event=draining/.test(gateway.stderr));
    gateway.child.kill("SIGTERM");
    await gateway.exit;
    client.destroy();
    assert.deepEqual(gateway.ended, { code: 0, signal: null }, gateway.stderr);
    assert.match(gateway.stderr, /event=stopping/);
  });

  test("does not restart a gateway that dies while it drains: exit 1", async () => {
    const gateway = await startSupervised(["--drain-timeout-s", "3600"]);
    const client = await RawClient.open(gateway.port);
    gateway.child.kill("SIGTERM");
    await until("draining", () => /event=draining/.test(gateway.stderr));
    process.kill(gateway.gatewayPid(), "SIGKILL");
    await gateway.exit;
    client.destroy();
    assert.deepEqual(gateway.ended, { code: 1, signal: null }, gateway.stderr);
    assert.match(deathsIn(gateway.stderr).at(-1), /signal=SIGKILL .*restart=no/);
  });

  test("ends with 0 when it is told to while no gateway runs", async () => {
    const gateway = await startSupervised(["--restart-intensity", "50"]);
    for (let death = 0; death < 5; death++) await gateway.kill("SIGKILL");
    process.kill(gateway.gatewayPid(), "SIGKILL");
    await until("nobody is there", () => gateway.gatewayPid() === 0);
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
  });

  test("takes its gateway along when it dies: no orphan holds the ports", async () => {
    const gateway = await startSupervised();
    const pid = gateway.gatewayPid();
    assert.ok(isAlive(pid));
    gateway.child.kill("SIGKILL");
    try {
      await until("the gateway is gone", () => !isAlive(pid) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
    } catch (error) {
      process.kill(pid, "SIGKILL");
      throw error;
    }
    await gateway.exit;
    await gateway.start();
    await gateway.finish();
  });
});
