// Goal: the page of --html is whole in a real browser: every plot drawn, in light and dark, on a desk
// and on a phone, without a word from its console, without a request to anybody, and without
// scrolling sideways. Method: one run against the truth server, its file opened in Chromium.
import { after, before, describe, it } from "node:test";
import assert from "node:assert/strict";
import { launch, person, shot, DESKTOP, PHONE } from "../e2e/browser.mjs";
import { freshFile, load, startTruth } from "./truth.mjs";

describe("--html in a browser", () => {
  let browser, url, run;
  before(async () => {
    browser = await launch();
    const truth = await startTruth(["--drop-one-in", "100"]);
    const file = freshFile("html");
    run = await load(["rooms", "--connections", "100", "--room-size", "50", "--rate", "50", "--warmup-s", "1", "--duration-s", "3",
      "--server-pid", String(truth.child.pid), "--expect", "p99<3600s,loss<=1M", "--html", file, "--target", truth.url]);
    await truth.stop();
    url = `file://${file}`;
  });
  after(() => browser.close());

  const views = { "a desk": DESKTOP, "a desk in the dark": { ...DESKTOP, dark: true }, "a phone": PHONE, "a phone in the dark": { ...PHONE, dark: true } };
  for (const [name, options] of Object.entries(views))
    it(`on ${name}`, async () => {
      const page = await person(browser, url, options);
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.reload();
      assert.deepEqual(asked.filter((one) => !one.startsWith("data:")), [url]);
      assert.deepEqual(page.problems, []);
      assert.equal(await page.locator(".sentence").innerText(), run.first.replaceAll(/(?<![.:\d])\d{5,}/g, (digits) => Number(digits).toLocaleString("en")));
      const drawn = await page.$$eval("figure.chart", (figures) => figures.map((figure) => {
        const canvas = figure.querySelector("canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return { title: figure.querySelector("h3").textContent, chart: !!globalThis.Chart.getChart(canvas), painted: pixels.some((value) => value !== 0) };
      }));
      assert.deepEqual(drawn.map((one) => one.title), ["Messages a second", "Latency", "CPU", "Memory", "Connections", "The whole distribution"]);
      for (const one of drawn) assert.ok(one.chart && one.painted, one.title);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wide, 0, "it scrolls sideways");
      await shot(page, `load-html-${name.replaceAll(" ", "-")}`);
      await page.context().close();
    });

  it("its figures are those of the JSON", async () => {
    const page = await person(browser, url);
    const cells = await page.$$eval("table tbody tr", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    const found = (name) => cells.find((row) => row[0] === name);
    assert.equal(found("delivery")[1], run.json.latency_ns.delivery.count.toLocaleString("en"));
    assert.equal(found("lost")[2], run.json.checks.lost.toLocaleString("en"));
    assert.ok(run.json.checks.lost > 0);
    assert.deepEqual(found("loss<=1M").slice(1), [String(run.json.checks.lost + run.json.checks.missing), "holds"]);
    await page.context().close();
  });

  it("without JavaScript the tables are there", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(url);
    assert.match(await page.locator("main").innerText(), /The plots need JavaScript[\s\S]*delivery/);
    await context.close();
  });
});
