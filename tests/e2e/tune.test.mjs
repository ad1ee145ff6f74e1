// Goal: `fairlead tune` and `--apply` as a person meets them. Method: the program run to its end, on
// this host (reading only), on hosts made of files, and, where root may make one, in a network
// namespace whose real sysctls are set and restored.
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { BINARY, ROOT, run } from "./gateway.mjs";

const tune = (...args) => run(["tune", ...args]);
const PROFILES = path.join(ROOT, "tuning", "profiles");

const HOST = {
  "proc/meminfo": "MemTotal:       24684084 kB\nMemAvailable:   20000000 kB\nSwapTotal: 0 kB\n",
  "proc/self/limits": "Max open files            20000                20000                files     \n",
  "proc/self/status": "CapEff:\t0000000000000000\nSeccomp:\t0\nCpus_allowed_list:\t0-3\n",
  "proc/sys/kernel/osrelease": "6.12.1\n",
  "proc/sys/fs/file-max": "9223372036854775807\n",
  "proc/sys/net/core/somaxconn": "128\n",
  "proc/sys/net/ipv4/tcp_max_syn_backlog": "512\n",
  "proc/sys/vm/swappiness": "60\n",
  "sys/devices/system/cpu/online": "0-3\n",
  "etc/security/limits.d/other.conf": "* soft nofile 4096\n",
};

// A host as a folder; `more` overrides, null takes a file away.
function withHost(more, use) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "fairlead-tune-"));
  for (const [file, text] of Object.entries({ ...HOST, ...more })) {
    if (text === null) continue;
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  }
  return Promise.resolve(use(root)).finally(() => fs.rmSync(root, { recursive: true }));
}

const everyFile = (root) =>
  Object.fromEntries(fs.readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.path ?? entry.parentPath, entry.name))
    .filter((file) => !file.includes("/var/lib/fairlead/"))
    .map((file) => [path.relative(root, file), fs.readFileSync(file, "utf8")]));

function fitsColumns(text) {
  for (const line of text.split("\n")) assert.ok([...line].length <= 80, line);
}

describe("tune", () => {
  test("tells which limit of this host is hit first, in 80 columns", async () => {
    const { stdout, stderr } = await tune();
    assert.equal(stderr, "");
    assert.match(stdout, /^Linux /);
    assert.match(stdout, /\nlimit +now +bounds +verdict\n/);
    fitsColumns(stdout);
  });

  test("--wide and --json tell the same limits", async () => {
    await withHost({}, async (root) => {
      const wide = await tune("--root", root, "--wide");
      const json = await tune("--root", root, "--json", "-");
      assert.equal(wide.code, 0, wide.stderr);
      const result = JSON.parse(json.stdout);
      for (const row of result.limits) assert.ok(wide.stdout.includes(row.name), row.name);
      assert.equal(result.connections_others, 19900);
      assert.equal(result.limits.find((row) => row.name === "memory").connections, Math.floor((20000000 * 1024 * 0.9 - (13612 + 3 * 4632) * 1024) / 4215));
      assert.match(result.summary_others, /^nofile 20,000: 19,900 connections; then memory 19\.1 GiB: 4\.37 M/);
      assert.equal(result.machine.sysctl["net.core.somaxconn"], 128);
      fitsColumns(wide.stdout);
    });
  });

  test("--connections sets the exit code", async () => {
    await withHost({}, async (root) => {
      assert.equal((await tune("--root", root, "--connections", "4000000")).code, 0);
      const more = await tune("--root", root, "--connections", "5000000");
      assert.equal(more.code, 1);
      assert.match(more.stdout, /5\.00 M connections, as asked for: they do not fit/);
    });
  });

  test("a host that denies io_uring is told so, with the cure", async () => {
    await withHost({ "proc/sys/kernel/io_uring_disabled": "2\n" }, async (root) => {
      const { code, stdout } = await tune("--root", root);
      assert.equal(code, 1);
      assert.match(stdout, /Fairlead does not run here: io_uring is disabled by\s+kernel\.io_uring_disabled=2/);
      assert.match(stdout, /-> sysctl -w kernel\.io_uring_disabled=0/);
    });
  });

  test("what is written wrong gets a sentence and exit code 2", async () => {
    for (const [args, sentence] of [
      [["--wibe"], /no option --wibe; did you mean --wide\?/],
      [["--root", "/nonexistent"], /nothing to read at \/nonexistent\/proc/],
      [["--json", "/nonexistent/x.json"], /--json \/nonexistent\/x\.json: No such file/],
      [["--html", "/nonexistent/x.html"], /--html \/nonexistent\/x\.html: No such file/],
      [["--apply", "cht", "--dry-run"], /no profile 'cht'; did you mean chat\?/],
      [["--apply", "chat", "--profiles", "/nonexistent"], /there are no profiles/],
    ]) {
      const { code, stderr } = await tune(...args);
      assert.equal(code, 2, `${args}: ${stderr}`);
      assert.match(stderr, sentence);
      assert.match(stderr, /^fairlead tune: [^\n]+\n$/);
    }
  });

  test("--html is one page that loads nothing", async () => {
    await withHost({}, async (root) => {
      const file = path.join(root, "tune.html");
      const { code, stderr } = await tune("--root", root, "--html", file);
      assert.equal(code, 0, stderr);
      const page = fs.readFileSync(file, "utf8");
      assert.match(page, /19,900/);
      assert.doesNotMatch(page, /(src|href)="?https?:/);
    });
  });
});

describe("tune --apply", () => {
  test("--dry-run shows the difference and changes nothing", async () => {
    await withHost({}, async (root) => {
      const before = everyFile(root);
      const { code, stdout } = await tune("--root", root, "--apply", "chat", "--dry-run");
      assert.equal(code, 0);
      assert.match(stdout, /net\.core\.somaxconn\n {4}128 -> 65535\n/);
      assert.match(stdout, /Not here .*: .*net\.ipv4\.tcp_mem/s);
      assert.deepEqual(everyFile(root), before);
      fitsColumns(stdout);
    });
  });

  test("asks, and does nothing where nobody can answer", async () => {
    await withHost({}, async (root) => {
      const before = everyFile(root);
      const { code, stderr } = await tune("--root", root, "--apply", "chat");
      assert.equal(code, 2);
      assert.match(stderr, /nobody is there to be asked; --yes agrees/);
      assert.deepEqual(everyFile(root), before);
    });
  });

  for (const profile of ["chat", "hold", "bench"])
    test(`${profile}: applied, applied again, undone: all is as it was`, async () => {
      await withHost({}, async (root) => {
        const before = everyFile(root);
        const { code, stdout, stderr } = await tune("--root", root, "--apply", profile, "--yes");
        assert.equal(code, 0, stderr);
        const script = stdout.match(/To take it all back: sh (\S+)/)[1];
        assert.ok(script.startsWith(`${root}/var/lib/fairlead/undo-${profile}-`));
        assert.equal(fs.readFileSync(path.join(root, "proc/sys/net/core/somaxconn"), "utf8"), "65535\n");
        assert.match(fs.readFileSync(path.join(root, "etc/sysctl.d/60-fairlead.conf"), "utf8").toString(), /\nnet\.core\.somaxconn = 65535\n/);
        const again = await tune("--root", root, "--apply", profile, "--yes");
        assert.match(again.stdout, /Nothing to do\./);
        const undo = spawnSync("sh", [script], { encoding: "utf8" });
        assert.equal(undo.status, 0, undo.stderr);
        assert.deepEqual(everyFile(root), before);
      });
    });

  test("an undo script that cannot be written stops everything", async () => {
    await withHost({ "undo.sh": "mine" }, async (root) => {
      const before = everyFile(root);
      const { code, stderr } = await tune("--root", root, "--apply", "chat", "--yes", "--undo", path.join(root, "undo.sh"));
      assert.equal(code, 2);
      assert.match(stderr, /undo\.sh: File exists; nothing was changed/);
      assert.deepEqual(everyFile(root), before);
    });
  });

  const mayMakeNamespaces = process.getuid() === 0 && spawnSync("unshare", ["-nm", "true"]).status === 0;
  test("real sysctls of a network namespace are set, and restored by the script", { skip: !mayMakeNamespaces }, () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "fairlead-tune-ns-"));
    const profiles = path.join(folder, "profiles");
    fs.cpSync(PROFILES, profiles, { recursive: true });
    // Only what belongs to the namespace; the rest would be this host's.
    fs.writeFileSync(path.join(profiles, "chat", "sysctl.conf"), [
      ["net.core.somaxconn", "7777", "at least"], ["net.ipv4.tcp_max_syn_backlog", "9999", "at least"],
      ["net.ipv4.tcp_slow_start_after_idle", "0", "exactly"], ["net.ipv4.ip_local_port_range", "10000 65535", "exactly"],
      ["net.netfilter.nf_conntrack_max", "1", "exactly"], ["net.core.netdev_max_backlog", "1", "exactly"],
    ].map(([key, value, rule]) => `# why: a test\n# rule: ${rule}\n${key} = ${value}\n`).join("\n"));
    for (const name of ["proc", "etc"]) fs.mkdirSync(path.join(folder, "host", name), { recursive: true });
    const script = `set -e
      cd /proc/sys/net
      show() { cat core/somaxconn ipv4/tcp_max_syn_backlog ipv4/tcp_slow_start_after_idle ipv4/ip_local_port_range; }
      mount --bind /proc "$1/host/proc"
      show >"$1/before"
      "$2" tune --root "$1/host" --profiles "$1/profiles" --apply chat --yes --undo "$1/undo.sh"
      show >"$1/applied"
      sh "$1/undo.sh"
      show >"$1/after"`;
    const result = spawnSync("unshare", ["-nm", "sh", "-c", script, "sh", folder, BINARY], { encoding: "utf8" });
    const read = (name) => fs.readFileSync(path.join(folder, name), "utf8");
    try {
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assert.equal(read("applied"), "7777\n9999\n0\n10000\t65535\n");
      assert.equal(read("after"), read("before"));
      assert.notEqual(read("before"), read("applied"));
      assert.match(result.stdout, /Not here [^:]*:\s+net\.core\.netdev_max_backlog/);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe("profiles' scripts", () => {
  const CARD = {
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/net/eth0/queues/rx-0/rps_cpus": "0\n",
    "sys/class/net/eth0/device/msi_irqs/40": "msix\n",
    "proc/irq/40/eth0-TxRx-0/handler": "",
    "proc/irq/40/smp_affinity_list": "0-3\n",
  };

  test("irq.sh apply sets what irq.sh plan printed, and what it prints undoes it", async () => {
    await withHost(CARD, (root) => {
      const irq = (...args) => spawnSync("sh", [path.join(PROFILES, "irq.sh"), ...args], { encoding: "utf8", env: { ...process.env, FAIRLEAD_ROOT: root } });
      const before = everyFile(root);
      const plan = irq("plan").stdout;
      assert.match(plan, /^\/sys\/class\/net\/eth0\/queues\/rx-0\/rps_cpus\tf\teth0: 1 queue\(s\) for 4 CPUs/);
      assert.deepEqual(everyFile(root), before);
      const applied = irq("apply");
      assert.equal(applied.status, 0, applied.stderr);
      assert.equal(fs.readFileSync(path.join(root, "sys/class/net/eth0/queues/rx-0/rps_cpus"), "utf8"), "f\n");
      assert.equal(spawnSync("sh", ["-c", applied.stdout]).status, 0);
      assert.deepEqual(everyFile(root), before);
      assert.match(irq("plan", "eth7").stderr, /no card eth7/);
      assert.equal(irq().status, 2);
    });
  });

  const hasJq = spawnSync("jq", ["--version"]).status === 0;
  test("seccomp.sh allows the three calls of io_uring and changes nothing else", { skip: !hasJq }, async () => {
    const calls = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
    const list = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["read", "write"], action: "SCMP_ACT_ALLOW" },
        { names: calls, action: "SCMP_ACT_ERRNO" }, // a rule of nothing else goes
        { names: ["reboot", "io_uring_enter"], action: "SCMP_ACT_ERRNO" },
      ],
    };
    await withHost({ "default.json": JSON.stringify(list), "other.json": "[]" }, (root) => {
      const seccomp = (...args) => spawnSync("sh", [path.join(PROFILES, "seccomp.sh"), ...args], { encoding: "utf8" });
      const made = JSON.parse(seccomp(path.join(root, "default.json")).stdout);
      assert.equal(made.defaultAction, "SCMP_ACT_ERRNO");
      assert.deepEqual(made.syscalls.slice(0, -1), [list.syscalls[0], { names: ["reboot"], action: "SCMP_ACT_ERRNO" }]);
      assert.deepEqual([made.syscalls.at(-1).names, made.syscalls.at(-1).action], [calls, "SCMP_ACT_ALLOW"]);
      for (const [args, sentence] of [[[], /seccomp\.sh DEFAULT\.json/], [["/nonexistent"], /no such file/], [[path.join(root, "other.json")], /no seccomp profile/]]) {
        const { status, stderr } = seccomp(...args);
        assert.equal(status, 2);
        assert.match(stderr, sentence);
      }
    });
  });
});
