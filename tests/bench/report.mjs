// The table for people, Markdown for docs/BENCHMARKS.md, JSON for programs.
import { spread, verdict } from './stats.mjs';

function number(value, unit) {
    if (!Number.isFinite(value)) return '–';
    const text =
        Math.abs(value) >= 100
            ? Math.round(value).toLocaleString('en')
            : Math.abs(value) >= 10
              ? value.toFixed(1)
              : Math.abs(value) >= 0.1
                ? value.toFixed(2)
                : value.toPrecision(2);
    return unit && unit !== '/s' ? `${text} ${unit}` : text + (unit ?? '');
}

const bar_text = bar => (bar ? `${bar.op === '<=' ? '≤' : '≥'} ${bar.value}` : '');

// What a verdict is worth: a figure of a steady machine, from pairs enough.
function caution(line, range) {
    if (!line.bar || !range?.count) return line.is_noisy ? ' (noisy)' : '';
    const few = line.is_single || range.count >= 5 ? [] : [`${range.count} pair${range.count > 1 ? 's' : ''}`];
    const all = [...few, ...(line.is_noisy ? ['noisy'] : [])];
    return all.length ? ` (${all.join(', ')})` : '';
}

// A line of a row, judged: what a reader sees.
export function judged(line) {
    const judges_ratio = line.judge !== 'fairlead';
    const own = spread(line.fairlead),
        floor = line.floor ? spread(line.floor) : null;
    const ratio = line.ratio ? spread(line.ratio) : null;
    const range = judges_ratio ? ratio : own;
    // A ratio of ranges that overlap shows nothing, whatever its own range is.
    const overlaps = line.is_apart && floor && own.max >= floor.min && floor.max >= own.min;
    const says = bar => (overlaps && bar ? 'not shown' : verdict(range, bar));
    const stretch_verdict = line.stretch ? says(line.stretch) : '';
    const with_range = (s, unit) =>
        s.count > 1
            ? `${number(s.median, unit)} [${number(s.min)}–${number(s.max)}]`
            : number(s.median, unit);
    return {
        ...line,
        cells: [
            line.title,
            own.count ? with_range(own, line.unit) : 'not measured',
            floor?.count ? with_range(floor, line.unit) : (line.floor_text ?? ''),
            ratio?.count ? with_range(ratio, '') : '',
            bar_text(line.bar),
            bar_text(line.stretch),
            says(line.bar) +
                (stretch_verdict === 'met' ? ', stretch too' : '') +
                caution(line, range),
        ],
        verdict: says(line.bar),
        stretch_verdict,
    };
}

const HEADINGS = ['row', 'Fairlead', 'floor or peer', 'ratio', 'bar', 'stretch', 'verdict'];

export function table(lines) {
    const all = [HEADINGS, ...lines.map(line => line.cells)];
    const widths = HEADINGS.map((_, i) => Math.max(...all.map(cells => cells[i].length)));
    return all
        .map(cells =>
            cells
                .map((cell, i) => cell.padEnd(widths[i]))
                .join('  ')
                .trimEnd(),
        )
        .join('\n');
}

export function markdown(lines, heading, remarks) {
    const row = cells => `| ${cells.join(' | ')} |`;
    return [
        heading,
        '',
        row(HEADINGS),
        row(HEADINGS.map(() => '---')),
        ...lines.map(line => row(line.cells)),
        '',
        ...remarks.map(remark => `- ${remark}`),
        '',
    ].join('\n');
}
