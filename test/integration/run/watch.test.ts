import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cnilab } from "../../e2e/cnilab.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";

interface Told {
  type: string;
  verdict?: string;
  earned?: number;
  counts?: unknown;
  probed?: number;
  cells?: number;
  whole?: string[];
  because?: string[];
  changed?: { key: { from: string; to: string }; before?: { observed?: string }; now?: { observed?: string } }[];
  problems?: { code: string; span?: { line: number } }[];
  reason?: string;
}

/** `cnilab watch -o json`, and what it tells in its order. */
class Watching {
  private readonly told: Told[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;
  private wake = (): void => undefined;
  private isEnded = false;
  private stderr = "";

  constructor(stateHome: string, ...args: string[]) {
    const main = join(repository, "dist/cli/main.js");
    const env = { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" };
    const child = spawn(process.execPath, [main, "watch", ...args, "-o", "json"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    child.stderr.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.told.push(JSON.parse(line) as Told);
      this.wake();
    });
    this.ended = new Promise((resolve) => {
      child.once("close", (code) => {
        this.isEnded = true;
        this.wake();
        resolve(code);
      });
    });
  }

  /** The next event of the type; those before it are passed over. */
  async next(type: string): Promise<Told> {
    for (;;) {
      const at = this.told.findIndex((each) => each.type === type);
      const found = this.told[at];
      if (found !== undefined) {
        this.told.splice(0, at + 1);
        return found;
      }
      if (this.isEnded) throw new Error(`it ended without ${type}: ${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Ends it as Ctrl-C does; gives the exit code and what went to standard error. */
  async interrupt(): Promise<{ exitCode: number | null; stderr: string }> {
    this.child.kill("SIGINT");
    return { exitCode: await this.ended, stderr: this.stderr };
  }

  exitCode(): Promise<number | null> {
    return this.ended;
  }
}

let cnilab: Cnilab;

beforeEach(() => {
  cnilab = new Cnilab();
});

afterEach(() => cnilab.remove());

function pod(name: string, labels: Record<string, string>): string {
  const container = { name: "c", image: agnhost, args: ["netexec", "--udp-port=-1"], ports: [{ containerPort: 8080 }] };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    spec: { containers: [container] },
  });
}

/** Lets into the pods of one label what the other picks; nothing where that is undefined. */
function policy(name: string, selects: string, from?: string): string {
  const ingress = from === undefined ? [] : [{ from: [{ podSelector: { matchLabels: { app: from } } }] }];
  return JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: "default" },
    spec: { podSelector: { matchLabels: { app: selects } }, policyTypes: ["Ingress"], ingress },
  });
}

function writeLab(name: string): string {
  const folder = join(cnilab.stateHome, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "pods.yaml"),
    ["a", "b", "c", "d"].map((each) => pod(each, { app: each })).join("\n---\n"),
  );
  writeFileSync(join(folder, "solution.yaml"), policy("closed", "a"));
  const wait = ["a", "b", "c", "d"].map((each) => ({
    wait: { for: `pod/${each}`, namespace: "default", condition: "ready", timeout: "30s" },
  }));
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name, title: name },
      topology: "two-workers",
      cni: "calico",
      scenario: [{ apply: "pods.yaml" }, ...wait],
      probes: [{ name: "all", matrix: { pods: "default/*", ports: ["8080/tcp"] }, expect: "policy", points: 4 }],
      tasks: [{ text: "Nobody reaches a.", probes: ["all"], solution: "solution.yaml" }],
    }),
  );
  return folder;
}

/** As most editors do: a new file in the old one's place. */
function save(file: string, text: string): void {
  writeFileSync(`${file}.part`, text);
  renameSync(`${file}.part`, file);
}

/** What a grade of now says, by probe and cell. */
async function graded(lab: string): Promise<unknown> {
  const { stdout } = await cnilab.run("grade", lab, "-o", "json");
  const { verdict, earned, counts } = JSON.parse(stdout) as Told;
  return { verdict, earned, counts };
}

describe("a watched lab", () => {
  test("is probed only where a change touches it, and tells what is wrong with a file", async () => {
    const folder = writeLab("watched");
    await cnilab.run("up", folder);
    const file = join(cnilab.stateHome, "answer.yaml");
    save(file, policy("closed", "a"));
    const watching = new Watching(cnilab.stateHome, "watched", "-f", file);
    const first = await watching.next("regrade");
    expect(first).toMatchObject({ verdict: "pass", earned: 4, probed: 16, cells: 16 });

    // The column of b and its own control.
    save(file, [policy("closed", "a"), policy("more", "b", "c")].join("\n---\n"));
    const closed = await watching.next("regrade");
    expect(closed).toMatchObject({ verdict: "fail", earned: 0, probed: 3, cells: 16, whole: [] });
    expect(closed.changed?.map(({ key }) => `${key.from} ${key.to}`).toSorted()).toEqual([
      "default/a default/b",
      "default/d default/b",
    ]);
    expect(closed.because).toEqual(["NetworkPolicy default/more created"]);

    save(file, "kind: [");
    expect(await watching.next("problem")).toMatchObject({ problems: [{ code: "YAML_SYNTAX", span: { line: 1 } }] });

    // What the file no longer has is deleted; nothing of the broken text was applied.
    save(file, policy("closed", "a"));
    expect(await watching.next("applied")).toMatchObject({ changes: ["NetworkPolicy default/more deleted"] });
    expect(await watching.next("regrade")).toMatchObject({ verdict: "pass", earned: 4, probed: 3, whole: [] });

    // Somebody else's changes: a new pod is its row, its column and its control.
    const other = join(cnilab.stateHome, "other.yaml");
    save(other, pod("e", { app: "e" }));
    expect((await cnilab.run("apply", "watched", "-f", other)).exitCode).toBe(0);
    expect(await watching.next("regrade")).toMatchObject({ cells: 25, whole: [] });

    // What no object shows.
    await cnilab.run("exec", "watched", "node/worker1", "--", "true");
    const whole = await watching.next("regrade");
    expect(whole).toMatchObject({ probed: 25, cells: 25, whole: ["a command in node/worker1"] });
    const { verdict, earned, counts } = whole;
    expect(await graded("watched")).toEqual({ verdict, earned, counts });

    expect(await watching.interrupt()).toEqual({ exitCode: 130, stderr: "" });
  });

  test("ends its watch when it ends, with what the last grade was", async () => {
    await cnilab.run("up", writeLab("ending"));
    const watching = new Watching(cnilab.stateHome, "ending");
    expect(await watching.next("regrade")).toMatchObject({ verdict: "fail" });
    await cnilab.run("down", "ending");
    expect(await watching.next("ended")).toMatchObject({ reason: "lab" });
    expect(await watching.exitCode()).toBe(1);
  });

  test("ends its watch when a full grade passes, where that is asked for", async () => {
    await cnilab.run("up", writeLab("solved"));
    const file = join(cnilab.stateHome, "answer.yaml");
    save(file, policy("other", "b", "a"));
    const watching = new Watching(cnilab.stateHome, "solved", "-f", file, "--until-pass");
    expect(await watching.next("regrade")).toMatchObject({ verdict: "fail" });
    save(file, policy("closed", "a"));
    expect(await watching.next("graded")).toMatchObject({ verdict: "pass", earned: 4 });
    expect(await watching.next("ended")).toMatchObject({ reason: "passed" });
    expect(await watching.exitCode()).toBe(0);
  });
});
