import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const main = join(repository, "dist/cli/main.js");

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "cnilab-cli-"));
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: home, XDG_STATE_HOME: join(home, "state"), ...more };
}

function cnilab(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: environment(env), cwd: repository }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

function storeRecord(name: string, text: string): void {
  const folder = join(home, "state/cnilab/labs", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "record.json"), text);
}

describe("arguments", () => {
  test.each([
    [["rnu", "first-lab"], "Did you mean run?"],
    [["run", "--kep", "first-lab"], "Did you mean --keep?"],
    [["run", "frist-lab"], "did you mean first-lab?"],
    [["run", "first-lab", "--cni", "calcio"], "did you mean calico?"],
    [["run", "first-lab", "--cni", "calico:vxlna"], "did you mean vxlan?"],
    [["run", "first-lab", "--provider", "moon"], "known: netns"],
    [["run", "first-lab", "--reporter", "junti=x"], "unknown reporter"],
    [["run", "first-lab", "--reporter", "junit"], "needs a file"],
    [["list", "-o", "xml"], "Allowed choices are table, json, yaml"],
    [["run"], "cnilab list"],
    [["help", "rnu"], "did you mean run?"],
    [["exec", "first-lab", "node/worker1", "ls", "-l"], "write -- before the command"],
    [["down"], "--all"],
    [["down", "--all", "x"], "not both"],
    [["exec", "first-lab", "node/worker1"], "which command?"],
    [["probe", "first-lab", "--cell", "one"], "FROM,TO"],
    [["status", "nothing-of-the-sort"], "not running"],
    [["down", "../../etc"], "not a lab name"],
  ] as [string[], string][])("%j exit with 2 and say what would be right", async (args, hint) => {
    const { exitCode, stdout, stderr } = await cnilab(args);
    expect(stderr).toContain(hint);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
  });

  test("of every verb have help with examples", async () => {
    const { stdout } = await cnilab(["--help"]);
    const verbs = [...stdout.matchAll(/^ {2}([a-z]+) .*$/gm)]
      .map(([, verb]) => verb)
      .filter((verb) => verb !== "cnilab" && verb !== "help");
    expect(verbs.length).toBeGreaterThanOrEqual(16);
    for (const verb of verbs) {
      const help = await cnilab([verb ?? "", "--help"]);
      expect(help.exitCode, verb).toBe(0);
      expect(help.stdout, verb).toContain(`Examples:\n  cnilab ${verb}`);
    }
  });
});

describe("data and everything else", () => {
  test("go to standard output and standard error", async () => {
    const { stdout, stderr, exitCode } = await cnilab(["list", "-o", "json"]);
    expect(exitCode, stderr).toBe(0);
    expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toContain("first-lab");
    expect(stderr).toBe("");
  });

  test("have no colour in a pipe, but FORCE_COLOR brings it and NO_COLOR wins", async () => {
    const broken = join(home, "lab.yaml");
    writeFileSync(broken, "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\n");
    expect((await cnilab(["validate", broken])).stderr).not.toContain("\u001b[");
    expect((await cnilab(["validate", broken], { FORCE_COLOR: "1" })).stderr).toContain("\u001b[");
    expect((await cnilab(["validate", broken], { FORCE_COLOR: "1", NO_COLOR: "1" })).stderr).not.toContain("\u001b[");
  });

  test("survive a reader that leaves early", async () => {
    const child = spawn(process.execPath, [main, "schema"], { env: environment(), cwd: repository });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (part: Buffer) => (stderr += part.toString()));
    const exitCode = await new Promise((resolve) => child.once("close", resolve));
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
  });
});

describe("long output", () => {
  test("reaches a slow reader whole", async () => {
    const folders = Array.from({ length: 12 }, (_each, index) => join(home, `lab-${index}`));
    const fields = Array.from({ length: 90 }, (_each, index) => `unknown${index}: 1\n`).join("");
    for (const folder of folders) {
      mkdirSync(folder);
      writeFileSync(
        join(folder, "lab.yaml"),
        `apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: {name: x, title: x}\n${fields}`,
      );
    }
    // A pipe holds 64 KiB: the command has to wait for a reader who begins late.
    const reader = ["-c", '"$@" | { sleep 1; cat; }', "sh", process.execPath, main, "validate", "-o", "json"];
    const stdout = await new Promise<string>((resolve) => {
      execFile(
        "sh",
        [...reader, ...folders],
        { env: environment(), cwd: repository, maxBuffer: 1 << 24 },
        (_error, text) => resolve(text),
      );
    });
    expect(stdout.length).toBeGreaterThan(2 * 64 * 1024);
    expect(JSON.parse(stdout)).toHaveLength(12);
  });
});

describe("validate", () => {
  test("tells all problems of all labs at once", async () => {
    for (const name of ["one", "two"]) {
      mkdirSync(join(home, name));
      writeFileSync(
        join(home, name, "lab.yaml"),
        `apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: {name: ${name}, titel: x}\nbogus: 1\n`,
      );
    }
    const { exitCode, stdout, stderr } = await cnilab(["validate", join(home, "one"), join(home, "two"), "first-lab"]);
    expect(exitCode).toBe(2);
    for (const name of ["one", "two"]) {
      expect(stderr).toMatch(new RegExp(`${name}/lab\\.yaml:3:\\d+ .*titel`));
      expect(stderr).toMatch(new RegExp(`${name}/lab\\.yaml:4:\\d+ .*bogus`));
    }
    expect(stdout).toContain("first-lab: valid");
  });
});

describe("init", () => {
  test("writes a lab that is valid, and never overwrites", async () => {
    const folder = join(home, "mine");
    expect((await cnilab(["init", folder])).exitCode).toBe(0);
    const checked = await cnilab(["validate", folder]);
    expect(checked.stderr).toBe("");
    expect(checked.exitCode).toBe(0);
    writeFileSync(join(folder, "lab.yaml"), "mine");
    const again = await cnilab(["init", folder]);
    expect(again.exitCode).toBe(2);
    expect(readFileSync(join(folder, "lab.yaml"), "utf8")).toBe("mine");
  });
});

describe("what is left on disk", () => {
  test.each([
    ["an empty record", ""],
    ["half a record", '{"schemaVersion":1,"lab":"shop","pro'],
    ["garbage", "\u0000\u00ff garbage"],
    ["another release's record", '{"schemaVersion":99}'],
    ["another lab's record", '{"schemaVersion":1,"lab":"other"}'],
  ])("as %s never keeps status and down from working", async (_what, text) => {
    storeRecord("shop", text);
    const status = await cnilab(["status", "-o", "json"]);
    expect(status.exitCode, status.stderr).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject([{ name: "shop", state: "unreadable", isRunning: false }]);
    const exec = await cnilab(["grade", "shop"]);
    expect(exec.exitCode).toBe(2);
    expect(exec.stderr).toContain("cnilab down shop");
    const down = await cnilab(["down", "shop"]);
    expect(down.exitCode, down.stderr).toBe(0);
    expect(readdirSync(join(home, "state/cnilab/labs"))).toEqual([]);
    expect(readdirSync(join(home, "state/cnilab/locks"))).toEqual([]);
  });

  test("removing what is not there is no error", async () => {
    expect(await cnilab(["down", "shop"])).toMatchObject({ exitCode: 0, stdout: "shop was not there\n" });
    expect(await cnilab(["down", "--all"])).toMatchObject({ exitCode: 0 });
  });
});

describe("a running lab", () => {
  test("shows its pods and Services, and tells a missing program from one that fails", async () => {
    const up = await cnilab(["up", "first-lab"]);
    try {
      expect(up.exitCode, up.stderr).toBe(0);
      const manifest = join(home, "broken.yaml");
      const spec = "{ containers: [{ name: c, image: 'busybox:1.36', command: [sh, -c, 'exit 3'] }] }";
      writeFileSync(
        manifest,
        `apiVersion: v1\nkind: Pod\nmetadata: { name: broken, namespace: shop }\nspec: ${spec}\n`,
      );
      const applied = await cnilab(["apply", "first-lab", "-f", manifest]);
      expect(applied.exitCode, applied.stderr).toBe(0);

      interface Contents {
        pods: { name: string; ready: boolean; reason?: string; message?: string }[];
        services: { name: string }[];
      }
      const contents = async (): Promise<Contents | undefined> =>
        (JSON.parse((await cnilab(["status", "first-lab", "-o", "json"])).stdout) as Contents[])[0];
      const brokenIn = (status: Contents | undefined): Contents["pods"][number] | undefined =>
        status?.pods.find(({ name }) => name === "broken");
      await expect
        .poll(async () => brokenIn(await contents()), { timeout: 10_000 })
        .toMatchObject({ ready: false, reason: "CrashLoopBackOff", message: expect.stringMatching(/./) });
      const status = await contents();
      expect(status?.services).toContainEqual({
        namespace: "shop",
        name: "web",
        type: "ClusterIP",
        clusterIP: expect.stringMatching(/^10\./),
        ports: ["80/TCP"],
        readyEndpoints: 3,
      });
      const table = (await cnilab(["status", "first-lab"])).stdout;
      expect(table).toContain(`shop/broken: ${brokenIn(status)?.message ?? "none"}`);
      expect(table).toMatch(/^shop\/web-\S+ +1\/1 +Running +worker\d +\d/m);
      expect(JSON.parse((await cnilab(["status", "-o", "json"])).stdout)).toEqual([
        expect.not.objectContaining({ pods: expect.anything() }),
      ]);

      const pid = Number(readFileSync(join(home, "state/cnilab/labs/first-lab/lab.pid"), "utf8"));
      process.kill(pid, "SIGSTOP");
      expect((await cnilab(["status", "first-lab"])).stdout).toContain("first-lab: its process does not answer");
      process.kill(pid, "SIGCONT");

      const missing = await cnilab(["exec", "first-lab", "node/worker1", "--", "nosuchprogram"]);
      expect(missing.exitCode).toBe(127);
      expect(missing.stderr).toContain('no program "nosuchprogram"');
      expect(missing.stderr).not.toContain("bwrap: execvp");
      const failing = await cnilab(["exec", "first-lab", "node/worker1", "--", "cat", "/nosuchfile"]);
      expect(failing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("/nosuchfile") });
    } finally {
      await cnilab(["down", "first-lab"]);
    }
  }, 60_000);
});

describe("a host without unshare", () => {
  test("is told so by doctor, and run says what it lacks", async () => {
    const PATH = join(home, "bin");
    mkdirSync(PATH);
    const doctor = await cnilab(["doctor", "-o", "json"], { PATH });
    expect(doctor.exitCode).toBe(5);
    const findings = (JSON.parse(doctor.stdout) as { findings: { code: string; message: string; ok: boolean }[] }[])
      .flatMap((each) => each.findings)
      .filter(({ ok }) => !ok);
    expect(findings.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^unshare is not in PATH/));
    for (const { message } of findings) expect(message).not.toContain("\n");
    const run = await cnilab(["run", "first-lab"], { PATH });
    expect(run.stderr).toContain("HOST_TOOL_MISSING");
    expect(run.exitCode).toBe(5);
  });
});

describe("completion", () => {
  test.each([
    [["complete", "--", "gra"], "grade"],
    [["complete", "--", "run", "first"], "first-lab"],
    [["complete", "--", "run", "--ke"], "--keep"],
  ])("%j offers %s", async (args, word) => {
    const { stdout } = await cnilab(args);
    expect(stdout.split("\n").map((line) => line.split("\t")[0])).toContain(word);
  });

  test("of a running lab's verbs offers labs that run", async () => {
    storeRecord("shop", "{}");
    expect((await cnilab(["complete", "--", "grade", ""])).stdout).toContain("shop");
  });

  test("of bash works also where the script is sourced twice", async () => {
    const script = join(home, "completion.sh");
    writeFileSync(script, (await cnilab(["completion", "bash"])).stdout);
    const stderr = await new Promise<string>((resolve, reject) => {
      const twice = 'source "$0" && source "$0" && complete -p cnilab';
      execFile("bash", ["--norc", "-c", twice, script], (error, _stdout, text) =>
        error === null ? resolve(text) : reject(error),
      );
    });
    expect(stderr).toBe("");
  });

  test.each(["bash", "zsh", "fish"])("has a script for %s", async (shell) => {
    const { stdout, exitCode } = await cnilab(["completion", shell]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("cnilab");
  });
});
