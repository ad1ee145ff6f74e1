// summary.mjs INDEX LOG: reads the suite's report (index.json) and what it printed, names every case
// that is not plainly OK, and ends in `conformance: N passed, N failed`.
//
// A case has two verdicts, for what was exchanged and for how the connection ended. INFORMATIONAL
// and NON-STRICT are conformant (the RFC leaves it open, or allows what was seen). UNIMPLEMENTED is
// said of an extension that was not agreed on: neither passed nor failed.
import { existsSync, readFileSync } from "node:fs";

const CONFORMANT = new Set(["OK", "INFORMATIONAL", "NON-STRICT"]);

const [index, log] = process.argv.slice(2);
const report = existsSync(index) ? JSON.parse(readFileSync(index, "utf8")).fairlead ?? {} : {};
// When it cannot connect the suite stops early, and says so nowhere in its report.
const announced = Number(/will run (\d+) test cases/.exec(readFileSync(log, "utf8"))?.[1] ?? 0);

const byNumber = ([a], [b]) => a.localeCompare(b, "en", { numeric: true });
const cases = Object.entries(report).sort(byNumber);
const count = { passed: 0, failed: 0, unimplemented: 0 };
for (const [id, { behavior, behaviorClose }] of cases) {
  const verdict =
    behavior === "UNIMPLEMENTED" ? "unimplemented"
    : CONFORMANT.has(behavior) && CONFORMANT.has(behaviorClose) ? "passed" : "failed";
  count[verdict]++;
  if (behavior !== "OK" || behaviorClose !== "OK") {
    console.log(`${verdict === "failed" ? "FAILED" : "      "} ${id}: ${behavior}, close ${behaviorClose}`);
  }
}
const lost = Math.max(announced - cases.length, cases.length === 0 ? 1 : 0);
if (lost > 0) console.log(announced ? `FAILED ${lost} of ${announced} cases were not reported` : "FAILED the suite ran no case");
if (count.unimplemented > 0) console.log(`${count.unimplemented} cases unimplemented`);
const failed = count.failed + lost;
console.log(`conformance: ${count.passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
