// Very many distinct subscriptions on few connections, and one publisher that hits one of them each
// time: what does a publish cost when others do not match? In a process of its own.
//
// node subscriptions.mjs HOST PORT CONNECTIONS FILTERS_EACH PUBLISHES_PER_S SECONDS
// Prints one line of JSON when all stand, {"ready": true}, and at the end {"published", "received",
// "begin_ns", "end_ns"}: CLOCK_MONOTONIC, of the publishing alone.
import { connect } from 'node:net';
import { once } from 'node:events';

const [host, port, connections, filters, rate, seconds] = process.argv
    .slice(2)
    .map((text, i) => (i === 0 ? text : Number(text)));
const now_ns = () => Number(process.hrtime.bigint());
const sleep = ms => new Promise(done => setTimeout(done, ms));

const text = value => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

function packet(type, ...parts) {
    const body = Buffer.concat(parts);
    const head = [type];
    let left = body.length;
    do {
        head.push((left & 127) | (left > 127 ? 128 : 0));
        left >>= 7;
    } while (left > 0);
    return Buffer.concat([Buffer.from(head), body]);
}

const topic_of = (connection, filter) => `sub/${connection % 100}/${connection}/${filter}`;
let received = 0;

// Counts the packets of each type; a PUBLISH of this size fits one header byte of length.
async function open(id) {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    const client = { socket, acks: 0, left: Buffer.alloc(0) };
    socket.on('data', data => {
        let all = client.left.length ? Buffer.concat([client.left, data]) : data;
        while (all.length >= 2 && all.length >= 2 + all[1]) {
            if (all[0] >> 4 === 3) received++;
            else client.acks++;
            all = all.subarray(2 + all[1]);
        }
        client.left = Buffer.from(all);
    });
    const flags = Buffer.from([4, 2, 0, 0]); // 3.1.1, clean session, no keep-alive
    socket.write(packet(0x10, text('MQTT'), flags, text(`subs-${id}`)));
    while (client.acks < 1) await sleep(2);
    return client;
}

const clients = [];
for (let i = 0; i < connections; i++) {
    const client = await open(i);
    for (let j = 0; j < filters; j++)
        client.socket.write(
            packet(0x82, Buffer.from([0, (j % 250) + 1]), text(topic_of(i, j)), Buffer.from([0])),
        );
    while (client.acks < 1 + filters) await sleep(2);
    clients.push(client);
}
const publisher = await open('publisher');
console.log(JSON.stringify({ ready: true }));
await sleep(500);

const body = Buffer.alloc(64, 0x61);
const begin_ns = now_ns();
let published = 0;
while (now_ns() < begin_ns + seconds * 1e9) {
    const due = Math.floor(((now_ns() - begin_ns) / 1e9) * rate);
    for (; published < due; published++) {
        // Far apart, in an order that no cache foresees.
        const at = (published * 7919) % (connections * filters);
        const topic = topic_of(at % connections, Math.floor(at / connections));
        publisher.socket.write(packet(0x30, text(topic), body));
    }
    await sleep(1);
}
const end_ns = now_ns();
for (let i = 0; i < 50 && received < published; i++) await sleep(20);
console.log(JSON.stringify({ published, received, begin_ns, end_ns }));
process.exit(0);
