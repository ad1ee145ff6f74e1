// The rows of docs/BENCHMARKS.md that compare Fairlead with the floors, run by run in turns.
//
// Each row is {name, title, quick, run(bench)}; run() returns result lines for the report:
// {row, title, unit, fairlead: [...], floor: [...], ratio: [...], bar, stretch, notes}. A bar on a ratio
// judges the ratio of each pair; a bar on an absolute figure (`judge: 'fairlead'`) judges the figure.
import { Server, Load, wait_connected, start_probe, end_of, sleep, start } from './processes.mjs';
import { median, quantile } from './stats.mjs';
import { now_ns } from './sample.mjs';

export const ROOM = 5000;
const at_most = value => ({ op: '<=', value });
const at_least = value => ({ op: '>=', value });

const room_of = more => ({
    connections: ROOM, 'room-size': ROOM, 'connect-rate': 10000, 'payload-bytes': 64,
    'warmup-s': 1, 'straggler-s': 1, ...more,
});

// One server, one load, one result. `during` may watch the server meanwhile.
async function run_once(bench, kind, scenario, options, { more = [], during } = {}) {
    const server = await Server.start(kind, more);
    let load;
    try {
        load = Load.start(scenario, server, options);
        const watched = during ? during(server, load) : null;
        const result = await load.result(60000);
        result.watched = await watched;
        return bench.note_run(kind, scenario, options, result);
    } finally {
        if (load) await load.kill();
        const said = await server.stop();
        if (said.sends_dropped > 0 || said.sends_cut > 0)
            bench.remark(`the ${kind} floor dropped ${said.sends_dropped} sends of a slow client`);
    }
}

// measure(kind, pair) for every kind, in turns, the first one changing; a pair with a noisy machine is
// measured again while the allowance lasts. {kind: [value per pair]}.
async function in_turns(bench, kinds, measure) {
    const values = Object.fromEntries(kinds.map(kind => [kind, []]));
    for (let pair = 0, again = 0; pair < bench.pairs; pair++) {
        const order = pair % 2 ? [...kinds].reverse() : kinds;
        const got = {};
        bench.foreign_max = 0;
        for (const kind of order) got[kind] = await measure(kind, pair);
        if (bench.foreign_max > bench.foreign_limit && again < bench.repeats_max) {
            bench.say(`  pair ${pair + 1} again: others used ${bench.foreign_max.toFixed(2)} CPUs meanwhile`);
            again++, pair--;
            await sleep(1000);
            continue;
        }
        if (bench.foreign_max > bench.foreign_limit) bench.is_noisy = true;
        for (const kind of kinds) values[kind].push(got[kind]);
        bench.say(`  pair ${pair + 1}/${bench.pairs}: ` + kinds.map(kind => `${kind} ${got[kind].text}`).join(' · '));
    }
    return values;
}

const per_pair = (a, b, pick) => a.map((value, i) => pick(value) / pick(b[i]));
const short = value => (value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

// --- saturation and what depends on it ---

// Two publishes under way: the next is there when one is done, and no turn gets more than two.
async function saturate(bench, kind, closed) {
    const scrapes = [];
    const result = await run_once(bench, kind, 'rooms', room_of({ closed, 'duration-s': bench.window_s }), {
        during: kind === 'fairlead' ? server => scrape(server, scrapes, bench.window_s + 6) : undefined,
    });
    const { received } = result.messages, { cpu } = result;
    const inside = scrapes.filter(s => s.at_ns >= result.window.begin_monotonic_ns &&
        s.at_ns <= result.window.end_monotonic_ns);
    return {
        per_s: received / result.window.seconds,
        cpu_us: cpu.busy_ns / received / 1e3,
        busy: cpu.busy,
        client_busy: result.client.cpu,
        enters: calls_per_delivery(inside),
        text: `${short(received / result.window.seconds)}/s (server's CPU ${percent(cpu.busy)}, ` +
            `client ${percent(result.client.cpu)})`,
    };
}

const percent = share => `${Math.round(share * 100)} %`;

async function scrape(server, scrapes, seconds) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end && server.child.exitCode === null;) {
        try {
            scrapes.push(await server.metrics());
        } catch {
            return; // the server has gone
        }
        await sleep(500);
    }
}

function calls_per_delivery(inside) {
    if (inside.length < 2) return NaN;
    const grown = name => inside[inside.length - 1][name] - inside[0][name];
    return grown('fairlead_ring_enters_total') / grown('fairlead_audit_delivered_total');
}

// Once per run of the whole: floors and Fairlead at two publishes in flight.
async function saturation(bench) {
    bench.saturated ??= await in_turns(bench, ['fairlead', 'uring'], kind => saturate(bench, kind, 2));
    return bench.saturated;
}

// One run each is enough to choose a rate.
async function saturation_rate(bench, kind) {
    if (bench.saturated) return median(bench.saturated[kind].map(value => value.per_s));
    bench.rates ??= {};
    bench.rates[kind] ??= (await saturate(bench, kind, 2)).per_s;
    return bench.rates[kind];
}

async function row_saturation(bench) {
    const { fairlead, uring } = await saturation(bench);
    const client_bound = [...fairlead, ...uring].some(value => value.client_busy > 0.97 && value.busy < 0.97);
    if (client_bound) bench.remark('the client\'s CPU was full before the server\'s: both figures are its limit');
    return [
        {
            title: 'deliveries/s at saturation, room of 5,000', unit: '/s',
            fairlead: fairlead.map(v => v.per_s), floor: uring.map(v => v.per_s),
            ratio: per_pair(fairlead, uring, v => v.per_s), bar: at_least(0.90), stretch: at_least(1.0),
        },
        {
            title: 'the same per second of the server\'s CPU', unit: '/s',
            fairlead: fairlead.map(v => 1e6 / v.cpu_us), floor: uring.map(v => 1e6 / v.cpu_us),
            ratio: per_pair(fairlead, uring, v => 1 / v.cpu_us),
        },
        {
            title: 'system calls per delivery at saturation', unit: '', judge: 'fairlead',
            fairlead: fairlead.map(v => v.enters), bar: at_most(0.02), stretch: at_most(0.005),
        },
    ];
}

async function row_delivery(bench) {
    const slower = Math.min(await saturation_rate(bench, 'uring'), await saturation_rate(bench, 'fairlead'));
    const rate = Math.max(1, Math.round(0.65 * slower / ROOM));
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
            title: 'CPU per delivery, room of 5,000, 64 B', unit: 'µs',
            fairlead: fairlead.map(v => v.cpu_us), floor: uring.map(v => v.cpu_us),
            ratio: per_pair(fairlead, uring, v => v.cpu_us), bar: at_most(1.10), stretch: at_most(1.0),
        },
        {
            title: 'the same, the server\'s process alone', unit: 'µs',
            fairlead: fairlead.map(v => v.process_us), floor: uring.map(v => v.process_us),
            ratio: per_pair(fairlead, uring, v => v.process_us),
        },
        {
            title: 'p99 of the last receiver at that rate', unit: 'ms',
            fairlead: fairlead.map(v => v.p99_ms), floor: uring.map(v => v.p99_ms),
            ratio: per_pair(fairlead, uring, v => v.p99_ms),
        },
    ];
}

// 64 publishes under way: many for each turn. Compared with Fairlead's own saturation of the same pair.
async function row_burst(bench) {
    const { fairlead } = await saturation(bench);
    const values = await in_turns(bench, ['fairlead'], kind => saturate(bench, kind, 64));
    const ratio = values.fairlead.map((value, i) => value.per_s / fairlead[i % fairlead.length].per_s);
    return [{
        title: 'deliveries/s in a burst (64 publishes under way), against the row at saturation', unit: '/s',
        fairlead: values.fairlead.map(v => v.per_s), ratio, floor_text: 'itself at saturation',
        bar: at_least(3), stretch: at_least(6),
    }];
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
    if (!await wait_connected(ROOM, 15000)) throw new Error('the room did not fill');
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
    const seen = probe.output.trim().split('\n').map(line => line.split(' ').map(Number))
        .filter(pair => pair.length === 2).map(([at, lag]) => ({ at, lag }));
    if (seen.length < 50) throw new Error(`the probe saw ${seen.length} messages: ${probe.errors.trim()}`);
    return recovery_ms(seen.filter(s => s.at > stopped_ms - 3000), stopped_ms, continued_ms);
}

async function row_stop(bench) {
    const rates = {};
    for (const kind of ['fairlead', 'uring'])
        rates[kind] = Math.max(1, Math.round(0.8 * await saturation_rate(bench, kind) / ROOM));
    const values = await in_turns(bench, ['fairlead', 'uring'], async kind => {
        const options = room_of({ rate: rates[kind], 'duration-s': 7 });
        const { watched } = await run_once(bench, kind, 'rooms', options,
            { during: server => stop_and_watch(bench, server) });
        return { ...watched, text: `${short(watched.ms)} ms (p99 before ${short(watched.limit)} ms)` };
    });
    return [{
        title: `stopped ${STOP_MS} ms at 80 % of its own saturation: until the lag is back under its earlier p99`,
        unit: 'ms', judge: 'fairlead', fairlead: values.fairlead.map(v => v.ms),
        floor: values.uring.map(v => v.ms), bar: at_most(300), stretch: at_most(100),
    }];
}

// --- echo ---

async function row_echo(bench) {
    const options = more => ({
        connections: 500, 'room-size': 100, 'connect-rate': 5000, 'payload-bytes': 64, 'warmup-s': 0.5,
        'straggler-s': 0.5, 'duration-s': bench.window_s, ...more,
    });
    const most = {};
    for (const kind of ['uring', 'fairlead']) {
        const { messages, window } = await run_once(bench, kind, 'echo', options({ closed: 500, 'duration-s': 1.5 }));
        most[kind] = messages.received / window.seconds;
        bench.say(`  ${kind}: at most ${short(most[kind])} echoes/s`);
    }
    const rate = Math.round(0.65 * Math.min(most.uring, most.fairlead));
    const values = await in_turns(bench, ['fairlead', 'uring', 'epoll'], async kind => {
        const { messages, cpu } = await run_once(bench, kind, 'echo', options({ rate }));
        const cpu_us = cpu.busy_ns / messages.received / 1e3;
        return { cpu_us, process_us: cpu.process_ns / messages.received / 1e3, text: `${short(cpu_us)} µs` };
    });
    const line = (name, floor, bar, stretch) => ({
        title: `CPU per echo, 500 connections, against the bare ${name} loop`, unit: 'µs',
        fairlead: values.fairlead.map(v => v.cpu_us), floor: floor.map(v => v.cpu_us),
        ratio: per_pair(values.fairlead, floor, v => v.cpu_us), bar, stretch,
    });
    return [
        line('io_uring', values.uring, at_most(1.15), at_most(1.0)),
        line('epoll', values.epoll, at_most(0.95)),
    ];
}

// --- connect ---

const CONNECTS = 15000;

// From the load tool's start to its last join.
async function connect_once(bench, kind, more) {
    const options = {
        connections: CONNECTS, 'room-size': 100, 'connect-rate': 10000, 'warmup-s': 0, 'duration-s': 0.5,
        'straggler-s': 0,
    };
    const server = await Server.start(kind, more);
    let load;
    try {
        load = Load.start('hold', server, options);
        const result = await load.result(60000);
        const { joined, connect_seconds } = result.connections;
        if (joined < CONNECTS) throw new Error(`${joined} of ${CONNECTS} joined: ${result.verdict}`);
        result.cpu = load.sampler.cut(load.begin_ns, result.window.begin_monotonic_ns);
        bench.note_run(kind, 'hold', options, result);
        return {
            cpu_us: result.cpu.busy_ns / joined / 1e3,
            process_us: result.cpu.process_ns / joined / 1e3,
            text: `${short(result.cpu.busy_ns / joined / 1e3)} µs (process ` +
                `${short(result.cpu.process_ns / joined / 1e3)}, ${short(joined / connect_seconds)}/s)`,
        };
    } finally {
        if (load) await load.kill();
        await server.stop();
    }
}

async function row_connect(bench) {
    const more = { fairlead: [], quiet: ['--presence', 'off'], uring: [] };
    const values = await in_turns(bench, ['fairlead', 'quiet', 'uring'], kind =>
        connect_once(bench, kind === 'quiet' ? 'fairlead' : kind, more[kind]));
    const line = (title, own, pick, bar, stretch) => ({
        title, unit: 'µs', judge: 'fairlead', fairlead: own.map(pick), floor: values.uring.map(pick), bar, stretch,
    });
    return [
        line('server CPU for connect + upgrade + join (rooms of 100, presence list)', values.fairlead,
            v => v.cpu_us, at_most(25), at_most(15)),
        line('the same, the server\'s process alone', values.fairlead, v => v.process_us),
        line('the same with --presence off, whole CPU', values.quiet, v => v.cpu_us),
    ];
}

// --- one flooding client ---

async function row_flood(bench) {
    const options = more => ({
        connections: ROOM, 'room-size': 100, 'connect-rate': 10000, 'payload-bytes': 64, rate: 1000,
        'warmup-s': 1, 'straggler-s': 1, 'duration-s': bench.window_s, ...more,
    });
    const values = await in_turns(bench, ['quiet', 'flooded'], async kind => {
        const more = kind === 'flooded' ? { flood: true } : {};
        const { latency_ns, messages, window } = await run_once(bench, 'fairlead', 'echo', options(more));
        const p99_us = latency_ns.reply.p99 / 1e3;
        const flood = kind === 'flooded' ? `, flood ${short(messages.flood_answered / window.seconds)}/s` : '';
        return { p99_us, text: `p99 ${short(p99_us)} µs${flood}` };
    });
    return [{
        title: 'p99 of 5,000 quiet clients beside one that floods `ping`, against the same without it', unit: 'µs',
        fairlead: values.flooded.map(v => v.p99_us), floor: values.quiet.map(v => v.p99_us),
        floor_text: 'itself without the flood',
        ratio: per_pair(values.flooded, values.quiet, v => v.p99_us), bar: at_most(2), stretch: at_most(1.3),
    }];
}

export const rows = [
    { name: 'saturation', quick: true, run: row_saturation },
    { name: 'delivery', quick: true, run: row_delivery },
    { name: 'burst', run: row_burst },
    { name: 'stop', run: row_stop },
    { name: 'echo', quick: true, run: row_echo },
    { name: 'connect', quick: true, run: row_connect },
    { name: 'flood', run: row_flood },
];

export { start };
