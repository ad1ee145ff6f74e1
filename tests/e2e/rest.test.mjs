// Goal: after everybody left and the rooms' time is over, the gateway holds what it held at its
// start, to the last block. Method: every kind of traffic, then 60 seconds of nobody.
import { test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway } from "./gateway.mjs";
import { OPCODE, RawClient, frame, text } from "./raw.mjs";

const ROOM_LIFE_S = 60; // after the last leave

test("a room dies 60 s after its last leave, and then nothing is left of anything", async () => {
  const gateway = await startGateway(["--presence-list-max", "5", "--schedulers", "2"]);
  const clients = [];
  for (let n = 0; n < 24; n++) {
    const client = await RawClient.open(gateway.port, { target: `/socket/websocket?vsn=2.0.0&user=${"%C3%BC".repeat(1 + n)}` });
    for (const room of ["shared", `of-its-own-${n}`, `of-${n % 4}`]) {
      const topic = `room:${room}`;
      client.write(text([`${n}`, "1", topic, "phx_join", { meta: { n, filler: "m".repeat(8 * n) } }]));
      client.write(text([`${n}`, "2", topic, "shout", { filler: "x".repeat(100 * n) }]));
      client.write(text([`${n}`, null, topic, "whisper", {}]));
      client.write(frame(OPCODE.binary, Buffer.concat([Buffer.from([0, String(n).length, 1, topic.length, 4]), Buffer.from(`${n}3${topic}file`), Buffer.alloc(500)])));
    }
    clients.push(client);
  }
  await sleep(500);
  const { epoch } = await gateway.json("/rooms/shared");
  for (const [n, client] of clients.entries()) {
    if (n % 3 === 0) client.write(text([`${n}`, "9", "room:shared", "phx_leave", {}]));
    if (n % 3 === 1) client.write(frame(OPCODE.close, Buffer.from([3, 232])));
  }
  await sleep(200);
  for (const client of clients) client.resetNow();
  await gateway.quiet();
  assert.equal((await gateway.json("/rooms/shared")).epoch, epoch, "the room waits for its members");
  await gateway.quiet({ ms: (ROOM_LIFE_S + 15) * 1000, lingering: false });
  assert.equal(await gateway.status("/rooms/shared"), 404);
  const client = await RawClient.open(gateway.port);
  const again = await client.join("shared");
  assert.notEqual(again.epoch, epoch);
  assert.equal(again.seq, 0);
  client.destroy();
  await gateway.finish();
});
