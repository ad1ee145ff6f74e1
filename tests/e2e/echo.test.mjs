// Goal: /echo returns every message as it was, however large, in whatever pieces it was sent, and the
// gateway's memory does not grow with it. Method: the unmodified `ws` client for whole exchanges, raw
// sockets for delivery byte by byte and for a peer that does not read.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import WebSocket from "ws";
import { openClients, sleep, startGateway, until } from "./gateway.mjs";
import { OPCODE, RawClient, closedWith, frame } from "./raw.mjs";

const MIB = 1024 * 1024;
const LARGE = 16 * MIB;
const MESSAGE_BYTES_MAX = LARGE + 1; // above, so that limits are seen on both sides
// A connection may have 512 KiB on its way (docs/PROTOCOL.md); the rest is receive buffers and pages
// touched once. A gateway that gathered messages would need 16 MiB for each.
const BUDGET_BYTES = 0.5 * MIB;
const TOUCHED_ONCE_BYTES = 6 * MIB;
const target = "/echo";

// Every byte value, at changing places, so that a lost or doubled piece shows.
const binary = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8) * 13) & 255));
// One to four bytes a character, so that pieces are cut within characters.
const characters = (size) => {
  const words = Buffer.from("aé漢🙂".repeat(Math.ceil(size / 10)));
  return Buffer.concat([words.subarray(0, size - (size % 10)), Buffer.alloc(size % 10, "z")]);
};

describe("echo", () => {
  let gateway;
  before(async () => {
    gateway = await startGateway(["--echo", "--message-bytes-max", String(MESSAGE_BYTES_MAX)]);
  });
  after(() => gateway.finish());

  const resident = (what) =>
    Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${gateway.child.pid}/status`, "utf8"))[1]) * 1024;

  // Runs `work` and looks how far the gateway's memory rose meanwhile. Under the sanitizers memory
  // that was freed stays for a while: there only the messages are looked at.
  async function withinMemory(work, connections = 1) {
    writeFileSync(`/proc/${gateway.child.pid}/clear_refs`, "5"); // the high-water mark starts anew
    const earlier = resident("VmRSS");
    await work();
    const growth = resident("VmHWM") - earlier;
    if ((process.env.MODE || "release") !== "release") return;
    assert.ok(growth <= connections * BUDGET_BYTES + TOUCHED_ONCE_BYTES, `memory grew by ${growth} bytes`);
  }

  async function open() {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}${target}`, { perMessageDeflate: false, maxPayload: 2 * LARGE });
    socket.setMaxListeners(0); // each message waits for its answer, or the end
    openClients.add({ destroy: () => socket.terminate() });
    await once(socket, "open");
    return socket;
  }

  // Sends in fragments of that size (or whole), and compares what comes back.
  async function echoed(socket, payload, { isBinary, fragment = payload.length || 1 }) {
    const answer = Promise.race([
      once(socket, "message"),
      once(socket, "close").then(([code, reason]) => assert.fail(`closed with ${code} ${reason}`)),
    ]);
    for (let at = 0; at === 0 || at < payload.length; at += fragment) {
      const end = Math.min(at + fragment, payload.length);
      socket.send(payload.subarray(at, end), { binary: isBinary, fin: end === payload.length });
    }
    const [received, wasBinary] = await answer;
    assert.equal(wasBinary, isBinary);
    assert.equal(received.length, payload.length);
    assert.ok(received.equals(payload), "the bytes are the same");
  }

  // What a raw client gets as one message, from frames that may be fragments.
  async function rawMessage(client) {
    const first = await client.frame();
    const pieces = [first.payload];
    for (let last = first; !last.fin; pieces.push(last.payload)) {
      last = await client.frame();
      assert.equal(last.opcode, OPCODE.continuation);
    }
    return { opcode: first.opcode, payload: Buffer.concat(pieces) };
  }

  for (const isBinary of [false, true]) {
    for (const fragment of [undefined, 65536, 1000]) {
      test(`16 MiB of ${isBinary ? "binary" : "text"} ${fragment ? `in fragments of ${fragment}` : "in one frame"}`, async () => {
        const socket = await open();
        const payload = isBinary ? binary(LARGE) : characters(LARGE);
        await withinMemory(() => echoed(socket, payload, { isBinary, fragment }));
        socket.close(1000);
        const [code] = await once(socket, "close");
        assert.equal(code, 1000);
      });
    }
  }

  test("sizes around those where the frame's header grows, and the largest that is allowed", async () => {
    const socket = await open();
    for (const size of [0, 1, 125, 126, 127, 65534, 65535, 65536, 65537, MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX]) {
      await echoed(socket, binary(size), { isBinary: true });
      await echoed(socket, characters(size), { isBinary: false });
    }
    socket.close(1000);
    await once(socket, "close");
  });

  test("a message over --message-bytes-max: 1009", async () => {
    assert.equal(await closedWith(gateway.port, frame(OPCODE.binary, "", { size: MESSAGE_BYTES_MAX + 1 }), { target }), 1009);
  });

  test("16 MiB on eight connections at once", async () => {
    const sockets = await Promise.all(Array.from({ length: 8 }, open));
    const payload = binary(LARGE);
    await withinMemory(() => Promise.all(sockets.map((socket) => echoed(socket, payload, { isBinary: true, fragment: MIB }))), sockets.length);
    for (const socket of sockets) socket.terminate();
  });

  test("frames that come byte by byte, with pings between fragments and within none", async () => {
    const client = await RawClient.open(gateway.port, { target });
    const payload = characters(300);
    const bytes = Buffer.concat([
      frame(OPCODE.text, payload.subarray(0, 126), { fin: false }),
      frame(OPCODE.ping, "between"),
      frame(OPCODE.continuation, "", { fin: false }),
      frame(OPCODE.continuation, payload.subarray(126)),
      frame(OPCODE.binary, ""),
      frame(OPCODE.binary, payload),
    ]);
    const received = [];
    const reading = (async () => {
      const seen = { text: [], pongs: [], binaries: [] };
      let isText = false;
      for (let ends = 0; ends < 3;) {
        const { opcode, fin, payload: piece } = await client.frame();
        received.push(opcode);
        if (opcode === OPCODE.pong) seen.pongs.push(String(piece));
        else {
          if (opcode !== OPCODE.continuation) isText = opcode === OPCODE.text;
          (isText ? seen.text : seen.binaries).push(piece);
          ends += fin;
        }
      }
      return seen;
    })();
    for (const byte of bytes) {
      client.write(Buffer.from([byte]));
      await sleep(1);
    }
    const { text, pongs, binaries } = await reading;
    assert.ok(Buffer.concat(text).equals(payload));
    assert.deepEqual(pongs, ["between"]);
    assert.ok(Buffer.concat(binaries).equals(payload));
    client.destroy();
  });

  test("bad UTF-8 is refused at the byte that makes it so, before the message ends", async () => {
    const cut = frame(OPCODE.text, Buffer.concat([characters(1000), Buffer.from([0xed, 0xa0])]), { size: LARGE });
    assert.equal(await closedWith(gateway.port, cut, { target }), 1007);
  });

  test("a peer that sends 16 MiB and reads nothing is not read either; all comes back once it reads", async () => {
    const client = await RawClient.open(gateway.port, { target });
    const payload = binary(LARGE);
    const before = await gateway.count("received_bytes_total");
    await withinMemory(async () => {
      client.socket.pause();
      client.write(frame(OPCODE.binary, payload));
      client.write(frame(OPCODE.ping, "after"));
      // Its kernel takes no more when the gateway's has none left to take.
      let taken = -1;
      await until("the gateway stops to read", async () => {
        const earlier = taken;
        await sleep(200);
        taken = (await gateway.count("received_bytes_total")) - before;
        return taken === earlier;
      });
      assert.ok(taken > 0 && taken < LARGE, `${taken} bytes were read`);
      const pieces = [];
      let size = 0;
      client.socket.removeAllListeners("data");
      client.socket.on("data", (data) => pieces.push(data) && (size += data.length));
      client.socket.resume();
      await until("all came back", () => size >= LARGE && Buffer.concat(pieces.slice(-2)).subarray(-5).equals(Buffer.from("after")), 30000);
      client.received = Buffer.concat(pieces);
      const answer = await rawMessage(client);
      assert.equal(answer.opcode, OPCODE.binary);
      assert.ok(answer.payload.equals(payload));
      assert.deepEqual((await client.frame()).payload, Buffer.from("after"));
    });
    client.destroy();
  });
});
