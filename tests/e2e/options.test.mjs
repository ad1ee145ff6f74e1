// Goal: starting, or not starting, says what is the matter and what helps. Method: the binary run
// to its end, its output and exit code.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { freePort, run, startGateway } from "./gateway.mjs";
import { RawClient, refusedWith, text, upgrade } from "./raw.mjs";

const serve = (...args) => run(["serve", ...args]);

async function addresses() {
  return ["--listen", `127.0.0.1:${await freePort()}`, "--control", `127.0.0.1:${await freePort()}`];
}

async function withFile(content, use) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "fairlead-e2e-"));
  const file = path.join(folder, "fairlead.yaml");
  await fs.writeFile(file, content);
  try {
    return await use(file);
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

describe("options", () => {
  test("--version prints the version and what the kernel offers", async () => {
    for (const { code, stdout } of [await run(["--version"]), await serve("--version")]) {
      assert.equal(code, 0);
      assert.match(stdout, /^fairlead \d+\.\d+\.\d+\n/);
      for (const feature of ["direct_accept", "recv_multishot", "min_wait"]) assert.match(stdout, new RegExp(`${feature} +\\w+`));
    }
  });

  test("--help lists the options", async () => {
    const { code, stdout } = await serve("--help");
    assert.equal(code, 0);
    for (const name of ["--listen", "--connections-max", "--room-policy", "--check-config"]) assert.ok(stdout.includes(name), name);
  });

  test("--check-config says that good settings are good", async () => {
    const { code, stdout, stderr } = await serve("--check-config", ...(await addresses()));
    assert.equal(code, 0, stderr);
    assert.ok(stdout.trim().length > 0);
  });

  test("--print-config reads back as the same settings", async () => {
    const args = [...(await addresses()), "--idle-timeout-s", "77", "--room-policy", "close", "--origins", "https://a.example"];
    const first = await serve("--print-config", ...args);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /idle-timeout-s: *"?77/);
    await withFile(first.stdout, async (file) => {
      const second = await serve("--print-config", "--config", file);
      assert.equal(second.code, 0, second.stderr);
      assert.equal(second.stdout, first.stdout);
    });
  });

  test("--print-memory tells the bytes per idle connection", async () => {
    const { code, stdout, stderr } = await serve("--print-memory", ...(await addresses()));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /idle connection, here +\d+/);
    assert.match(stdout, /idle connection, kernel +\d+/);
  });

  test("an unknown option names the nearest one: exit 2", async () => {
    const { code, stderr } = await serve("--idel-timeout-s", "3");
    assert.equal(code, 2);
    assert.match(stderr, /--idle-timeout-s/);
  });

  test("an unknown key of the file names the nearest one: exit 2", async () => {
    await withFile("conections-max: 5\n", async (file) => {
      const { code, stderr } = await serve("--config", file, "--check-config");
      assert.equal(code, 2);
      assert.match(stderr, /connections-max/);
    });
  });

  test("a value out of range says what is allowed: exit 2", async () => {
    for (const [option, value] of [["--idle-timeout-s", "0"], ["--message-bytes-max", "12"], ["--listen", "nowhere"], ["--room-policy", "maybe"]]) {
      const { code, stderr } = await serve(option, value);
      assert.equal(code, 2, option);
      assert.ok(stderr.includes(option), stderr);
    }
  });

  test("a port in use is named, and who holds it", async () => {
    const holder = net.createServer();
    const port = await freePort();
    await new Promise((resolve) => holder.listen(port, "127.0.0.1", resolve));
    try {
      const { code, stderr } = await serve("--listen", `127.0.0.1:${port}`, "--control", `127.0.0.1:${await freePort()}`);
      assert.notEqual(code, 0);
      assert.ok(stderr.includes(String(port)), stderr);
      assert.match(stderr, new RegExp(`node|${process.pid}`), "the holder's name or pid");
      const control = await serve("--listen", `127.0.0.1:${await freePort()}`, "--control", `127.0.0.1:${port}`);
      assert.notEqual(control.code, 0);
      assert.match(control.stderr, new RegExp(`node|${process.pid}`), "the same for the control port");
    } finally {
      holder.close();
    }
  });

  test("two gateways do not share a port by chance", async () => {
    const gateway = await startGateway();
    const { code, stderr } = await serve("--listen", `127.0.0.1:${gateway.port}`, "--control", `127.0.0.1:${await freePort()}`);
    assert.notEqual(code, 0);
    assert.ok(stderr.includes(String(gateway.port)), stderr);
    await gateway.finish();
  });

  test("an address beyond loopback needs --allow-anonymous, for data and control", async () => {
    const [, data, , control] = await addresses();
    const open = (address) => address.replace("127.0.0.1", "0.0.0.0");
    for (const args of [["--listen", open(data), "--control", control], ["--listen", data, "--control", open(control)]]) {
      const { code, stderr } = await serve(...args);
      assert.ok(code === 1 || code === 2, String(code));
      assert.match(stderr, /--allow-anonymous/);
    }
  });

  test("the start-up line shows addresses, schedulers, lanes, connections and memory", async () => {
    const gateway = await startGateway(["--schedulers", "2"]);
    for (const part of [`127.0.0.1:${gateway.port}`, `127.0.0.1:${gateway.controlPort}`, /schedulers?\W*2/, /lane/, /connections_?-?max|connections/, /memory|GiB|MiB/]) {
      assert.ok(part instanceof RegExp ? part.test(gateway.stderr) : gateway.stderr.includes(part), `${part} in ${gateway.stderr}`);
    }
    await gateway.finish();
  });

  test("SIGTERM and SIGINT end it with exit code 0", async () => {
    for (const signal of ["SIGTERM", "SIGINT"]) {
      const gateway = await startGateway();
      assert.deepEqual(await gateway.stop(signal), { code: 0, signal: null }, gateway.stderr);
    }
  });
});

describe("what options change", () => {
  test("--strict-phoenix leaves the number out of broadcasts", async () => {
    const gateway = await startGateway(["--strict-phoenix"]);
    const client = await RawClient.open(gateway.port);
    await client.join("strict");
    client.write(text(["1", "2", "room:strict", "shout", {}]));
    assert.deepEqual(await client.event("shout"), [null, null, "room:strict", "shout", {}]);
    client.destroy();
    await gateway.finish();
  });

  test("--echo returns 16 MiB where --message-bytes-max allows it", async () => {
    const gateway = await startGateway(["--echo", "--message-bytes-max", "16MiB"]);
    const ws = new WebSocket(`ws://127.0.0.1:${gateway.port}/echo`, { perMessageDeflate: false });
    await once(ws, "open");
    const closed = once(ws, "close");
    for (const size of [1, 1 << 20, 16 << 20, 4 << 20]) {
      const bytes = randomBytes(size);
      ws.send(bytes);
      const [data, isBinary] = await Promise.race([once(ws, "message"), closed]);
      assert.ok(isBinary === true, `${size} bytes come back, not a close ${data} ${isBinary}`.slice(0, 120));
      assert.ok(data.equals(bytes), `${size} bytes come back as they were`);
    }
    ws.close();
    await closed;
    await gateway.finish();
  });

  test("--listen is repeatable and takes IPv6", async (t) => {
    if (!Object.values(os.networkInterfaces()).flat().some(({ address }) => address === "::1")) return t.skip("no IPv6 here");
    const port = await freePort();
    const gateway = await startGateway(["--listen", `[::1]:${port}`]);
    const six = await RawClient.open(port, { host: "::1" });
    const four = await RawClient.open(gateway.port);
    await six.join("both");
    await four.join("both");
    six.write(text(["1", "2", "room:both", "shout", { from: 6 }]));
    assert.deepEqual((await four.event("shout"))[4], { from: 6 });
    six.destroy();
    four.destroy();
    await gateway.finish();
  });

  test("X-Forwarded-Host counts from --trusted-proxies alone", async () => {
    const headers = { Origin: "https://chat.example.org", "X-Forwarded-Host": "chat.example.org" };
    const trusting = await startGateway(["--trusted-proxies", "127.0.0.0/8"]);
    (await RawClient.open(trusting.port, { headers })).destroy();
    await trusting.finish();
    const strict = await startGateway();
    assert.equal(await refusedWith(strict.port, upgrade(strict.port, { headers })), 403);
    await strict.finish();
  });

  test("settings of rooms by pattern come from the file", async () => {
    const file = "rooms:\n  - match: room:quiet-*\n    presence: off\n";
    await withFile(file, async (path_) => {
      const gateway = await startGateway(["--config", path_]);
      const client = await RawClient.open(gateway.port);
      await client.join("quiet-1");
      client.write(text(["2", "2", "room:loud", "phx_join", {}]));
      const state = await client.event("presence_state");
      assert.equal(state[2], "room:loud", "the first state is of the room that has presence");
      client.destroy();
      await gateway.finish();
    });
  });
});

describe("control plane", () => {
  test("rooms show name, epoch, sequence number and who is counted", async () => {
    const gateway = await startGateway();
    const client = await RawClient.open(gateway.port);
    const { epoch } = await client.join("seen");
    client.write(text(["1", "2", "room:seen", "shout", {}]));
    await client.event("shout");
    const room = await gateway.json("/rooms/seen");
    assert.equal(JSON.stringify(room).includes(epoch), true, JSON.stringify(room));
    assert.equal(room.connections, 1);
    assert.equal((await fetch(`${gateway.origin}/rooms/none`)).status, 404);
    assert.ok(JSON.stringify(await gateway.json("/rooms")).includes("seen"));
    client.destroy();
    await gateway.finish();
  });

  test("only GET and HEAD, only a loopback Host", async () => {
    const gateway = await startGateway();
    assert.equal((await fetch(`${gateway.origin}/rooms`, { method: "POST", body: "x" })).status, 405);
    assert.equal((await fetch(`${gateway.origin}/metrics`, { method: "HEAD" })).status, 200);
    const status = await refusedWith(gateway.controlPort, "GET /rooms HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert.ok(status >= 400 && status < 500, String(status));
    await gateway.finish();
  });

  test("the page's files come compressed or plain, with type, policy and ETag", async () => {
    const gateway = await startGateway();
    const page = await fetch(`${gateway.origin}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
    assert.equal(page.headers.get("content-encoding"), "gzip");
    const etag = page.headers.get("etag");
    assert.equal((await fetch(`${gateway.origin}/`, { headers: { "If-None-Match": etag } })).status, 304);
    const plain = await fetch(`${gateway.origin}/`, { headers: { "Accept-Encoding": "identity" } });
    assert.equal(plain.headers.get("content-encoding"), null);
    assert.equal(await plain.text(), await page.text());
    const config = await gateway.json("/config.json");
    assert.equal(config.port, gateway.port);
    assert.equal(config.path, "/socket/websocket");
    await gateway.finish();
  });

  test("--page serves the page elsewhere without metrics and rooms", async () => {
    const port = await freePort();
    const gateway = await startGateway(["--page", `127.0.0.1:${port}`]);
    const status = async (path_) => (await fetch(`http://127.0.0.1:${port}${path_}`)).status;
    assert.deepEqual([await status("/"), await status("/app.js"), await status("/config.json")], [200, 200, 200]);
    assert.deepEqual([await status("/metrics"), await status("/rooms")], [404, 404]);
    await gateway.finish();
  });
});
