// Starts and stops servers and load tools, each on its side of the lab and on its CPU. This program
// runs inside the server's side (lab.sh with ...), so the control plane is at 127.0.0.1 here.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync, existsSync, rmSync, mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { is_listening, sockets_open, Sampler, now_ns } from './sample.mjs';

const env = process.env;
const build = env.BENCH_BUILD ?? 'build/release';
export const lab = {
    kind: env.LAB_KIND ?? 'loopback',
    name: env.LAB_NAME ?? '',
    server_ips: (env.LAB_SERVER_IPS ?? '127.0.0.1').split(' '),
    client_ips: (env.LAB_CLIENT_IPS ?? '').split(' ').filter(Boolean),
    server_cpu: Number(env.LAB_SERVER_CPU ?? 0),
    client_cpu: Number(env.LAB_CLIENT_CPU ?? 1),
};
export const scratch = 'build/bench';
mkdirSync(scratch, { recursive: true });

const children = new Set();
export const sleep = ms => new Promise(done => setTimeout(done, ms));

function start(command, options = {}) {
    const child = spawn(command[0], command.slice(1), {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...options,
    });
    child.output = '';
    child.errors = '';
    child.stdout.on('data', data => (child.output += data));
    child.stderr.on('data', data => (child.errors = (child.errors + data).slice(-4000)));
    children.add(child);
    child.ended = new Promise(done => {
        child.on('error', error => done({ code: 127, error }));
        child.on('close', (code, signal) => done({ code, signal }));
    });
    child.ended.then(() => children.delete(child));
    return child;
}

// Waits for the end at most so long, then kills.
async function end_of(child, ms) {
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    const end = await child.ended;
    clearTimeout(timer);
    return end;
}

export function kill_all() {
    for (const child of children) child.kill('SIGKILL');
}

const on_cpu = cpu => ['taskset', '-c', String(cpu)];
const client_side = lab.kind === 'lab' ? ['ip', 'netns', 'exec', `${lab.name}-c`] : [];

// Ports 18400 to 18489 in turn: a port of a ring that is still being torn down is left alone.
let next_port = 0;
const take_port = () => 18400 + (next_port++ % 90);

export const floors = {
    uring: join(build, 'bench/floor_uring'),
    epoll: join(build, 'bench/floor_epoll'),
};
export const fairlead = join(build, 'fairlead');
export const load_tool = join(build, 'fairlead-load');

const one_scheduler = ['--schedulers', '1', '--cpus', String(lab.server_cpu)];

// Debian's Mosquitto as it comes, with what it needs to take so many: no limit of its own on
// connections, no delay, nothing written.
function mosquitto_command(port) {
    const file = join(scratch, `mosquitto-${port}.conf`);
    writeFileSync(
        file,
        `listener ${port} 0.0.0.0\nallow_anonymous true\nset_tcp_nodelay true\n` +
            'persistence false\nlog_type none\nlog_dest none\nuser root\n',
    );
    return ['mosquitto', '-c', file];
}

function server_command(kind, port, control, more) {
    if (kind === 'mosquitto') return mosquitto_command(port);
    if (floors[kind])
        return [floors[kind], '--listen', `0.0.0.0:${port}`, '--cpu', String(lab.server_cpu)];
    return [
        fairlead,
        'serve',
        '--listen',
        `0.0.0.0:${port}`,
        '--control',
        `127.0.0.1:${control}`,
        '--allow-anonymous',
        '--log-level',
        'warn',
        ...(more.includes('--schedulers') ? [] : one_scheduler),
        ...more,
    ];
}

export class Server {
    // `cpus`: more than the server's one only where schedulers are counted, not timed.
    static async start(kind, more = [], cpus = String(lab.server_cpu)) {
        const server = new Server();
        server.kind = kind;
        server.port = take_port();
        server.control = 18490 + (server.port % 10);
        server.child = start([
            ...on_cpu(cpus),
            ...server_command(kind, server.port, server.control, more),
        ]);
        for (let i = 0; i < 200 && !is_listening(server.port); i++) {
            if (server.child.exitCode !== null) break;
            await sleep(25);
        }
        if (server.child.exitCode !== null || !is_listening(server.port))
            throw new Error(
                `${kind} did not start: ${server.child.errors.trim().split('\n').pop()}`,
            );
        server.pid = server.child.pid;
        return server;
    }

    signal(name) {
        this.child.kill(name);
    }

    // What it said at its end: a floor's counters.
    async stop() {
        this.child.kill('SIGTERM');
        if (this.kind === 'fairlead') setTimeout(() => this.child.kill('SIGTERM'), 100);
        await end_of(this.child, 5000);
        await sleep(150); // the kernel tears rings down after their process
        try {
            return JSON.parse(this.child.output);
        } catch {
            return {};
        }
    }

    // {name: value} of /metrics, summed over cores; labels other than the core stay in the name.
    metrics() {
        return new Promise((done, fail) => {
            const request = get(
                { host: '127.0.0.1', port: this.control, path: '/metrics', timeout: 2000 },
                reply => {
                    let text = '';
                    reply.on('data', data => (text += data));
                    reply.on('end', () => done(parse_metrics(text)));
                },
            );
            request.on('timeout', () => request.destroy(new Error('/metrics took over 2 s')));
            request.on('error', fail);
        });
    }
}

function parse_metrics(text) {
    const all = { at_ns: now_ns() };
    for (const line of text.split('\n')) {
        const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
        if (!match) continue;
        const labels = (match[2] ?? '')
            .split(',')
            .filter(label => label && !/^(core|scheduler)=/.test(label));
        const name = labels.length ? `${match[1]}{${labels}}` : match[1];
        all[name] = (all[name] ?? 0) + Number(match[3]);
    }
    return all;
}

const url_of = (protocol, ip, port) =>
    protocol === 'mqtt' ? `mqtt://${ip}:${port}` : `ws://${ip}:${port}/socket/websocket`;

const targets_of = (server, protocol, count) =>
    lab.server_ips
        .slice(0, count)
        .flatMap(ip => ['--target', url_of(protocol, ip, server.port)]);

let run_number = 0;

export class Load {
    // options: {connections: 5000, ...} become --connections 5000; true is a flag alone.
    static start(scenario, server, options, { addresses = 1 } = {}) {
        const load = new Load();
        load.json = join(scratch, `load-${process.pid}-${run_number++}.json`);
        const flags = Object.entries(options).flatMap(([name, value]) =>
            value === true ? [`--${name}`] : [`--${name}`, String(value)],
        );
        const sources =
            addresses > 1 && lab.client_ips.length ? ['--sources', lab.client_ips.join(',')] : [];
        load.child = start([
            ...client_side,
            ...on_cpu(lab.client_cpu),
            load_tool,
            scenario,
            ...targets_of(server, options.protocol, addresses),
            ...sources,
            '--cpus',
            String(lab.client_cpu),
            '--quiet',
            '--json',
            load.json,
            ...flags,
        ]);
        load.server = server;
        load.begin_ns = now_ns();
        load.sampler = sampler_of(server, load.child);
        return load;
    }

    // The load tool's JSON with `cpu`, what the server took in its window. Throws without one.
    async result(timeout_ms) {
        const end = await end_of(this.child, timeout_ms);
        this.sampler.stop();
        if (!existsSync(this.json) || ![0, 1, 3].includes(end.code))
            throw new Error(
                `fairlead-load against ${this.server.kind} ended with ${end.code ?? end.signal}: ` +
                    (this.child.errors + this.child.output).trim().split('\n').pop(),
            );
        const result = JSON.parse(readFileSync(this.json, 'utf8'));
        rmSync(this.json);
        result.begin_ns = this.begin_ns;
        result.cpu = this.sampler.cut(
            result.window.begin_monotonic_ns,
            result.window.end_monotonic_ns,
        );
        return result;
    }

    async kill() {
        this.child.kill('SIGKILL');
        this.sampler.stop();
        await this.child.ended;
        rmSync(this.json, { force: true });
    }
}

// Until the server's side has this many open sockets. False after the timeout.
export async function wait_connected(count, timeout_ms) {
    const end = Date.now() + timeout_ms;
    while (Date.now() < end) {
        if (sockets_open() >= count) return true;
        await sleep(100);
    }
    return false;
}

// A member of the room in a process of its own: see probe.mjs.
export function start_probe(server, room) {
    return start([
        ...client_side,
        ...on_cpu(lab.client_cpu),
        'nice',
        '-n',
        '-10',
        process.execPath,
        'tests/bench/probe.mjs',
        lab.server_ips[0],
        String(server.port),
        room,
    ]);
}

export const sampler_of = (server, client) =>
    new Sampler(lab.server_cpu, server.pid, client.pid);

// Many subscriptions on few connections: see subscriptions.mjs.
export function start_subscriptions(server, words) {
    return start([
        ...client_side,
        ...on_cpu(lab.client_cpu),
        process.execPath,
        'tests/bench/subscriptions.mjs',
        lab.server_ips[0],
        String(server.port),
        ...words.map(String),
    ]);
}

export { start, end_of };
