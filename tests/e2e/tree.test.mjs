// Goal: the tree of supervisors shows what a core is made of, and what is killed in it comes back
// as its restart type says, seen by clients. Method: actors killed by the control plane.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway, until } from "./gateway.mjs";
import { RawClient } from "./raw.mjs";

const as = (user) => ({ target: `/socket/websocket?vsn=2.0.0&user=${user}` });

// [{ core, depth, name, pid, text }] of /tree
async function tree(gateway) {
  const response = await fetch(`${gateway.origin}/tree`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/plain/);
  const nodes = [];
  let core = -1;
  for (const line of (await response.text()).split("\n")) {
    const head = /^core (\d+)$/.exec(line);
    if (head) core = Number(head[1]);
    const node = /^( *)(\S+) +([0-9a-f]{16}|-) +(.*)$/.exec(line);
    if (!head && node) nodes.push({ core, depth: node[1].length / 2, name: node[2], pid: node[3], text: node[4] });
  }
  return nodes;
}

async function find(gateway, name, core = 0) {
  const found = (await tree(gateway)).filter((node) => node.name === name && node.core === core);
  assert.equal(found.length, 1, `${name} of core ${core}`);
  return found[0];
}

async function end(gateway, pid) {
  const response = await fetch(`${gateway.origin}/actors/${pid}`, { method: "DELETE" });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

async function endByName(gateway, name) {
  const { pid } = await find(gateway, name);
  const ended = await end(gateway, pid);
  await until(`${name} is there again`, async () => {
    const now = await find(gateway, name);
    return now.pid !== pid && now.pid !== "-";
  });
  return ended;
}

describe("tree", () => {
  test("all that each core is made of is shown", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const client = await RawClient.open(gateway.port, as("ann"));
    await client.join("lobby");
    const nodes = await tree(gateway);
    for (const core of [0, 1])
      assert.deepEqual(nodes.filter((node) => node.core === core).map(({ name, depth }) => `${depth} ${name}`),
        ["0 fairlead", "1 control", "1 moves", "1 chat", "2 rooms", "2 leaves", "2 service", "1 topics", "1 sessions", "1 connections"]);
    const counted = (name) => nodes.filter((node) => node.name === name)
      .reduce((sum, { text }) => sum + Number(/ of (\d+) /.exec(text)[1]), 0);
    assert.deepEqual(["rooms", "leaves", "connections"].map(counted), [1, 1, 1]);
    const { name, supervisor } = await gateway.json(`/actors/${nodes[1].pid}`);
    assert.deepEqual({ name, supervisor }, { name: "control", supervisor: nodes[0].pid });
    client.destroy();
    await gateway.finish();
  });

  test("--balance adds a balancer to each core, when there is more than one", async () => {
    for (const cores of [1, 2]) {
      const gateway = await startGateway(["--schedulers", String(cores), "--balance"]);
      const balancers = (await tree(gateway)).filter(({ name }) => name === "balancer");
      assert.deepEqual(balancers.map(({ core, depth }) => `${core} ${depth}`), cores === 1 ? [] : ["0 1", "1 1"]);
      await gateway.finish();
    }
  });

  test("services come back, and nobody notices", async () => {
    const gateway = await startGateway(["--schedulers", "1"]);
    const client = await RawClient.open(gateway.port, as("ann"));
    await client.join("before");
    assert.equal((await endByName(gateway, "service")).name, "chat");
    await endByName(gateway, "control");
    await client.join("after");
    assert.equal(await gateway.count("supervisor_restarts_total"), 2);
    assert.match(gateway.stderr, /event=child_restarted scheduler=0 supervisor=chat child=service reason=killed/);
    assert.equal(await gateway.status("/actors/00"), 404);
    client.destroy();
    await gateway.finish();
  });

  test("what ends with its supervisor leaves nothing behind", async () => {
    const gateway = await startGateway(["--schedulers", "1"]);
    const client = await RawClient.open(gateway.port, as("ann"));
    await client.join("lobby");
    for (const name of ["rooms", "leaves", "chat"]) {
      await endByName(gateway, name);
      assert.ok(!client.ended, "connections outlive chat");
      const again = await RawClient.open(gateway.port, as("bob"));
      assert.equal((await again.join(`room-after-${name}`)).seq, 0);
      again.destroy();
    }
    await endByName(gateway, "connections");
    await until("the client is cut off", () => client.ended || client.closed);
    const again = await RawClient.open(gateway.port, as("eve"));
    await again.join("lobby");
    again.destroy();
    await gateway.finish();
  });

  test("a core whose services fail for good ends the process", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    for (let n = 0; n < 100 && !gateway.ended; n++) {
      try {
        await end(gateway, (await find(gateway, "service", 1)).pid);
      } catch (error) {
        if (error instanceof assert.AssertionError && !gateway.ended) await sleep(5);
      }
    }
    await until("the process ended", () => gateway.ended);
    assert.deepEqual(gateway.ended, { code: null, signal: "SIGABRT" });
    assert.match(gateway.stderr, /event=supervisor_gave_up scheduler=1 supervisor=fairlead/);
    assert.match(gateway.stderr, /scheduler 1: its root supervisor ended/);
  });

  test("a connection that is killed is cut off, and it alone", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    const ann = await RawClient.open(gateway.port, as("ann"));
    const bob = await RawClient.open(gateway.port, as("bob"));
    await ann.join("lobby");
    await bob.join("lobby");
    const { connections } = await gateway.json("/connections?user=ann");
    assert.equal((await end(gateway, connections[0].pid)).name, "connections");
    await until("ann is cut off", () => ann.ended || ann.closed);
    await until("ann has left", async () => (await gateway.json("/rooms/lobby")).connections === 1);
    assert.equal(await gateway.status(`/actors/${connections[0].pid}`), 404);
    assert.equal(await gateway.count("supervisor_restarts_total"), 0, "connections are temporary");
    await bob.join("another");
    await gateway.finish();
  });

  test("the end of a root is a death that the process's supervisor tells of", async () => {
    const gateway = await startGateway(["--supervised", "--schedulers", "1"]);
    const { pid } = await find(gateway, "fairlead");
    await end(gateway, pid).catch(() => {}); // it may die before it answers
    const health = await until("another process", async () => {
      try {
        const now = await gateway.json("/healthz");
        return now.restarts === 1 && now;
      } catch {
        return false;
      }
    });
    assert.equal(health.last_death.reason, "SIGABRT");
    assert.match(health.last_death.cause, /its root supervisor ended/);
    await until("clients are served again", async () => (await gateway.status("/readyz")) === 200);
    const client = await RawClient.open(gateway.port);
    await client.join("lobby");
    client.destroy();
    await gateway.finish();
  });
});
