// What the kernel says about CPUs, processes and memory.
//
// The server's CPU is measured as a whole (everything that is not idle or stolen), because the
// kernel does part of a server's work outside of its process: packets that arrive are taken through
// TCP in a soft interrupt on that CPU. The process's own time (schedstat, ns) is kept beside it.
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { interpolate } from './stats.mjs';

const TICK_NS = 1e7; // USER_HZ is 100 on every Linux

export const now_ns = () => Number(process.hrtime.bigint()); // CLOCK_MONOTONIC, as the load tool's

function read(path) {
    try {
        return readFileSync(path, 'utf8');
    } catch {
        return ''; // the process is gone
    }
}

function cpu_line(name) {
    const line = read('/proc/stat')
        .split('\n')
        .find(text => text.startsWith(name + ' '));
    return line.trim().split(/\s+/).slice(1).map(Number);
}

// Not busy: idle, waiting for a disk, or taken by the host.
export function idle_ns(cpu) {
    const [, , , idle, iowait, , , steal] = cpu_line(`cpu${cpu}`);
    return (idle + iowait + steal) * TICK_NS;
}

export function process_ns(pid) {
    let total = 0;
    try {
        for (const task of readdirSync(`/proc/${pid}/task`))
            total += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]);
    } catch {
        return NaN;
    }
    return total;
}

function user_ns(pid) {
    const text = read(`/proc/${pid}/stat`);
    return text ? Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[11]) * TICK_NS : NaN;
}

// Everybody's user time, all CPUs.
export function everybody_user_ns() {
    const [user, nice] = cpu_line('cpu');
    return (user + nice) * TICK_NS;
}

export function memory_of(pid) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    const field = name =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN) * 1024;
    return { rss: field('Rss'), anonymous: field('Anonymous') };
}

export const load_average = () => Number(read('/proc/loadavg').split(' ')[0]);

// TCP sockets in this network namespace that are open.
export function sockets_open() {
    return Number(/^TCP: inuse (\d+)/m.exec(read('/proc/net/sockstat'))?.[1] ?? NaN);
}

// TCP sockets of all namespaces, those included that only wait to be freed.
export function sockets_allocated() {
    return Number(/^TCP: .* alloc (\d+)/m.exec(read('/proc/net/sockstat'))?.[1] ?? NaN);
}

export function is_listening(port) {
    const wanted = port.toString(16).toUpperCase().padStart(4, '0');
    return ['/proc/net/tcp', '/proc/net/tcp6'].some(
        path => existsSync(path) && new RegExp(`:${wanted} [0-9A-F]+:0000 0A`).test(read(path)),
    );
}

// {name: {count, size}} of every slab cache (root only).
export function slabs() {
    const caches = {};
    for (const line of read('/proc/slabinfo').split('\n').slice(2)) {
        const [name, active, , size] = line.split(/\s+/);
        if (name) caches[name] = { count: Number(active), size: Number(size) };
    }
    return caches;
}

// Samples the server's CPU and processes every 100 ms; cut() then gives what a window took.
export class Sampler {
    constructor(cpu, server_pid, client_pid) {
        this.samples = [];
        const take = () => {
            this.samples.push({
                at_ns: now_ns(),
                idle_ns: idle_ns(cpu),
                process_ns: process_ns(server_pid),
                everybody_ns: everybody_user_ns(),
                ours_ns: user_ns(server_pid) + user_ns(client_pid) + process.cpuUsage().user * 1e3,
            });
        };
        take();
        this.timer = setInterval(take, 100);
    }

    stop() {
        clearInterval(this.timer);
    }

    // busy_ns: the whole CPU; process_ns: the server's threads; busy: share of the window;
    // foreign: CPUs' worth of user time that neither server nor client nor this runner used.
    cut(begin_ns, end_ns) {
        const alive = this.samples.filter(sample => Number.isFinite(sample.ours_ns));
        const last_ns = alive[alive.length - 1].at_ns;
        const end = Math.min(end_ns, last_ns),
            begin = Math.max(begin_ns, alive[0].at_ns + 1);
        const grown = pick => interpolate(alive, end, pick) - interpolate(alive, begin, pick);
        const wall_ns = end - begin;
        const busy_ns = wall_ns - grown(sample => sample.idle_ns);
        const foreign_ns = grown(sample => sample.everybody_ns - sample.ours_ns);
        return {
            wall_ns,
            busy_ns,
            process_ns: grown(sample => sample.process_ns),
            busy: busy_ns / wall_ns,
            foreign: Math.max(0, foreign_ns / wall_ns),
        };
    }
}
