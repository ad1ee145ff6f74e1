// The chat page: the entry form, the room, the list of people. Everything a peer wrote reaches the
// document through textContent alone. State of the connection lives in fairlead.js; this file draws.
import { Socket } from "./fairlead.mjs";

const SHOWN_MAX = 500; // messages and notices kept in the document
const PEOPLE_SHOWN_MAX = 200;
const NAME_BYTES_MAX = 64;
const ROOM_BYTES_MAX = 128;
const FOLLOW_MS = 5 * 60000; // messages of one author within this time share a head
const TYPING_EVERY_MS = 2000;
const TYPING_EXPIRES_MS = 5000;
const TYPING_SHOWN_MAX = 3;
const TYPING_ROOM_MAX = 50; // in larger rooms nobody is told who types
const REFUSALS_TOLD = 3; // attempts to connect after which a failure is told
const PRESENCE_LATE_MS = 2000;
const EVENT_SHOWN_MAX = 160; // characters of an event that is no message
const LEAVE_NOTICE_MS = 2500; // a reload leaves and joins again: no notice for that
const LEAVE_NOTICE_RESTART_MS = 8000; // after a restart people return one by one

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const plural = new Intl.PluralRules("en");
const lists = new Intl.ListFormat("en");
const number = new Intl.NumberFormat("en");
const graphemes = Intl.Segmenter ? new Intl.Segmenter() : { segment: (text) => [...text].map((segment) => ({ segment })) };

let me = "";
let room = null; // the fairlead.js channel while in a room
let socket = null;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function counted(count, one, many) {
  return `${number.format(count)} ${plural.select(count) === "one" ? one : many}`;
}

// At most `max` names, the rest as a number.
function namesText(names, max = 4) {
  if (names.length <= max) return lists.format(names);
  return lists.format([...names.slice(0, max), counted(names.length - max, "other", "others")]);
}

function avatar(name) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const [first] = graphemes.segment(name.trim() || "?");
  const element = make("span", `avatar hue-${hash % 12}`, (first ? first.segment : "?").toUpperCase());
  element.setAttribute("aria-hidden", "true");
  return element;
}

function hueOf(name) {
  return avatar(name).classList[1];
}

/* Entry */

function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

function nameProblem(name) {
  if (name === "") return "Please enter a name.";
  if (/\p{Cc}/u.test(name)) return "A name has no control characters.";
  if (bytesOf(name) > NAME_BYTES_MAX) return `This name is too long (${NAME_BYTES_MAX} bytes at most).`;
  return "";
}

function roomProblem(name) {
  if (name === "") return "Please enter a room.";
  if (/[/+#]/.test(name)) return "A room's name has none of / + #";
  if (/\p{Cc}/u.test(name)) return "A room's name has no control characters.";
  if (bytesOf(name) > ROOM_BYTES_MAX) return `This name is too long (${ROOM_BYTES_MAX} bytes at most).`;
  return "";
}

// Shows the problem in the place of the field's note, so that nothing moves.
function showProblem(input, problem) {
  const note = $(`${input.id}-note`);
  note.dataset.plain = note.dataset.plain || note.textContent;
  note.textContent = problem || note.dataset.plain;
  input.setAttribute("aria-invalid", problem ? "true" : "false");
  return problem !== "";
}

function remembered(key) {
  try {
    return sessionStorage.getItem(key) || localStorage.getItem(key) || "";
  } catch {
    return ""; // storage is denied: nothing is remembered
  }
}

// Per tab first, so that two windows of one browser stay two people over a reload.
function remember(values) {
  try {
    for (const [key, value] of Object.entries(values)) {
      sessionStorage.setItem(key, value);
      if (key !== "fairlead-in") localStorage.setItem(key, value);
    }
  } catch {
    // As above.
  }
}

function isInside() {
  try {
    return sessionStorage.getItem("fairlead-in") === "yes";
  } catch {
    return false;
  }
}

async function websocketUrl() {
  const response = await fetch("/config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`/config.json: ${response.status}`);
  const config = await response.json();
  if (config.websocket_url) return config.websocket_url;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.hostname}:${config.port}${config.path}`;
}

async function onEntry(event) {
  if (event) event.preventDefault();
  const nameInput = $("name");
  const roomInput = $("room");
  const name = nameInput.value.trim();
  const roomName = roomInput.value.trim();
  const badRoom = showProblem(roomInput, roomProblem(roomName));
  const badName = showProblem(nameInput, nameProblem(name));
  $("entry-status").textContent = "";
  if (badName) return nameInput.focus();
  if (badRoom) return roomInput.focus();
  let url;
  try {
    url = await websocketUrl();
  } catch {
    $("entry-status").textContent = "The gateway does not answer. Is it running?";
    return;
  }
  enter(url, name, roomName);
}

function showEntry(problem) {
  remember({ "fairlead-in": "no" });
  document.title = "Fairlead";
  $("chat").hidden = true;
  $("entry").hidden = false;
  $("entry-status").textContent = problem || "";
  ($("name").value ? $("room") : $("name")).focus();
}

/* The room */

function enter(url, name, roomName) {
  me = name;
  remember({ "fairlead-name": name, "fairlead-room": roomName, "fairlead-in": "yes" });
  const address = new URL(location.href);
  address.search = new URLSearchParams({ room: roomName });
  history.replaceState(null, "", address);
  for (const id of ["log", "outbox", "people-list"]) $(id).replaceChildren();
  unread = refusals = 0;
  lost = wasIn = false;
  typists.clear();
  drawTyping();
  $("empty").hidden = false;
  $("room-title").textContent = $("room-title").title = roomName;
  $("text").placeholder = `Message as ${name}`;
  $("entry").hidden = true;
  $("chat").hidden = false;
  $("text").focus();

  socket = new Socket(url, { user: name });
  room = socket.channel(`room:${roomName}`, { device: matchMedia("(pointer: coarse)").matches ? "phone" : "desktop" });
  socket.on("state", onSocketState);
  room.on("joined", onJoined);
  room.on("error", ({ reason }) => exit(`This room cannot be entered: ${reason}.`));
  room.on("closed", () => room && exit("You left the room."));
  room.on("gap", onGap);
  room.on("presence", onPresence);
  room.on("whisper", onWhisper);
  room.on("*", onEvent);
  drawTitle();
  room.join().catch(() => {}); // "error" tells
  onSocketState(socket.state);
}

function exit(problem) {
  const left = socket;
  room = socket = null;
  for (const timer of leaving.values()) clearTimeout(timer);
  leaving.clear();
  closePeople(false);
  left.close();
  showEntry(problem);
}

function onLeave() {
  const going = room;
  room = null; // what it still says is of no interest
  going.leave();
  exit("");
}

function onSocketState(state) {
  if (!socket) return;
  const status = $("status");
  const joined = state === "open" && room.state === "joined";
  const text = joined ? "Connected" : wasIn ? "Reconnecting…" : "Connecting…";
  if (state === "waiting") {
    if (!wasIn && ++refusals === REFUSALS_TOLD) notice(`No connection to ${socket.url.host} yet. Still trying.`, "missed");
    lost = true;
    restingUntil = Infinity;
    typists.clear();
    drawTyping();
  }
  status.dataset.state = joined ? "joined" : lost ? "waiting" : "connecting";
  if (status.textContent !== text) status.textContent = text;
}

let lost = false; // between a connection's end, or a failure to connect, and the next join
let wasIn = false; // joined at least once since the room was entered
let refusals = 0; // attempts to connect that failed before that
let restingUntil = 0; // leaves before this moment are told late: people are still returning

function onJoined({ again, renewed }) {
  lost = false;
  wasIn = true;
  setTimeout(drawPeopleSoon, PRESENCE_LATE_MS); // where presence is off nothing comes: that is said
  restingUntil = again ? Date.now() + LEAVE_NOTICE_RESTART_MS : 0;
  onSocketState(socket.state);
  if (renewed) notice("Reconnected. The gateway was restarted in between.");
  else if (again) notice("Reconnected.");
}

function onGap({ from, to, away }) {
  const missed = counted(to - from + 1, "message was", "messages were");
  notice(away ? `${missed} missed while you were disconnected.` : `${missed} missed here: this device reads too slowly.`, "missed");
}

function onEvent(payload, { event }) {
  if (event === "whisper") return;
  if (payload instanceof ArrayBuffer) {
    return notice(`${event}: ${counted(payload.byteLength, "byte", "bytes")} of binary data`);
  }
  const { user, text, id } = payload || {};
  if (event !== "message" || typeof text !== "string") {
    const line = make("p", "notice event");
    const whole = `${event} ${JSON.stringify(payload)}`;
    line.append(make("code", "", whole.length > EVENT_SHOWN_MAX ? `${whole.slice(0, EVENT_SHOWN_MAX)}…` : whole));
    return append(line);
  }
  const author = typeof user === "string" && user !== "" ? user.slice(0, NAME_BYTES_MAX) : "someone";
  if (author === me && typeof id === "string") settled(id);
  if (typists.delete(author)) drawTyping();
  append(messageElement(author, text, new Date(), $("log").lastElementChild));
  if (author !== me && document.hidden) {
    unread++;
    drawTitle();
  }
}

function messageElement(author, text, at, previous) {
  const follows = previous && previous.dataset.author === author && at - previous.dataset.at < FOLLOW_MS;
  const element = make("div", `message${author === me ? " mine" : ""}${follows ? " follow" : ""}`);
  element.dataset.author = author;
  element.dataset.at = Number(at);
  const head = make("p", "head");
  const time = make("time", "", clock.format(at));
  time.dateTime = at.toISOString();
  head.append(make("span", `author ${hueOf(author)}`, author === me ? "You" : author), time);
  const body = make("div", "body");
  body.append(head, make("p", "text", text));
  element.append(avatar(author), body);
  return element;
}

function notice(text, kind = "") {
  append(make("p", `notice ${kind}`, text));
}

/* The log: bounded, and at its end unless the reader scrolled away */

let unread = 0;
let atEnd = true;

function append(element) {
  const log = $("log");
  if (!element.classList.contains("notice")) $("empty").hidden = true;
  log.append(element);
  while (log.childElementCount > SHOWN_MAX) log.firstElementChild.remove();
  if (log.firstElementChild.classList.contains("follow")) log.firstElementChild.classList.remove("follow");
  settleScroll(element.classList.contains("message"));
}

function settleScroll(isNews) {
  const scroll = $("scroll");
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  else if (isNews) $("newer").hidden = false;
}

function onScroll() {
  const scroll = $("scroll");
  atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  if (atEnd) $("newer").hidden = true;
}

function toEnd() {
  atEnd = true;
  $("newer").hidden = true;
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function drawTitle() {
  const name = room || socket ? `#${$("room-title").textContent} · Fairlead` : "Fairlead";
  document.title = unread > 0 ? `(${unread}) ${name}` : name;
}

/* Sending: a message stands in the outbox until it comes back in the room's order */

const outbox = new Map(); // id -> element

function settled(id) {
  const element = outbox.get(id);
  if (!element) return;
  outbox.delete(id);
  element.remove();
}

function send(text) {
  const id = Math.random().toString(36).slice(2, 10);
  const element = messageElement(me, text, new Date(), $("outbox").lastElementChild || $("log").lastElementChild);
  outbox.set(id, element);
  $("outbox").append(element);
  $("empty").hidden = true;
  toEnd();
  room.push("message", { user: me, text, id }).catch((error) => {
    if (!outbox.has(id) || !room) return;
    element.classList.add("failed");
    const again = make("button", "", "Send again");
    const drop = make("button", "", "Discard");
    again.type = drop.type = "button";
    again.addEventListener("click", () => (settled(id), send(text), $("text").focus()));
    drop.addEventListener("click", () => (settled(id), $("text").focus()));
    const failure = make("div", "failure");
    failure.setAttribute("role", "alert");
    failure.append(make("span", "", `Not confirmed (${error.message}).`), again, drop);
    element.querySelector(".body").append(failure);
    settleScroll(false);
  });
}

function onSubmit(event) {
  event.preventDefault();
  const input = $("text");
  if (input.value.trim() === "" || !room) return;
  send(input.value.trim());
  input.value = "";
  fitText();
  typedAt = 0;
  input.focus();
}

function onKey(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
}

// Where the browser does not size the field by its content.
function fitText() {
  if (CSS.supports("field-sizing", "content")) return;
  const input = $("text");
  input.rows = Math.min(5, input.value.split("\n").length);
}

/* Typing: a whisper now and then, forgotten when no other follows */

const typists = new Map(); // user -> timer
let typedAt = 0; // when others were last told; 0: they think nobody types here

function onInput() {
  fitText();
  const typing = $("text").value.trim() !== "";
  const due = typing ? Date.now() - typedAt >= TYPING_EVERY_MS : typedAt !== 0;
  if (!due || !room || room.count || room.users.size > TYPING_ROOM_MAX) return;
  typedAt = typing ? Date.now() : 0;
  room.whisper({ user: me, typing });
}

function onWhisper(payload) {
  const { user, typing } = payload || {};
  if (typeof user !== "string" || user === me || !(room.users.has(user) || room.count)) return;
  clearTimeout(typists.get(user));
  typists.delete(user);
  if (typing === true) {
    typists.set(user, setTimeout(() => (typists.delete(user), drawTyping()), TYPING_EXPIRES_MS));
  }
  drawTyping();
}

function drawTyping() {
  const names = [...typists.keys()];
  const text = names.length === 0 ? "" :
    names.length > TYPING_SHOWN_MAX ? "Several people are typing…" :
    `${lists.format(names)} ${names.length === 1 ? "is" : "are"} typing…`;
  $("typing").textContent = text;
}

/* People */

const leaving = new Map(); // user -> timer of the notice

function onPresence({ joins, leaves, first }) {
  drawPeopleSoon();
  if (room.count) return; // a sample comes and goes without meaning anything
  const returned = joins.filter((user) => leaving.has(user));
  for (const user of returned) {
    clearTimeout(leaving.get(user));
    leaving.delete(user);
  }
  const joined = joins.filter((user) => user !== me && !returned.includes(user));
  if (first) {
    const others = joined.length > 0 ? `${namesText(joined)} ${joined.length === 1 ? "is" : "are"} here.` : "Nobody else is here yet.";
    return notice(`You entered the room. ${others}`);
  }
  if (joined.length > 0) notice(`${namesText(joined)} joined.`);
  const wait = Date.now() < restingUntil ? LEAVE_NOTICE_RESTART_MS : LEAVE_NOTICE_MS;
  for (const user of leaves) {
    if (typists.delete(user)) drawTyping();
    if (user !== me) leaving.set(user, setTimeout(() => onLeft(user), wait));
  }
}

// Everyone whose notice is due in the same moment shares one.
let left = [];
function onLeft(user) {
  leaving.delete(user);
  if (left.push(user) === 1) {
    setTimeout(() => {
      if (room && !room.count) notice(`${namesText(left)} left.`);
      left = [];
    }, 50);
  }
}

let drawing = false;
function drawPeopleSoon() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    if (room) drawPeople();
  }, 30);
}

function drawPeople() {
  const { users, count } = room;
  const total = count ? count.users : users.size;
  $("people-toggle-count").textContent = total > 0 ? number.format(total) : "?";
  if (total === 0) { // presence is off here
    $("people-count").textContent = "This room does not tell who is here.";
    return $("people-list").replaceChildren();
  }
  const connections = count ? count.connections : [...users.values()].reduce((sum, metas) => sum + metas.length, 0);
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  const others = [...users.keys()].filter((user) => user !== me).sort(byName);
  $("people-count").textContent = `${counted(total, "person", "people")}, ${counted(connections, "device", "devices")}`;
  const items = [me, ...others.slice(0, PEOPLE_SHOWN_MAX)].map((user) => personElement(user, users.get(user) || []));
  const rest = total - items.length;
  if (rest > 0) items.push(make("li", "person people-count", `and ${counted(rest, "other", "others")}`));
  $("people-list").replaceChildren(...items);
}

function personElement(user, metas) {
  const item = make("li", "person");
  const name = make("div", "person-name", user);
  if (user === me) name.append(make("span", "", " (you)"));
  if (metas.length > 1) name.append(make("span", "devices", counted(metas.length, "device", "devices")));
  item.append(avatar(user), name);
  return item;
}

const drawer = matchMedia("(max-width: 759px)");

// While the drawer is open what it covers takes no focus.
function setPeopleOpen(open) {
  $("chat").classList.toggle("people-open", open);
  $("people-toggle").setAttribute("aria-expanded", String(open));
  for (const covered of document.querySelectorAll(".bar, .talk")) covered.inert = open;
}

function openPeople() {
  setPeopleOpen(true);
  $("people-close").focus();
}

function closePeople(refocus) {
  if (!$("chat").classList.contains("people-open")) return;
  setPeopleOpen(false);
  if (refocus) $("people-toggle").focus();
}

/* Start */

function start() {
  const query = new URLSearchParams(location.search);
  $("name").value = query.get("name") || remembered("fairlead-name");
  $("room").value = query.get("room") || remembered("fairlead-room") || "lobby";
  $("entry-form").addEventListener("submit", onEntry);
  $("leave").addEventListener("click", onLeave);
  $("composer").addEventListener("submit", onSubmit);
  $("text").addEventListener("keydown", onKey);
  $("text").addEventListener("input", onInput);
  $("scroll").addEventListener("scroll", onScroll, { passive: true });
  $("newer").addEventListener("click", toEnd);
  $("people-toggle").addEventListener("click", openPeople);
  $("people-close").addEventListener("click", () => closePeople(true));
  $("veil").addEventListener("click", () => closePeople(true));
  addEventListener("resize", () => atEnd && toEnd());
  drawer.addEventListener("change", () => closePeople(false));
  document.addEventListener("keydown", (event) => event.key === "Escape" && closePeople(true));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !socket) return;
    unread = 0;
    drawTitle();
  });
  if (isInside() && $("name").value && $("room").value) onEntry();
  else ($("name").value ? $("room") : $("name")).focus();
}

start();
