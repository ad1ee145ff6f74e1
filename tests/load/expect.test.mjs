// Goal: what is expected of a run decides its exit code, by figures that are known. Method: the
// truth server makes each expectation true or false for certain.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { load, startTruth } from "./truth.mjs";

const ROOMS = ["rooms", "--connections", "40", "--room-size", "20", "--rate", "100", "--warmup-s", "0", "--duration-s", "1.5", "--straggler-s", "1.5"];
const ECHO = ["echo", "--connections", "10", "--rate", "200", "--warmup-s", "0", "--duration-s", "1.5"];
// A machine that is busy must not make the client the limit where figures are judged.
const PATIENT = ["--send-lag-max-ms", "100000"];

async function expecting(text, faults, args) {
  const truth = await startTruth(faults);
  const run = await load([...args, ...PATIENT, "--expect", text, "--target", truth.url]);
  return { run, told: await truth.stop() };
}

describe("--expect", { concurrency: 2 }, () => {
  it("loss=0 fails with the number that was lost", async () => {
    const { run, told } = await expecting("loss=0", ["--drop-one-in", "100"], ROOMS);
    assert.ok(told.dropped > 5);
    assert.equal(run.code, 1);
    assert.match(run.first, new RegExp(`^FAILED: expected loss=0, it was ${told.dropped}\\b`));
  });

  it("an expectation about loss takes the place of the tool's own", async () => {
    const { run, told } = await expecting("loss<=1k, duplicates>=1", ["--drop-one-in", "100", "--duplicate-one-in", "50"], ROOMS);
    assert.ok(told.dropped > 5 && told.duplicated > 5);
    assert.ok([0, 3].includes(run.code), run.first);
    const other = await expecting("loss<=1k", ["--drop-one-in", "100", "--duplicate-one-in", "50"], ROOMS);
    assert.equal(other.run.code, 1, "of duplicates nothing was said");
    assert.match(other.run.first, new RegExp(`^FAILED: ${other.told.duplicated} came twice`));
  });

  it("the counts are exact: one more or less fails", async () => {
    const { told } = await expecting("loss<=1k", ["--drop-one-in", "100"], ROOMS);
    for (const [text, code] of [[`loss=${told.dropped}`, 0], [`loss=${told.dropped + 1}`, 1], [`loss<${told.dropped}`, 1], [`loss!=${told.dropped}`, 1]]) {
      const { run, told: again } = await expecting(text, ["--drop-one-in", "100"], ROOMS);
      assert.equal(again.dropped, told.dropped, "the same seed, the same loss");
      assert.ok(run.code === code || (code === 0 && run.code === 3), `${text}: ${run.first}`);
    }
  });

  it("a delay of 100 ms is over 99 ms and not under it", async () => {
    const over = await expecting("min>=100ms, p50>99ms, p99.9>99ms, connect.min>=200ms", ["--delay-ms", "100"], ECHO);
    assert.ok([0, 3].includes(over.run.code), over.run.first);
    const under = await expecting("p50<99ms", ["--delay-ms", "100"], ECHO);
    assert.ok([1, 3].includes(under.run.code), under.run.first);
    if (under.run.code === 1) assert.match(under.run.first, /^FAILED: expected p50<99ms, it was 1\d\d[\d.]* ms/);
  });

  it("what nobody measured does not hold", async () => {
    const { run } = await expecting("last.p99<1s", [], ECHO);
    assert.ok([1, 3].includes(run.code), run.first);
    if (run.code === 1) assert.match(run.first, /^FAILED: expected last\.p99<1s, /);
  });

  it("refused and dropped connections", async () => {
    const refused = await expecting("refused<=100", ["--refuse-one-in", "4"], ["hold", "--connections", "50", "--duration-s", "0.5"]);
    assert.ok(refused.told.refused_http > 0);
    assert.equal(refused.run.code, 0, refused.run.first);
    const dropped = await expecting("dropped=0", ["--reset-one-in", "50"], ECHO);
    assert.ok(dropped.told.resets > 0);
    assert.match(dropped.run.first, new RegExp(`expected dropped=0, it was ${dropped.told.resets}\\b`));
  });

  for (const [text, sentence] of [
    ["p99<", /--expect: column 5: want a time: 50ms, 200us, 2s, not ''/],
    ["p99<5", /--expect: column 5: want a time/],
    ["p99<50ms,fast", /--expect: column 10: nothing is called 'fast'/],
    ["loss=0,,", /--expect: column 8: want an expectation such as p99<50ms/],
    ["loss~0", /--expect: column 5/],
  ])
    it(`'${text}': exit 2 and the column`, async () => {
      const run = await load(["hold", "--expect", text], { json: false });
      assert.equal(run.code, 2);
      assert.match(run.stderr, sentence);
    });
});
