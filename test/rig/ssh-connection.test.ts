import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { openRemote, openRemotes } from "../../src/exec/ssh/remote.ts";
import type { Question } from "../../src/exec/ssh/types.ts";
import type { RigMachine, RigMachines } from "./machines.ts";
import { describeOnRig } from "./rig.ts";
import { environment, gone, on, sleepers, startClient, started, targetOf, withMachines } from "./ssh-machines.ts";

/*
 * Connections to real sshds. Machines are shared by the tests of this file; what a test changes there it puts back.
 */
describeOnRig("connections to machines", () => {
  let set: RigMachines;
  let first: RigMachine;
  let second: RigMachine;
  let third: RigMachine;
  const { open, keep } = withMachines((machines, all) => {
    set = all;
    [first, second, third] = machines;
  });

  test("hostile arguments arrive as they are, as the user and as root, in programs and in steps", async () => {
    const remote = await open(first);
    const hostile = [
      "",
      " a  b ",
      'it\'s "quoted"',
      "line\nfeed\n",
      "\r\t\b\u001b[31m",
      "$(touch /tmp/pwned)`touch /tmp/pwned`",
      "${HOME}; touch /tmp/pwned # & | > /tmp/pwned",
      "*?[a]{b,c}~",
      "!! !$ %1",
      "-n",
      "--",
      "\\ \\\\ \\' \\n",
      "żółć ā Ł … 日本 🐟 \u0081\u0088",
      "x".repeat(128 * 1024 - 1),
    ];
    const program = "import sys, json; json.dump(sys.argv[1:], sys.stdout)";
    for (const sudo of [false, true]) {
      const { stdout, exitCode } = await remote.run(["python3", "-c", program, ...hostile], { sudo });
      expect({ exitCode, arguments: JSON.parse(stdout) as string[] }).toEqual({ exitCode: 0, arguments: hostile });
      const { stdout: stepped } = await remote.step('python3 -c "$@"', [program, ...hostile], { sudo });
      expect(JSON.parse(stepped)).toEqual(hostile);
    }
    expect(on(first, "ls /tmp/pwned 2>&1 || true")).toContain("No such file");
    await expect(remote.run(["echo", "a\0b"])).rejects.toMatchObject({ code: "REMOTE_BAD_ARGUMENT" });
    await expect(remote.run(["-x"])).rejects.toMatchObject({ code: "REMOTE_BAD_ARGUMENT" });
  });

  test("any login shell does, and what its start-up files say is not output", async () => {
    on(second, "echo 'echo noise; echo noise >&2' >> /home/lab/.bashrc; sed -i '1i echo early' /home/lab/.bashrc");
    const remote = await open(second);
    expect(await remote.run(["echo", "it's $me"])).toMatchObject({ stdout: "it's $me\n", stderr: "" });
    on(second, "rm /home/lab/.bashrc; chsh -s /bin/dash lab");
    const other = await open(second);
    expect(await other.run(["printf", "%s", "a\nb"])).toMatchObject({ stdout: "a\nb", stderr: "" });
    on(second, "chsh -s /usr/sbin/nologin lab");
    await expect(open(second)).rejects.toMatchObject({ code: "SSH_NO_SHELL" });
    on(second, "chsh -s /bin/bash lab");
  });

  test("steps have their outputs apart, leave no trace in the shell, and end it only for themselves", async () => {
    const remote = await open(first);
    expect(await remote.step('cd /; x=1; printf "a\\0b"; echo err >&2; exit 7')).toEqual({
      exitCode: 7,
      signal: null,
      stdout: "a\0b",
      stderr: "err\n",
    });
    expect(await remote.step('pwd; echo "[$x]"; cat')).toMatchObject({ stdout: "/home/lab\n[]\n" });
    expect(await remote.step("if then")).toMatchObject({ exitCode: 2 });
    const all = await Promise.all(Array.from({ length: 50 }, (_, index) => remote.must("echo $1", [String(index)])));
    expect(all).toEqual(Array.from({ length: 50 }, (_, index) => `${index}\n`));
    const [killed, next] = await Promise.allSettled([remote.step("kill -9 $$"), remote.must("echo alive")]);
    expect(killed).toMatchObject({ reason: { code: "REMOTE_SHELL_ENDED" } });
    expect(next).toMatchObject({ value: "alive\n" });
    const big = await remote.must("head -c 3000000 /dev/zero | tr '\\0' x");
    expect(big).toHaveLength(3_000_000);
    await expect(remote.step("cat /dev/zero")).rejects.toMatchObject({ code: "REMOTE_OUTPUT_LIMIT" });
    await expect(remote.must("echo why >&2; exit 4")).rejects.toMatchObject({
      code: "REMOTE_FAILED",
      message: /exit 4[^]*why/,
    });
  });

  test("a timeout, an abort and kill end a command with all its children", async () => {
    const remote = await open(first);
    const tree = "sleep 9001 & env -i sleep 9001 & setsid sleep 9001 & trap '' TERM; sleep 9001; wait";
    for (const sudo of [false, true]) {
      await expect(remote.run(["sh", "-c", tree], { sudo, timeoutMs: 700 })).rejects.toMatchObject({
        code: "REMOTE_TIMEOUT",
      });
      expect(sleepers(first, 9001)).toBe(0);
      await expect(remote.step(tree, [], { sudo, timeoutMs: 700 })).rejects.toMatchObject({ code: "REMOTE_TIMEOUT" });
      expect(sleepers(first, 9001)).toBe(0);
      const abort = new AbortController();
      const running = remote.run(["sh", "-c", tree], { sudo, signal: abort.signal });
      await started(first, 9001);
      abort.abort(new Error("enough"));
      await expect(running).rejects.toThrow("enough");
      expect(sleepers(first, 9001)).toBe(0);
    }
    const spawned = await remote.spawn(["sh", "-c", tree]);
    await started(first, 9001);
    await spawned.kill();
    expect(sleepers(first, 9001)).toBe(0);
    expect(await spawned.ended).toEqual({ exitCode: null, signal: "SIGKILL" });
    // An endless output is ended, too.
    await expect(remote.run(["sh", "-c", "sleep 9002 & yes"], { maxOutputBytes: 1000 })).rejects.toMatchObject({
      code: "REMOTE_OUTPUT_LIMIT",
    });
    expect(sleepers(first, 9002)).toBe(0);
  });

  test("a program is talked to while it runs; more than ten at a time wait for their turn", async () => {
    const remote = await open(first);
    const cat = await remote.spawn(["cat"]);
    cat.stdin.write("one\n");
    expect(String((await cat.stdout[Symbol.asyncIterator]().next()).value)).toBe("one\n");
    cat.stdin.end();
    cat.stdout.resume();
    expect(await cat.ended).toEqual({ exitCode: 0, signal: null });
    const runs = Array.from({ length: 30 }, (_, index) =>
      remote.run(["sh", "-c", "sleep 0.1; echo $0", String(index)]),
    );
    expect((await Promise.all(runs)).map(({ stdout }) => stdout)).toEqual(runs.map((_, index) => `${index}\n`));
    await expect(remote.run(["no-such-program"])).rejects.toMatchObject({ code: "REMOTE_NOT_STARTED" });
    expect(await remote.run(["sh", "-c", "exit 127"])).toMatchObject({ exitCode: 127 });
    // A slow reader holds the writer up, rather than filling our memory.
    const flood = await remote.spawn(["sh", "-c", "yes | head -c 100000000; echo $? >&2"]);
    await delay(1500);
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(60_000_000);
    expect((await text(flood.stdout)).length).toBe(100_000_000);
  });

  test("files are written whole or not at all, with their permissions, and nothing stays beside them", async () => {
    const remote = await open(first);
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, index) => (index * 7) % 251));
    const path = "/home/lab/it's $(a) file\n-";
    await remote.writeFile(path, content);
    expect(await remote.readFile(path)).toEqual(content);
    await remote.writeFile(path, "new", { mode: 0o640 });
    expect(String(await remote.readFile(path))).toBe("new");
    expect(on(first, 'stat -c "%a %U" "$1"', path)).toBe("640 lab\n");
    await remote.writeFile("/etc/cnilab-try", content, { sudo: true, mode: 0o600 });
    expect(on(first, "stat -c '%a %U' /etc/cnilab-try")).toBe("600 root\n");
    expect(await remote.readFile("/etc/cnilab-try", { sudo: true })).toEqual(content);
    await expect(remote.readFile("/etc/cnilab-try")).rejects.toMatchObject({ code: "REMOTE_FILE" });
    expect(await remote.readFile("/no/such/file")).toBeUndefined();
    await expect(remote.writeFile("/etc/not-mine", "x")).rejects.toMatchObject({ code: "REMOTE_FILE" });
    await expect(remote.writeFile("/home/lab/.ssh", "x")).rejects.toMatchObject({ code: /REMOTE_/ });
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        yield Buffer.alloc(65_536);
        await delay(5);
      }
    }
    for (const sudo of [false, true]) {
      const signal = AbortSignal.timeout(400);
      await expect(remote.writeFile("/home/lab/endless", Readable.from(endless()), { sudo, signal })).rejects.toThrow(
        "timeout",
      );
      const cut = remote.writeFile("/home/lab/endless", Readable.from(endless()), { sudo });
      await expect.poll(() => on(first, "ls -A /home/lab"), { timeout: 5000 }).toContain(".cnilab-");
      on(first, "pkill -KILL -u lab sshd");
      await expect(cut).rejects.toMatchObject({ code: "REMOTE_LOST" });
    }
    await expect.poll(() => on(first, "ls -A /home/lab /etc"), { timeout: 5000 }).not.toContain(".cnilab-");
    on(first, "rm -f /etc/cnilab-try /home/lab/*file*");
  });

  test("the machine opens connections for us", async () => {
    const remote = await open(first);
    const stream = await remote.connect(second.address, 22);
    expect(String((await stream[Symbol.asyncIterator]().next()).value)).toMatch(/^SSH-2.0-/);
    await expect(remote.connect("127.0.0.1", 9)).rejects.toMatchObject({ code: "REMOTE_NO_CONNECTION" });
  });

  test("ssh_config is honoured: aliases, hashed known hosts, ports, chains of jump hosts whose keys are verified", async () => {
    const folder = join(set.directory, "config");
    mkdirSync(folder);
    const known = join(folder, "known hosts");
    const hashed = join(folder, "hashed");
    writeFileSync(hashed, readFileSync(first.knownHostsFile));
    execFileSync("ssh-keygen", ["-H", "-f", hashed], { stdio: "ignore" });
    writeFileSync(known, "");
    const config = join(folder, "config");
    const common = `User lab\n  IdentityFile ${first.keyFile}\n  UserKnownHostsFile ${hashed}`;
    writeFileSync(
      config,
      `Host one\n  HostName ${first.address}\n  ${common}\nHost two\n  HostName ${second.address}\n  ProxyJump one\n  ${common}\n` +
        `Host three\n  HostName ${third.address}\n  ProxyJump two\n  ${common}\n` +
        `Host proxied\n  HostName ${third.address}\n  ProxyCommand ssh -F ${config} -W %h:%p one\n  ${common}\n`,
    );
    const remote = await openRemote({ name: "three", host: "three", configFile: config }, { environment });
    keep(remote);
    expect(await remote.must("hostname; echo $SSH_CONNECTION | cut -d' ' -f1")).toBe(`machine-3\n${second.address}\n`);
    const byProxy = (): string => spawnSync("pgrep", ["-f", `${config} -W`], { encoding: "utf8" }).stdout;
    const proxied = await openRemote({ name: "proxied", host: "proxied", configFile: config }, { environment });
    keep(proxied);
    expect(await proxied.must("hostname; echo $SSH_CONNECTION | cut -d' ' -f1")).toBe(`machine-3\n${first.address}\n`);
    expect(byProxy()).not.toBe("");
    await proxied.close();
    await expect.poll(byProxy).toBe("");
    // A lab's own list, and a hop that nobody knows: it is the hop that is named.
    const target = { name: "m", host: "three", jump: ["one", "two"], configFile: config };
    const listed = await openRemote(target, { environment });
    keep(listed);
    expect(await listed.must("hostname")).toBe("machine-3\n");
    const name = execFileSync("ssh-keygen", ["-F", second.address, "-f", hashed], { encoding: "utf8" });
    writeFileSync(
      hashed,
      readFileSync(hashed, "utf8")
        .split("\n")
        .filter((line) => !name.includes(line))
        .join("\n"),
    );
    await expect(openRemote(target, { environment })).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
      message: expect.stringMatching(/jump host two .* is not known: ssh-ed25519 SHA256:/) as string,
    });
  });

  test("an unknown or changed host key stops, and the command that the hint has accepts it", async () => {
    const known = join(set.directory, "known $(x) it's");
    writeFileSync(known, "");
    const refused = async (): Promise<{ code: string; message: string; hint: string }> => {
      try {
        await open(first, {}, { knownHostsFile: known });
      } catch (error) {
        return error as { code: string; message: string; hint: string };
      }
      throw new Error("it was let in");
    };
    const unknown = await refused();
    const fingerprint = on(first, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split(" ")[1];
    expect(unknown).toMatchObject({ code: "SSH_HOST_KEY" });
    expect(unknown.message).toContain(`is not known: ssh-ed25519 ${fingerprint}`);
    execFileSync("sh", ["-c", unknown.hint.split("\n").at(-1) ?? ""]);
    expect(await (await open(first, {}, { knownHostsFile: known })).must("hostname")).toBe("machine-1\n");
    // Another machine under that address.
    const other = readFileSync(second.knownHostsFile, "utf8")
      .split("\n")
      .find((line) => line.startsWith(`${second.address} ssh-ed25519`));
    writeFileSync(known, `${other?.replace(second.address, first.address)}\n`);
    const changed = await refused();
    expect(changed.message).toMatch(/is not the one that is known: it is now ssh-ed25519 SHA256:/);
    execFileSync("sh", ["-c", changed.hint.split("\n").at(-1) ?? ""], { stdio: "ignore" });
    expect(await (await open(first, {}, { knownHostsFile: known })).must("hostname")).toBe("machine-1\n");
    // Only an RSA key is known: it is what is asked for.
    const rsa = readFileSync(first.knownHostsFile, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${first.address} ssh-rsa`));
    writeFileSync(known, `${rsa.join("\n")}\n`);
    expect(await (await open(first, {}, { knownHostsFile: known })).must("hostname")).toBe("machine-1\n");
    writeFileSync(known, `@revoked ${rsa.join("\n")}\n${rsa.join("\n")}\n`);
    expect((await refused()).message).toContain("is revoked");
  });

  test("keys come from an agent, or from encrypted files whose passphrase is asked once", async () => {
    const folder = join(set.directory, "keys");
    mkdirSync(folder, { mode: 0o700 });
    const key = join(folder, "encrypted");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "the secret", "-f", key]);
    on(first, 'cat >> /home/lab/.ssh/authorized_keys <<< "$1"', readFileSync(`${key}.pub`, "utf8").trim());
    const refused = await open(first, {}, { identityFile: key }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "SSH_AUTH",
      message: expect.stringContaining("no terminal to ask") as string,
    });
    const questions: Question[] = [];
    const ask = (question: Question): Promise<string> => {
      questions.push(question);
      return Promise.resolve(questions.length === 1 ? "wrong" : "the secret");
    };
    const three = Array.from({ length: 3 }, () => targetOf(first, { identityFile: key }));
    const opened = await openRemotes(three, { environment, ask });
    keep(...opened);
    expect(questions.map(({ kind }) => kind)).toEqual(["passphrase", "passphrase"]);
    const agent = spawn("ssh-agent", ["-D", "-a", join(folder, "agent")], { stdio: "ignore" });
    try {
      const withAgent = { ...environment, SSH_AUTH_SOCK: join(folder, "agent") };
      await expect.poll(() => execFileSync("ls", [folder], { encoding: "utf8" })).toContain("agent");
      execFileSync("ssh-add", ["-q", first.keyFile], { env: withAgent });
      const { identityFile: _key, ...bare } = targetOf(first);
      const remote = await openRemote(bare, { environment: { ...withAgent, HOME: folder } });
      keep(remote);
      expect(await remote.must("id -un")).toBe("lab\n");
    } finally {
      agent.kill();
    }
    const stranger = await open(first, {}, { user: "nobody" }).catch((error: unknown) => error);
    expect(stranger).toMatchObject({
      code: "SSH_AUTH",
      message: expect.stringContaining("tried: no agent, key") as string,
    });
  });

  test("sudo with a password asks once, and the password is nowhere to be seen", async () => {
    const password = "pass word's $(secret)";
    on(
      second,
      'printf "lab:%s\\n" "$1" | chpasswd; mv /etc/sudoers.d/lab* /root/ 2>/dev/null; ls /etc/sudoers.d; echo "lab ALL=(ALL) ALL" > /etc/sudoers.d/with-password',
      password,
    );
    const log = (): string => on(second, "cat /var/log/* 2>/dev/null; journalctl --no-pager 2>/dev/null");
    try {
      const alone = await open(second);
      await expect(alone.run(["id"], { sudo: true })).rejects.toMatchObject({ code: "SUDO_REFUSED" });
      expect(await alone.must("id -un")).toBe("lab\n");
      const questions: Question[] = [];
      const remote = await open(second, {
        ask: (question) => {
          questions.push(question);
          return Promise.resolve(password);
        },
      });
      const running = remote.run(["sh", "-c", "cat; ps -eo args; sleep 0.3"], { sudo: true, stdin: "input" });
      const results = await Promise.all([running, remote.must("id -un", [], { sudo: true })]);
      expect(results[0].stdout).toMatch(/^input/);
      expect(results[0].stdout).not.toContain("secret");
      expect(results[1]).toBe("root\n");
      await remote.writeFile("/root/by-sudo", "x", { sudo: true });
      expect(questions).toMatchObject([{ kind: "sudo", echo: false }]);
      const wrong = await open(second, { ask: () => Promise.resolve("wrong one") });
      const refusal = await wrong.run(["id"], { sudo: true }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: "SUDO_REFUSED" });
      expect(String(refusal)).not.toContain("wrong one");
      expect(log()).not.toContain("secret");
    } finally {
      on(second, "rm /etc/sudoers.d/with-password; mv /root/lab* /etc/sudoers.d/ 2>/dev/null; true");
    }
  });

  test("a lost connection is an error in bounded time, ends what ran, and the next use opens another", async () => {
    const remote = await open(third, { silenceMs: 3000 });
    const losing = [
      "pkill -KILL -u lab sshd",
      "iptables -I INPUT -p tcp --dport 22 -j DROP; iptables -I OUTPUT -p tcp --sport 22 -j DROP",
    ];
    for (const [index, how] of losing.entries()) {
      await remote.must("setsid sleep 9004 > /dev/null 2>&1 &");
      const running = [
        remote.run(["sh", "-c", "sleep 9003 & sleep 9003"]),
        remote.run(["sh", "-c", "sleep 9003 & env -i sleep 9003"], { sudo: true }),
        remote.step("sleep 9003 & sleep 9003"),
      ].map((each) => each.catch((error: unknown) => error));
      await expect.poll(() => sleepers(third, 9003), { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
      const at = Date.now();
      on(third, how);
      for (const error of await Promise.all(running)) expect(error).toMatchObject({ code: "REMOTE_LOST" });
      expect(Date.now() - at).toBeLessThan(6000);
      if (index === 1) on(third, "iptables -F INPUT; iptables -F OUTPUT");
      expect(await remote.must("hostname")).toBe("machine-3\n");
      if (index === 0) await gone(third, 9003, 5000);
    }
    // Cut off silently, the machine finds out by itself when it hears nothing of us.
    await gone(third, 9003, 20_000);
    expect(sleepers(third, 9004)).toBe(2);
    on(third, "pkill -xf 'sleep 9004'");
  });

  test("when this program is killed, what it ran is ended; what a command left running on purpose is not", async () => {
    const wardens = (): string => on(third, "pgrep -fc '[c]nilab-warden' || true");
    const before = wardens();
    const child = startClient(
      third,
      `
      await remote.must("setsid sleep 9006 > /dev/null 2>&1 < /dev/null &");
      await remote.run(["sh", "-c", "setsid sleep 9006 > /dev/null 2>&1 < /dev/null &"]);
      remote.run(["sh", "-c", "trap '' TERM HUP; setsid sleep 9005 & sleep 9005"], { timeoutMs: 1e6 });
      remote.run(["sh", "-c", "sleep 9005 & sleep 9005"], { sudo: true, timeoutMs: 1e6 });
      remote.step("sleep 9005; sleep 9005", [], { timeoutMs: 1e6 });
      remote.step("sleep 9005 & sleep 9005", [], { sudo: true, timeoutMs: 1e6 });`,
    );

    await expect.poll(() => sleepers(third, 9005), { timeout: 20_000 }).toBe(7);
    child.kill("SIGKILL");
    await gone(third, 9005, 5000);
    expect(sleepers(third, 9006)).toBe(2);
    on(third, "pkill -xf 'sleep 9006'");
    // Nor does anything of ours stay.
    await expect.poll(wardens, { timeout: 10_000 }).toBe(before);
  });
});
