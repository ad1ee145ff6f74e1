// Goal: WebSocket frames and Phoenix messages that break a rule get the close code or the reply of
// docs/PROTOCOL.md, and those that only look odd work. Method: frames made by hand.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway } from "./gateway.mjs";
import { OPCODE, RawClient, closedWith, frame, text, upgrade } from "./raw.mjs";

const MESSAGE_BYTES_MAX = 16384;
// docs/PROTOCOL.md, close codes: what no endpoint could take, and what is no Phoenix message.
const INVALID_DATA = 1007;
const UNSUPPORTED_DATA = 1003;

const closePayload = (code, reason = "") => {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
};

describe("frames", () => {
  let gateway;
  before(async () => {
    gateway = await startGateway(["--message-bytes-max", String(MESSAGE_BYTES_MAX), "--idle-timeout-s", "2", "--echo"]);
  });
  after(() => gateway.finish());

  async function closed(bytes, code, note) {
    assert.equal(await closedWith(gateway.port, bytes), code, note);
  }

  const heartbeat = [null, "9", "phoenix", "heartbeat", {}];
  const heartbeatReply = [null, "9", "phoenix", "phx_reply", { status: "ok", response: {} }];

  // What a client asks for and gets, after which the connection still works.
  async function replied(message, expected, { joined = "frames" } = {}) {
    const client = await RawClient.open(gateway.port);
    try {
      if (joined) await client.join(joined);
      client.write(Buffer.isBuffer(message) ? message : text(message));
      assert.deepEqual(await client.event("phx_reply"), expected);
      client.write(text(heartbeat));
      assert.deepEqual(await client.event("phx_reply"), heartbeatReply);
    } finally {
      client.destroy();
    }
  }

  describe("WebSocket", () => {
    test("unmasked: 1002", () => closed(frame(OPCODE.text, "[]", { mask: false }), 1002));

    test("reserved bits: 1002", async () => {
      for (const rsv of [1, 2, 4]) await closed(frame(OPCODE.text, "[]", { rsv }), 1002, `rsv ${rsv}`);
    });

    test("an unknown opcode: 1002", async () => {
      for (const opcode of [3, 7, 11, 15]) await closed(frame(opcode, ""), 1002, `opcode ${opcode}`);
    });

    test("a control frame that is too long or fragmented: 1002", async () => {
      await closed(frame(OPCODE.ping, "x".repeat(126)), 1002);
      await closed(frame(OPCODE.ping, "x", { fin: false }), 1002);
      await closed(frame(OPCODE.close, closePayload(1000), { fin: false }), 1002);
    });

    test("a continuation of nothing, or a message within a message: 1002", async () => {
      await closed(frame(OPCODE.continuation, "x"), 1002);
      await closed(Buffer.concat([text("[", { fin: false }), text("[]")]), 1002);
    });

    test("a message over --message-bytes-max: 1009, as soon as its size is announced", async () => {
      await closed(frame(OPCODE.text, "", { size: MESSAGE_BYTES_MAX + 1 }), 1009);
      await closed(frame(OPCODE.text, "", { size: 2 ** 40 }), 1009);
      const half = "x".repeat(MESSAGE_BYTES_MAX / 2);
      await closed(Buffer.concat([text(half, { fin: false }), frame(OPCODE.continuation, half, { fin: false }), frame(OPCODE.continuation, "x")]), 1009, "in fragments");
    });

    test("a message of exactly --message-bytes-max is taken", async () => {
      const shell = JSON.stringify(["1", "2", "room:frames", "shout", ""]);
      const message = ["1", "2", "room:frames", "shout", "x".repeat(MESSAGE_BYTES_MAX - shell.length)];
      assert.equal(JSON.stringify(message).length, MESSAGE_BYTES_MAX);
      const client = await RawClient.open(gateway.port);
      const { seq } = await client.join("frames");
      client.write(text(message));
      assert.deepEqual((await client.event("phx_reply"))[4], { status: "ok", response: { seq: seq + 1 } });
      assert.equal((await client.event("shout"))[4], message[4]);
      client.destroy();
    });

    test("a length with its top bit set: 1002 or 1009", async () => {
      const head = Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]);
      const code = await closedWith(gateway.port, head);
      assert.ok(code === 1002 || code === 1009, String(code));
    });

    test("text that is no UTF-8: 1007, in one frame and across fragments", async () => {
      for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe6, 0xbc]]) {
        await closed(frame(OPCODE.text, Buffer.from(bytes)), 1007, bytes.join());
      }
      const cut = [frame(OPCODE.text, Buffer.from([0x22, 0xe6]), { fin: false }), frame(OPCODE.continuation, Buffer.from([0x22]))];
      await closed(Buffer.concat(cut), 1007);
    });

    test("a bad close payload: 1002, a bad reason: 1007", async () => {
      await closed(frame(OPCODE.close, Buffer.from([3])), 1002, "one byte");
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000]) {
        await closed(frame(OPCODE.close, closePayload(code)), 1002, `code ${code}`);
      }
      await closed(frame(OPCODE.close, Buffer.from([3, 232, 0xff])), 1007);
    });

    test("a close is answered with its code, and the connection ends", async () => {
      await closed(frame(OPCODE.close, closePayload(1000, "bye")), 1000);
      await closed(frame(OPCODE.close, closePayload(3000)), 3000);
      const code = await closedWith(gateway.port, frame(OPCODE.close, ""));
      assert.ok(code === 1005 || code === 1000, String(code));
    });

    test("a ping is answered with its payload, an unasked pong is ignored", async () => {
      const client = await RawClient.open(gateway.port);
      for (const payload of ["", "hello", "x".repeat(125)]) {
        client.write(Buffer.concat([frame(OPCODE.pong, "unasked"), frame(OPCODE.ping, payload)]));
        const answer = await client.frame();
        assert.deepEqual([answer.opcode, String(answer.payload)], [OPCODE.pong, payload]);
      }
      client.destroy();
    });

    test("a message in fragments with a ping between them is one message", async () => {
      const client = await RawClient.open(gateway.port);
      const bytes = Buffer.from(JSON.stringify(heartbeat));
      client.write(Buffer.concat([
        frame(OPCODE.text, bytes.subarray(0, 3), { fin: false }),
        frame(OPCODE.ping, "between"),
        frame(OPCODE.continuation, "", { fin: false }),
        frame(OPCODE.continuation, bytes.subarray(3)),
      ]));
      const pong = await client.frame();
      assert.deepEqual([pong.opcode, String(pong.payload)], [OPCODE.pong, "between"]);
      assert.deepEqual(await client.message(), heartbeatReply);
      client.destroy();
    });

    test("frames cut at every byte are understood", async () => {
      const client = await RawClient.open(gateway.port);
      const bytes = Buffer.concat([text(heartbeat), frame(OPCODE.ping, "x"), text(heartbeat)]);
      for (const byte of bytes) {
        client.write(Buffer.from([byte]));
        await sleep(1);
      }
      assert.deepEqual(await client.message(), heartbeatReply);
      assert.equal((await client.frame()).opcode, OPCODE.pong);
      assert.deepEqual(await client.message(), heartbeatReply);
      client.destroy();
    });

    test("many messages in one packet are all answered, in order", async () => {
      const client = await RawClient.open(gateway.port);
      client.write(Buffer.concat(Array.from({ length: 500 }, (_, at) => text([null, String(at), "phoenix", "heartbeat", {}]))));
      for (let at = 0; at < 500; at++) assert.equal((await client.message())[1], String(at));
      client.destroy();
    });

    test("what follows a close frame is not looked at", async () => {
      await closed(Buffer.concat([frame(OPCODE.close, closePayload(1000)), frame(OPCODE.text, "x", { mask: false })]), 1000);
    });
  });

  describe("Phoenix", () => {
    test("text that is no JSON: 1007", async () => {
      for (const bad of ["", "x", '["1","2","room:a","e",{}', '["1","2","room:a","e",{}]]', '["1","2","room:a","e",{"a":01}]', '["1","2","room:a","e",{a:1}]',
        '["1","2","room:a","e","\\x"]', '["1","2","room:a","e",\u0001]', '["1","2","room:a","e",NaN]', "[".repeat(1000)]) {
        await closed(text(bad), INVALID_DATA, bad.slice(0, 40));
      }
    });

    test("JSON that is no Phoenix message: 1003", async () => {
      for (const bad of ["{}", "[]", "[1,2,3,4]", "null", '"text"', '["1","2",7,"e",{}]', '["1","2","room:a",null,{}]', '[{},"2","room:a","e",{}]', '["1",[],"room:a","e",{}]']) {
        await closed(text(bad), UNSUPPORTED_DATA, bad);
      }
    });

    test("names that are too long: 1003", async () => {
      const long = (size) => "x".repeat(size);
      for (const bad of [[long(65), "1", "room:a", "e", {}], ["1", long(65), "room:a", "e", {}], ["1", "1", `room:${long(129)}`, "e", {}], ["1", "1", "room:a", long(129), {}]]) {
        await closed(text(bad), UNSUPPORTED_DATA, JSON.stringify(bad).slice(0, 30));
      }
    });

    test("a binary message that is cut or of another kind: 1003, with a name that is no UTF-8: 1007", async () => {
      for (const bytes of [[], [0], [0, 1, 1, 5], [1, 1, 1, 5, 5, 65], [7, 0, 0, 0, 0], [0, 60, 60, 60, 60, 65]]) {
        await closed(frame(OPCODE.binary, Buffer.from(bytes)), UNSUPPORTED_DATA, bytes.join());
      }
      await closed(frame(OPCODE.binary, Buffer.from([0, 1, 1, 1, 1, 49, 49, 0xff, 101])), INVALID_DATA);
    });

    test("elements after the fifth are tolerated", () =>
      replied([null, "9", "phoenix", "heartbeat", {}, 7, "more"], heartbeatReply));

    test("a push to a topic that was not joined: unmatched topic", () =>
      replied(["1", "5", "room:elsewhere", "shout", {}], ["1", "5", "room:elsewhere", "phx_reply", { status: "error", response: { reason: "unmatched topic" } }]));

    test("a leave of a topic that was not joined is answered ok", () =>
      replied(["1", "5", "room:elsewhere", "phx_leave", {}], ["1", "5", "room:elsewhere", "phx_reply", { status: "ok", response: {} }]));

    test("names of the greatest length are taken", async () => {
      const client = await RawClient.open(gateway.port);
      const topic = `room:${"ü".repeat(64)}`;
      const [joinRef, ref, event] = ["j".repeat(60), "r".repeat(60), "e".repeat(128)];
      client.write(text([joinRef, joinRef, topic, "phx_join", {}]));
      assert.deepEqual((await client.event("phx_reply")).slice(0, 3), [joinRef, joinRef, topic]);
      client.write(text([joinRef, ref, topic, event, {}]));
      assert.deepEqual((await client.event("phx_reply")).slice(0, 3), [joinRef, ref, topic]);
      assert.equal((await client.event(event))[2], topic);
      client.destroy();
    });

    test("a meta of more than 256 bytes is refused", async () => {
      const client = await RawClient.open(gateway.port);
      const meta = (size) => ({ meta: { a: "x".repeat(size - JSON.stringify({ a: "" }).length) } });
      client.write(text(["1", "1", "room:meta", "phx_join", meta(257)]));
      assert.deepEqual((await client.event("phx_reply"))[4], { status: "error", response: { reason: "invalid meta" } });
      client.write(text(["2", "2", "room:meta", "phx_join", meta(256)]));
      assert.equal((await client.event("phx_reply"))[4].status, "ok");
      client.destroy();
    });

    test("a join of a joined topic closes the first membership, then joins again", async () => {
      const client = await RawClient.open(gateway.port);
      await client.join("again");
      client.write(text(["2", "2", "room:again", "phx_join", {}]));
      assert.deepEqual((await client.event("phx_close")).slice(0, 4), ["1", "1", "room:again", "phx_close"]);
      const reply = await client.event("phx_reply");
      assert.deepEqual([reply[0], reply[1], reply[4].status], ["2", "2", "ok"]);
      client.destroy();
    });

    test("a message of a former join_ref is dropped silently", async () => {
      const client = await RawClient.open(gateway.port);
      await client.join("former");
      client.write(text(["2", "2", "room:former", "phx_join", {}]));
      await client.event("phx_close");
      await client.event("phx_reply");
      client.write(text(["1", "3", "room:former", "shout", {}]));
      client.write(text(["2", "4", "room:former", "shout", {}]));
      const reply = await client.event("phx_reply");
      assert.deepEqual(reply, ["2", "4", "room:former", "phx_reply", { status: "ok", response: { seq: 1 } }]);
      client.destroy();
    });

    test("leave is answered ok, then phx_close with ref equal to join_ref", async () => {
      const client = await RawClient.open(gateway.port);
      await client.join("left");
      client.write(text(["1", "2", "room:left", "phx_leave", {}]));
      assert.deepEqual(await client.event("phx_reply"), ["1", "2", "room:left", "phx_reply", { status: "ok", response: {} }]);
      assert.deepEqual(await client.message(), ["1", "1", "room:left", "phx_close", {}]);
      client.destroy();
    });

    test("a broadcast carries its number as sixth element, after its reply", async () => {
      const client = await RawClient.open(gateway.port);
      const { seq } = await client.join("numbers");
      client.write(text(["1", "2", "room:numbers", "shout", { a: 1 }]));
      assert.deepEqual(await client.event("phx_reply"), ["1", "2", "room:numbers", "phx_reply", { status: "ok", response: { seq: seq + 1 } }]);
      assert.deepEqual(await client.event("shout"), [null, null, "room:numbers", "shout", { a: 1 }, seq + 1]);
      client.destroy();
    });

    test("a join is followed by presence_state", async () => {
      const client = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=ann%20b" });
      await client.join("state", { meta: { a: [1] } });
      const state = await client.event("presence_state");
      const { "ann b": { metas } } = state[4];
      assert.equal(metas.length, 1);
      assert.deepEqual(metas[0].a, [1]);
      assert.equal(typeof metas[0].phx_ref, "string");
      client.destroy();
    });
  });

  describe("echo", () => {
    const target = "/echo";

    test("text and binary come back as they were", async () => {
      const client = await RawClient.open(gateway.port, { target });
      for (const [opcode, size] of [[OPCODE.text, 0], [OPCODE.text, 125], [OPCODE.binary, 126], [OPCODE.binary, MESSAGE_BYTES_MAX]]) {
        client.write(frame(opcode, "e".repeat(size)));
        let received = 0;
        let first = true;
        for (;;) {
          const answer = await client.frame();
          assert.equal(answer.opcode, first ? opcode : OPCODE.continuation);
          first = false;
          received += answer.payload.length;
          assert.ok(answer.payload.every((byte) => byte === 101));
          if (answer.fin) break;
        }
        assert.equal(received, size);
      }
      client.destroy();
    });
  });

  describe("time and ends", () => {
    test("an idle connection is closed after --idle-timeout-s, one that beats is not", async () => {
      const idle = await RawClient.open(gateway.port);
      const busy = await RawClient.open(gateway.port);
      const beat = setInterval(() => busy.write(text(heartbeat)), 300);
      await idle.end(8000);
      assert.equal(busy.ended || busy.closed, false);
      clearInterval(beat);
      idle.destroy();
      busy.destroy();
    });

    test("a half-closed connection is ended and its member leaves", async () => {
      const watcher = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=watcher" });
      await watcher.join("half");
      await watcher.event("presence_state");
      const client = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=half" });
      await client.join("half");
      assert.ok((await watcher.event("presence_diff"))[4].joins.half);
      client.socket.end();
      await client.end();
      assert.ok((await watcher.event("presence_diff"))[4].leaves.half);
      client.destroy();
      watcher.destroy();
    });

    test("resets at random moments leave nothing behind", async () => {
      const request = ["1", "1", "room:resets", "phx_join", {}];
      for (let round = 0; round < 10; round++) {
        await Promise.all(Array.from({ length: 30 }, async () => {
          const client = new RawClient(gateway.port);
          client.connected.catch(() => {});
          await client.connected;
          const bytes = Buffer.concat([Buffer.from(upgrade(gateway.port)), text(request), text(["1", "2", "room:resets", "shout", {}])]);
          const cut = Math.floor(Math.random() * (bytes.length + 1));
          client.write(bytes.subarray(0, cut));
          await sleep(Math.random() * 20);
          client.resetNow();
        }));
      }
      await gateway.quiet();
    });
  });
});
