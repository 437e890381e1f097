import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rigMissing } from "./rig.ts";

/*
 * calico-node's liveness probe on BGP asks runit's sv(8) whether BIRD and confd run. An image built without runit can never
 * answer: the kubelet kills the agent every 70 s, with its routes, and labs on calico:direct are graded while it is gone. Such an
 * image gets an sv that looks for the processes; one that has its own is left as it is.
 */

const REPOSITORY = "calico/node";

/** Prints what runit's does for a service that runs or is down; calico-node reads the first word. */
const SV = `#!/bin/sh
[ "$1" = status ] || exit 100
case \${2##*/} in
  confd) command='calico-node -confd' ;;
  *) command="\${2##*/} " ;;
esac
if pid=$(pgrep -o -f "^$command"); then echo "run: $2: (pid $pid) 1s"; else echo "down: $2: 1s"; fi
`;

/** Before any test. */
export function setup(): void {
  if (rigMissing !== undefined) return;
  const listed = docker("image", "ls", REPOSITORY, "--format", "{{.Repository}}:{{.Tag}}");
  for (const image of listed.split("\n").filter((line) => line !== "")) if (!hasSupervisor(image)) addSupervisor(image);
}

function hasSupervisor(image: string): boolean {
  const { status, stderr } = spawnSync("docker", ["run", "--rm", "--entrypoint", "sh", image, "-c", "command -v sv"], {
    encoding: "utf8",
  });
  if (status === 0) return true;
  // 127 is what dash gives, 1 what bash does; Docker's own failures are 125 and up.
  if (status === 127 || status === 1) return false;
  throw new Error(`docker run of ${image} ended with ${status}: ${stderr}`);
}

function addSupervisor(image: string): void {
  const folder = mkdtempSync(join(tmpdir(), "cnilab-rig-calico-"));
  try {
    writeFileSync(join(folder, "sv"), SV, { mode: 0o755 });
    writeFileSync(join(folder, "Dockerfile"), `FROM ${image}\nCOPY sv /usr/local/bin/sv\n`);
    docker("build", "--quiet", "--tag", image, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function docker(...words: string[]): string {
  return execFileSync("docker", words, { encoding: "utf8" });
}
