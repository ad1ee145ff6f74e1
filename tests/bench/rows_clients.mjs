// The rows of docs/BENCHMARKS.md about single clients: echo, connect, one that floods.
import { Server, Load } from './processes.mjs';
import { ROOM, at_most, in_turns, per_pair, run_once, short } from './turns.mjs';

// --- echo ---

async function row_echo(bench) {
    const options = more => ({
        connections: 500,
        'room-size': 100,
        'connect-rate': 5000,
        'payload-bytes': 64,
        'warmup-s': 0.5,
        'straggler-s': 0.5,
        'duration-s': bench.window_s,
        ...more,
    });
    const most = {};
    for (const kind of ['uring', 'fairlead']) {
        const { messages, window } = await run_once(
            bench,
            kind,
            'echo',
            options({ closed: 500, 'duration-s': 1.5 }),
        );
        most[kind] = messages.received / window.seconds;
        bench.say(`  ${kind}: at most ${short(most[kind])} echoes/s`);
    }
    const rate = Math.round(0.65 * Math.min(most.uring, most.fairlead));
    const values = await in_turns(bench, ['fairlead', 'uring', 'epoll'], async kind => {
        const { messages, cpu } = await run_once(bench, kind, 'echo', options({ rate }));
        const cpu_us = cpu.busy_ns / messages.received / 1e3;
        return {
            cpu_us,
            process_us: cpu.process_ns / messages.received / 1e3,
            text: `${short(cpu_us)} µs`,
        };
    });
    const line = (title, floor, pick, bar, stretch) => ({
        title,
        unit: 'µs',
        fairlead: values.fairlead.map(pick),
        floor: floor.map(pick),
        ratio: per_pair(values.fairlead, floor, pick),
        bar,
        stretch,
    });
    const { uring, epoll } = values;
    const whole = v => v.cpu_us,
        alone = v => v.process_us;
    return [
        line(
            'CPU per echo, 500 connections, to bare io_uring',
            uring,
            whole,
            at_most(1.15),
            at_most(1),
        ),
        line('CPU per echo, 500 connections, to bare epoll', epoll, whole, at_most(0.95)),
        line("CPU per echo, the server's process alone, to bare io_uring", uring, alone),
        line("CPU per echo, the server's process alone, to bare epoll", epoll, alone),
    ];
}

// --- connect ---

const CONNECTS = 15000;

// From the load tool's start to its last join.
async function connect_once(bench, kind, more) {
    const options = {
        connections: CONNECTS,
        'room-size': 100,
        'connect-rate': 10000,
        'warmup-s': 0,
        'duration-s': 0.5,
        'straggler-s': 0,
    };
    const server = await Server.start(kind, more);
    let load;
    try {
        load = Load.start('hold', server, options);
        const result = await load.result(60000);
        const { joined, connect_seconds } = result.connections;
        if (joined < CONNECTS)
            throw new Error(`${joined} of ${CONNECTS} joined: ${result.verdict}`);
        result.cpu = load.sampler.cut(load.begin_ns, result.window.begin_monotonic_ns);
        bench.note_run(kind, 'hold', options, result);
        return {
            cpu_us: result.cpu.busy_ns / joined / 1e3,
            process_us: result.cpu.process_ns / joined / 1e3,
            text:
                `${short(result.cpu.busy_ns / joined / 1e3)} µs (process ` +
                `${short(result.cpu.process_ns / joined / 1e3)}, ${short(joined / connect_seconds)}/s)`,
        };
    } finally {
        if (load) await load.kill();
        await server.stop();
    }
}

async function row_connect(bench) {
    const more = { fairlead: [], quiet: ['--presence', 'off'], uring: [] };
    const kinds = bench.is_quick ? ['fairlead', 'uring'] : ['fairlead', 'quiet', 'uring'];
    const values = await in_turns(bench, kinds, kind =>
        connect_once(bench, kind === 'quiet' ? 'fairlead' : kind, more[kind]),
    );
    const line = (title, own, pick, bar, stretch) => ({
        title,
        unit: 'µs',
        judge: 'fairlead',
        fairlead: own.map(pick),
        floor: values.uring.map(pick),
        bar,
        stretch,
    });
    const lines = [
        line(
            'server CPU for connect + upgrade + join (rooms of 100, presence list)',
            values.fairlead,
            v => v.cpu_us,
            at_most(25),
            at_most(15),
        ),
        line("the same, the server's process alone", values.fairlead, v => v.process_us),
    ];
    if (values.quiet)
        lines.push(line('the same with --presence off, whole CPU', values.quiet, v => v.cpu_us));
    return lines;
}

// --- one flooding client ---

async function row_flood(bench) {
    const options = more => ({
        connections: ROOM,
        'room-size': 100,
        'connect-rate': 10000,
        'payload-bytes': 64,
        rate: 1000,
        'warmup-s': 1,
        'straggler-s': 1,
        'duration-s': bench.window_s,
        ...more,
    });
    const values = await in_turns(bench, ['quiet', 'flooded'], async kind => {
        const more = kind === 'flooded' ? { flood: true } : {};
        const result = await run_once(bench, 'fairlead', 'echo', options(more));
        const { latency_ns, messages, window, connections } = result;
        if (connections.dropped > 0)
            throw new Error(`the server ended the flooding client: ${connections.first_failure}`);
        const p99_us = latency_ns.reply.p99 / 1e3;
        const flood =
            kind === 'flooded'
                ? `, flood ${short(messages.flood_answered / window.seconds)}/s`
                : '';
        return { p99_us, text: `p99 ${short(p99_us)} µs${flood}` };
    });
    return [
        {
            title: 'p99 of 5,000 quiet clients beside one that floods `ping`, against without',
            unit: 'µs',
            fairlead: values.flooded.map(v => v.p99_us),
            floor: values.quiet.map(v => v.p99_us),
            floor_text: 'itself without the flood',
            ratio: per_pair(values.flooded, values.quiet, v => v.p99_us),
            bar: at_most(2),
            stretch: at_most(1.3),
        },
    ];
}

export const client_rows = [
    { name: 'echo', quick: true, run: row_echo },
    { name: 'connect', quick: true, run: row_connect },
    { name: 'flood', run: row_flood },
];
