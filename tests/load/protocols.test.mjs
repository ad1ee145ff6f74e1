// Goal: echo over plain TCP is matched however the bytes are cut, and what is no echo is told; a
// connection costs the tool the memory that docs/LOADGEN.md promises, all in. Method: a TCP server
// of a few lines in this process that cuts, damages and delays by rule; the truth server for many.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { assertFailures, assertNoFault, freePort, load, startLoad, startTruth, until } from "./truth.mjs";

const FAILED = 1;

// Calls `answer(socket, data, count of bytes before)` for what comes.
async function startTcp(answer) {
  const server = createServer((socket) => {
    let before = 0;
    socket.setNoDelay(true);
    socket.on("error", () => {}); // the tool resets at its end
    socket.on("data", (data) => {
      answer(socket, data, before);
      before += data.length;
    });
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `tcp://127.0.0.1:${port}`, close: () => server.close() };
}

const quick = ["echo", "--connections", "10", "--warmup-s", "0", "--duration-s", "1"];

describe("TCP echo", () => {
  for (const [payload, piece] of [[55, 1e9], [64, 7], [64, 63], [64, 65], [4000, 999], [100000, 65536]])
    it(`${payload} bytes in pieces of ${piece}: every request is answered by its own bytes`, async () => {
      const server = await startTcp((socket, data) => {
        for (let at = 0; at < data.length; at += piece) socket.write(data.subarray(at, at + piece));
      });
      const run = await load([...quick, "--rate", "200", "--payload-bytes", String(payload), "--target", server.url]);
      server.close();
      assertNoFault(run);
      assert.equal(run.json.asked.protocol, "tcp-echo");
      assert.equal(run.json.messages.answered_all, run.json.messages.sent_all);
      assert.equal(run.json.latency_ns.service.count, run.json.latency_ns.reply.count);
      assert.ok(run.json.latency_ns.service.max <= run.json.latency_ns.reply.max);
      assert.ok(run.json.messages.sent_all > 0, run.stdout);
    });

  it("one byte that was not sent ends its connection, and nothing after it is believed", async () => {
    const server = await startTcp((socket, data, before) => {
      const copy = Buffer.from(data);
      if (before <= 130 && before + copy.length > 130) copy[130 - before] ^= 1; // of the third message
      socket.write(copy);
    });
    const run = await load([...quick, "--rate", "100", "--payload-bytes", "64", "--target", server.url]);
    server.close();
    assert.equal(run.code, FAILED, run.stdout);
    assertFailures(run, { protocol_error: 10 });
    assert.match(run.json.connections.first_failure, /is no echo server: what came is not what was sent: '/);
    assert.equal(run.json.messages.answered_all, 20);
  });

  it("a server that closes is told by its cause", async () => {
    const server = await startTcp((socket) => socket.end());
    const run = await load([...quick, "--rate", "100", "--target", server.url]);
    server.close();
    assert.equal(run.code, FAILED, run.stdout);
    assertFailures(run, { closed_by_server: 10 });
  });
});

describe("memory", () => {
  const BYTES_MAX = 256;

  // Private memory of the tool while so many are held.
  async function held(connections) {
    const truth = await startTruth();
    const tool = startLoad(["hold", "--connections", String(connections), "--room-size", "100", "--connect-rate", "3000", "--connecting-max", "64",
      "--heartbeat-s", "3600", "--duration-s", "2", "--connect-timeout-s", "60", "--target", truth.url]);
    await until("all are held", () => tool.err.includes("phase=measure_begin"), 60000);
    const text = readFileSync(`/proc/${tool.child.pid}/smaps_rollup`, "utf8");
    const run = await tool.finish();
    await truth.stop();
    assert.equal(run.json.connections.joined, connections, run.stdout);
    return Number(/^Pss_Anon: +(\d+) kB/m.exec(text)[1]) * 1024;
  }

  it(`a connection that is held costs at most ${BYTES_MAX} bytes`, async () => {
    const few = await held(1000);
    const many = await held(9000);
    const each = (many - few) / 8000;
    assert.ok(each > 64, `${each} bytes are less than its own table entry: something else was measured`);
    assert.ok(each <= BYTES_MAX, `${each} bytes for each connection`);
  });
});
