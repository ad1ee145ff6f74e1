// The rows of docs/BENCHMARKS.md about one room of 5,000: saturation, CPU per delivery, a burst, a
// server that was stopped.
import { wait_connected, start_probe, end_of, sleep, start } from './processes.mjs';
import { median, quantile } from './stats.mjs';
import { now_ns } from './sample.mjs';
import { ROOM, at_least, at_most, in_turns, per_pair, percent, run_once, short } from './turns.mjs';

const room_of = more => ({
    connections: ROOM,
    'room-size': ROOM,
    'connect-rate': 10000,
    'payload-bytes': 64,
    'warmup-s': 0.7,
    'straggler-s': 0.7,
    ...more,
});

// --- saturation and what depends on it ---

// `closed` publishes under way. With one, the reply is out before the fan-out is: the next publish
// waits when the server comes back for it, so the server is never idle and no turn has two to
// coalesce.
async function saturate(bench, kind, closed) {
    const scrapes = [];
    const options = room_of({ closed, 'duration-s': bench.window_s });
    const result = await run_once(bench, kind, 'rooms', options, {
        during:
            kind === 'fairlead' ? server => scrape(server, scrapes, bench.window_s + 6) : undefined,
    });
    const { received } = result.messages,
        { cpu } = result;
    const inside = scrapes.filter(
        s =>
            s.at_ns >= result.window.begin_monotonic_ns &&
            s.at_ns <= result.window.end_monotonic_ns,
    );
    return {
        per_s: received / result.window.seconds,
        cpu_us: cpu.busy_ns / received / 1e3,
        busy: cpu.busy,
        client_busy: result.client.cpu,
        enters: per_delivery(inside, 'fairlead_ring_enters_total'),
        sends: per_delivery(inside, 'fairlead_sends_total'),
        text:
            `${short(received / result.window.seconds)}/s (server's CPU ${percent(cpu.busy)}, ` +
            `client ${percent(result.client.cpu)})`,
    };
}

async function scrape(server, scrapes, seconds) {
    for (
        const end = Date.now() + seconds * 1000;
        Date.now() < end && server.child.exitCode === null;
    ) {
        try {
            scrapes.push(await server.metrics());
        } catch {
            return; // the server has gone
        }
        await sleep(500);
    }
}

function per_delivery(inside, name) {
    if (inside.length < 2) return NaN;
    const grown = counter => inside[inside.length - 1][counter] - inside[0][counter];
    return grown(name) / grown('fairlead_audit_delivered_total');
}

// Once per run of the whole.
async function saturation(bench) {
    bench.saturated ??= await in_turns(bench, ['fairlead', 'uring'], kind =>
        saturate(bench, kind, 1),
    );
    return bench.saturated;
}

// One run each is enough to choose a rate.
async function saturation_rate(bench, kind) {
    if (bench.saturated) return median(bench.saturated[kind].map(value => value.per_s));
    bench.rates ??= {};
    bench.rates[kind] ??= (await saturate(bench, kind, 1)).per_s;
    return bench.rates[kind];
}

// The counter of system calls against what the kernel saw, where perf is at hand.
async function check_calls(bench) {
    if (bench.is_quick) return;
    const { watched } = await run_once(
        bench,
        'fairlead',
        'rooms',
        room_of({ closed: 1, 'duration-s': 4 }),
        {
            during: async server => {
                if (!(await wait_connected(ROOM, 15000))) return null;
                await sleep(1500);
                const before = await server.metrics();
                const perf = start([
                    'perf',
                    'stat',
                    '-x,',
                    '-e',
                    'raw_syscalls:sys_enter',
                    '-p',
                    String(server.pid),
                    'sleep',
                    '1.5',
                ]);
                const end = await end_of(perf, 5000);
                const after = await server.metrics();
                const seen = Number(/^(\d+),[^\n]*sys_enter/m.exec(perf.errors)?.[1] ?? NaN);
                const counted =
                    after.fairlead_ring_enters_total - before.fairlead_ring_enters_total;
                return end.code === 0 && Number.isFinite(seen) ? { seen, counted } : null;
            },
        },
    );
    if (watched)
        bench.remark(
            `perf counted ${watched.seen} system calls of all the server's threads while ` +
                `fairlead_ring_enters_total grew by ${watched.counted} (and read /metrics twice)`,
        );
}

async function row_saturation(bench) {
    const { fairlead, uring } = await saturation(bench);
    for (const value of [...fairlead, ...uring].filter(v => v.busy < 0.95))
        bench.remark(
            `a server's CPU was busy for ${percent(value.busy)} only, the client's process for ` +
                `${percent(value.client_busy)}: look at the row per second of the server's CPU`,
        );
    await check_calls(bench);
    return [
        {
            title: 'deliveries/s at saturation, room of 5,000',
            unit: '/s',
            fairlead: fairlead.map(v => v.per_s),
            floor: uring.map(v => v.per_s),
            ratio: per_pair(fairlead, uring, v => v.per_s),
            bar: at_least(0.9),
            stretch: at_least(1.0),
        },
        {
            title: "the same per second of the server's CPU",
            unit: '/s',
            fairlead: fairlead.map(v => 1e6 / v.cpu_us),
            floor: uring.map(v => 1e6 / v.cpu_us),
            ratio: per_pair(fairlead, uring, v => 1 / v.cpu_us),
        },
        {
            title: 'system calls per delivery at saturation',
            unit: '',
            judge: 'fairlead',
            fairlead: fairlead.map(v => v.enters),
            bar: at_most(0.02),
            stretch: at_most(0.005),
        },
        {
            title: 'send operations per delivery at saturation (below 1: coalesced)',
            unit: '',
            judge: 'fairlead',
            fairlead: fairlead.map(v => v.sends),
        },
    ];
}

async function row_delivery(bench) {
    const slower = Math.min(
        await saturation_rate(bench, 'uring'),
        await saturation_rate(bench, 'fairlead'),
    );
    const rate = Math.max(1, Math.round((0.65 * slower) / ROOM));
    bench.say(`  ${rate} publishes/s: 65 % of what the slower one delivers at most`);
    const values = await in_turns(bench, ['fairlead', 'uring'], async kind => {
        const options = room_of({ rate, 'duration-s': bench.window_s });
        const { messages, cpu, latency_ns } = await run_once(bench, kind, 'rooms', options);
        const value = {
            cpu_us: cpu.busy_ns / messages.received / 1e3,
            process_us: cpu.process_ns / messages.received / 1e3,
            p99_ms: latency_ns.last_receiver.p99 / 1e6,
        };
        value.text = `${short(value.cpu_us)} µs (process ${short(value.process_us)})`;
        return value;
    });
    const { fairlead, uring } = values;
    return [
        {
            title: 'CPU per delivery, room of 5,000, 64 B',
            unit: 'µs',
            fairlead: fairlead.map(v => v.cpu_us),
            floor: uring.map(v => v.cpu_us),
            ratio: per_pair(fairlead, uring, v => v.cpu_us),
            bar: at_most(1.1),
            stretch: at_most(1.0),
        },
        {
            title: "the same, the server's process alone",
            unit: 'µs',
            fairlead: fairlead.map(v => v.process_us),
            floor: uring.map(v => v.process_us),
            ratio: per_pair(fairlead, uring, v => v.process_us),
        },
        {
            title: 'p99 of the last receiver at that rate',
            unit: 'ms',
            fairlead: fairlead.map(v => v.p99_ms),
            floor: uring.map(v => v.p99_ms),
            ratio: per_pair(fairlead, uring, v => v.p99_ms),
        },
    ];
}

// 64 publishes under way: many for each turn. Compared with Fairlead's own saturation.
async function row_burst(bench) {
    const { fairlead } = await saturation(bench);
    const values = await in_turns(bench, ['fairlead'], kind => saturate(bench, kind, 64));
    const ratio = values.fairlead.map(
        (value, i) => value.per_s / fairlead[i % fairlead.length].per_s,
    );
    return [
        {
            title: 'deliveries/s in a burst (64 publishes under way), against saturation',
            unit: '/s',
            fairlead: values.fairlead.map(v => v.per_s),
            ratio,
            floor_text: 'itself at saturation',
            bar: at_least(3),
            stretch: at_least(6),
        },
    ];
}

// --- a server that was stopped ---

const STOP_MS = 200;

// The first of five lags in a row that are back under the p99 from before, ms after SIGCONT.
function recovery_ms(seen, stopped_ms, continued_ms) {
    const before = seen.filter(s => s.at < stopped_ms).map(s => s.lag);
    const limit = quantile(before, 0.99);
    const after = seen.filter(s => s.at >= continued_ms);
    for (let i = 0; i + 5 <= after.length; i++)
        if (after.slice(i, i + 5).every(s => s.lag <= limit))
            return { ms: Math.max(0, after[i].at - continued_ms), limit, count: before.length };
    return { ms: Infinity, limit, count: before.length };
}

async function stop_and_watch(bench, server) {
    if (!(await wait_connected(ROOM, 15000))) throw new Error('the room did not fill');
    await sleep(300);
    const probe = start_probe(server, 'bench-0');
    await sleep(4000); // the load tool's warm-up and the time to know the p99 before
    const stopped_ms = now_ns() / 1e6;
    server.signal('SIGSTOP');
    await sleep(STOP_MS);
    server.signal('SIGCONT');
    const continued_ms = now_ns() / 1e6;
    await sleep(2500);
    probe.kill('SIGTERM');
    await end_of(probe, 3000);
    const seen = probe.output
        .trim()
        .split('\n')
        .map(line => line.split(' ').map(Number))
        .filter(pair => pair.length === 2)
        .map(([at, lag]) => ({ at, lag }));
    if (seen.length < 50)
        throw new Error(`the probe saw ${seen.length} messages: ${probe.errors.trim()}`);
    return recovery_ms(
        seen.filter(s => s.at > stopped_ms - 3000),
        stopped_ms,
        continued_ms,
    );
}

async function row_stop(bench) {
    const rates = {};
    for (const kind of ['fairlead', 'uring'])
        rates[kind] = Math.max(1, Math.round((0.8 * (await saturation_rate(bench, kind))) / ROOM));
    const values = await in_turns(bench, ['fairlead', 'uring'], async kind => {
        const options = room_of({ rate: rates[kind], 'duration-s': 7 });
        const { watched } = await run_once(bench, kind, 'rooms', options, {
            during: server => stop_and_watch(bench, server),
        });
        return {
            ...watched,
            text: `${short(watched.ms)} ms (p99 before ${short(watched.limit)} ms)`,
        };
    });
    return [
        {
            title: `stopped ${STOP_MS} ms at 80 % of saturation: until the lag is back under its p99`,
            unit: 'ms',
            judge: 'fairlead',
            fairlead: values.fairlead.map(v => v.ms),
            floor: values.uring.map(v => v.ms),
            bar: at_most(300),
            stretch: at_most(100),
        },
    ];
}

export const room_rows = [
    { name: 'saturation', quick: true, run: row_saturation },
    { name: 'delivery', quick: true, run: row_delivery },
    { name: 'burst', run: row_burst },
    { name: 'stop', run: row_stop },
];
