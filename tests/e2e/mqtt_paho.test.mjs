// Goal: programs in C that use Eclipse Paho, blocking and with callbacks, work against the gateway.
// Method: mqtt_paho.c and mqtt_paho_async.c in 3.1.1 and 5.0, over TCP and WebSocket, at each quality.
import { spawn } from "node:child_process";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { ROOT } from "./gateway.mjs";
import { CORES, QOS, TRANSPORTS, fresh, openBeside, startBroker } from "./mqtt.mjs";

const PROGRAMS = path.join(ROOT, "build", process.env.MODE || "release", "e2e");
const numbers = (count) => Array.from({ length: count }, (_, n) => n);

for (const cores of CORES) {
  // Side by side: these libraries sleep much, up to 100 ms in each call.
  describe(`Paho with ${cores} cores`, { concurrency: 8 }, () => {
    let broker;
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`]);
    });
    after(() => broker.finish());

    for (const program of ["mqtt_paho", "mqtt_paho_async"]) {
      for (const over of TRANSPORTS) {
        for (const [v, flags] of [[4, []], [5, ["-5"]]]) {
          describe(`${program}, ${v === 5 ? "5.0" : "3.1.1"} over ${over}`, () => {
            const begin = (args) => openBeside(spawn(path.join(PROGRAMS, program),
              ["-u", broker.url(over).replace("mqtt:", "tcp:"), ...flags, "-i", fresh("paho"), ...args]), program);
            const run = async (args) => {
              const one = begin(args);
              assert.equal(await one.ended(), 0, one.state());
              assert.equal(one.lines[one.lines.length - 1], "left");
              return one;
            };
            const until = (one, line) => one.wait(line, () => one.lines.includes(line));

            for (const q of QOS) {
              const qos = `${q}`;

              test(`publishes to itself and to another, in order, QoS ${qos}`, async () => {
                const topic = `${fresh("t")}/a`;
                const other = begin(["-s", topic.replace("/a", "/+"), "-q", qos, "-n", "50"]);
                await until(other, `subscribed|${qos}`);
                const one = await run(["-s", topic, "-q", qos, "-t", topic, "-m", "50", "-n", "50"]);
                assert.equal(await other.ended(), 0, other.state());
                assert.equal(one.lines[0], "connected|0");
                assert.ok(one.lines.includes("published|50"));
                for (const { messages } of [one, other].map((each) => ({ messages: each.messages() })))
                  assert.deepEqual(messages, numbers(50).map((n) => `${topic}|${qos}|0|0|${n}`));
              });

              test(`a retained message and a will, QoS ${qos}`, async () => {
                const topic = `${fresh("t")}/a`;
                broker.retained.add(topic);
                await run(["-t", topic, "-q", qos, "-m", "1", "-r"]);
                const watcher = begin(["-s", topic, "-q", qos, "-n", "2"]);
                await watcher.wait("what is kept", () => watcher.messages().length === 1);
                await run(["-w", topic, "-x", "left", "-q", qos]);
                const dying = begin(["-w", topic, "-x", "died", "-q", qos, "-s", topic, "-n", "-1"]);
                await until(dying, `subscribed|${qos}`);
                dying.kill("SIGKILL");
                assert.equal(await watcher.ended(), 0, watcher.state());
                assert.deepEqual(watcher.messages(), [`${topic}|${qos}|1|0|0`, `${topic}|${qos}|0|0|died`]);
              });
            }

            for (const qos of ["1", "2"]) {
              test(`a session is resumed with what it missed, QoS ${qos}`, async () => {
                const topic = `${fresh("t")}/a`;
                const id = fresh("paho");
                broker.sessions.set(id, v);
                const first = await run(["-i", id, "-k", "-s", topic, "-q", qos]);
                assert.deepEqual(first.lines, ["connected|0", `subscribed|${qos}`, "left"]);
                await run(["-t", topic, "-q", qos, "-m", "30"]);
                const back = await run(["-i", id, "-k", "-n", "30"]);
                if (v === 4) assert.ok(back.lines.includes("connected|1"));
                assert.deepEqual(back.messages(), numbers(30).map((n) => `${topic}|${qos}|0|0|${n}`));
                const clean = await run(["-i", id]);
                assert.equal(clean.lines[0], "connected|0");
              });
            }
          });
        }
      }
    }
  });
}
