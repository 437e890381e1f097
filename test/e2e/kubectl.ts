import { execFile } from "node:child_process";
import { expect } from "vitest";
import { rigEnvironment } from "../rig/rig.ts";
import { Cnilab, type Finished } from "./cnilab.ts";

/** A running lab of netns and the rig's unmodified kubectl on it: a host need not have one. */
export class KubectlLab {
  readonly cnilab = new Cnilab();
  kubeconfig = "";
  private readonly variables: Record<string, string>;

  /** @param variables of the environment, beside the rig's. */
  constructor(variables: Record<string, string> = {}) {
    this.variables = variables;
  }

  /** Brings the lab up. */
  async start(lab: string): Promise<this> {
    const up = await this.cnilab.run("up", lab);
    expect(up.exitCode, up.stderr).toBe(0);
    this.kubeconfig = (await this.cnilab.run("kubeconfig", lab, "--path")).stdout.trim();
    return this;
  }

  /** What kubectl is run with. */
  get environment(): NodeJS.ProcessEnv {
    const home = this.cnilab.stateHome;
    // `kubectl edit` leaves in TMPDIR what was refused.
    return { ...rigEnvironment, KUBECONFIG: this.kubeconfig, HOME: home, TMPDIR: home, ...this.variables };
  }

  /** Runs kubectl; `input` is its standard input, `variables` go beside {@link environment}. */
  run(args: readonly string[], input: Buffer | string = "", variables: Record<string, string> = {}): Promise<Finished> {
    return new Promise((resolve) => {
      const options = { env: { ...this.environment, ...variables }, timeout: 30_000, maxBuffer: 64 << 20 };
      const child = execFile("kubectl", args, options, (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : typeof error.code === "number" ? error.code : null, stdout, stderr });
      });
      // It may end before it has read all.
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(input);
    });
  }

  /** What a kubectl that succeeds prints. */
  async told(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(args);
    expect(exitCode, `kubectl ${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout;
  }
}
