// One member of a room, in a process of its own: how late does it get each message? It joins last,
// so it stands at the end of the room's walk, and sees what the last receiver sees. Prints lines
// "<received, ms> <lag from the intended send time, ms>" (CLOCK_MONOTONIC) at its end.
//
// node probe.mjs HOST PORT ROOM
import { connect } from 'node:net';

const [host, port, room] = process.argv.slice(2);
const seen = [];
let buffer = Buffer.alloc(0);
let is_upgraded = false;

function frame(text) {
    const payload = Buffer.from(text);
    if (payload.length > 125) throw new Error('the probe sends short frames only');
    const head = Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]); // a mask of zero
    return Buffer.concat([head, payload]);
}

function take_frame() {
    if (buffer.length < 4) return null;
    let size = buffer[1] & 127,
        head = 2;
    if (size === 126) [size, head] = [buffer.readUInt16BE(2), 4];
    if (size === 127) {
        if (buffer.length < 10) return null;
        [size, head] = [Number(buffer.readBigUInt64BE(2)), 10];
    }
    if (buffer.length < head + size) return null;
    const payload = buffer.subarray(head, head + size);
    buffer = buffer.subarray(head + size);
    return payload;
}

const socket = connect({ host, port: Number(port), noDelay: true }, () => {
    socket.write(
        'GET /socket/websocket?user=probe&vsn=2.0.0 HTTP/1.1\r\n' +
            `Host: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
});
socket.on('data', data => {
    const now_ms = Number(process.hrtime.bigint()) / 1e6;
    buffer = buffer.length ? Buffer.concat([buffer, data]) : data;
    if (!is_upgraded) {
        const end = buffer.indexOf('\r\n\r\n');
        if (end < 0) return;
        buffer = buffer.subarray(end + 4);
        is_upgraded = true;
        socket.write(frame(`["1","1","room:${room}","phx_join",{}]`));
    }
    for (let payload = take_frame(); payload; payload = take_frame()) {
        const stamp = /"t":"([0-9a-f]{16})/.exec(payload.toString('latin1'));
        if (stamp) seen.push(`${now_ms} ${now_ms - Number(BigInt('0x' + stamp[1])) / 1e6}`);
    }
});
function finish() {
    process.stdout.write(seen.join('\n') + '\n', () => process.exit(0));
}
socket.on('error', error => {
    console.error(error.message);
    process.exit(1);
});
process.on('SIGTERM', finish);
socket.on('close', finish);
