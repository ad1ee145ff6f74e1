// The system's Chromium, headless, for the page's tests. Every person is a context of its own:
// separate storage, as on another machine.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";
import assert from "node:assert/strict";
import { ROOT } from "./gateway.mjs";

const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const SHOTS = path.join(ROOT, "build/e2e");

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

// launch() gives it a fresh profile in a temporary folder and removes it at close().
export async function launch() {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing: apt install chromium, or set CHROMIUM`);
  await mkdir(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

export const shot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`) });

// One person with the page open. `problems` gathers page errors and violations of the policy;
// failed connections are what the tests provoke.
export async function person(browser, url, { dark = false, ...options } = DESKTOP) {
  const context = await browser.newContext({ colorScheme: dark ? "dark" : "light", locale: "en-GB", ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() !== "error" || /WebSocket connection|Failed to load resource/.test(message.text())) return;
    page.problems.push(message.text());
  });
  await page.goto(url);
  return page;
}

export async function enter(page, name, room) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Room").fill(room);
  await page.getByRole("button", { name: "Enter" }).click();
  await connected(page);
}

export const connected = (page, timeout = 15000) => page.waitForSelector('#status[data-state="joined"]', { timeout });

export async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

export const heard = (page, text, timeout = 10000) =>
  page.locator("#log .text", { hasText: text }).last().waitFor({ timeout });

export const told = (page, text, timeout = 15000) =>
  page.locator("#log .notice", { hasText: text }).last().waitFor({ timeout });
