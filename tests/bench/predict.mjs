// Does `fairlead tune --measure` predict what this machine then really does? `make bench-tune`.
//
// A round: measure; predict; then really hold HOLD connections and compare memory, and really search
// the knee (`fairlead tune --knee`, one scheduler) for each room size and compare rates. ROUNDS
// rounds; what is judged is the median of each line's predicted / actual. Bars: connections and
// memory within 5 %, rates within 20 % (10 % is the stretch). A knee that ended because the client
// was the limit is a bound from below: it can show a prediction too low, never one too high; the
// line says so and is not judged by it.
//
//   ROUNDS=5  HOLD=150000  MEASURE_HOLD=40000  ROOMS=20,500  CONNECTIONS=5000  STEP_S=5  SLO_MS=20
//   PORT=18500
//   QUICK=1: one round, HOLD=12000, MEASURE_HOLD=4000, short steps: to try the script
//
// Leaves build/bench/tune.json. Exit 1 when a bar is missed. Wants a quiet machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load_average, memory_of, sockets_allocated } from './sample.mjs';
import { median } from './stats.mjs';

const env = process.env;
const quick = Boolean(env.QUICK);
const build = env.BENCH_BUILD ?? 'build/release';
const ROUNDS = Number(env.ROUNDS ?? (quick ? 1 : 5));
const HOLD = Number(env.HOLD ?? (quick ? 12000 : 150000));
const MEASURE_HOLD = Number(env.MEASURE_HOLD ?? (quick ? 4000 : 40000));
const ROOMS = (env.ROOMS ?? '20,500').split(',').filter(Boolean).map(Number);
const CONNECTIONS = Number(env.CONNECTIONS ?? (quick ? 1000 : 5000));
const STEP_S = Number(env.STEP_S ?? (quick ? 1 : 5));
// So short that little is merged: the server is full before the client is.
const SLO_MS = Number(env.SLO_MS ?? 20);
const PORT = Number(env.PORT ?? 18500);
const folder = 'build/bench';
mkdirSync(folder, { recursive: true });

const sleep = ms => new Promise(done => setTimeout(done, ms));
const children = new Set();

function start(program, args) {
    const child = spawn(join(build, program), args.map(String), {
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.out = '';
    child.errors = '';
    child.stdout.on('data', data => (child.out += data));
    child.stderr.on('data', data => (child.errors = (child.errors + data).slice(-8000)));
    children.add(child);
    child.ended = once(child, 'close').then(([code]) => {
        children.delete(child);
        return code;
    });
    return child;
}
for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => {
        for (const child of children) child.kill('SIGTERM');
        setTimeout(() => process.exit(1), 1000);
    });

// The JSON of a mode of the tool; exit codes 1 and 3 are answers, too.
async function tune(...args) {
    const child = start('fairlead-tune', [...args, '--port', PORT, '--quiet', '--json', '-']);
    const code = await child.ended;
    try {
        return JSON.parse(child.out);
    } catch {
        throw new Error(`fairlead-tune ${args.join(' ')}: exit ${code}: ${child.errors.trim()}`);
    }
}

const meminfo = name =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))[1]) *
    1024;

async function until(what, ms, probe) {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) if (probe()) return;
    throw new Error(`not within ${ms / 1000} s: ${what}`);
}

// Memory stands still for two seconds.
async function settled(pid) {
    for (let last = 0, i = 0; i < 20; i++) {
        await sleep(2000);
        const { rss } = memory_of(pid);
        if (Math.abs(rss - last) < 65536) return;
        last = rss;
    }
}

// Really holds so many: bytes of the server's process, and of all slabs for both ends.
async function hold(connections) {
    const cpus = ['--schedulers', 1, '--cpus', 0];
    const others = sockets_allocated();
    const server = start('fairlead', [
        ...['serve', '--listen', `127.0.0.1:${PORT + 48}`, '--control', `127.0.0.1:${PORT + 49}`],
        ...['--log-level', 'warn', '--idle-timeout-s', 7200, ...cpus],
        ...['--connections-max', Math.ceil(connections * 1.02)],
    ]);
    await sleep(1000);
    const before = meminfo('Slab');
    const load = start('fairlead-load', [
        ...['hold', '--target', `ws://127.0.0.1:${PORT + 48}/socket/websocket`, '--quiet'],
        ...['--connections', connections, '--room-size', 50, '--connect-rate', 15000],
        ...['--heartbeat-s', 3600, '--warmup-s', 0, '--hold-until-signal', '--cpus', 1],
        ...['--connect-timeout-s', 60],
    ]);
    try {
        await until(`${connections} connected: ${load.errors}`, 20000 + connections / 5, () =>
            /phase=connected/.test(load.errors),
        );
        await settled(server.pid);
        const sockets = sockets_allocated() - others;
        if (Math.abs(sockets - 2 * connections) > 0.01 * connections)
            console.log(`  remark: ${sockets} sockets more where ${2 * connections} are ours`);
        return { user: memory_of(server.pid).rss, kernel: meminfo('Slab') - before };
    } finally {
        load.kill('SIGKILL');
        server.kill('SIGKILL');
        await Promise.all([load.ended, server.ended]);
        await until('sockets are gone', 60000, () => sockets_allocated() < others + 1000).catch(
            () => {},
        );
        await sleep(2000);
    }
}

const lines = new Map();
function note(title, bar, stretch, predicted, actual, remark = '') {
    if (!lines.has(title)) lines.set(title, { title, bar, stretch, runs: [] });
    lines.get(title).runs.push({ predicted, actual, ratio: predicted / actual, remark });
    const off = ((predicted / actual - 1) * 100).toFixed(1);
    console.log(
        `  ${title}: predicted ${Math.round(predicted)}, actual ${Math.round(actual)} (${off} %) ${remark}`,
    );
}

async function round() {
    const file = join(folder, 'tune-measure.json');
    const measured = await tune(
        ...['--measure', '--hold', MEASURE_HOLD, '--connections', CONNECTIONS, '--step-s'],
        Math.min(STEP_S, 2.5),
    );
    writeFileSync(file, JSON.stringify(measured));
    for (const remark of measured.measured.remarks) console.log(`  remark: ${remark}`);
    const m = measured.measured;
    const held = await hold(HOLD);
    const both = m.kernel_bytes + m.kernel_client_bytes;
    note('bytes of the process', 0.05, 0.02, m.fixed_bytes + HOLD * m.user_bytes, held.user);
    note('bytes of the kernel, both ends', 0.05, 0.02, HOLD * both, held.kernel);
    // The question turned round: how many connections are in the memory that these took?
    const fit = (held.user + held.kernel - m.fixed_bytes) / (m.user_bytes + both);
    note('connections in that memory', 0.05, 0.02, fit, HOLD);
    for (const members of ROOMS) {
        const asked = ['--rooms-of', members, '--connections', CONNECTIONS, '--slo', `${SLO_MS}ms`];
        const told = await tune('--measure', '--from', file, ...asked);
        const predicted = told.answers.one.knee_publishes_per_s;
        const knee = await tune(
            ...['--knee', ...asked, '--step-s', STEP_S, '--rate-start', Math.max(predicted / 2, 1).toFixed(2)],
        );
        console.log(`  knee: ${knee.verdict}`);
        const remark = knee.at_least ? 'the client was the limit: at least' : '';
        note(
            `publishes/s in rooms of ${members}`,
            0.2,
            0.1,
            predicted,
            knee.rate ?? NaN,
            knee.rate ? remark : knee.verdict,
        );
    }
}

function judge({ title, bar, stretch, runs }) {
    const fair = runs.filter(run => run.remark === '' && Number.isFinite(run.ratio));
    const ratios = fair.map(run => run.ratio).sort((a, b) => a - b);
    if (ratios.length === 0) return { title, verdict: 'not judged: ' + (runs[0]?.remark ?? '') };
    const middle = median(ratios);
    const off = Math.abs(middle - 1);
    const verdict = off <= stretch ? 'met, stretch too' : off <= bar ? 'met' : 'MISSED';
    const range = `[${ratios[0].toFixed(3)}–${ratios[ratios.length - 1].toFixed(3)}]`;
    return { title, runs: ratios.length, ratio: middle, range, bar, verdict };
}

try {
    for (let i = 0; i < ROUNDS; i++) {
        console.log(`round ${i + 1} of ${ROUNDS} (load ${load_average()})`);
        await round();
    }
} catch (error) {
    console.error(`bench-tune: ${error.message}`);
    process.exitCode = 1;
}
const verdicts = [...lines.values()].map(judge);
console.log('\n| predicted / actual | median | range | bar | runs | verdict |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const v of verdicts)
    console.log(
        `| ${v.title} | ${v.ratio?.toFixed(3) ?? '–'} | ${v.range ?? '–'} | ${v.bar ? `± ${v.bar * 100} %` : '–'} | ${v.runs ?? 0} | ${v.verdict} |`,
    );
writeFileSync(join(folder, 'tune.json'), JSON.stringify({ verdicts, lines: [...lines.values()] }, null, 2));
if (verdicts.some(v => v.verdict === 'MISSED')) process.exitCode = 1;
