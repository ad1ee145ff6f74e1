// The rows of docs/BENCHMARKS.md about MQTT: beside Debian's Mosquitto and the bare floors, all
// driven by the same client.
import { end_of, Load, sampler_of, Server, start_subscriptions } from './processes.mjs';
import { at_least, at_most, in_turns, per_pair, percent, run_once, short } from './turns.mjs';

const topics = more => ({
    protocol: 'mqtt',
    'topic-prefix': 'bench/',
    'connect-rate': 5000,
    'payload-bytes': 64,
    'warmup-s': 0.7,
    'straggler-s': 0.7,
    'connect-timeout-s': 60,
    ...more,
});

// Deliveries while `closed` publishes are under way.
async function fan_out(bench, kind, options) {
    const result = await run_once(bench, kind, 'rooms', options);
    const { received } = result.messages;
    const { cpu } = result;
    return {
        per_s: received / result.window.seconds,
        cpu_us: cpu.busy_ns / received / 1e3,
        process_us: cpu.process_ns / received / 1e3,
        text:
            `${short(received / result.window.seconds)}/s, ` +
            `${short(cpu.busy_ns / received / 1e3)} µs (server ${percent(cpu.busy)})`,
    };
}

// Per second of the server's CPU: what one core does, whoever had more of the client.
const per_core = value => 1e6 / value.cpu_us;

async function row_fan_out(bench) {
    const room = more =>
        topics({ connections: 5000, 'room-size': 5000, 'duration-s': bench.window_s, ...more });
    const values = await in_turns(bench, ['fairlead', 'mosquitto', 'uring'], kind =>
        fan_out(bench, kind, room({ closed: 1 })),
    );
    const burst = await in_turns(bench, ['fairlead', 'mosquitto'], kind =>
        fan_out(bench, kind, room({ closed: 64 })),
    );
    const slower = Math.min(...values.fairlead.map(v => v.per_s), ...values.uring.map(v => v.per_s));
    const rate = Math.max(1, Math.round((0.65 * slower) / 5000));
    bench.say(`  ${rate} publishes/s: 65 % of what the slower one delivers at most`);
    const steady = await in_turns(bench, ['fairlead', 'uring'], kind =>
        fan_out(bench, kind, room({ rate })),
    );
    return [
        {
            title: 'QoS 0 fan-out to 5,000, 64 B: deliveries per second of a core, to Mosquitto',
            unit: '/s',
            fairlead: values.fairlead.map(per_core),
            floor: values.mosquitto.map(per_core),
            ratio: per_pair(values.fairlead, values.mosquitto, per_core),
            bar: at_least(4),
            stretch: at_least(5),
        },
        {
            title: 'the same as they came, to Mosquitto',
            unit: '/s',
            fairlead: values.fairlead.map(v => v.per_s),
            floor: values.mosquitto.map(v => v.per_s),
            ratio: per_pair(values.fairlead, values.mosquitto, v => v.per_s),
        },
        {
            title: 'the same per core with 64 publishes under way (what a turn has leaves in one send)',
            unit: '/s',
            fairlead: burst.fairlead.map(per_core),
            floor: burst.mosquitto.map(per_core),
            ratio: per_pair(burst.fairlead, burst.mosquitto, per_core),
        },
        {
            title: 'the bare io_uring loop, one publish under way, to Mosquitto',
            unit: '/s',
            fairlead: values.uring.map(per_core),
            floor: values.mosquitto.map(per_core),
            ratio: per_pair(values.uring, values.mosquitto, per_core),
        },
        {
            title: 'CPU per delivery, the same, to bare io_uring',
            unit: 'µs',
            fairlead: steady.fairlead.map(v => v.cpu_us),
            floor: steady.uring.map(v => v.cpu_us),
            ratio: per_pair(steady.fairlead, steady.uring, v => v.cpu_us),
            bar: at_most(1.15),
            stretch: at_most(1),
        },
    ];
}

// The same in a room, where each message has its number.
async function row_room(bench) {
    const values = await in_turns(bench, ['fairlead', 'mosquitto'], kind =>
        fan_out(
            bench,
            kind,
            topics({
                connections: 5000,
                'room-size': 5000,
                'topic-prefix': 'room/',
                'duration-s': bench.window_s,
                closed: 1,
            }),
        ),
    );
    return [
        {
            title: 'QoS 0 fan-out to 5,000 members of a room: deliveries per second of a core',
            unit: '/s',
            fairlead: values.fairlead.map(per_core),
            floor: values.mosquitto.map(per_core),
            ratio: per_pair(values.fairlead, values.mosquitto, per_core),
        },
    ];
}

async function row_qos_1(bench) {
    const turns = closed =>
        in_turns(bench, ['fairlead', 'mosquitto'], kind =>
            fan_out(
                bench,
                kind,
                topics({
                    connections: 1000,
                    'room-size': 1000,
                    qos: 1,
                    'duration-s': bench.window_s,
                    closed,
                }),
            ),
        );
    const one = await turns(1);
    const many = await turns(64);
    const line = (title, values, bar, stretch) => ({
        title,
        unit: '/s',
        fairlead: values.fairlead.map(per_core),
        floor: values.mosquitto.map(per_core),
        ratio: per_pair(values.fairlead, values.mosquitto, per_core),
        bar,
        stretch,
    });
    return [
        line(
            'QoS 1 fan-out to 1,000, 64 B: deliveries per second of a core, to Mosquitto',
            one,
            at_least(3),
            at_least(4),
        ),
        line('the same with 64 publishes under way', many),
    ];
}

async function row_ack(bench) {
    const options = more =>
        topics({ connections: 500, 'room-size': 100, qos: 1, 'duration-s': bench.window_s, ...more });
    const most = {};
    for (const kind of ['fairlead', 'mosquitto', 'uring']) {
        const { messages, window } = await run_once(
            bench,
            kind,
            'echo',
            options({ closed: 500, 'duration-s': 1.5 }),
        );
        most[kind] = messages.received / window.seconds;
        bench.say(`  ${kind}: at most ${short(most[kind])} acknowledgements/s`);
    }
    const rate = Math.round(0.65 * Math.min(...Object.values(most)));
    const values = await in_turns(bench, ['fairlead', 'uring', 'mosquitto'], async kind => {
        const { messages, cpu } = await run_once(bench, kind, 'echo', options({ rate }));
        const cpu_us = cpu.busy_ns / messages.received / 1e3;
        return { cpu_us, text: `${short(cpu_us)} µs` };
    });
    const line = (title, floor, bar, stretch) => ({
        title,
        unit: 'µs',
        fairlead: values.fairlead.map(v => v.cpu_us),
        floor: floor.map(v => v.cpu_us),
        ratio: per_pair(values.fairlead, floor, v => v.cpu_us),
        bar,
        stretch,
    });
    return [
        line(
            'CPU per QoS 1 publish and its PUBACK, 500 connections, to bare io_uring',
            values.uring,
            at_most(1.25),
            at_most(1.05),
        ),
        line('the same, to Mosquitto', values.mosquitto),
    ];
}

const CONNECTS = 5000;

// From the load tool's start to its last SUBACK.
async function connect_once(bench, kind) {
    const options = topics({
        connections: CONNECTS,
        'room-size': 100,
        'connect-rate': 50000, // as fast as the server takes them
        'warmup-s': 0,
        'duration-s': 0.5,
        'straggler-s': 0,
    });
    const server = await Server.start(kind);
    let load;
    try {
        load = Load.start('hold', server, options);
        const result = await load.result(90000);
        const { joined, connect_seconds } = result.connections;
        if (joined < CONNECTS)
            throw new Error(`${joined} of ${CONNECTS} subscribed: ${result.verdict}`);
        result.cpu = load.sampler.cut(load.begin_ns, result.window.begin_monotonic_ns);
        bench.note_run(kind, 'hold', options, result);
        return {
            per_s: joined / connect_seconds,
            cpu_us: result.cpu.busy_ns / joined / 1e3,
            text: `${short(joined / connect_seconds)}/s, ${short(result.cpu.busy_ns / joined / 1e3)} µs`,
        };
    } finally {
        if (load) await load.kill();
        await server.stop();
    }
}

async function row_connect(bench) {
    const values = await in_turns(bench, ['fairlead', 'mosquitto', 'uring'], kind =>
        connect_once(bench, kind),
    );
    const line = (title, unit, floor, pick, bar) => ({
        title,
        unit,
        fairlead: values.fairlead.map(pick),
        floor: floor.map(pick),
        ratio: per_pair(values.fairlead, floor, pick),
        bar,
    });
    return [
        line(
            'connect + subscribe: rate, to Mosquitto',
            '/s',
            values.mosquitto,
            v => v.per_s,
            at_least(20),
        ),
        line('the same: CPU each, to bare io_uring', 'µs', values.uring, v => v.cpu_us),
    ];
}

// CPU per publish with one match, among so many subscriptions.
async function match_once(bench, connections, filters) {
    const server = await Server.start('fairlead');
    const load = start_subscriptions(server, [connections, filters, 4000, bench.window_s]);
    const sampler = sampler_of(server, load);
    try {
        const end = await end_of(load, 120000);
        sampler.stop();
        const lines = load.output.trim().split('\n');
        if (end.code !== 0 || lines.length < 2)
            throw new Error(`subscriptions.mjs: ${load.errors.trim().split('\n').pop()}`);
        const result = JSON.parse(lines[1]);
        if (result.received < result.published)
            throw new Error(`${result.received} of ${result.published} publishes came through`);
        const cpu = sampler.cut(result.begin_ns, result.end_ns);
        const cpu_us = cpu.process_ns / result.published / 1e3;
        return { cpu_us, text: `${short(cpu_us)} µs` };
    } finally {
        load.kill('SIGKILL');
        sampler.stop();
        await server.stop();
    }
}

async function row_match(bench) {
    const shapes = { few: [100, 1], many: [100, 1000] };
    const values = await in_turns(bench, ['few', 'many'], kind =>
        match_once(bench, ...shapes[kind]),
    );
    return [
        {
            title: "the server's CPU per publish with one match: 100,000 subscriptions, against 100",
            unit: 'µs',
            fairlead: values.many.map(v => v.cpu_us),
            floor: values.few.map(v => v.cpu_us),
            floor_text: 'itself with 100',
            ratio: per_pair(values.many, values.few, v => v.cpu_us),
            bar: at_most(1.2),
        },
    ];
}

export const mqtt_rows = [
    { name: 'mqtt_fan_out', group: 'mqtt', run: row_fan_out },
    { name: 'mqtt_room', group: 'mqtt', run: row_room },
    { name: 'mqtt_qos_1', group: 'mqtt', run: row_qos_1 },
    { name: 'mqtt_ack', group: 'mqtt', run: row_ack },
    { name: 'mqtt_connect', group: 'mqtt', run: row_connect },
    { name: 'mqtt_match', group: 'mqtt', run: row_match },
];
