// Starts and stops the real gateway for a test, and asks its control plane.
//
//   const gateway = await startGateway(["--idle-timeout-s", "2"]);
//   gateway.socketUrl  gateway.origin  gateway.port  gateway.stderr
//   await gateway.metrics()   await gateway.json("/rooms")
//   await gateway.finish()    everything came back: slabs empty, audit zero; SIGTERM, exit code 0
//
// The binary is build/$MODE/fairlead (MODE=release), or $FAIRLEAD. Ports are looked for among the
// $E2E_PORT_COUNT (10000) from $E2E_PORT_BASE (18200), below those that the kernel hands out itself.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const BINARY =
  process.env.FAIRLEAD || path.join(ROOT, "build", process.env.MODE || "release", "fairlead");
const PORT_BASE = Number(process.env.E2E_PORT_BASE || 18200);
const PORT_COUNT = Number(process.env.E2E_PORT_COUNT || 10000);
const START_MS = 20000;
const STOP_MS = 20000;
const QUIET_MS = 10000;

// What may still be taken when nobody is connected: a room outlives its last member by 60 s, with
// its name and a few blocks (rest.test.mjs waits for those). "messages" holds the question that is
// being answered.
const SLABS_THAT_LINGER = /^(rooms|texts .*|blocks .*|messages)$/;
const TEXTS_PER_ROOM = 1;
const BLOCKS_PER_ROOM = 4;
const TABLES_PER_CORE = 8; // blocks of the registries of rooms, leaves, filters, retained messages, kept once they have grown
const BLOCKS_PER_RETAINED = 3; // $SYS is kept as it was read last: topic, payload, a share of the tables

// What tests that failed left open ends with their file: connections of raw.mjs, and gateways.
export const openClients = new Set();
const running = new Set();
after(() => {
  for (const client of openClients) client.destroy();
  for (const child of running) child.kill("SIGKILL");
});

let nextPort = process.pid * 20; // test files run side by side: each begins elsewhere

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until probe() is truthy, and returns that; `what` is for the failure.
export async function until(what, probe, ms = 10000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) assert.fail(`after ${ms} ms still not: ${what}`);
    await sleep(20);
  }
}

export async function freePort() {
  for (;;) {
    const port = PORT_BASE + (nextPort++ % PORT_COUNT);
    const probe = net.createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(true));
    });
    if (free) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
  }
}

// Runs the binary to its end: { code, stdout, stderr }.
export async function run(args, { timeout = 20000 } = {}) {
  const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"], timeout });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (data) => (output.stdout += data));
  child.stderr.on("data", (data) => (output.stderr += data));
  const [code, signal] = await once(child, "close");
  return { code, signal, ...output };
}

class Gateway {
  constructor(args, port, controlPort) {
    this.args = args;
    this.port = port;
    this.controlPort = controlPort;
    this.stderr = "";
    this.ended = null; // { code, signal } once it is over
  }

  get socketUrl() {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  get websocketUrl() {
    return `${this.socketUrl}/websocket`;
  }

  get origin() {
    return `http://127.0.0.1:${this.controlPort}`;
  }

  async start() {
    assert.ok(existsSync(BINARY), `${BINARY} is not built`);
    this.ended = null;
    const addresses = ["--listen", `127.0.0.1:${this.port}`, "--control", `127.0.0.1:${this.controlPort}`];
    this.child = spawn(BINARY, ["serve", ...addresses, ...this.args], { stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr.on("data", (data) => (this.stderr += data));
    const child = this.child;
    this.exit = once(child, "close").then(([code, signal]) => (this.ended = { code, signal }));
    running.add(child);
    this.exit.then(() => running.delete(child));
    await until("gateway ready", async () => {
      if (this.ended) assert.fail(`the gateway ended at start: ${JSON.stringify(this.ended)}\n${this.stderr}`);
      return (await this.status("/readyz")) === 200;
    }, START_MS);
    if (this.taken) return; // started again: clients may be back already
    const slabs = (await this.metrics()).filter(({ name }) => name === "slab_used");
    assert.ok(slabs.length > 0, "/metrics lists the slabs");
    this.taken = new Map(slabs.map(({ labels, value }) => [JSON.stringify(labels), value]));
  }

  async status(path_) {
    try {
      const response = await fetch(this.origin + path_);
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  async json(path_) {
    const response = await fetch(this.origin + path_);
    assert.equal(response.status, 200, `${path_}: ${response.status}`);
    return response.json();
  }

  // Every sample of /metrics: [{ name, labels: {}, value }].
  async metrics() {
    const response = await fetch(`${this.origin}/metrics`);
    assert.equal(response.status, 200);
    const samples = [];
    for (const line of (await response.text()).split("\n")) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!match) continue;
      const labels = Object.fromEntries(
        [...(match[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]));
      samples.push({ name: match[1].replace(/^fairlead_/, ""), labels, value: Number(match[3]) });
    }
    return samples;
  }

  // The sum of a metric over cores, of the samples whose labels contain `labels`.
  async count(name, labels = {}) {
    const fits = (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
    const samples = (await this.metrics()).filter(fits);
    assert.ok(samples.length > 0, `/metrics has no ${name} ${JSON.stringify(labels)}`);
    return samples.reduce((sum, sample) => sum + sample.value, 0);
  }

  // What is still taken although all clients are gone, as text; "" when nothing is. `lingering`:
  // rooms have had their time, too.
  async leftovers({ lingering = true } = {}) {
    const samples = await this.metrics();
    const left = [];
    for (const { name, labels, value } of samples) {
      if (name !== "slab_used" || labels.slab === "messages") continue;
      // Of blocks the sum counts, below.
      if (/^blocks /.test(labels.slab) || (lingering && SLABS_THAT_LINGER.test(labels.slab))) continue;
      const before = this.taken.get(JSON.stringify(labels)) || 0;
      if (value !== before) left.push(`slab ${labels.slab} of core ${labels.core}: ${value}, at start ${before}`);
    }
    const sum = (want) =>
      samples.filter(({ name }) => want.test(name)).reduce((total, { value }) => total + value, 0);
    const taken = (slab) => samples.filter(({ name, labels }) => name === "slab_used" && slab.test(labels.slab))
      .reduce((total, { value }) => total + value, 0);
    const rooms = taken(/^rooms$/);
    const cores = samples.filter(({ name }) => name === "audit_balance").length;
    if (taken(/^texts /) > TEXTS_PER_ROOM * rooms) left.push(`${taken(/^texts /)} texts for ${rooms} rooms`);
    const supervisors = [...this.taken].filter(([labels]) => /"blocks /.test(labels)).reduce((total, [, value]) => total + value, 0);
    const blocks = taken(/^blocks /) - supervisors;
    const retained = sum(/^mqtt_retained$/);
    if (blocks > BLOCKS_PER_ROOM * rooms + BLOCKS_PER_RETAINED * retained + TABLES_PER_CORE * cores)
      left.push(`${blocks} blocks for ${rooms} rooms and ${retained} retained messages: ${samples.filter(({ name, labels, value }) => name === "slab_used" && /^blocks /.test(labels.slab) && value > 0).map(({ labels, value }) => `${value} of ${labels.slab.slice(7)} on core ${labels.core}`).join(", ")}`);
    const due = sum(/^audit_due_total$/);
    const settled = sum(/^audit_(delivered|dropped)_total$/);
    if (due !== settled) left.push(`audit: due ${due}, delivered and dropped ${settled}`);
    for (const { name, labels, value } of samples) {
      if (/^audit_(balance|pending)$/.test(name) && value !== 0) left.push(`${name} ${JSON.stringify(labels)} ${value}`);
    }
    return left.join("\n");
  }

  async quiet({ ms = QUIET_MS, lingering = true } = {}) {
    let left = "";
    const end = Date.now() + ms;
    while ((left = await this.leftovers({ lingering })) !== "") {
      if (Date.now() > end) assert.fail(`still taken after all clients left:\n${left}`);
      await sleep(50);
    }
  }

  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS);
    await this.exit;
    clearTimeout(late);
    return this.ended;
  }

  async restart(signal = "SIGTERM") {
    await this.stop(signal);
    await this.start();
  }

  // The end of a test file. A gateway that ended by itself is a failure wherever it happened.
  async finish({ quiet = true } = {}) {
    if (this.ended) assert.fail(`the gateway ended early: ${JSON.stringify(this.ended)}\n${this.stderr.slice(-4000)}`);
    for (const client of openClients) client.destroy();
    try {
      if (quiet) await this.quiet();
    } finally {
      await this.stop();
    }
    assert.deepEqual(this.ended, { code: 0, signal: null }, this.stderr.slice(-4000));
  }
}

export async function startGateway(args = []) {
  const gateway = new Gateway(args, await freePort(), await freePort());
  await gateway.start();
  return gateway;
}
