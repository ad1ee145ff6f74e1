// The rows of docs/BENCHMARKS.md about the actor runtime, beside Erlang/OTP's in the same shape:
// tests/bench/runtime/runtime_bench.c and runtime_bench.erl, one process per run, pinned to the
// same CPU (two for messages between cores), in turns. Needs no lab and no server.
import { execFileSync } from 'node:child_process';
import { accessSync } from 'node:fs';
import { join } from 'node:path';
import { end_of, lab, scratch, start } from './processes.mjs';
import { everybody_user_ns, now_ns } from './sample.mjs';
import { at_least, at_most, in_turns, per_pair, short } from './turns.mjs';

const program = join(process.env.BENCH_BUILD ?? 'build/release', 'bench/runtime_bench');
const TIMEOUT_MS = 60e3;

// Compiled once a run; without Erlang the rows stand alone and a remark says so.
let has_erlang;
function erlang_ready(bench) {
    if (has_erlang !== undefined) return has_erlang;
    try {
        execFileSync('erlc', ['-o', scratch, 'tests/bench/runtime/runtime_bench.erl'], {
            stdio: ['ignore', 'ignore', 'pipe'],
        });
        has_erlang = true;
        const probe = 'io:format("~s",[erlang:system_info(system_version)]),halt().';
        bench.remark(execFileSync('erl', ['-noshell', '-eval', probe], { encoding: 'utf8' }).trim());
    } catch (error) {
        bench.remark(`Erlang is not here (make deps DEPS=bench): ${error.message.split('\n')[0]}`);
        has_erlang = false;
    }
    return has_erlang;
}

// Schedulers are as many as CPUs; one of each other kind of thread, so that they do not add noise.
function command_of(kind, row, cpus) {
    const list = cpus.join(',');
    if (kind === 'fairlead')
        return ['taskset', '-c', list, program, row, ...(cpus.length > 1 ? ['--cpus', list] : [])];
    const schedulers = `${cpus.length}:${cpus.length}`;
    const flags = ['+S', schedulers, '+SDcpu', '1:1', '+SDio', '1', '+A', '1', '+P', '2097152'];
    const module = ['-noshell', '-noinput', '-pa', scratch, '-run', 'runtime_bench', 'main', row];
    return ['taskset', '-c', list, 'erl', ...flags, ...module];
}

const not_mine_ns = () => everybody_user_ns() - process.cpuUsage().user * 1e3;

// One process, one figure. What other processes used meanwhile makes the pair doubtful.
async function run_once(bench, kind, row, cpus) {
    const begin_ns = now_ns(),
        others_begin_ns = not_mine_ns();
    const child = start(command_of(kind, row, cpus));
    const end = await end_of(child, TIMEOUT_MS);
    const wall_ns = now_ns() - begin_ns;
    let result;
    try {
        result = JSON.parse(child.output);
    } catch {
        throw new Error(
            `${kind} ended with ${end.code ?? end.signal}: ` +
                (child.errors + child.output).trim().split('\n').pop(),
        );
    }
    const foreign_ns = not_mine_ns() - others_begin_ns - result.cpu_ns;
    // Ticks are 10 ms: what is seen in a shorter time than this says nothing.
    if (wall_ns > 2e8) bench.foreign_max = Math.max(bench.foreign_max ?? 0, foreign_ns / wall_ns);
    bench.runs.push({ row: bench.row, kind, seconds: wall_ns / 1e9, ...result });
    return { ...result, text: `${short(result.ns ?? result.bytes)} ${result.ns ? 'ns' : 'B'}` };
}

// {fairlead: [...], beam: [...]}; `pairs`: fewer where a figure hardly moves.
async function measure(bench, row, { core_count = 1, pairs = bench.pairs, is_alone = false } = {}) {
    accessSync(program);
    const cpus = core_count > 1 ? [lab.server_cpu, lab.client_cpu] : [lab.server_cpu];
    const kinds = erlang_ready(bench) && !is_alone ? ['fairlead', 'beam'] : ['fairlead'];
    const all_pairs = bench.pairs;
    bench.pairs = Math.min(pairs, all_pairs);
    try {
        return await in_turns(bench, kinds, kind => run_once(bench, kind, row, cpus));
    } finally {
        bench.pairs = all_pairs;
    }
}

// `ratio`: how many times as fast as BEAM; it counts when the ranges do not overlap.
function line(title, values, { unit = 'ns', pick = v => v.ns, judge = 'fairlead', ...more }) {
    const beam = values.beam;
    return {
        title,
        unit,
        judge,
        is_apart: judge === 'ratio',
        fairlead: values.fairlead.map(pick),
        floor: beam?.map(pick),
        ratio: beam && per_pair(beam, values.fairlead, pick),
        ...more,
    };
}

const timed = (name, title, bars, options = {}) => ({
    name: `runtime-${name}`,
    group: 'runtime',
    run: async bench => [line(title, await measure(bench, name, options), bars)],
});

const times = (bar, stretch) => ({
    judge: 'ratio',
    bar: at_least(bar),
    stretch: stretch && at_least(stretch),
});
const within = (bar, stretch) => ({ bar: at_most(bar), stretch: stretch && at_most(stretch) });

async function row_memory(bench) {
    const values = await measure(bench, 'memory', { pairs: 2 });
    const bars = { unit: 'B', pick: v => v.bytes, is_single: true, ...within(64, 48) };
    return [line('memory of a bare actor', values, bars)];
}

async function row_timer_quiet(bench) {
    const values = await measure(bench, 'timer-quiet', { pairs: 1, is_alone: true });
    const only = { is_single: true };
    return [
        line('turns on account of a million timers an hour or more ahead, in that hour', values, {
            unit: '',
            pick: v => v.count,
            ...only,
        }),
        line('a turn with a million timers armed and nothing to do', values, only),
    ];
}

export const runtime_rows = [
    timed('spawn', 'spawn an actor, 100,000 alive', within(40, 20)),
    timed('spawn-fresh', 'spawn an actor in memory never touched before', {}),
    { name: 'runtime-memory', group: 'runtime', run: row_memory },
    timed('send', 'message to another actor on the core: send and dispatch', within(25, 12)),
    timed('ring', 'ring of 1,000 actors, 5 M hops, per hop', times(10, 20)),
    timed('million', 'a million actors alive, random sends among them', times(5)),
    timed('mesh-one-way', 'message to another core, one direction', within(40, 15), {
        core_count: 2,
    }),
    timed('mesh-both', 'message to another core, both directions', within(40, 15), {
        core_count: 2,
    }),
    timed('call', 'call and reply through the server behaviour', times(5)),
    timed('timer', 'timer of its own cancelled and armed', within(25)),
    timed('timed', 'timed message cancelled and sent', within(25)),
    { name: 'runtime-timer-quiet', group: 'runtime', run: row_timer_quiet },
];
