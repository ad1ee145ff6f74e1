// Runs in turns: one server and one load at a time, a pair of values for each turn, and the small
// words that rows share.
//
// A row is {name, quick, run(bench)}; run() returns lines for the report: {title, unit,
// fairlead: [...], floor: [...], ratio: [...], bar, stretch}, a value per pair. A bar judges the
// ratio of each pair, or, with `judge: 'fairlead'`, Fairlead's own figure.
import { Server, Load, sleep } from './processes.mjs';

export const ROOM = 5000;
export const at_most = value => ({ op: '<=', value });
export const at_least = value => ({ op: '>=', value });

// One server, one load, one result. `during` may watch the server meanwhile.
export async function run_once(bench, kind, scenario, options, { more = [], during } = {}) {
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

// measure(kind, pair) for every kind, in turns, the first one changing; a pair with a noisy machine
// is measured again while the allowance lasts. {kind: [value per pair]}.
export async function in_turns(bench, kinds, measure) {
    const values = Object.fromEntries(kinds.map(kind => [kind, []]));
    for (let pair = 0, again = 0; pair < bench.pairs; pair++) {
        const order = pair % 2 ? [...kinds].reverse() : kinds;
        const got = {};
        bench.foreign_max = 0;
        for (const kind of order) got[kind] = await measure(kind, pair);
        if (bench.foreign_max > bench.foreign_limit && again < bench.repeats_max) {
            bench.say(
                `  pair ${pair + 1} again: others used ${bench.foreign_max.toFixed(2)} CPUs meanwhile`,
            );
            (again++, pair--);
            await sleep(1000);
            continue;
        }
        if (bench.foreign_max > bench.foreign_limit) bench.is_noisy = true;
        for (const kind of kinds) values[kind].push(got[kind]);
        bench.say(
            `  pair ${pair + 1}/${bench.pairs}: ` +
                kinds.map(kind => `${kind} ${got[kind].text}`).join(' · '),
        );
    }
    return values;
}

export const per_pair = (a, b, pick) => a.map((value, i) => pick(value) / pick(b[i]));
export const short = value =>
    value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
export const percent = share => `${Math.round(share * 100)} %`;
