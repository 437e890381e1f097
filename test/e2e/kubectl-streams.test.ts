import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startScript } from "../rig/on-terminal.ts";
import { onRig, rigMissing } from "../rig/rig.ts";
import type { Finished } from "./cnilab.ts";
import { processes } from "./host-state.ts";
import { KubectlLab } from "./kubectl.ts";

/** What an unmodified kubectl streams into pods of a lab of netns, and out of them. */
onRig(rigMissing)("kubectl's streams", () => {
  const lab = new KubectlLab();
  const kubectl = (args: readonly string[], input?: Buffer | string): Promise<Finished> => lab.run(args, input);
  const web = ["-n", "shop", "deploy/web"];

  beforeAll(() => lab.start("first-lab"), 60_000);

  afterAll(() => lab.cnilab.remove());

  describe("exec", () => {
    const exec = ["exec", ...web];

    test("runs in the pod's network, with its streams apart and its exit code", async () => {
      const address = await kubectl([...exec, "--", "cat", "/etc/hostname"]);
      expect(address.stdout).toMatch(/^web-/);
      expect(await kubectl([...exec, "--", "sh", "-c", "echo out; echo err >&2; exit 3"])).toEqual({
        exitCode: 3,
        stdout: "out\n",
        stderr: "err\ncommand terminated with exit code 3\n",
      });
      expect((await kubectl([...exec, "--", "sh", "-c", "kill -9 $$"])).exitCode).toBe(137);
      expect(await kubectl([...exec, "-c", "nosuch", "--", "true"])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/BadRequest.*container nosuch is not valid for pod web-/) as string,
      });
      const missing = await kubectl([...exec, "--", "nosuch"]);
      expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('exec: "nosuch"') as string });
    });

    test("carries megabytes both ways unchanged, and the end of input", async () => {
      const bytes = randomBytes(8 << 20);
      const digest = createHash("sha256").update(bytes).digest("hex");
      const there = await kubectl([...exec, "-i", "--", "sh", "-c", "cat | sha256sum"], bytes);
      expect(there).toMatchObject({ exitCode: 0, stdout: `${digest}  -\n` });
      const back = await kubectl([...exec, "-i", "--", "base64", "-w0"], bytes);
      expect(back.stdout === bytes.toString("base64")).toBe(true);
    });

    test("gives a terminal of the caller's size, where ^C is felt", async () => {
      const program = "trap 'tty; exit 5' INT; stty size; while :; do sleep 0.05; done";
      const words = ["kubectl", "exec", "-it", ...web, "--", "bash", "-c", program];
      const { script, told, ended } = startScript(words, {
        terminal: "cols 101 rows 33",
        environment: lab.environment,
      });
      await told("33 101");
      script.stdin.write("\u0003");
      expect(await ended).toMatchObject({ exitCode: 5, said: expect.stringContaining("/dev/console") as string });
    });

    test("ends with its client, with all that it started", async () => {
      const mark = `4321.${process.pid}`;
      const seconds = (): string[] =>
        processes().flatMap(({ commandLine }) => (commandLine.startsWith(`sleep ${mark}`) ? [commandLine] : []));
      const child: ChildProcess = spawn(
        "kubectl",
        [...exec, "--", "sh", "-c", `sleep ${mark} & echo begun; sleep ${mark}`],
        { env: lab.environment, stdio: ["ignore", "pipe", "inherit"] },
      );
      expect(String((await once(child.stdout as NodeJS.EventEmitter, "data"))[0])).toBe("begun\n");
      await expect.poll(seconds).toHaveLength(2);
      child.kill("SIGKILL");
      await expect.poll(seconds).toHaveLength(0);
    });

    test("reaches nothing of the host", async () => {
      const look =
        "ls -A /root /home /tmp /run 2>&1; cat /etc/shadow; mount -t tmpfs none /tmp; ls /proc | grep -c '^[0-9]'";
      const { stdout, stderr } = await kubectl([...exec, "--", "sh", "-c", look]);
      expect(stderr).toMatch(/\/etc\/shadow: No such file/);
      expect(stderr).toMatch(/mount: .*(permission denied|must be superuser)/i);
      expect(stdout).not.toContain("cnilab");
      expect(Number(stdout.trim().split("\n").at(-1))).toBeLessThan(8);
    });
  });

  describe("run", () => {
    const run = ["run", "probe", "--image=busybox:1.35", "--rm", "--restart=Never"];

    test("shows what its command prints, and takes its exit code", async () => {
      const asked = await kubectl([...run, "-i", "--", "sh", "-c", "curl -s http://web.shop; exit 4"]);
      expect(asked).toMatchObject({ exitCode: 4, stdout: expect.stringContaining("nginx") as string });
      expect(asked.stdout).toContain('pod "probe" deleted');
    });

    test("gives a shell on a terminal, which its pod ends with", async () => {
      const { script, told, ended } = startScript(["kubectl", ...run, "-it", "--", "sh"], {
        terminal: "cols 101 rows 33",
        environment: lab.environment,
      });
      await told("# ");
      script.stdin.write("echo in $(hostname); exit 3\n");
      expect(await ended).toMatchObject({ exitCode: 3, said: expect.stringContaining("in probe") as string });
    });
  });

  describe("logs", () => {
    test("has what the servers wrote, and follows them until the pod ends", async () => {
      expect((await kubectl(["run", "logged", "--image=nginx:1.22"])).exitCode).toBe(0);
      expect((await kubectl(["wait", "--for=condition=Ready", "pod/logged", "--timeout=20s"])).exitCode).toBe(0);
      expect((await kubectl(["logs", "logged"])).stdout).toBe("listening on 0.0.0.0:80/tcp\n");
      const follower = spawn("kubectl", ["logs", "-f", "--tail=0", "logged"], { env: lab.environment });
      const attached = spawn("kubectl", ["attach", "logged"], { env: lab.environment });
      const ended = Promise.all([follower, attached].map((each) => once(each, "exit")));
      const heard = new Map([
        [follower, ""],
        [attached, ""],
      ]);
      for (const each of [follower, attached])
        each.stdout.on("data", (chunk: Buffer) => heard.set(each, heard.get(each) + chunk.toString()));
      const ask = ["exec", "logged", "--", "curl", "-s", "-A", "a-browser", "http://127.0.0.1/asked"];
      // A client may still be on its way to following.
      await expect
        .poll(async () => {
          await kubectl(ask);
          return [...heard.values()].every((text) => text.includes("/asked"));
        })
        .toBe(true);
      expect(heard.get(follower)).toMatch(
        /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:[\d:]{8} \+0000\] "GET \/asked HTTP\/1\.1" 404 \d+ "-" "a-browser" "-"\n/,
      );
      await kubectl(["delete", "pod", "logged"]);
      expect(await ended).toEqual([
        [0, null],
        [0, null],
      ]);
    });

    test("is cut, stamped and chosen as asked", async () => {
      const selected = await kubectl([
        "logs",
        "-n",
        "shop",
        "-l",
        "app=web",
        "--all-containers",
        "--prefix",
        "--timestamps",
      ]);
      expect(selected.stdout).toMatch(/^\[pod\/web-\S+\] \d{4}-\S+Z listening on /m);
      expect(await kubectl(["logs", ...web, "--previous"])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("previous terminated container") as string,
      });
      expect(await kubectl(["logs", ...web, "--tail=0"])).toMatchObject({ exitCode: 0, stdout: "" });
    });

    test("tells why a container ended", async () => {
      const failing = ["run", "failing", "--image=agnhost:2.53", "--", "netexec", "--http-port=none"];
      expect((await kubectl(failing)).exitCode).toBe(0);
      await expect.poll(async () => (await kubectl(["logs", "failing"])).stdout).toContain("a port flag is no port");
    });
  });

  describe("port-forward", () => {
    /** Forwards a free port of this host until the test is done with it. */
    async function forwarded(
      target: string[],
      use: (port: number, child: ChildProcess) => Promise<void>,
    ): Promise<void> {
      const child = spawn("kubectl", ["port-forward", ...target], {
        env: lab.environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      try {
        const [line] = (await once(child.stdout, "data")) as [Buffer];
        const port = Number(/^Forwarding from 127\.0\.0\.1:(\d+) -> /.exec(line.toString())?.[1]);
        child.stdout.resume();
        await use(port, child);
      } finally {
        child.kill();
      }
    }
    const page = async (port: number): Promise<string | null> => {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
      await response.text();
      return response.headers.get("x-pod-name");
    };

    test("reaches a Service's and a Deployment's pod, many connections at once", async () => {
      for (const target of ["svc/web", "deploy/web"]) {
        await forwarded(["-n", "shop", target, ":80"], async (port) => {
          const names = await Promise.all(Array.from({ length: 20 }, () => page(port)));
          expect(new Set(names).size).toBe(1);
          expect(names[0]).toMatch(/^web-/);
        });
      }
    });

    test("says that nothing listens there", async () => {
      await forwarded(["-n", "shop", "deploy/web", ":99"], async (port, child) => {
        const said = once(child.stderr as NodeJS.EventEmitter, "data");
        await expect(page(port)).rejects.toThrow("fetch failed");
        expect(String((await said)[0])).toMatch(/error forwarding port 99 to pod web-.*ECONNREFUSED/);
      });
    });
  });
});
