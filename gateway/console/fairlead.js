// fairlead.js: a small client of the Fairlead gateway (Phoenix Channels, serializer 2.0.0).
//
// Plain script: <script src="fairlead.js"> defines globalThis.Fairlead = { Socket, Channel }.
// Module: import { Socket } from "./fairlead.mjs". In Node pass { WebSocket } from "ws".
//
//   const socket = new Fairlead.Socket("ws://127.0.0.1:8080/socket/websocket", { user: "ann" });
//   const room = socket.channel("room:lobby", { device: "phone" });
//   room.on("message", (payload, info) => console.log(info.seq, payload));
//   const { epoch, seq } = await room.join();
//   const reply = await room.push("message", { text: "hello" }); // { seq: 1 }
//
// Socket(url, { user, token, params, WebSocket, heartbeatMs = 30000, timeoutMs = 10000 })
//   connect(), close()   joins connect by themselves; after close() nothing reconnects
//   state                "idle" | "connecting" | "open" | "waiting" | "closed"
//   on("state", f(state, code))   code: of the close frame that led here
//   Every close that close() did not start is followed by a reconnect: 0.25 s, doubling up to
//   15 s, each wait drawn from its upper half; at once when the browser says it is online again.
// socket.channel(topic, meta)   one Channel per topic; meta (object, 256 bytes of JSON) describes
//   this device to others
// Channel
//   join()  -> { epoch, seq }   rejects with Error(reason) when refused; rejoins after reconnects
//   push(event, payload) -> response   payload: any JSON, or an ArrayBuffer. Waits for the join;
//     rejects with the gateway's reason, "timeout", or "connection lost" (then it may or may not
//     have arrived)
//   whisper(payload)   to the others only, unnumbered, lost when not joined
//   leave()            settles when the gateway knows, or the connection is gone
//   state, epoch, seq  "closed" | "joining" | "joined"; the room's life; last number seen
//   users              Map: user -> [meta, ...], one meta per device
//   count              { users, connections } of a room too big to list (users is a sample), or null
//   on(event, f(payload, { seq, event }))  returns a function that takes it off again; "*" gets all:
//     any published event, "whisper", and of its own
//     "joined"   { epoch, seq, again, renewed }  again: after a reconnect; renewed: the room died in
//                between and counts from 1
//     "error"    { reason }        a join was refused (after a reconnect, too)
//     "closed"   {}                left, or another join of this socket took over
//     "gap"      { from, to, away }  these numbers were missed, while away (disconnected) or slow
//     "presence" { joins: [user], leaves: [user], first }   users or count changed
(function (root) {
  "use strict";
  const TEXT = new TextEncoder();
  const NAMES = new TextDecoder();
  const SAMPLE_MAX = 50; // users in the sample of a room too big to list
  const COUNT_MS = 8000;

  class Emitter {
    #listeners = new Map();
    on(event, f) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(f);
      return () => this.#listeners.get(event).delete(f);
    }
    emit(event, ...args) {
      for (const f of [...(this.#listeners.get(event) || [])]) f(...args);
    }
  }

  // Binary frames: kind, one length byte per name, the names, the payload.
  function encodeBinary(names, payload) {
    const parts = names.map((name) => TEXT.encode(name || ""));
    if (parts.some((part) => part.length > 255)) throw new RangeError("name too long");
    const chunks = [[0], parts.map((part) => part.length), ...parts, new Uint8Array(payload)];
    const frame = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      frame.set(chunk, at);
      at += chunk.length;
    }
    return frame;
  }

  // -> [join_ref, ref, topic, event, payload], as the text form has it.
  function decodeBinary(buffer) {
    const bytes = new Uint8Array(buffer);
    const kind = bytes[0];
    const count = [3, 4, 2][kind];
    let at = 1 + count;
    const names = Array.from(bytes.subarray(1, at), (size) =>
      NAMES.decode(bytes.subarray(at, (at += size))));
    const payload = buffer.slice(at);
    if (kind === 2) return [null, null, ...names, payload];
    if (kind === 0) return [names[0], null, names[1], names[2], payload];
    return [names[0], names[1], names[2], "phx_reply", { status: names[3], response: payload }];
  }

  class Socket extends Emitter {
    #ref = 0;
    #tries = 0;
    #timer = 0;
    #ws = null;
    #calls = new Map(); // ref -> { resolve, reject, timer }
    state = "idle";
    channels = new Map();

    constructor(url, options = {}) {
      super();
      this.options = { heartbeatMs: 30000, timeoutMs: 10000, params: {}, ...options };
      this.url = new URL(url);
      const params = { ...this.options.params, vsn: "2.0.0" };
      if (options.user) params.user = options.user;
      for (const name in params) this.url.searchParams.set(name, params[name]);
      if (root.addEventListener) {
        root.addEventListener("online", () => this.state === "waiting" && this.#open());
      }
    }

    connect() {
      if (this.state === "idle" || this.state === "closed") this.#open();
    }

    close() {
      this.#drop("closed", 1000);
    }

    channel(topic, meta = {}) {
      if (!this.channels.has(topic)) this.channels.set(topic, new Channel(this, topic, meta));
      return this.channels.get(topic);
    }

    // Sends one request; the promise settles with its reply, the timeout or the connection's end.
    call(joinRef, topic, event, payload, ref = this.nextRef()) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => this.#settle(ref, "timeout"), this.options.timeoutMs);
        this.#calls.set(ref, { resolve, reject, timer });
        this.send(joinRef, ref, topic, event, payload);
      });
    }

    send(joinRef, ref, topic, event, payload) {
      if (this.state !== "open") return;
      this.#ws.send(payload instanceof ArrayBuffer
        ? encodeBinary([joinRef, ref, topic, event], payload)
        : JSON.stringify([joinRef, ref, topic, event, payload]));
    }

    nextRef() {
      return String(++this.#ref);
    }

    #open() {
      clearTimeout(this.#timer);
      const { token, WebSocket = root.WebSocket } = this.options;
      const protocols = ["phoenix"];
      if (token) protocols.push("base64url.bearer.phx." + btoa(token).replace(/=/g, ""));
      const ws = (this.#ws = new WebSocket(this.url.href, token ? protocols : []));
      ws.binaryType = "arraybuffer";
      ws.onopen = () => {
        this.#tries = 0;
        this.#enter("open");
        this.#beat();
        for (const channel of this.channels.values()) channel.onOpen();
      };
      ws.onmessage = ({ data }) => this.#receive(data);
      ws.onerror = () => {};
      ws.onclose = ({ code }) => this.#drop("waiting", code);
      this.#enter("connecting");
    }

    #enter(state, code) {
      this.state = state;
      this.emit("state", state, code);
    }

    // An unanswered heartbeat means a dead peer: its close would never come, so it is not awaited.
    #beat() {
      this.#timer = setTimeout(() => {
        this.call(null, "phoenix", "heartbeat", {}).then(
          () => this.#beat(),
          (error) => error.message === "timeout" && this.#drop("waiting", 1006));
      }, this.options.heartbeatMs);
    }

    #drop(state, code) {
      clearTimeout(this.#timer);
      const ws = this.#ws;
      this.#ws = null;
      if (ws) {
        ws.onopen = ws.onmessage = ws.onclose = null;
        if (ws.readyState < 2) ws.close(1000);
      }
      if (state === "waiting") {
        // Half fixed, half random: clients that were cut off together do not return together.
        const wait = Math.min(15000, 250 * 2 ** this.#tries++);
        this.#timer = setTimeout(() => this.#open(), (wait * (1 + Math.random())) / 2);
      }
      this.state = state;
      for (const channel of this.channels.values()) channel.onDrop();
      for (const ref of [...this.#calls.keys()]) this.#settle(ref, "connection lost");
      this.emit("state", state, code);
    }

    #settle(ref, reason, response) {
      const call = this.#calls.get(ref);
      if (!call) return;
      this.#calls.delete(ref);
      clearTimeout(call.timer);
      if (reason === null) call.resolve(response);
      else call.reject(Object.assign(new Error(reason), { response }));
    }

    #receive(data) {
      const [joinRef, ref, topic, event, payload, seq] =
        typeof data === "string" ? JSON.parse(data) : decodeBinary(data);
      if (event === "phx_reply") {
        const { status, response } = payload;
        this.#settle(ref, status === "ok" ? null : response.reason || status, response);
      } else {
        const channel = this.channels.get(topic);
        if (channel) channel.onMessage(joinRef, event, payload, seq);
      }
    }
  }

  class Channel extends Emitter {
    #wanted = null; // join()'s promise: { promise, resolve, reject }
    #queue = []; // calls that wait for the join
    #early = null; // presence diffs that came before their state
    #joinRef = null;
    #tries = 0;
    #timer = 0;
    #countTimer = 0;
    state = "closed";
    epoch = null;
    seq = 0;
    users = new Map();
    count = null;

    constructor(socket, topic, meta) {
      super();
      Object.assign(this, { socket, topic, meta });
    }

    join() {
      if (!this.#wanted) {
        const wanted = (this.#wanted = {});
        wanted.promise = new Promise((resolve, reject) => Object.assign(wanted, { resolve, reject }));
        if (this.socket.state === "open") this.onOpen();
        else this.socket.connect();
      }
      return this.#wanted.promise;
    }

    push(event, payload = {}) {
      if (this.state === "joined") {
        return this.socket.call(this.#joinRef, this.topic, event, payload);
      }
      return new Promise((resolve, reject) => {
        const entry = { event, payload, resolve, reject };
        this.#queue.push(entry);
        entry.timer = setTimeout(() => {
          this.#queue = this.#queue.filter((other) => other !== entry);
          reject(new Error("timeout"));
        }, this.socket.options.timeoutMs);
      });
    }

    whisper(payload) {
      if (this.state === "joined") {
        this.socket.send(this.#joinRef, null, this.topic, "whisper", payload); // no ref: no reply
      }
    }

    leave() {
      const left = this.state === "joined"
        ? this.socket.call(this.#joinRef, this.topic, "phx_leave", {}).catch(() => {})
        : Promise.resolve();
      this.#end("left");
      return left; // a connection's end is a leave, too
    }

    onOpen() {
      if (!this.#wanted || this.state !== "closed") return;
      clearTimeout(this.#timer);
      const ref = (this.#joinRef = this.socket.nextRef());
      this.state = "joining";
      this.#early = [];
      this.socket.call(ref, this.topic, "phx_join", { meta: this.meta }, ref).then(
        (response) => ref === this.#joinRef && this.#joined(response),
        (error) => ref === this.#joinRef && this.#refused(error.message));
    }

    onDrop() {
      clearTimeout(this.#timer);
      clearTimeout(this.#countTimer);
      this.state = "closed";
      this.#joinRef = null;
    }

    #joined({ epoch, seq }) {
      const again = this.epoch !== null;
      const renewed = again && epoch !== this.epoch;
      const from = renewed ? 1 : this.seq + 1;
      Object.assign(this, { state: "joined", epoch, seq });
      this.#tries = 0;
      this.#wanted.resolve({ epoch, seq });
      this.emit("joined", { epoch, seq, again, renewed });
      if (again && seq >= from) this.emit("gap", { from, to: seq, away: true });
      for (const { event, payload, resolve, reject, timer } of this.#queue.splice(0)) {
        clearTimeout(timer);
        this.push(event, payload).then(resolve, reject);
      }
    }

    // Tries again when the cause may pass by itself; a plain no is final until join() is called.
    #refused(reason) {
      this.onDrop();
      if (reason === "connection lost") return;
      if (reason === "timeout" || reason === "busy") return this.#retry();
      this.#wanted.reject(new Error(reason));
      this.emit("error", { reason });
      this.#end(reason);
    }

    #retry() {
      const wait = [1000, 2000, 5000, 10000][Math.min(3, this.#tries++)];
      this.#timer = setTimeout(
        () => this.socket.state === "open" && this.onOpen(), (wait * (1 + Math.random())) / 2);
    }

    #end(reason) {
      this.onDrop();
      if (this.#wanted) {
        this.#wanted.promise.catch(() => {});
        this.#wanted.reject(new Error(reason));
        this.#wanted = null;
      }
      for (const { reject, timer } of this.#queue.splice(0)) {
        clearTimeout(timer);
        reject(new Error(reason));
      }
      this.users.clear();
      this.count = this.epoch = null;
      this.emit("closed", {});
    }

    onMessage(joinRef, event, payload, seq) {
      if (this.#joinRef === null || (joinRef && joinRef !== this.#joinRef)) return;
      if (event === "phx_close") return this.#end("closed");
      if (event === "phx_error") {
        this.onDrop();
        return this.#retry();
      }
      if (event === "presence_state") return this.#presenceState(payload);
      if (event === "presence_diff") return this.#presenceDiff(payload);
      if (event === "presence_count") {
        clearTimeout(this.#countTimer);
        this.count = payload;
        return this.emit("presence", { joins: [], leaves: [], first: false });
      }
      if (event === "gap") {
        this.seq = payload.to;
        return this.emit("gap", { ...payload, away: false });
      }
      if (event !== "whisper") {
        // Binary broadcasts, and all of a gateway with --strict-phoenix, count without saying so.
        seq = seq || this.seq + 1;
        if (seq > this.seq + 1) this.emit("gap", { from: this.seq + 1, to: seq - 1, away: false });
        this.seq = seq;
      }
      this.emit(event, payload, { event, seq });
      this.emit("*", payload, { event, seq });
    }

    // A room too big to list follows each change with a count; one that shrank sends no more.
    #doubtCount() {
      clearTimeout(this.#countTimer);
      if (!this.count) return;
      this.#countTimer = setTimeout(() => {
        this.count = null;
        this.emit("presence", { joins: [], leaves: [], first: false });
      }, COUNT_MS);
    }

    // A state replaces the list wholesale; diffs that overtook it are applied after it.
    #presenceState(state) {
      const before = this.users;
      const first = before.size === 0;
      this.users = new Map(Object.entries(state).map(([user, { metas }]) => [user, metas]));
      if (this.users.size > SAMPLE_MAX) this.count = null;
      this.#doubtCount();
      const joins = [...this.users.keys()].filter((user) => !before.has(user));
      const leaves = [...before.keys()].filter((user) => !this.users.has(user));
      const early = this.#early || [];
      this.#early = null;
      this.emit("presence", { joins, leaves, first });
      for (const diff of early) this.#presenceDiff(diff);
    }

    #presenceDiff(diff) {
      if (this.#early) return this.#early.push(diff);
      const joins = [];
      const leaves = [];
      for (const [user, { metas }] of Object.entries(diff.joins)) {
        if (!this.users.has(user)) joins.push(user);
        const refs = new Set(metas.map((meta) => meta.phx_ref));
        const kept = (this.users.get(user) || []).filter((meta) => !refs.has(meta.phx_ref));
        this.users.set(user, [...kept, ...metas]);
      }
      for (const [user, { metas }] of Object.entries(diff.leaves)) {
        const refs = new Set(metas.map((meta) => meta.phx_ref));
        const kept = (this.users.get(user) || []).filter((meta) => !refs.has(meta.phx_ref));
        if (kept.length > 0) this.users.set(user, kept);
        else if (this.users.delete(user)) leaves.push(user);
      }
      this.#doubtCount();
      this.emit("presence", { joins, leaves, first: false });
    }
  }

  root.Fairlead = { Socket, Channel };
})(globalThis);
