// Goal: the unmodified `phoenix` package, today's and an older one, works against the gateway.
// Method: its Socket, Channel and Presence over the `ws` transport, one behaviour per test.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import WebSocket from "ws";
import * as phoenixNow from "phoenix";
import * as phoenixOld from "phoenix-old";
import { startGateway, until, sleep } from "./gateway.mjs";

let rooms = 0;
const freshRoom = () => `room:phoenix-${++rooms}`;

// The outcome of a phoenix.js push or join as a promise: { status, response }.
function outcome(push) {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, (response) => resolve({ status, response }));
    }
  });
}

async function joined(channel) {
  const { status, response } = await outcome(channel.join());
  assert.equal(status, "ok", JSON.stringify(response));
  return response;
}

for (const [name, phoenix] of [["1.8", phoenixNow], ["1.7", phoenixOld]]) {
  describe(`phoenix ${name}`, () => {
    const { Socket, Presence } = phoenix;
    let gateway;
    const sockets = [];

    function connect(params = {}, options = {}) {
      const socket = new Socket(gateway.socketUrl, {
        transport: WebSocket, params, timeout: 5000,
        reconnectAfterMs: () => 50, rejoinAfterMs: () => 50, ...options,
      });
      socket.connect();
      sockets.push(socket);
      return socket;
    }

    before(async () => {
      gateway = await startGateway(["--channels-per-socket-max", "5"]);
    });
    after(async () => {
      for (const socket of sockets) socket.disconnect();
      await gateway.finish();
    });

    test("join answers ok with the room's epoch and sequence number", async () => {
      const channel = connect({ user: "ann" }).channel(freshRoom());
      const { epoch, seq } = await joined(channel);
      assert.equal(typeof epoch, "string");
      assert.ok(epoch.length > 0);
      assert.equal(seq, 0);
    });

    test("push is answered with its sequence number, before the sender's own copy", async () => {
      const channel = connect({ user: "ann" }).channel(freshRoom());
      await joined(channel);
      const seen = [];
      channel.on("shout", ({ n }) => seen.push(`copy ${n}`));
      for (const n of [1, 2]) {
        const { status, response } = await outcome(channel.push("shout", { n })
          .receive("ok", () => seen.push(`reply ${n}`)));
        assert.equal(status, "ok");
        assert.deepEqual(response, { seq: n });
      }
      await until("both copies", () => seen.length === 4);
      assert.deepEqual(seen, ["reply 1", "copy 1", "reply 2", "copy 2"]);
    });

    test("a late joiner learns the number of the last message and gets no earlier one", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      await joined(ann);
      await outcome(ann.push("shout", { n: 1 }));
      await outcome(ann.push("shout", { n: 2 }));
      const bob = connect({ user: "bob" }).channel(room);
      const got = [];
      bob.on("shout", ({ n }) => got.push(n));
      assert.equal((await joined(bob)).seq, 2);
      await outcome(ann.push("shout", { n: 3 }));
      await until("the third", () => got.length > 0);
      assert.deepEqual(got, [3]);
    });

    test("messages of several senders reach all members, themselves too, in one order", async () => {
      const room = freshRoom();
      const seen = [];
      const channels = [];
      for (const user of ["ann", "bob", "eve"]) {
        const channel = connect({ user }).channel(room);
        const got = [];
        channel.on("shout", ({ from, n }) => got.push(`${from}${n}`));
        await joined(channel);
        seen.push(got);
        channels.push([user, channel]);
      }
      const replies = [];
      for (let n = 0; n < 30; n++) {
        for (const [from, channel] of channels) replies.push(outcome(channel.push("shout", { from, n })));
      }
      const numbers = (await Promise.all(replies)).map(({ response }) => response.seq);
      assert.deepEqual(numbers.sort((a, b) => a - b), Array.from({ length: 90 }, (_, at) => at + 1));
      await until("all copies", () => seen.every((got) => got.length === 90));
      assert.deepEqual(seen[1], seen[0]);
      assert.deepEqual(seen[2], seen[0]);
      const ofAnn = seen[0].filter((entry) => entry.startsWith("ann"));
      assert.deepEqual(ofAnn, Array.from({ length: 30 }, (_, n) => `ann${n}`), "a sender's order is kept");
    });

    test("a room that is ended tells its members, who come back by themselves to its next life", async () => {
      const room = freshRoom();
      const url = `${gateway.origin}/rooms/${encodeURIComponent(room.slice("room:".length))}`;
      const members = [];
      for (const user of ["ann", "bob", "eve"]) {
        const channel = connect({ user }).channel(room);
        const member = { channel, errors: 0, joins: 0, got: [], presence: new Presence(channel) };
        channel.onError(() => member.errors++);
        channel.joinPush.receive("ok", ({ epoch, seq }) => Object.assign(member, { epoch, seq, joins: member.joins + 1 }));
        channel.on("shout", ({ n }) => member.got.push(n));
        await joined(channel);
        members.push(member);
      }
      const [ann] = members;
      await outcome(ann.channel.push("shout", { n: 1 }));
      const before = ann.epoch;
      const ended = await fetch(url, { method: "DELETE" });
      assert.equal(ended.status, 200);
      assert.equal((await ended.json()).epoch, before);
      await until("all are back", () => members.every(({ joins }) => joins === 2));
      for (const { errors, epoch, got } of members) {
        assert.equal(errors, 1);
        assert.notEqual(epoch, before);
        assert.equal(epoch, ann.epoch);
        assert.deepEqual(got, [1], "what was said before the end came");
      }
      assert.deepEqual((await outcome(ann.channel.push("shout", { n: 2 }))).response, { seq: 1 });
      await until("the new life's first", () => members.every(({ got }) => got.length === 2));
      await until("presence of all", () => members.every(({ presence }) => presence.list().length === 3));
      assert.equal((await fetch(`${url}-never`, { method: "DELETE" })).status, 404);
    });

    test("rooms are apart", async () => {
      const socket = connect({ user: "ann" });
      const here = socket.channel(freshRoom());
      const there = socket.channel(freshRoom());
      await joined(here);
      await joined(there);
      const got = [];
      there.on("shout", (payload) => got.push(payload));
      await outcome(here.push("shout", { n: 1 }));
      await outcome(there.push("shout", { n: 2 }));
      await until("the own one", () => got.length === 1);
      assert.deepEqual(got, [{ n: 2 }]);
    });

    test("leave is answered ok, closes the channel, and no message comes after it", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      const bob = connect({ user: "bob" }).channel(room);
      await joined(ann);
      await joined(bob);
      let closed = false;
      const got = [];
      bob.onClose(() => (closed = true));
      bob.on("shout", (payload) => got.push(payload));
      assert.equal((await outcome(bob.leave())).status, "ok");
      await until("closed", () => closed);
      await outcome(ann.push("shout", {}));
      await sleep(100);
      assert.deepEqual(got, []);
    });

    test("a topic can be left and joined again", async () => {
      const room = freshRoom();
      const socket = connect({ user: "ann" });
      const first = socket.channel(room);
      const { epoch } = await joined(first);
      await outcome(first.leave());
      const second = socket.channel(room);
      assert.deepEqual(await joined(second), { epoch, seq: 0 });
    });

    test("a second channel of the same topic takes the first one's place", async () => {
      const room = freshRoom();
      const socket = connect({ user: "ann" });
      const first = socket.channel(room);
      await joined(first);
      const second = socket.channel(room);
      await joined(second);
      const got = [];
      first.on("shout", () => got.push("first"));
      second.on("shout", () => got.push("second"));
      await outcome(second.push("shout", {}));
      await until("one copy", () => got.length > 0);
      await sleep(50);
      assert.deepEqual(got, ["second"]);
    });

    test("heartbeats are answered and keep the socket open", async () => {
      const socket = connect({ user: "ann" }, { heartbeatIntervalMs: 50 });
      let closes = 0;
      socket.onClose(() => closes++);
      let replies = 0;
      socket.onMessage(({ topic }) => topic === "phoenix" && replies++);
      await until("heartbeats", () => replies >= 3);
      assert.equal(closes, 0);
    });

    test("presence lists each user once, with one meta per device", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room, { meta: { device: "desk" } });
      const presence = new Presence(ann);
      await joined(ann);
      for (const device of ["phone", "tablet"]) {
        await joined(connect({ user: "bob" }).channel(room, { meta: { device } }));
      }
      const list = () => Object.fromEntries(presence.list((key, { metas }) => [key, metas.map((meta) => meta.device).sort()]));
      await until("both of bob's devices", () => (list().bob || []).length === 2);
      assert.deepEqual(list(), { ann: ["desk"], bob: ["phone", "tablet"] });
      const refs = presence.list((key, { metas }) => metas.map((meta) => meta.phx_ref)).flat();
      assert.equal(new Set(refs).size, 3, "phx_ref is unique");
    });

    test("presence keeps a user until the last device is gone", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      const presence = new Presence(ann);
      const left = [];
      presence.onLeave((key, current, gone) => left.push(`${key} ${current.metas.length}+${gone.metas.length}`));
      await joined(ann);
      const phone = connect({ user: "bob" });
      const tablet = connect({ user: "bob" });
      await joined(phone.channel(room));
      const onTablet = tablet.channel(room);
      await joined(onTablet);
      const users = () => presence.list((key) => key);
      await until("bob twice", () => presence.list((key, { metas }) => metas.length).includes(2));
      phone.disconnect();
      await until("one device less", () => left.length === 1);
      assert.deepEqual(users().sort(), ["ann", "bob"]);
      await outcome(onTablet.leave());
      await until("bob gone", () => !users().includes("bob"));
      assert.deepEqual(left, ["bob 1+1", "bob 0+1"]);
    });

    test("an absent user parameter gives an anonymous name", async () => {
      const room = freshRoom();
      const channel = connect().channel(room);
      const presence = new Presence(channel);
      await joined(channel);
      await until("the own entry", () => presence.list().length === 1);
      assert.match(presence.list((key) => key)[0], /^anon-.+/);
    });

    test("a topic that is no room, or no name of one, is refused", async () => {
      const socket = connect({ user: "ann" });
      const refused = { lobby: "unmatched topic", "rooms:lobby": "unmatched topic", "ROOM:a": "unmatched topic", "room:": "invalid room name",
        "room:a/b": "invalid room name", "room:a+b": "invalid room name", "room:a#b": "invalid room name", "room:a\u0007": "invalid room name" };
      for (const [topic, reason] of Object.entries(refused)) {
        const channel = socket.channel(topic);
        const { status, response } = await outcome(channel.join());
        assert.equal(status, "error", topic);
        assert.deepEqual(response, { reason }, topic);
        channel.leave();
      }
    });

    test("reserved events are refused by name and reach nobody", async () => {
      const room = freshRoom();
      const channel = connect({ user: "ann" }).channel(room);
      await joined(channel);
      for (const event of ["phx_mine", "heartbeat", "presence_state", "presence_mine", "gap"]) {
        const { status, response } = await outcome(channel.push(event, {}));
        assert.equal(status, "error", event);
        assert.deepEqual(response, { reason: "reserved event" }, event);
      }
      assert.deepEqual((await outcome(channel.push("shout", {}))).response, { seq: 1 });
    });

    test("one channel more than allowed is refused, and a left one makes room", async () => {
      const socket = connect({ user: "ann" });
      const channels = [];
      for (let n = 0; n < 5; n++) {
        channels.push(socket.channel(freshRoom()));
        await joined(channels[n]);
      }
      const sixth = socket.channel(freshRoom());
      const { status, response } = await outcome(sixth.join());
      assert.equal(status, "error");
      assert.deepEqual(response, { reason: "too many channels joined" });
      sixth.leave();
      await outcome(channels[0].leave());
      await joined(socket.channel(freshRoom()));
    });

    test("ping is answered and not broadcast", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      const got = [];
      ann.on("ping", (payload) => got.push(payload));
      await joined(ann);
      assert.deepEqual(await outcome(ann.push("ping", { n: 7 })), { status: "ok", response: { n: 7 } });
      assert.deepEqual((await outcome(ann.push("shout", {}))).response, { seq: 1 });
      assert.deepEqual(got, []);
    });

    test("a whisper reaches the others only and takes no number", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      const bob = connect({ user: "bob" }).channel(room);
      const got = [];
      ann.on("whisper", (payload) => got.push(["ann", payload]));
      bob.on("whisper", (payload) => got.push(["bob", payload]));
      await joined(ann);
      await joined(bob);
      ann.push("whisper", { typing: true });
      await until("bob's copy", () => got.length > 0);
      assert.deepEqual((await outcome(ann.push("shout", {}))).response, { seq: 1 });
      assert.deepEqual(got, [["bob", { typing: true }]]);
    });

    test("a binary payload arrives as it was", async () => {
      const room = freshRoom();
      const ann = connect({ user: "ann" }).channel(room);
      const bob = connect({ user: "bob" }).channel(room);
      const got = [];
      bob.on("file", (payload) => got.push(payload));
      await joined(ann);
      await joined(bob);
      const bytes = Uint8Array.from({ length: 1000 }, (_, at) => at & 255);
      const { status } = await outcome(ann.push("file", bytes.buffer));
      assert.equal(status, "ok");
      await until("the bytes", () => got.length > 0);
      assert.ok(got[0] instanceof ArrayBuffer);
      assert.deepEqual(new Uint8Array(got[0]), bytes);
    });

    test("text of any script and any escape arrives as it was", async () => {
      const channel = connect({ user: "Zoë 🛥" }).channel("room:Łódź 🛥 \"quoted\\\"");
      const got = [];
      channel.on("shout", (payload) => got.push(payload));
      await joined(channel);
      const payload = { text: "ä 漢 🛥 \u0000 \u2028 \"\\ </script>", nested: [[], {}, null, true, 1e-7] };
      await outcome(channel.push("shout", payload));
      await until("the copy", () => got.length > 0);
      assert.deepEqual(got, [payload]);
    });

    if (name === "1.8") {
      test("an auth token's subprotocol is answered with phoenix", async () => {
        const socket = connect({ user: "ann" }, { authToken: "a secret" });
        await joined(socket.channel(freshRoom()));
        assert.equal(socket.conn.protocol, "phoenix");
      });
    }

    // Last: these restart the gateway under the others' sockets.
    test("a drain closes with 1012, and clients return to the next gateway", async () => {
      const socket = connect({ user: "ann" });
      const channel = socket.channel(freshRoom());
      const { epoch } = await joined(channel);
      const codes = [];
      socket.onClose(({ code }) => codes.push(code));
      const stopped = await gateway.stop("SIGTERM");
      assert.deepEqual(stopped, { code: 0, signal: null }, gateway.stderr);
      await until("the close", () => codes.length > 0);
      assert.equal(codes[0], 1012);
      await gateway.start();
      await until("joined again", () => channel.state === "joined" && socket.isConnected());
      const { response } = await outcome(channel.push("shout", {}));
      assert.deepEqual(response, { seq: 1 }, "the room's new life counts from 1");
      assert.equal(typeof epoch, "string");
    });

    test("clients return after the gateway was killed", async () => {
      const socket = connect({ user: "ann" });
      const channel = socket.channel(freshRoom());
      await joined(channel);
      let closes = 0;
      socket.onClose(() => closes++);
      await gateway.restart("SIGKILL");
      await until("the close", () => closes > 0);
      await until("joined again", () => channel.state === "joined");
      assert.deepEqual((await outcome(channel.push("shout", {}))).response, { seq: 1 });
    });
  });
}
