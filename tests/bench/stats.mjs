// Medians, ranges and verdicts. Pure.

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    if (sorted.length === 0) return NaN;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function quantile(values, q) {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length
        ? sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]
        : NaN;
}

export function spread(values) {
    const real = values.filter(Number.isFinite);
    return {
        median: median(real),
        min: Math.min(...real),
        max: Math.max(...real),
        count: real.length,
    };
}

// What a row's spread says about a bar {op: '<=' | '>=', value}: a range that lies on both sides of
// the bar shows nothing, whatever its median is.
export function verdict(range, bar) {
    if (!bar) return 'for reading';
    if (!range || range.count === 0) return 'not measured';
    const holds = value => (bar.op === '<=' ? value <= bar.value : value >= bar.value);
    if (holds(range.min) && holds(range.max)) return 'met';
    if (!holds(range.min) && !holds(range.max)) return 'missed';
    return 'not shown';
}

// The value at `at_ns` of a counter sampled as [{at_ns, value}], by straight lines between samples.
export function interpolate(samples, at_ns, pick) {
    const after = samples.findIndex(sample => sample.at_ns >= at_ns);
    if (after <= 0) throw new Error('the window lies outside of what was sampled');
    const a = samples[after - 1],
        b = samples[after];
    const share = (at_ns - a.at_ns) / (b.at_ns - a.at_ns);
    return pick(a) + (pick(b) - pick(a)) * share;
}
