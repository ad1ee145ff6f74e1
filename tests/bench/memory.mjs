// The rows of docs/BENCHMARKS.md about memory: the slope of the server's resident memory over many
// idle connections, what a scheduler and a lane take before any, and the kernel's half of one.
import { Server, Load, wait_connected, sleep, lab, start, end_of, fairlead } from './processes.mjs';
import { memory_of, slabs, sockets_allocated, sockets_open } from './sample.mjs';

// Smaller ones are for trying the runner itself.
const FIRST = Number(process.env.MEMORY_FIRST ?? 50000),
    ALL = Number(process.env.MEMORY_ALL ?? 190000);
const at_most = value => ({ op: '<=', value });

const hold = (connections, first_user) => ({
    connections,
    'room-size': 100,
    'connect-rate': 12000,
    'first-user': first_user,
    'first-room': Math.ceil(first_user / 100),
    'heartbeat-s': 3600,
    'warmup-s': 0,
    'hold-until-signal': true,
    'connect-timeout-s': 60,
});

const PHOENIX = {};
const MQTT = { protocol: 'mqtt', 'topic-prefix': 'bench/' }; // one subscription each, 100 a topic

const network = async (...words) => end_of(start(['ip', ...words]), 5000);

// Joins end after connects: until the server's memory has stood still for two seconds.
async function settle(pid) {
    for (let last = 0, i = 0; i < 15; i++) {
        await sleep(2000);
        const { rss } = memory_of(pid);
        if (Math.abs(rss - last) < 65536) break;
        last = rss;
    }
    return memory_of(pid);
}

async function fill(bench, server, connections, first_user, protocol = PHOENIX) {
    const options = { ...hold(connections, first_user), ...protocol };
    const load = Load.start('hold', server, options, { addresses: 8 });
    load.sampler.stop();
    const wanted = first_user + connections;
    if (!(await wait_connected(wanted, connections / 12 + 30000))) {
        const why = `${sockets_open()} of ${wanted} connected: ${load.child.errors.trim().split('\n').pop()}`;
        await load.kill();
        throw new Error(why);
    }
    return load;
}

// Slab caches that grew by at least a tenth of the connections, bytes per connection.
function grown_caches(before, after, connections) {
    const grown = Object.entries(after).map(([name, { count, size }]) => ({
        name,
        each: (count - (before[name]?.count ?? 0)) / connections,
        size,
    }));
    return grown
        .filter(cache => cache.each >= 0.1)
        .map(cache => ({ ...cache, bytes: cache.each * cache.size }))
        .sort((a, b) => b.bytes - a.bytes);
}

const total = caches => caches.reduce((sum, cache) => sum + cache.bytes, 0);

// A killed process's ring lets go of its sockets in the background: until only ours are left. Some
// seconds more, for what the kernel frees later (RCU).
async function until_alone(others) {
    for (let i = 0; i < 60 && sockets_allocated() > others + ALL + 1000; i++) await sleep(500);
    await sleep(3000);
}

// The server's half alone: the link is cut and the clients are killed behind it, so that their half
// goes (they close by reset, which frees it at once) and the server hears nothing of it.
async function server_half(bench, server, loads, idle, both) {
    await network('link', 'set', 'veth0', 'down');
    for (const load of loads) await load.kill();
    await until_alone(idle.sockets);
    const half = grown_caches(idle.slabs, slabs(), ALL);
    await network('link', 'set', 'veth0', 'up');
    const client = total(both) - total(half);
    bench.say(
        '  kernel, server half: ' +
            half
                .map(cache => `${cache.name} ${cache.each.toFixed(2)} × ${cache.size}`)
                .join(' + ') +
            ` = ${Math.round(total(half))} B; client half ${Math.round(client)} B`,
    );
    bench.kernel_caches = half;
    const sockets = half.find(cache => cache.name === 'TCP')?.each ?? 0;
    return { bytes: total(half), is_whole: sockets_open() >= ALL && Math.abs(sockets - 1) < 0.02 };
}

async function row_memory(bench) {
    const server = await Server.start('fairlead', [
        '--connections-max',
        '200000',
        '--idle-timeout-s',
        '7200',
        '--presence',
        'list',
    ]);
    const loads = [];
    try {
        await sleep(500);
        const idle = { slabs: slabs(), sockets: sockets_allocated() },
            empty = memory_of(server.pid);
        loads.push(await fill(bench, server, FIRST, 0));
        const first = await settle(server.pid);
        bench.say(`  ${FIRST} connections: ${Math.round(first.rss / 1024)} KiB`);
        loads.push(await fill(bench, server, ALL - FIRST, FIRST));
        const all = await settle(server.pid);
        const joined = await server.metrics();
        bench.say(
            `  ${ALL} connections: ${Math.round(all.rss / 1024)} KiB, members ${joined.fairlead_members}`,
        );
        if (joined.fairlead_members < ALL)
            throw new Error(`only ${joined.fairlead_members} members of ${ALL}`);
        const both = grown_caches(idle.slabs, slabs(), ALL);
        const lines = [
            {
                title: 'user-space memory per idle connection, 50,000 to 190,000, presence list',
                unit: 'B',
                is_single: true,
                judge: 'fairlead',
                fairlead: [(all.rss - first.rss) / (ALL - FIRST)],
                bar: at_most(256),
                stretch: at_most(160),
            },
            {
                title: 'the same over all, fixed memory included',
                unit: 'B',
                judge: 'fairlead',
                fairlead: [(all.rss - empty.rss) / ALL],
            },
        ];
        const kernel = {
            title: 'kernel memory per idle connection, server half',
            unit: 'B',
            is_single: true,
            judge: 'fairlead',
            fairlead: [],
            bar: at_most(4000),
            stretch: at_most(3950),
        };
        if (lab.kind === 'lab' && Object.keys(idle.slabs).length > 0) {
            const half = await server_half(bench, server, loads, idle, both);
            if (half.is_whole) kernel.fairlead = [half.bytes];
            else
                bench.remark(
                    'no kernel figure: connections were lost, or others had sockets meanwhile',
                );
        } else {
            bench.remark('kernel memory needs the lab and /proc/slabinfo (root)');
        }
        return [...lines, kernel];
    } finally {
        for (const load of loads) await load.kill();
        server.signal('SIGKILL');
        await server.stop();
        await sleep(1000);
    }
}

// The slope alone: the kernel's half is that of any connection.
async function row_mqtt_memory(bench) {
    const server = await Server.start('fairlead', ['--connections-max', '200000']);
    const loads = [];
    try {
        loads.push(await fill(bench, server, FIRST, 0, MQTT));
        const first = await settle(server.pid);
        loads.push(await fill(bench, server, ALL - FIRST, FIRST, MQTT));
        const all = await settle(server.pid);
        const metrics = await server.metrics();
        bench.say(`  ${ALL} connections: ${Math.round(all.rss / 1024)} KiB`);
        if (metrics.fairlead_mqtt_subscriptions < ALL)
            throw new Error(`only ${metrics.fairlead_mqtt_subscriptions} subscriptions of ${ALL}`);
        return [
            {
                title: 'user-space memory per idle MQTT connection with one subscription',
                unit: 'B',
                is_single: true,
                judge: 'fairlead',
                fairlead: [(all.rss - first.rss) / (ALL - FIRST)],
                bar: at_most(320),
                stretch: at_most(200),
            },
        ];
    } finally {
        for (const load of loads) await load.kill();
        server.signal('SIGKILL');
        await server.stop();
        await sleep(1000);
    }
}

// A lane is made when a connection first needs it: what 2,000 connections add across the border of
// two lanes, less what 2,000 add within one.
async function lane_bytes(bench) {
    const ledger = start([fairlead, 'serve', '--print-memory', '--connections-max', '60000']);
    await end_of(ledger, 5000);
    const per_lane = Number(/\(of (\d+) descriptors\)/.exec(ledger.output)?.[1] ?? NaN);
    if (!Number.isFinite(per_lane))
        throw new Error('--print-memory does not say what a lane holds');
    const server = await Server.start('fairlead', ['--connections-max', String(per_lane * 3)]);
    const loads = [],
        steps = [];
    try {
        let connected = 0;
        for (const wanted of [per_lane - 3000, per_lane - 1000, per_lane + 1000]) {
            loads.push(await fill(bench, server, wanted - connected, connected));
            connected = wanted;
            steps.push((await settle(server.pid)).rss);
        }
        return steps[2] - steps[1] - (steps[1] - steps[0]);
    } finally {
        for (const load of loads) await load.kill();
        server.signal('SIGKILL');
        await server.stop();
    }
}

// Resident memory of servers that hold nothing, and of one more lane.
async function row_fixed(bench) {
    const rss = async (more, cpus) => {
        const server = await Server.start('fairlead', more, cpus);
        await sleep(700);
        const { rss: bytes } = memory_of(server.pid);
        await server.stop();
        return bytes;
    };
    const cpus = `${lab.server_cpu},${lab.client_cpu}`;
    const one = await rss(['--connections-max', '10000']);
    const two = await rss(
        ['--connections-max', '20000', '--schedulers', '2', '--cpus', cpus],
        cpus,
    );
    const lane = await lane_bytes(bench);
    const line = (title, bytes) => ({
        title,
        unit: 'KiB',
        judge: 'fairlead',
        fairlead: [bytes / 1024],
    });
    return [
        line('fixed memory: the process with one scheduler and one lane', one),
        line('fixed memory of another scheduler', two - one),
        line('fixed memory of another lane in use', lane),
    ];
}

export const memory_rows = [
    { name: 'memory', run: row_memory },
    { name: 'mqtt_memory', group: 'mqtt', run: row_mqtt_memory },
    { name: 'fixed', run: row_fixed },
];
