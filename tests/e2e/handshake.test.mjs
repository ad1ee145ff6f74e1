// Goal: what arrives before the upgrade is either a good request or refused with the right status,
// and the connection ends. Method: bytes over TCP, one shape per test.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { startGateway } from "./gateway.mjs";
import { ACCEPT, OPCODE, RawClient, refusedWith, upgrade, frame } from "./raw.mjs";

describe("handshake", () => {
  let gateway;
  before(async () => {
    gateway = await startGateway(["--handshake-timeout-s", "1", "--origins", "https://chat.example.org"]);
  });
  after(() => gateway.finish());

  // `request`: bytes, or what upgrade() takes.
  async function refused(request, status, note) {
    const bytes = typeof request === "string" || Buffer.isBuffer(request) ? request : upgrade(gateway.port, request);
    assert.equal(await refusedWith(gateway.port, bytes), status, note);
  }

  test("a good request is answered 101 with the accept key", async () => {
    const client = await RawClient.open(gateway.port);
    assert.equal(client.headers["sec-websocket-accept"], ACCEPT);
    assert.equal(client.headers.upgrade.toLowerCase(), "websocket");
    assert.equal(client.headers["sec-websocket-protocol"], undefined, "none was offered");
    assert.equal(client.headers["sec-websocket-extensions"], undefined);
    client.destroy();
  });

  test("a request that arrives byte by byte is answered all the same", async () => {
    const client = new RawClient(gateway.port);
    await client.connected;
    for (const byte of Buffer.from(upgrade(gateway.port))) client.write(Buffer.from([byte]));
    assert.equal((await client.response()).status, 101);
    client.destroy();
  });

  test("frames that follow the request in the same packet are not lost", async () => {
    const client = new RawClient(gateway.port);
    await client.connected;
    client.write(Buffer.concat([Buffer.from(upgrade(gateway.port)), frame(OPCODE.ping, "early")]));
    assert.equal((await client.response()).status, 101);
    const { opcode, payload } = await client.frame();
    assert.deepEqual([opcode, String(payload)], [OPCODE.pong, "early"]);
    client.destroy();
  });

  test("offered extensions are ignored", async () => {
    const headers = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };
    const client = await RawClient.open(gateway.port, { headers });
    assert.equal(client.headers["sec-websocket-extensions"], undefined);
    client.destroy();
  });

  test("vsn missing or 1.0.0: 403", async () => {
    await refused({ target: "/socket/websocket?user=a" }, 403);
    await refused({ target: "/socket/websocket" }, 403);
    await refused({ target: "/socket/websocket?vsn=1.0.0&user=a" }, 403);
  });

  test("a user that is too long, empty, no UTF-8 or holds control characters: 403", async () => {
    for (const user of ["", "a".repeat(65), "%FF", "%C3%28", "%4", "a%00b", "a%C2%85b"]) {
      await refused({ target: `/socket/websocket?vsn=2.0.0&user=${user}` }, 403, user);
    }
    const longest = await RawClient.open(gateway.port, { target: `/socket/websocket?vsn=2.0.0&user=${"a".repeat(64)}` });
    longest.destroy();
  });

  test("an Origin of another host: 403; the same host on another port, a listed one, none: 101", async () => {
    await refused({ headers: { Origin: "http://evil.example" } }, 403);
    await refused({ headers: { Origin: "null" } }, 403);
    await refused({ headers: { Origin: "http://127.0.0.1.evil.example" } }, 403);
    for (const Origin of ["http://127.0.0.1:8081", "http://127.0.0.1", "https://chat.example.org", null]) {
      (await RawClient.open(gateway.port, { headers: { Origin } })).destroy();
    }
  });

  test("another path: 404", async () => {
    for (const target of ["/", "/socket", "/socket/websocket/", "/echo", "/socket/longpoll?vsn=2.0.0"]) {
      await refused({ target }, 404, target);
    }
  });

  test("another method: 405", async () => {
    for (const method of ["POST", "HEAD", "OPTIONS", "PUT", "CONNECT"]) await refused({ method }, 405, method);
  });

  test("another HTTP version: 505", async () => {
    await refused({ version: "HTTP/1.0" }, 505);
    await refused({ version: "HTTP/2.0" }, 505);
  });

  test("no upgrade, or another WebSocket version: 426", async () => {
    await refused({ headers: { Upgrade: null, Connection: null } }, 426);
    await refused({ headers: { "Sec-WebSocket-Version": "8" } }, 426);
  });

  test("a missing or malformed key, version or Host: 400", async () => {
    await refused({ headers: { "Sec-WebSocket-Key": null } }, 400);
    await refused({ headers: { "Sec-WebSocket-Key": "short" } }, 400);
    await refused({ headers: { Host: null } }, 400);
    await refused({ headers: { Host: "a b" } }, 400);
  });

  test("a malformed request line: 400", async () => {
    for (const line of ["GET", "GET /socket/websocket", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 x", "G\u0001T / HTTP/1.1", "GET /\u0007 HTTP/1.1", "GET / HTTP/1.x"]) {
      const status = await refusedWith(gateway.port, `${line}\r\nHost: a\r\n\r\n`);
      assert.ok([400, 405, 505].includes(status), `${JSON.stringify(line)}: ${status}`);
    }
  });

  test("oversized: a target 414, headers 431", async () => {
    await refused({ target: `/socket/websocket?vsn=2.0.0&x=${"y".repeat(5000)}` }, 414);
    await refused({ headers: { "X-Long": "y".repeat(9000) } }, 431);
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`X-${at}`, "y"]));
    await refused({ headers: many }, 431);
  });

  test("request smuggling shapes: 400", async () => {
    const good = upgrade(gateway.port).slice(0, -2);
    const shapes = {
      "Content-Length": `${good}Content-Length: 5\r\n\r\nhello`,
      "Transfer-Encoding": `${good}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      both: `${good}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "a folded line": `${good}X-A: b\r\n c\r\n\r\n`,
      "space before the colon": `${good}X-A : b\r\n\r\n`,
      "no colon": `${good}nonsense\r\n\r\n`,
      "a bare LF": `${good.replace(/\r\n/g, "\n")}\n`,
      "a bare CR": `${good}X-A: b\rc\r\n\r\n`,
      "NUL": `${good}X-A: b\0c\r\n\r\n`,
      "two Hosts": `${good}Host: other\r\n\r\n`,
      "two keys": `${good}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      "two Origins": `${good}Origin: http://127.0.0.1\r\nOrigin: http://127.0.0.1\r\n\r\n`,
    };
    for (const [name, bytes] of Object.entries(shapes)) await refused(bytes, 400, name);
  });

  test("an unknown first byte: 400 at once", async () => {
    for (const byte of [0x00, 0x80, 0xff]) await refused(Buffer.from([byte]), 400, `byte ${byte}`);
  });

  test("TLS where none is spoken: an alert, the connection ends, the log names the cure", async () => {
    const client = new RawClient(gateway.port);
    await client.connected;
    client.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
    await client.end();
    assert.equal(client.received[0], 0x15, "a TLS alert record");
    assert.equal(client.received[5], 2, "fatal");
    client.destroy();
    assert.match(gateway.stderr, /tls/i);
  });

  test("a request that does not come to its end is closed after --handshake-timeout-s", async () => {
    for (const bytes of ["", "GET /socket/websocket HTTP/1.1\r\nHost: a\r\n"]) {
      const client = new RawClient(gateway.port);
      await client.connected;
      if (bytes) client.write(bytes);
      await client.end(6000);
      client.destroy();
    }
  });

  test("refusals are counted by name", async () => {
    await refused({ method: "POST" }, 405);
    const samples = (await gateway.metrics()).filter(({ name }) => /refus/.test(name));
    assert.ok(samples.some(({ value }) => value > 0), "a refusal is counted");
  });
});
