// Goal: the command lines mosquitto_pub, mosquitto_sub and mosquitto_rr work as their manual says.
// Method: Debian's programs in 3.1.1 and 5.0, at each quality of service. (They speak TCP alone.)
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { CORES, FOREIGN, QOS, fresh, openBeside, startBroker } from "./mqtt.mjs";

const LINES = FOREIGN ? 20 : 100; // Mosquitto 2.0.11 goes beyond its own clients' receive maximum
const SHOWN = "message|%t|%q|%r|%p";
const numbers = (count) => Array.from({ length: count }, (_, n) => `${n}`);

for (const cores of CORES) {
  describe(`mosquitto's commands with ${cores} cores`, () => {
    let broker;
    before(async () => {
      broker = await startBroker(["--schedulers", `${cores}`]);
    });
    after(() => broker.finish());

    // Runs a command beside the test: { lines, messages, code }, by wait().
    const begin = (name, args, input) => openBeside(
      spawn("stdbuf", ["-oL", name, "-h", broker.host, "-p", `${broker.port}`, ...args]), name, input);
    const run = async (name, args, input) => {
      const command = begin(name, args, input);
      assert.equal(await command.ended(), 0, command.state());
      return command;
    };
    // mosquitto_sub that has its subscriptions.
    const subscriber = async (args) => {
      const command = begin("mosquitto_sub", ["-d", "-F", SHOWN, ...args]);
      // What is retained may come before, and end it.
      await command.wait("SUBACK", () => command.code !== null || command.lines.some((line) => line.startsWith("Subscribed (mid")));
      return command;
    };

    for (const [v, version] of [[4, "311"], [5, "5"]]) {
      describe(`-V ${version}`, () => {
        const pub = (args, input) => run("mosquitto_pub", ["-V", version, ...args], input);
        const sub = (args) => subscriber(["-V", version, ...args]);

        for (const q of QOS) {
          const qos = `${q}`;

          test(`-l publishes lines, -C counts them, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const bob = await sub(["-t", topic, "-q", qos, "-C", `${LINES}`]);
            const eve = await sub(["-t", `${topic}/#`, "-q", "2", "-C", `${LINES}`]);
            await pub(["-t", topic, "-q", qos, "-l"], numbers(LINES).join("\n") + "\n");
            for (const one of [bob, eve]) {
              assert.equal(await one.ended(), 0, one.state());
              assert.deepEqual(one.messages(), numbers(LINES).map((n) => `${topic}|${qos}|0|${n}`));
            }
          });

          test(`-r retains, --retained-only reads it, --remove-retained clears it, QoS ${qos}`, async () => {
            const base = fresh("t");
            for (const tail of ["a", "b"]) await pub(["-t", `${base}/${tail}`, "-q", qos, "-r", "-m", `kept ${tail}`]);
            broker.retained.add(`${base}/a`).add(`${base}/b`);
            const bob = await sub(["-t", `${base}/#`, "-q", qos, "-C", "2"]);
            assert.equal(await bob.ended(), 0, bob.state());
            assert.deepEqual(bob.messages().sort(), [`${base}/a|${qos}|1|kept a`, `${base}/b|${qos}|1|kept b`]);
            const remover = await sub(["-t", `${base}/a`, "-q", qos, "--remove-retained"]);
            await remover.wait("it is cleared", () => remover.lines.some((line) => line.includes("received PUBACK")));
            remover.kill("SIGINT");
            const eve = await sub(["-t", `${base}/#`, "-q", qos, "--retained-only"]);
            await eve.wait("what is left", () => eve.messages().length === 1);
            await pub(["-t", `${base}/live`, "-q", qos, "-m", "live"]);
            assert.equal(await eve.ended(), 0, eve.state());
            assert.deepEqual(eve.messages(), [`${base}/b|${qos}|1|kept b`]);
            await pub(["-t", `${base}/b`, "-q", qos, "-r", "-n"]);
            const last = await sub(["-t", `${base}/+`, "-q", qos, "-C", "1"]);
            await pub(["-t", `${base}/end`, "-q", qos, "-m", "end"]);
            assert.equal(await last.ended(), 0, last.state());
            assert.deepEqual(last.messages(), [`${base}/end|${qos}|0|end`]);
          });

          test(`--will-topic: the will of a killed one is sent, that of one who left is not, QoS ${qos}`, async () => {
            const topic = `${fresh("will")}/a`;
            const bob = await sub(["-t", topic, "-q", qos]);
            const will = (payload) => ["-t", `${topic}/own`, "--will-topic", topic, "--will-payload", payload, "--will-qos", qos];
            await run("mosquitto_sub", ["-V", version, ...will("left"), "-E"]);
            const wanted = ["killed"];
            if (v === 5) { // interrupted it says that the will is to be sent
              (await sub(will("interrupted"))).kill("SIGINT");
              await bob.wait("the first", () => bob.messages().length === 1);
              wanted.unshift("interrupted");
            }
            (await sub(will("killed"))).kill("SIGKILL");
            await bob.wait("the last", () => bob.messages().length === wanted.length);
            assert.deepEqual(bob.messages(), wanted.map((payload) => `${topic}|${qos}|0|${payload}`));
            bob.kill("SIGINT");
          });

          test(`$share: each line goes to one, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const group = [];
            for (let n = 0; n < 3; n++) group.push(await sub(["-t", `$share/g/${topic}`, "-t", `${topic}/end`, "-q", qos, "-i", fresh("c")]));
            await pub(["-t", topic, "-q", qos, "-l"], numbers(60).join("\n") + "\n");
            await pub(["-t", `${topic}/end`, "-q", qos, "-m", "end"]);
            for (const one of group) await one.wait("the end", () => one.messages().some((message) => message.endsWith("|end")));
            const came = group.map((one) => one.messages().filter((message) => !message.endsWith("|end")).map((message) => Number(message.split("|")[3])));
            assert.deepEqual(came.flat().sort((a, b) => a - b), numbers(60).map(Number), "each once");
            for (const some of came) assert.ok(some.length >= 10, `a share of ${some.length}, 20 would be even`);
            for (const one of group) one.kill("SIGINT");
          });

          test(`mosquitto_rr gets the answer to its request, QoS ${qos}`, async () => {
            const base = fresh("t");
            const responder = await broker.connect({ v });
            await responder.subscribe(`${base}/ask`, { qos: q });
            responder.client.on("message", (_, payload, { properties }) => responder.publish(
              properties?.responseTopic ?? `${base}/answer`, `answer to ${payload}`,
              { qos: q, properties: { correlationData: properties?.correlationData } }));
            const asker = await run("mosquitto_rr", ["-V", version, "-t", `${base}/ask`, "-e", `${base}/answer`, "-q", qos, "-m", "question", "-W", "20"]);
            assert.deepEqual(asker.lines, ["answer to question"]);
            await responder.end();
          });
        }

        for (const qos of ["1", "2"]) {
          test(`-c: a session gets what was published meanwhile, QoS ${qos}`, async () => {
            const topic = `${fresh("t")}/a`;
            const id = fresh("c");
            broker.sessions.set(id, v);
            const session = ["-V", version, "-c", "-i", id, "-t", topic, "-q", qos];
            await run("mosquitto_sub", [...session, "-E"]); // subscribes and leaves
            await pub(["-t", topic, "-q", qos, "-l"], numbers(20).join("\n") + "\n");
            const back = await run("mosquitto_sub", [...session, "-F", SHOWN, "-C", "20"]);
            assert.deepEqual(back.messages(), numbers(20).map((n) => `${topic}|${qos}|0|${n}`));
          });
        }

        test("a message of 60,000 bytes, an empty one and bytes that are no text", async () => {
          const topic = `${fresh("t")}/a`;
          const bob = begin("mosquitto_sub", ["-V", version, "-t", topic, "-q", "1", "-C", "3", "-F", "message|%l|%x", "-d"]);
          await bob.wait("SUBACK", () => bob.lines.some((line) => line.startsWith("Subscribed (mid")));
          const large = Buffer.alloc(60000, "large ");
          await pub(["-t", topic, "-q", "1", "-s"], large);
          await pub(["-t", topic, "-q", "1", "-n"]);
          await pub(["-t", topic, "-q", "1", "-s"], Buffer.from([0, 255, 10, 128]));
          assert.equal(await bob.ended(), 0, bob.state());
          assert.deepEqual(bob.messages(), [`60000|${large.toString("hex")}`, "0|", "4|00ff0a80"]);
        });
      });
    }

    test("-D: properties go from one command to the other", async () => {
      const topic = `${fresh("t")}/a`;
      const bob = begin("mosquitto_sub", ["-V", "5", "-d", "-t", topic, "-q", "2", "-C", "1", "-F", "message|%C|%R|%D|%F|%P|%p",
        "-D", "subscribe", "subscription-identifier", "9", "-D", "connect", "receive-maximum", "5"]);
      await bob.wait("SUBACK", () => bob.lines.some((line) => line.startsWith("Subscribed (mid")));
      await run("mosquitto_pub", ["-V", "5", "-t", topic, "-q", "2", "-m", "text", "-D", "publish", "content-type", "text/plain",
        "-D", "publish", "response-topic", "answers/here", "-D", "publish", "correlation-data", "1234",
        "-D", "publish", "payload-format-indicator", "1", "-D", "publish", "user-property", "colour", "blue"]);
      assert.equal(await bob.ended(), 0, bob.state());
      assert.deepEqual(bob.messages(), ["text/plain|answers/here|1234|1|colour:blue|text"]);
    });

    test("versions meet: what a 3.1.1 command publishes a 5.0 command gets, and the other way round", async () => {
      const topic = `${fresh("t")}/a`;
      const [old, young] = [await subscriber(["-V", "311", "-t", topic, "-q", "1", "-C", "2"]), await subscriber(["-V", "5", "-t", topic, "-q", "1", "-C", "2"])];
      await run("mosquitto_pub", ["-V", "311", "-t", topic, "-q", "1", "-m", "from 3.1.1"]);
      await run("mosquitto_pub", ["-V", "5", "-t", topic, "-q", "1", "-m", "from 5", "-D", "publish", "user-property", "a", "b"]);
      for (const one of [old, young]) {
        assert.equal(await one.ended(), 0, one.state());
        assert.deepEqual(one.messages(), [`${topic}|1|0|from 3.1.1`, `${topic}|1|0|from 5`]);
      }
    });
  });
}
