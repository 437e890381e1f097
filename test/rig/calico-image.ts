import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rigMissing } from "./rig.ts";

/*
 * confd has BIRD read its configuration anew by runit's sv(8), and calico-node's liveness probe on BGP asks sv whether both run, and
 * BIRD itself by birdcl. In an image without them BIRD stays with the peers that were known when it started, until the kubelet kills
 * the agent for its silence, every 70 s, with its routes. Such an image gets an sv that does and tells as much, and Debian's birdc as
 * birdcl; one that has its own is left as it is.
 */

const REPOSITORY = "calico/node";

/**
 * `sv status SERVICE` prints what runit's does for one that runs or is down: calico-node reads the first word. `sv hup SERVICE`
 * waits for a BIRD that is starting: a signal before it has its handler would end it.
 */
const SV = `#!/bin/sh
service=\${2##*/}
case $service in
  confd) command='calico-node -confd' ;;
  *) command="$service " ;;
esac
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  pid=$(pgrep -o -f "^$command") || { echo "down: $2: 1s"; exit 0; }
  case $1 in
    status) echo "run: $2: (pid $pid) 1s"; exit 0 ;;
    hup) /usr/bin/birdcl -s "/var/run/calico/$service.ctl" configure && exit 0 ;;
    *) exit 100 ;;
  esac
  sleep 0.1
done
echo "fail: $2: it does not answer"
exit 1
`;

/** Which commands an image was given, and the image that was given them. */
const COMMANDS_LABEL = "dev.cnilab.test.commands";
const BASE_LABEL = "dev.cnilab.test.base";
const commands = createHash("sha256").update(SV).digest("hex").slice(0, 12);

/** Before any test. */
export function setup(): void {
  if (rigMissing !== undefined) return;
  const listed = docker("image", "ls", REPOSITORY, "--format", "{{.Repository}}:{{.Tag}}").split("\n");
  for (const image of listed.filter((line) => line !== "" && !line.endsWith(":<none>"))) complete(image);
}

function complete(image: string): void {
  const [found] = JSON.parse(docker("image", "inspect", image)) as [{ Id: string; Config: { Labels: Labels | null } }];
  const { [COMMANDS_LABEL]: given, [BASE_LABEL]: base = found.Id } = found.Config.Labels ?? {};
  if (given === commands || (given === undefined && hasCommands(image))) return;
  const folder = mkdtempSync(join(tmpdir(), "cnilab-rig-calico-"));
  try {
    writeFileSync(join(folder, "sv"), SV, { mode: 0o755 });
    const steps = [`FROM ${base}`, "COPY sv /usr/local/bin/sv", "RUN ln -sf /usr/sbin/birdc /usr/bin/birdcl"];
    writeFileSync(join(folder, "Dockerfile"), steps.join("\n"));
    const labels = [`${COMMANDS_LABEL}=${commands}`, `${BASE_LABEL}=${base}`].flatMap((label) => ["--label", label]);
    docker("build", "--quiet", ...labels, "--tag", image, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function hasCommands(image: string): boolean {
  const look = ["sh", image, "-c", "command -v sv && test -x /usr/bin/birdcl"];
  const { status, stderr } = spawnSync("docker", ["run", "--rm", "--entrypoint", ...look], { encoding: "utf8" });
  if (status === 0) return true;
  // 127 is what dash gives, 1 what bash does; Docker's own failures are 125 and up.
  if (status === 127 || status === 1) return false;
  throw new Error(`docker run of ${image} ended with ${status}: ${stderr}`);
}

type Labels = Partial<Record<string, string>>;

function docker(...words: string[]): string {
  return execFileSync("docker", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
