// make millions, inside its namespace (millions.sh): one gateway with a scheduler on each of two
// CPUs, one load tool that shares them, N connections, each joined to a room, heartbeating, while
// some publish. Prints how fast they came, what each takes (user and kernel, by cause), CPU, latency
// and the verdict; the figures go to build/millions/<N>.json. Exit: 0 all bars met, 1 one is not, 4 no run.
import { readFileSync, writeFileSync, mkdirSync, existsSync, rmSync } from 'node:fs';
import { hostname, release } from 'node:os';
import { start, end_of, kill_all, sleep, fairlead, load_tool } from './processes.mjs';
import {
    memory_of,
    process_ns,
    slabs,
    idle_ns,
    now_ns,
    is_listening,
    sockets_allocated,
} from './sample.mjs';

const env = process.env;
const count = Number(env.N);
const is_quiet = env.QUIET === '1';
const many = count > 1000000;
const asked = {
    heartbeat_s: is_quiet ? 0 : Number(env.HEARTBEAT_S ?? (many ? 120 : 30)),
    publishes: is_quiet ? 0 : Number(env.PUBLISHES ?? (many ? count / 10000 : count / 1000)),
    hold_s: Number(env.HOLD_S ?? (is_quiet ? 90 : many ? 180 : 300)),
    room_size: Number(env.ROOM_SIZE ?? 100),
    connect_rate: Number(env.CONNECT_RATE ?? 20000),
};
// The load tool's receives stay armed (608 B each): a message then costs it one operation where a
// parked connection's takes three. The gateway parks as always.
const park_after_s = Number(env.PARK_AFTER_S ?? (is_quiet ? 2 : 100));
const HEARTBEAT_P99_MAX_MS = 100;
const IDLE_CPU_MAX = 0.01;
// Hot connections are parked after 2 s; slabs are freed by RCU a little later.
const SETTLE_S = Number(env.SETTLE_S ?? 20);
const PORT = 8080;
const CONTROL = 8081;
const folder = 'build/millions';
mkdirSync(folder, { recursive: true });
const results_file = `${folder}/${count}${is_quiet ? '-quiet' : ''}.json`;

const say = text => console.log(text);
const whole = value => Math.round(value).toLocaleString('en-US');
const ms = ns => (ns / 1e6).toFixed(ns < 1e8 ? 2 : 0);
const available = () =>
    Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) * 1024;

const both_idle_ns = () => idle_ns(0) + idle_ns(1);

async function start_gateway() {
    const idle_s = is_quiet ? 3600 : Math.max(60, 3 * asked.heartbeat_s);
    const server = start([
        fairlead,
        'serve',
        ...['--listen', `127.0.0.1:${PORT}`, '--control', `127.0.0.1:${CONTROL}`],
        ...['--schedulers', '2', '--cpus', '0,1', '--presence', 'counts'],
        ...['--idle-timeout-s', idle_s, '--connections-max', count, '--rooms-max', count],
        ...['--handshake-timeout-s', 120, '--log-level', 'warn'],
    ].map(String));
    for (let i = 0; i < 200 && !is_listening(PORT) && server.exitCode === null; i++) await sleep(50);
    if (server.exitCode !== null || !is_listening(PORT))
        throw new Error(`the gateway did not start: ${server.errors.trim().split('\n').pop()}`);
    return server;
}

function start_load() {
    const json = `${folder}/load-${process.pid}.json`;
    rmSync(json, { force: true });
    const talks = asked.publishes > 0;
    const load = start([
        load_tool,
        talks ? 'rooms' : 'hold',
        ...['--target', `ws://127.0.0.1:${PORT}/socket/websocket`, '--cpus', '0-1'],
        ...['--connections', count, '--room-size', asked.room_size],
        ...['--connect-rate', asked.connect_rate, '--connecting-max', 2000],
        ...['--connect-timeout-s', 120, '--heartbeat-s', asked.heartbeat_s],
        ...['--duration-s', asked.hold_s, '--json', json, '--park-after-s', park_after_s],
        ...(talks ? ['--rate', asked.publishes, '--warmup-s', SETTLE_S] : []),
    ].map(String));
    load.json = json;
    load.connected = new Promise(done => {
        load.stderr.on('data', data => /phase=connected/.test(data) && done(true));
        load.ended.then(() => done(false));
    });
    return load;
}

// One line every 10 s: where it stands. The load tool's own line, and what the machine has left.
function tell_progress(server, load) {
    return setInterval(() => {
        const line = load.errors.trim().split('\n').pop() ?? '';
        say(
            `  ${line.replace(/\s+/g, ' ').slice(0, 110)} | gateway ${whole(memory_of(server.pid).rss / 2 ** 20)} MiB, ` +
                `free ${whole(available() / 2 ** 20)} MiB`,
        );
    }, 10000);
}

// Slab caches that grew by at least one object in ten connections; both ends are here, so half.
function kernel_causes(before, after) {
    return Object.entries(after)
        .map(([name, { count: objects, size }]) => {
            const grown = objects - (before[name]?.count ?? 0);
            return { name, per_connection: (grown * size) / count / 2, each: grown / count / 2 };
        })
        .filter(cache => cache.each >= 0.05)
        .sort((a, b) => b.per_connection - a.per_connection);
}

const sum = causes => causes.reduce((total, cache) => total + cache.per_connection, 0);

async function measure(server, load, before) {
    const begin_ns = now_ns();
    if (!(await load.connected)) return null;
    const connected = {
        seconds: (now_ns() - begin_ns) / 1e9,
        server_cpu_us: process_ns(server.pid) / 1e3 / count,
        load_cpu_us: process_ns(load.pid) / 1e3 / count,
    };
    await sleep(SETTLE_S * 900);
    const from = { at: now_ns(), server: process_ns(server.pid), load: process_ns(load.pid), idle: both_idle_ns() };
    const memory = {
        gateway: (memory_of(server.pid).rss - before.gateway) / count,
        load: (memory_of(load.pid).rss - before.load) / count,
        all: (before.available - available()) / count,
        causes: kernel_causes(before.slabs, slabs()),
    };
    // For the window's CPU the end is taken while everybody is still there.
    await sleep((asked.hold_s - (is_quiet ? SETTLE_S : 0)) * 900);
    const wall_ns = now_ns() - from.at;
    const cpu = {
        gateway: (process_ns(server.pid) - from.server) / wall_ns,
        load: (process_ns(load.pid) - from.load) / wall_ns,
        both: 2 - (both_idle_ns() - from.idle) / wall_ns,
    };
    return { connected, memory, cpu };
}

function verdict_of(measured, result) {
    const missed = [];
    const bar = (is_met, text) => is_met || missed.push(text);
    const lost = result.checks.lost + result.checks.missing;
    bar(result.connections.joined === count, `${whole(result.connections.joined)} of ${whole(count)} joined`);
    bar(result.connections.live_at_end === count, `${whole(count - result.connections.live_at_end)} connections were lost`);
    bar(lost === 0, `${whole(lost)} messages were lost`);
    const heartbeat = result.latency_ns.heartbeat;
    if (!is_quiet)
        bar(
            heartbeat?.count > 0 && heartbeat.p99 <= HEARTBEAT_P99_MAX_MS * 1e6,
            `heartbeat p99 is ${ms(heartbeat?.p99 ?? NaN)} ms, the bar is ${HEARTBEAT_P99_MAX_MS} ms`,
        );
    if (is_quiet)
        bar(
            measured.cpu.gateway <= IDLE_CPU_MAX,
            `idle connections take ${(100 * measured.cpu.gateway).toFixed(2)} % of a CPU, the bar is 1 %`,
        );
    return missed;
}

function print(measured, result, missed) {
    const { connected, memory, cpu } = measured;
    const latency = result.latency_ns;
    const row = (name, h) =>
        h?.count > 0 &&
        say(`  ${name.padEnd(16)} ${whole(h.count).padStart(11)} p50 ${ms(h.p50)} p99 ${ms(h.p99)} p99.9 ${ms(h.p99_9)} max ${ms(h.max)} ms`);
    say('');
    say(missed.length === 0 ? `MET: ${whole(count)} connections held` : `MISSED: ${missed.join('; ')}`);
    say('');
    say(`connections   ${whole(result.connections.joined)} joined in ${connected.seconds.toFixed(1)} s (${whole(count / connected.seconds)}/s), ${whole(result.connections.live_at_end)} at the end`);
    say(`CPU a connect gateway ${connected.server_cpu_us.toFixed(1)} µs, load tool ${connected.load_cpu_us.toFixed(1)} µs (on loopback the sender runs the receiver's path)`);
    say(`CPU held      gateway ${(100 * cpu.gateway).toFixed(2)} %, load tool ${(100 * cpu.load).toFixed(2)} %, both CPUs in all ${(100 * cpu.both).toFixed(0)} % of 200 %`);
    say(`bytes each    gateway ${memory.gateway.toFixed(0)} user + ${sum(memory.causes).toFixed(0)} kernel; load tool ${memory.load.toFixed(0)} user + as much kernel; ${memory.all.toFixed(0)} gone from MemAvailable`);
    for (const { name, per_connection, each } of memory.causes)
        say(`              ${name.padEnd(22)} ${per_connection.toFixed(0).padStart(6)} B (${each.toFixed(2)} each)`);
    say(`messages      ${whole(result.messages.sent ?? 0)} published, ${whole(result.messages.received ?? 0)} delivered (${whole(result.messages.received_per_s ?? 0)}/s), lost ${result.checks.lost}, twice ${result.checks.duplicates}, out of order ${result.checks.disordered}`);
    row('heartbeat', latency.heartbeat);
    row('delivery', latency.delivery);
    row('last receiver', latency.last_receiver);
    row('connect and join', latency.connect);
    say(`load tool     ${result.verdict}`);
    say(`all figures   ${results_file}`);
}

// A run before this one that had millions is taken down by the kernel in the background.
async function until_others_are_gone() {
    for (let i = 0; i < 120 && sockets_allocated() > 5000; i++) {
        if (i === 0) say('  waiting for the sockets of an earlier run to be freed');
        await sleep(1000);
    }
}

async function run() {
    await until_others_are_gone();
    say(`millions: ${whole(count)} connections in rooms of ${asked.room_size}, heartbeats ${asked.heartbeat_s ? `every ${asked.heartbeat_s} s` : 'off'}, ${asked.publishes} publishes/s, held ${asked.hold_s} s (Linux ${release()})`);
    const server = await start_gateway();
    await sleep(1000);
    const before = { gateway: memory_of(server.pid).rss, available: available(), slabs: slabs(), load: 16 * 2 ** 20 };
    const load = start_load();
    const progress = tell_progress(server, load);
    const measured = await measure(server, load, before);
    const end = await end_of(load, (asked.hold_s + 120) * 1000);
    clearInterval(progress);
    server.kill('SIGKILL');
    await server.ended;
    if (!measured || !existsSync(load.json)) {
        say(`millions: no run: ${(load.errors + load.output).trim().split('\n').slice(-3).join(' / ')}`);
        return end.code || 4;
    }
    const result = JSON.parse(readFileSync(load.json, 'utf8'));
    rmSync(load.json);
    const missed = verdict_of(measured, result);
    writeFileSync(results_file, JSON.stringify({ asked, host: hostname(), kernel: release(), measured, missed, result }, null, 1));
    print(measured, result, missed);
    // A load tool that was late itself makes latencies worse, never better: met is met.
    return missed.length > 0 ? 1 : 0;
}

let is_over = false;
for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => {
        if (is_over) return;
        is_over = true;
        say('millions: interrupted');
        kill_all();
        process.exit(130);
    });
run()
    .catch(error => {
        say(`millions: ${error.message}`);
        return 4;
    })
    .then(code => {
        kill_all();
        process.exit(code);
    });
