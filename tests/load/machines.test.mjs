// Goal: coordinator and agents as programs that live and die: every scenario is shared, one run comes
// after another, whoever ends or is somebody else is named, nothing is left behind, nothing is taken
// from strangers. Method: agents on loopback and in two network namespaces; processes killed, servers
// of other kinds in an agent's place, orders written by hand. What is counted: agents.test.mjs.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { LOAD, assertNoFault, freePort, freshFile, load, sleep, start, startLoad, startTruth, until } from "./truth.mjs";

const ROOMS = ["--connections", "103", "--room-size", "10", "--rate", "150", "--warmup-s", "0.5", "--duration-s", "2", "--straggler-s", "1.5"];

async function startAgent(args = []) {
  const address = `127.0.0.1:${await freePort()}`;
  const agent = start(LOAD, ["agent", "--listen", address, ...args]);
  await until("the agent listens", () => {
    assert.equal(agent.result, null, agent.err);
    return agent.err.includes("event=agent_listens");
  });
  agent.address = address;
  agent.stop = async () => {
    agent.child.kill("SIGTERM");
    assert.equal((await agent.ended).code, 0, agent.err);
  };
  return agent;
}

async function withAgents(count, body) {
  const agents = await Promise.all(Array.from({ length: count }, () => startAgent()));
  const list = agents.map(({ address }) => address).join(",");
  await body(agents, ["--agents", list]);
  for (const agent of agents) if (agent.result === null) await agent.stop();
}

function assertSameAsServer(run, told) {
  const { messages, connections, checks } = run.json;
  assert.equal(connections.wanted, told.joins);
  assert.equal(connections.joined, told.joins);
  assert.equal(messages.sent_all, told.publishes);
  assert.equal(messages.answered_all, told.publishes);
  assert.equal(messages.received_all, told.deliveries);
  assert.equal(checks.messages_complete, told.publishes);
}

describe("several agents", () => {
  it("add up to what one would have done, and to what the server saw", async () => {
    await withAgents(3, async (agents, list) => {
      const truth = await startTruth();
      const run = await load(["rooms", ...ROOMS, ...list, "--target", truth.url]);
      const told = await truth.stop();
      assertNoFault(run);
      assertSameAsServer(run, told);
      assert.equal(run.json.connections.wanted, 103);
      const { offered, sent } = run.json.messages;
      assert.ok(offered >= 300 && offered <= 300 + agents.length, `150 a second for 2 s, each from its own beginning: ${offered}`);
      assert.equal(sent, offered);
      assert.deepEqual(run.json.agents.map(({ address }) => address), agents.map(({ address }) => address));
      assert.equal(run.json.agents.reduce((sum, agent) => sum + agent.sent, 0), sent);
      assert.match(run.json.agents[0].machine, /: \d+ CPUs, Linux /);
      assert.equal(run.json.latency_ns.delivery.count, run.histogram.at(-1).count);
      // The live view's last row is the sum, too.
      assert.equal(run.json.intervals.at(-1).live, 103);
      assert.match(run.stderr, /phase=connected connections=103 /);
      for (const { err } of agents) assert.match(err, /event=run_begins/);
    });
  });

  it("share a closed loop, an echo and a hold", async () => {
    await withAgents(2, async (_, list) => {
      const truth = await startTruth();
      const echo = await load(["echo", "--connections", "20", "--room-size", "1", "--closed", "5", "--duration-s", "1", ...list, "--target", truth.url]);
      assertNoFault(echo);
      const raw = await load(["echo", "--raw-echo", "--connections", "20", "--room-size", "5", "--rate", "300", "--duration-s", "1", ...list, "--target", truth.echoUrl]);
      assertNoFault(raw);
      const hold = await load(["hold", "--connections", "60", "--room-size", "20", "--heartbeat-s", "1", "--duration-s", "2", ...list, "--target", truth.url]);
      assert.equal(hold.code, 0, hold.stdout);
      assert.match(hold.first, /^ok: 60 connections held/);
      assert.ok(hold.json.messages.heartbeats >= 60);
      const told = await truth.stop();
      assert.equal(told.requests, echo.json.messages.sent_all + raw.json.messages.sent_all);
    });
  });

  it("read a file of the coordinator's machine", async () => {
    await withAgents(2, async (_, list) => {
      const truth = await startTruth();
      const file = freshFile("yaml");
      writeFileSync(file, "options:\n  connections: 40\n  room-size: 10\nphases:\n  - name: only\n    duration_s: 1\n    publish_rate: 100\n");
      const run = await load(["mix", file, ...list, "--target", truth.url]);
      const told = await truth.stop();
      assert.equal(run.json.connections.wanted, 40, run.stdout + run.stderr);
      assertSameAsServer(run, told);
    });
  });

  it("serve one run after another, and refuse a second one meanwhile", async () => {
    await withAgents(1, async (agents, list) => {
      const truth = await startTruth();
      const first = startLoad(["rooms", ...ROOMS, ...list, "--target", truth.url]);
      await until("it runs", () => agents[0].err.includes("event=run_begins"));
      const second = await load(["rooms", ...ROOMS, ...list, "--target", truth.url], { json: false });
      assert.equal(second.code, 4);
      assert.match(second.stderr, new RegExp(`agent ${agents[0].address}: it is busy with a run of 127.0.0.1:\\d+, for \\d+ s now`));
      assertNoFault(await first.finish());
      assertNoFault(await load(["rooms", ...ROOMS, ...list, "--target", truth.url]));
      await truth.stop();
    });
  });
});

describe("an agent that fails", () => {
  const runOf = (agents) => [...ROOMS, "--duration-s", "30", "--agents", agents.map(({ address }) => address).join(",")];

  async function assertNamed(agents, bad, doIt) {
    const truth = await startTruth();
    const tool = startLoad(["rooms", ...runOf(agents), "--target", truth.url]);
    await until("load flows", () => tool.err.includes("phase=connected"));
    await sleep(1000);
    doIt();
    const run = await tool.finish();
    assert.equal(run.code, 4, run.stderr);
    assert.match(run.stderr, new RegExp(`fairlead load: agent ${bad.address} `));
    await sleep(500);
    for (const agent of agents) if (agent !== bad) assert.match(agent.err, /event=run_(ended|died)/, "the others are stopped");
    await truth.stop();
  }

  it("killed: named, exit 4, the others are stopped", async () => {
    const agents = [await startAgent(), await startAgent()];
    await assertNamed(agents, agents[1], () => agents[1].child.kill("SIGKILL"));
    await agents[0].stop();
  });

  it("stopped on its machine: named, exit 4, the others are stopped", async () => {
    const agents = [await startAgent(), await startAgent()];
    await assertNamed(agents, agents[1], () => agents[1].child.kill("SIGTERM"));
    assert.equal((await agents[1].ended).code, 0);
    await agents[0].stop();
  });

  it("its run killed: named, exit 4, and it serves the next", async () => {
    const agents = [await startAgent(), await startAgent()];
    await assertNamed(agents, agents[0], () => {
      const child = execFileSync("ps", ["-o", "pid=", "--ppid", String(agents[0].child.pid)]).toString().trim();
      process.kill(Number(child), "SIGKILL");
    });
    await until("it says so", () => agents[0].err.includes("event=run_died"));
    const truth = await startTruth();
    assertNoFault(await load(["rooms", ...ROOMS, "--agents", agents.map(({ address }) => address).join(","), "--target", truth.url]));
    await truth.stop();
    for (const agent of agents) await agent.stop();
  });

  it("a coordinator that is killed leaves no run behind", async () => {
    const agents = [await startAgent()];
    const truth = await startTruth();
    const tool = startLoad(["rooms", ...runOf(agents), "--target", truth.url]);
    await until("load flows", () => tool.err.includes("phase=connected"));
    await sleep(1000);
    tool.child.kill("SIGKILL");
    await until("the run ends", () => /event=run_ended/.test(agents[0].err));
    await agents[0].stop();
    await truth.stop();
  });

  // Somebody else listens where an agent ought to.
  async function assertStranger(greeting, sentence) {
    const port = await freePort();
    const server = createServer((socket) => {
      socket.on("error", () => {});
      if (greeting === null) socket.destroy();
      else socket.write(greeting);
    }).listen(port, "127.0.0.1");
    await withAgents(1, async (agents) => {
      const run = await load(["rooms", ...ROOMS, "--agents", `${agents[0].address},127.0.0.1:${port}`], { json: false });
      assert.equal(run.code, 4, run.stderr);
      assert.equal(run.stdout, "");
      assert.match(run.stderr, sentence);
      assert.match(run.stderr, new RegExp(`127.0.0.1:${port}`));
    });
    server.close();
  }

  it("says something else: it is no agent", () => assertStranger("220 mail.example.org ESMTP\r\n", /is no fairlead load agent: it said "220 mail.example.org ESMTP\?"/));
  it("says nothing: it is no agent", () => assertStranger("", /is no fairlead load agent: it said nothing within 5 s/));
  it("hangs up: it is no agent", () => assertStranger(null, /is no fairlead load agent/));
  it("speaks another version: both are told", () =>
    assertStranger('{"type":"fairlead-load-agent","version":"9.9.9","fingerprint":"0"}\n', /is version 9\.9\.9\/0, this is [\d.]+\/[0-9a-f]{16}: install the same version/));
  it("told of a server that is not there: its sentence, with its address", async () => {
    await withAgents(2, async (agents, list) => {
      const run = await load(["rooms", ...ROOMS, ...list, "--target", `ws://127.0.0.1:${await freePort()}/`]);
      assert.equal(run.code, 4);
      assert.match(run.first, /^no connection came about: agent 127\.0\.0\.1:\d+: /);
      assert.equal(run.json.connections.joined, 0);
    });
  });

  it("orders that name a disk of its machine are refused", async () => {
    const agent = await startAgent();
    for (const word of ["--json=/tmp/x", "--histogram=/tmp/x", "--agents=127.0.0.1:1", "agent", "--listen=0.0.0.0:1"]) {
      const port = Number(agent.address.split(":")[1]);
      const said = await converse(port, JSON.stringify({ type: "order", part: 0, parts: 1, words: ["rooms", word] }) + "\n");
      assert.match(said, /"type":"error"/);
      assert.match(said, /an agent does not take/);
    }
    assert.match(await converse(Number(agent.address.split(":")[1]), JSON.stringify({ type: "order", part: 0, parts: 1, words: ["mix", "/etc/hostname"] }) + "\n"),
      /the order names a file of this machine/);
    assert.match(await converse(Number(agent.address.split(":")[1]), "GET / HTTP/1.1\r\n\r\n"), /is no order of a coordinator/);
    await agent.stop();
  });
});

// Everything that the agent says to one that talks by hand.
async function converse(port, text) {
  const { connect } = await import("node:net");
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (data) => (said += data));
    socket.on("error", () => {});
    socket.on("close", () => resolve(said));
  });
}

describe("two machines", () => {
  const name = `fl-agents-${process.pid}`;
  const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "pipe", "pipe"] });
  let obstacle = process.getuid() === 0 ? false : "needs root (network namespaces)";
  try {
    if (!obstacle) {
      ip("netns", "add", `${name}-a`);
      ip("netns", "add", `${name}-b`);
      ip("-n", `${name}-a`, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", `${name}-b`);
    }
  } catch (error) {
    obstacle = `no network namespaces here: ${String(error.stderr || error.message).trim()}`;
  }
  const away = () => ["a", "b"].forEach((side) => {
    try { ip("netns", "del", `${name}-${side}`); } catch {}
  });
  process.on("exit", away);

  it("as two network namespaces: an agent in each, the server in one", { skip: obstacle }, async () => {
    for (const [side, host] of [["a", 1], ["b", 2]]) {
      ip("-n", `${name}-${side}`, "address", "add", `10.203.0.${host}/24`, "dev", "veth0");
      ip("-n", `${name}-${side}`, "link", "set", "lo", "up");
      ip("-n", `${name}-${side}`, "link", "set", "veth0", "up");
    }
    const inside = (side, program, args) => start("ip", ["netns", "exec", `${name}-${side}`, program, ...args]);
    const agents = [["a", 1], ["b", 2]].map(([side, host]) => inside(side, LOAD, ["agent", "--listen", `10.203.0.${host}:9700`, "--allow-remote"]));
    for (const agent of agents) await until("the agent listens", () => agent.err.includes("event=agent_listens"));
    const gateway = inside("a", LOAD.replace(/-load$/, ""), ["serve", "--listen", "10.203.0.1:8080", "--control", "127.0.0.1:8081", "--allow-anonymous"]);
    await until("the gateway listens", () => gateway.err.includes("event=ready") || gateway.out.includes("event=ready"));
    const run = await load(["rooms", ...ROOMS, "--agents", "10.203.0.1,10.203.0.2", "--target", "ws://10.203.0.1:8080/socket/websocket"],
      { before: ["ip", "netns", "exec", `${name}-a`] });
    assertNoFault(run);
    assert.equal(run.json.connections.joined, 103);
    assert.equal(run.json.checks.messages_complete, run.json.messages.sent_all);
    assert.ok(run.json.messages.sent >= 300 && run.json.messages.sent <= 302);
    // Messages of ten whole rooms and of one of three: both agents had their part of them.
    const [a, b] = run.json.agents;
    assert.equal(a.wanted + b.wanted, 103);
    assert.ok(a.received > 0 && b.received > 0);
    assert.equal(a.received + b.received, run.json.messages.received);
    for (const { child } of [...agents, gateway]) child.kill("SIGTERM");
    for (const { ended } of [...agents, gateway]) await ended;
    away();
  });
});
