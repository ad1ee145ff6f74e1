// `make bench`: measures the rows of docs/BENCHMARKS.md and prints them with a verdict each.
//
// Environment: QUICK=1 (three pairs, four rows, not for decisions), ROW=name[,name] (only these;
// `runtime`: all about the actor runtime,
// `mqtt`: all about MQTT), PAIRS=5, WINDOW_S=4 (the measured window of a run), WAIT_S=60 (for a quiet machine). Runs inside
// lab.sh, the rows about the runtime also outside; needs only node's own library.
import { accessSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { room_rows } from './rows_rooms.mjs';
import { client_rows } from './rows_clients.mjs';
import { runtime_rows } from './rows_runtime.mjs';
import { memory_rows } from './memory.mjs';
import { mqtt_rows } from './rows_mqtt.mjs';
import { judged, markdown, table } from './report.mjs';
import { fairlead, floors, kill_all, lab, load_tool, scratch, sleep } from './processes.mjs';
import { load_average } from './sample.mjs';

const env = process.env;
const is_quick = env.QUICK === '1';
const all_rows = [...room_rows, ...client_rows, ...mqtt_rows, ...memory_rows, ...runtime_rows];
const LIMIT_MS = (is_quick ? 2 : 25) * 60e3;
const begin = Date.now();

const bench = {
    is_quick,
    pairs: Number(env.PAIRS ?? (is_quick ? 3 : 5)),
    window_s: Number(env.WINDOW_S ?? (is_quick ? 1.5 : 4)),
    foreign_limit: 0.15, // CPUs' worth of other people's user time: a pair beyond is measured again
    repeats_max: is_quick ? 0 : 2,
    runs: [],
    remarks: [],
    say(text) {
        const seconds = ((Date.now() - begin) / 1000).toFixed(0).padStart(4);
        process.stderr.write(`[${seconds} s] ${text}\n`);
    },
    remark(text) {
        const all = bench.row ? `${bench.row}: ${text}` : text;
        if (!bench.remarks.includes(all)) bench.remarks.push(all);
    },
    // Keeps what a run said, complains about what makes its figures doubtful.
    note_run(kind, scenario, options, result) {
        const { verdict, exit_code, messages, latency_ns, checks, client, cpu, window } = result;
        bench.runs.push({
            row: bench.row,
            kind,
            scenario,
            options,
            verdict,
            exit_code,
            seconds: window.seconds,
            messages,
            latency_ns,
            checks,
            client,
            cpu,
        });
        bench.foreign_max = Math.max(bench.foreign_max ?? 0, cpu.foreign);
        if (exit_code === 1) bench.remark(`${kind}: ${verdict}`);
        return result;
    },
};

function check_ready(rows) {
    if (rows.every(row => row.group === 'runtime')) return;
    const programs = [fairlead, load_tool, floors.uring, floors.epoll];
    for (const program of programs) {
        try {
            accessSync(program);
        } catch {
            console.error(
                `bench: ${program} is not built: run \`make bench\`, or \`make all floors\` first`,
            );
            process.exit(1);
        }
    }
}

const is_named = (row, name) => row.name === name || row.group === name;

function chosen_rows() {
    if (!env.ROW) return is_quick ? all_rows.filter(row => row.quick) : all_rows;
    const names = env.ROW.split(',');
    for (const name of names)
        if (!all_rows.some(row => is_named(row, name))) {
            console.error(
                `bench: no row '${name}'; there are ${all_rows.map(row => row.name).join(', ')}`,
            );
            process.exit(2);
        }
    return all_rows.filter(row => names.some(name => is_named(row, name)));
}

async function wait_for_quiet() {
    const tries = Number(env.WAIT_S ?? (is_quick ? 0 : 60)) / 3;
    for (let i = 0; i < tries && load_average() > 0.7; i++) {
        if (i === 0)
            bench.say(
                `load average ${load_average()}: waiting for a quiet machine, at most ${tries * 3} s`,
            );
        await sleep(3000);
    }
    if (load_average() > 0.7)
        bench.remark(`the machine was not quiet at the start: load average ${load_average()}`);
}

async function measure(row) {
    bench.row = row.name;
    bench.is_noisy = false;
    bench.say(`${row.name} ...`);
    try {
        const lines = await row.run(bench);
        return lines.map(line => judged({ ...line, row: row.name, is_noisy: bench.is_noisy }));
    } catch (error) {
        bench.say(`  ${row.name}: ${error.message}`);
        bench.remark(error.message);
        return [
            judged({ row: row.name, title: `${row.name}: not measured`, unit: '', fairlead: [] }),
        ];
    } finally {
        bench.row = '';
    }
}

function heading() {
    const model =
        /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
    const where = wanted.every(row => row.group === 'runtime')
        ? 'without the lab'
        : lab.kind === 'lab'
            ? 'in the lab'
            : "on loopback (no lab: the sender's CPU hides part of the cost)";
    return (
        `Measured ${new Date(begin).toISOString().slice(0, 10)} ${where}: Linux ${release()}, ${cpus().length} CPUs ` +
        `(${model}); ${bench.pairs} pairs, windows of ${bench.window_s} s` +
        (is_quick ? '; QUICK: not for decisions' : '') +
        '.'
    );
}

function finish(lines) {
    const text = markdown(lines, heading(), bench.remarks);
    writeFileSync(join(scratch, 'results.md'), text);
    writeFileSync(
        join(scratch, 'results.json'),
        JSON.stringify(
            {
                heading: heading(),
                lab: lab.kind,
                quick: is_quick,
                pairs: bench.pairs,
                window_s: bench.window_s,
                kernel_caches: bench.kernel_caches,
                remarks: bench.remarks,
                lines: lines.map(({ cells, ...line }) => line),
                runs: bench.runs,
            },
            null,
            1,
        ),
    );
    console.log(`\n${heading()}\n\n${table(lines)}\n`);
    for (const remark of bench.remarks) console.log(`- ${remark}`);
    console.log(`\n${join(scratch, 'results.json')} and results.md have it all.`);
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(name, () => {
        kill_all();
        process.exit(143);
    });

const wanted = chosen_rows();
check_ready(wanted);
await wait_for_quiet();
const lines = [];
for (const row of wanted) {
    if (Date.now() - begin > LIMIT_MS && !env.ROW) {
        bench.remark(`${row.name}: left out, the time was up`);
        continue;
    }
    lines.push(...(await measure(row)));
    if (lines.length > 0)
        writeFileSync(join(scratch, 'partial.md'), markdown(lines, heading(), bench.remarks));
}
finish(lines);
kill_all();
process.exit(lines.some(line => line.verdict === 'not measured') ? 1 : 0);
