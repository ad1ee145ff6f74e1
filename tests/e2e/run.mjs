// Runs the test files (or those given as arguments) and ends in a line `e2e: N passed, N failed`;
// with `--as NAME` before them that line begins with NAME.
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const FILE_MS = 300000;
// Waits for a minute and does next to nothing: it does so beside the others.
const BESIDE = /rest\.test\.mjs$/;

const here = path.dirname(fileURLToPath(import.meta.url));
const [stage, names] = process.argv[2] === "--as" ? [process.argv[3], process.argv.slice(4)] : ["e2e", process.argv.slice(2)];
const asked = names.map((name) => path.resolve(name));
const files = asked.length > 0 ? asked
  : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort().map((name) => path.join(here, name));

let passed = 0;
let failed = 0;

// One file at a time: several gateways and a browser side by side make a small machine's clocks lie.
async function runFiles(some, show) {
  if (some.length === 0) return;
  const events = run({ files: some, concurrency: false, timeout: FILE_MS });
  const isSuite = (event) => event.details?.type === "suite" || files.includes(path.resolve(event.name));
  events.on("test:pass", (event) => !isSuite(event) && !event.skip && passed++);
  events.on("test:fail", (event) => {
    if (event.todo !== undefined && event.todo !== false) return; // known, and said by name above
    // A suite fails with its tests, which are counted; on its own account only for a hook.
    if (isSuite(event) && event.details?.error?.failureType === "subtestsFailed") return;
    failed++;
  });
  for await (const text of events.compose(new spec())) show(text);
}

let later = "";
await Promise.all([
  runFiles(files.filter((file) => !BESIDE.test(file)), (text) => process.stdout.write(text)),
  runFiles(files.filter((file) => BESIDE.test(file)), (text) => (later += text)),
]);
process.stdout.write(later);
console.log(`${stage}: ${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
