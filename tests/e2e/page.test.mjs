// Goal: people chat on the page as the README says. Method: Chromium drives it as several people
// against the real gateway; screenshots for a human eye are left in build/e2e/.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { sleep, startGateway, until } from "./gateway.mjs";
import { RawClient, text } from "./raw.mjs";
import { DESKTOP, PHONE, connected, enter, heard, launch, person, say, shot, told } from "./browser.mjs";

describe("page", () => {
  let gateway;
  let browser;
  const pages = [];

  before(async () => {
    gateway = await startGateway(["--presence-list-max", "20", "--out-queue-bytes-max", "16KiB", "--send-buffer-bytes", "16KiB"]);
    browser = await launch();
  });
  after(async () => {
    await browser.close();
    await gateway.finish();
    for (const page of pages) assert.deepEqual(page.problems, [], "no error and no violation of the policy");
  });

  async function open(options, query = "") {
    const page = await person(browser, `${gateway.origin}/${query}`, options);
    pages.push(page);
    return page;
  }

  // Closes the tabs, not the browser; what they left behind in rooms is the gateway's to clean.
  const close = (...closing) => Promise.all(closing.map((page) => page.context().close()));
  const names = (page) => page.locator(".person-name").allInnerTexts().then((all) => all.map((name) => name.replace(/\s+/g, " ").trim()));

  test("two people see each other and what they say", async () => {
    const ann = await open();
    await shot(ann, "entry-desktop-light");
    await enter(ann, "Ann", "pier");
    await told(ann, "Nobody else is here yet.");
    await shot(ann, "alone-desktop-light");
    const bob = await open({ ...PHONE, dark: true });
    await shot(bob, "entry-phone-dark");
    await enter(bob, "Bob", "pier");
    await told(bob, "Ann is here.");
    await told(ann, "Bob joined.");
    await say(ann, "Good morning! Did the rope come?");
    await heard(bob, "Did the rope come?");
    await say(bob, "It did. 40 m, and the fairlead is the polished one.");
    await say(bob, "I will splice the eye this afternoon if nobody else has done it by then.");
    await heard(ann, "I will splice");
    assert.deepEqual(await names(ann), ["Ann (you)", "Bob"]);
    assert.deepEqual(await ann.locator("#log .text").allInnerTexts(), await bob.locator("#log .text").allInnerTexts());
    assert.equal(await ann.locator("#outbox").locator("*").count(), 0, "nothing is left unsent");
    await bob.getByLabel("Message", { exact: true }).pressSequentially("So");
    await ann.getByText("Bob is typing…").waitFor();
    await shot(ann, "chat-desktop-light");
    await shot(bob, "chat-phone-dark");
    await ann.getByText("Bob is typing…").waitFor({ state: "detached", timeout: 8000 });
    await bob.getByRole("button", { name: "Leave" }).click();
    await told(ann, "Bob left.");
    assert.deepEqual(await names(ann), ["Ann (you)"]);
    await bob.getByLabel("Your name").waitFor();
    await close(ann, bob);
  });

  test("a person with two windows is one person with two devices", async () => {
    const ann = await open({ ...DESKTOP, dark: true });
    await enter(ann, "Ann", "devices");
    const bob = [await open(), await open(PHONE)];
    for (const page of bob) await enter(page, "Bob", "devices");
    await until("two devices", async () => (await names(ann)).includes("Bob 2 devices"));
    await say(bob[0], "From the desk");
    await heard(bob[1], "From the desk");
    await heard(ann, "From the desk");
    await shot(ann, "devices-desktop-dark");
    await close(bob[0]);
    await until("one device", async () => (await names(ann)).includes("Bob"));
    await sleep(3000);
    assert.equal(await ann.locator(".notice", { hasText: "left" }).count(), 0, "Bob is still here");
    await close(ann, bob[1]);
  });

  test("what people write is text and nothing else", async () => {
    const ann = await open();
    const bob = await open();
    const evil = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> &amp; \u202e";
    await enter(ann, "<b>Ann</b>", "text");
    await enter(bob, "Bob", "text");
    await say(ann, evil);
    await heard(bob, "&amp;");
    assert.equal(await bob.locator("#log img, #log script, #log b, #people b").count(), 0);
    assert.match(await bob.title(), /text · Fairlead$/);
    assert.ok((await names(bob)).includes("<b>Ann</b>"));
    await close(ann, bob);
  });

  test("long words and names wrap; nothing is wider than a phone", async () => {
    const ann = await open(PHONE);
    const bob = await open({ ...PHONE, dark: true });
    await enter(ann, "Ann-Sophie-von-und-zu-Averylongnamewithoutanyspacewhatsoever-X", "long-words-".repeat(9));
    await enter(bob, "Bob", "long-words-".repeat(9));
    await say(ann, "Averylongwordwithoutanybreak".repeat(12));
    await say(ann, "A sentence of usual words that takes more than one line on a phone.\nAnd a second line.");
    await heard(bob, "And a second line.");
    for (const page of [ann, bob]) {
      const wide = await page.evaluate(() => ["html", "#scroll", ".bar", ".composer", "#people-list"].filter((selector) => {
        const element = document.querySelector(selector);
        return element.scrollWidth > element.clientWidth || element.clientWidth > 360;
      }));
      assert.deepEqual(wide, [], "nothing scrolls sideways");
    }
    await shot(bob, "long-phone-dark");
    await bob.locator("#people-toggle").click();
    await sleep(300);
    await shot(bob, "people-phone-dark");
    await bob.keyboard.press("Escape");
    assert.equal(await bob.evaluate(() => document.activeElement.id), "people-toggle", "focus returns");
    await close(ann, bob);
  });

  test("the keyboard alone is enough", async () => {
    const ann = await open();
    await ann.keyboard.type("Ann");
    await ann.keyboard.press("Tab");
    await ann.keyboard.press("Control+a");
    await ann.keyboard.type("keys");
    await ann.keyboard.press("Enter");
    await connected(ann);
    await ann.keyboard.type("one");
    await ann.keyboard.press("Shift+Enter");
    await ann.keyboard.type("two");
    await ann.keyboard.press("Enter");
    await heard(ann, "one");
    assert.deepEqual(await ann.locator("#log .text").allInnerTexts(), ["one\ntwo"]);
    await ann.locator("#text").focus();
    const focused = () => ann.evaluate(() => {
      const { id, ariaLabel } = document.activeElement;
      return [id || ariaLabel, getComputedStyle(document.activeElement).outlineStyle];
    });
    for (const expected of ["text", "scroll", "leave"]) {
      assert.deepEqual(await focused(), [expected, "solid"], "in order, and seen");
      await ann.keyboard.press("Shift+Tab");
    }
    await ann.locator("#text").focus();
    await ann.keyboard.press("Tab");
    assert.deepEqual(await focused(), ["Send", "solid"]);
    await close(ann);
  });

  test("roles and names for a screen reader", async () => {
    const ann = await open();
    await ann.getByRole("textbox", { name: "Your name" }).waitFor();
    await ann.getByRole("textbox", { name: "Room" }).waitFor();
    await enter(ann, "Ann", "roles");
    await ann.getByRole("log", { name: "Messages" }).waitFor({ state: "attached" });
    assert.equal(await ann.getByRole("log").getAttribute("aria-live"), "polite");
    await ann.getByRole("status").getByText("Connected").waitFor();
    await ann.getByRole("complementary", { name: "People" }).waitFor();
    await ann.getByRole("textbox", { name: "Message" }).waitFor();
    await ann.getByRole("button", { name: "Send" }).waitFor();
    await ann.getByRole("heading", { level: 1, name: "roles" }).waitFor();
    await close(ann);
  });

  test("names that cannot be are explained beside the field", async () => {
    const ann = await open();
    const go = () => ann.getByRole("button", { name: "Enter" }).click();
    const before = await ann.locator(".card").boundingBox();
    await ann.getByLabel("Your name").fill("");
    await go();
    await ann.getByText("Please enter a name.").waitFor();
    await ann.getByLabel("Your name").fill("x".repeat(65));
    await go();
    await ann.getByText("too long").waitFor();
    await ann.getByLabel("Your name").fill("Ann");
    await ann.getByLabel("Room").fill("a/b");
    await go();
    await ann.getByText("none of / + #").waitFor();
    assert.equal(await ann.evaluate(() => document.activeElement.id), "room");
    await shot(ann, "entry-problem");
    assert.ok(before.height > 0);
    await close(ann);
  });

  test("a reload stays in the room, and the others are not told of it", async () => {
    const ann = await open();
    const bob = await open();
    await enter(ann, "Ann", "reload");
    await enter(bob, "Bob", "reload");
    await told(ann, "Bob joined.");
    assert.match(bob.url(), /\?room=reload$/);
    await bob.reload();
    await connected(bob);
    await say(bob, "Back");
    await heard(ann, "Back");
    await sleep(3000);
    assert.equal(await ann.locator(".notice", { hasText: "Bob left" }).count(), 0);
    await close(ann, bob);
  });

  test("a page that could not keep up says what it missed", async () => {
    const ann = await open();
    await enter(ann, "Ann", "missed");
    const program = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=robot" });
    await program.join("missed");
    const stalled = ann.evaluate(() => {
      for (const end = Date.now() + 4000; Date.now() < end;);
    });
    const filler = "x".repeat(16000);
    for (let n = 1; n <= 1000; n++) {
      program.write(text(["1", String(n), "room:missed", "filler", { filler }]));
      if (n % 20 === 0) await program.event("filler");
    }
    await stalled;
    await ann.locator(".notice.missed", { hasText: "missed here" }).first().waitFor({ timeout: 20000 });
    program.write(text(["1", "2000", "room:missed", "message", { user: "robot", text: "And now slowly." }]));
    await heard(ann, "And now slowly.");
    await shot(ann, "missed-desktop-light");
    program.destroy();
    await close(ann);
  });

  test("others are told of typing now and then, not of every key", async () => {
    const ann = await open();
    await enter(ann, "Ann", "keys-told");
    const watcher = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=watcher" });
    await watcher.join("keys-told");
    await ann.getByLabel("Message", { exact: true }).pressSequentially("a sentence of some forty characters typed");
    await ann.keyboard.press("Enter");
    const whispers = [];
    for (let message = await watcher.message(); message[3] !== "message"; message = await watcher.message()) {
      if (message[3] === "whisper") whispers.push(message[4]);
    }
    assert.deepEqual(whispers[0], { user: "Ann", typing: true });
    assert.ok(whispers.length <= 5, `${whispers.length} whispers for 40 keys`);
    watcher.destroy();
    await close(ann);
  });

  test("a page that is refused says so and goes on trying", async () => {
    const ann = await open();
    await ann.route("**/config.json", (route) => route.fulfill({ json: { websocket_url: "ws://127.0.0.1:1/socket/websocket" } }));
    await ann.getByLabel("Your name").fill("Ann");
    await ann.getByRole("button", { name: "Enter" }).click();
    await told(ann, "No connection to 127.0.0.1:1 yet.");
    await ann.getByRole("status").getByText("Connecting…").waitFor();
    await close(ann);
  });

  test("other events of a room are shown as they are", async () => {
    const ann = await open();
    await enter(ann, "Ann", "events");
    const program = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=robot" });
    await program.join("events");
    program.write(text(["1", "2", "room:events", "reading", { celsius: 21.5 }]));
    program.write(text(["1", "3", "room:events", "message", { user: "robot", text: "It is warm." }]));
    await heard(ann, "It is warm.");
    await ann.getByText('reading {"celsius":21.5}').waitFor();
    program.destroy();
    await close(ann);
  });

  test("a large room shows how many are here and a sample", async () => {
    const ann = await open();
    await enter(ann, "Ann", "large");
    const crowd = [];
    for (let n = 0; n < 30; n++) {
      crowd.push(await RawClient.open(gateway.port, { target: `/socket/websocket?vsn=2.0.0&user=guest-${n}` }));
      await crowd[n].join("large");
    }
    await ann.getByText("31 people, 31 devices").waitFor();
    await shot(ann, "large-desktop-light");
    for (const client of crowd) client.destroy();
    await ann.getByText("1 person, 1 device").waitFor({ timeout: 15000 });
    await close(ann);
  });

  test("a room that counts, and one that does not tell, say so", async () => {
    for (const [mode, text_] of [["counts", "2 people, 2 devices"], ["off", "This room does not tell who is here."]]) {
      const other = await startGateway(["--presence", mode]);
      const ann = await person(browser, other.origin);
      const bob = await person(browser, other.origin, PHONE);
      await enter(ann, "Ann", mode);
      await enter(bob, "Bob", mode);
      await ann.getByText(text_).waitFor();
      await say(ann, "Hello");
      await heard(bob, "Hello");
      await shot(ann, `presence-${mode}`);
      assert.deepEqual([...ann.problems, ...bob.problems], []);
      await close(ann, bob);
      await other.finish();
    }
  });

  test("the log is bounded, and a reader who scrolled up is not pulled down", async () => {
    const ann = await open();
    await enter(ann, "Ann", "bounded");
    const program = await RawClient.open(gateway.port, { target: "/socket/websocket?vsn=2.0.0&user=robot" });
    await program.join("bounded");
    const write = (n) => program.write(text(["1", String(n), "room:bounded", "message", { user: "robot", text: `line ${n}` }]));
    for (let n = 1; n <= 600; n++) write(n);
    await heard(ann, "line 600", 20000);
    assert.equal(await ann.locator("#log > *").count(), 500);
    await ann.locator("#scroll").evaluate((element) => (element.scrollTop = 2000));
    await sleep(100);
    write(601);
    await ann.getByRole("button", { name: "Newer messages" }).waitFor();
    const at = await ann.locator("#scroll").evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
    assert.ok(at > 500, "still above");
    await shot(ann, "newer-desktop-light");
    await ann.getByRole("button", { name: "Newer messages" }).click();
    await until("at the end", () => ann.locator("#scroll").evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight < 5));
    program.destroy();
    await close(ann);
  });

  // Last: it restarts the gateway.
  test("after a restart of the gateway people are together again", async () => {
    const ann = await open();
    const bob = await open({ ...PHONE, dark: true });
    await enter(ann, "Ann", "restart");
    await enter(bob, "Bob", "restart");
    await told(ann, "Bob joined.");
    await say(ann, "Before");
    await heard(bob, "Before");
    await gateway.stop();
    await ann.getByRole("status").getByText("Reconnecting…").waitFor();
    await say(bob, "Written while it was away");
    await shot(ann, "lost-desktop-light");
    await shot(bob, "lost-phone-dark");
    await gateway.start();
    for (const page of [ann, bob]) await connected(page, 30000);
    await told(ann, "Reconnected.");
    await heard(bob, "Written while it was away"); // Ann was back in time, or is told of one missed
    const complete = (page) => page.locator("#log", { hasText: /Written while it was away|1 message was missed/ }).waitFor();
    await complete(ann);
    await say(ann, "After");
    await heard(bob, "After");
    await shot(ann, "back-desktop-light");
    await shot(bob, "back-phone-dark");
    assert.deepEqual(await names(ann), ["Ann (you)", "Bob"]);
    await close(ann, bob);
  });

  test("a gateway that cannot be reached is said on the form", async () => {
    const ann = await open();
    await gateway.stop();
    await ann.getByLabel("Your name").fill("Ann");
    await ann.getByRole("button", { name: "Enter" }).click();
    await ann.getByText("The gateway does not answer.").waitFor();
    await gateway.start();
    await ann.getByRole("button", { name: "Enter" }).click();
    await connected(ann);
    await close(ann);
  });
});
