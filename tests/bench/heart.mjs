// How long the ports are silent when a supervised gateway dies (docs/OPERATING.md):
//
//   node tests/bench/heart.mjs [ROUNDS=20] [CONNECTIONS=0]
//
// Each round starts `fairlead serve --supervised`, has CONNECTIONS idle WebSockets, sends SIGKILL to
// the gateway and from then on tries to connect and upgrade every millisecond. Printed, over the
// rounds: milliseconds from the signal to the first answer, and what became of the tries: served,
// cut (reset after it was connected: the dying gateway took it), refused (there should be none).
// A first restart has no back-off, so that is the time of a death, a start and an answer.
import { readFileSync } from "node:fs";
import net from "node:net";
import { startGateway, sleep } from "../e2e/gateway.mjs";
import { upgrade } from "../e2e/raw.mjs";

const rounds = Number(process.argv[2] || 20);
const connections = Number(process.argv[3] || 0);
const TRY_MS = 300;

const childOf = (pid) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);

function attempt(port, count) {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    let isConnected = false;
    const end = (outcome) => {
      count[outcome]++;
      socket.removeAllListeners("error").on("error", () => {});
      socket.resetAndDestroy();
      resolve(outcome === "served" ? performance.now() : Infinity);
    };
    socket.once("connect", () => {
      isConnected = true;
      socket.write(upgrade(port));
    });
    socket.once("data", () => end("served"));
    socket.once("end", () => end("cut"));
    socket.once("error", () => end(isConnected ? "cut" : "refused"));
  });
}

async function idle(port, wanted) {
  const sockets = [];
  while (sockets.length < wanted) {
    const some = Array.from({ length: Math.min(200, wanted - sockets.length) }, () => new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: "127.0.0.1" }, () => socket.write(upgrade(port)));
      socket.once("data", () => resolve(socket));
      socket.on("error", reject);
    }));
    sockets.push(...(await Promise.all(some)));
  }
  for (const socket of sockets) socket.removeAllListeners("error").on("error", () => {});
  return sockets;
}

const times = [];
const total = { served: 0, cut: 0, refused: 0 };
for (let round = 0; round < rounds; round++) {
  const gateway = await startGateway(["--supervised"]);
  const sockets = await idle(gateway.port, connections);
  const tries = [];
  const start = performance.now();
  process.kill(childOf(gateway.child.pid), "SIGKILL");
  while (performance.now() < start + TRY_MS) {
    tries.push(attempt(gateway.port, total));
    await sleep(1);
  }
  times.push(Math.min(...(await Promise.all(tries))) - start);
  for (const socket of sockets) socket.destroy();
  await gateway.stop();
}
times.sort((a, b) => a - b);
const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1);
console.log(`connections ${connections}, deaths ${rounds}: first answer after ${at(0.5)} ms (median; ${at(0)}–${at(1)}); ` +
  `tries: ${total.served} served, ${total.cut} cut, ${total.refused} refused`);
