import { KIND_LABELS, LABELS, ownerOf } from "../../src/providers/kind/names.ts";
import { labDirectory, stateRoot } from "../../src/run/state-directory.ts";
import { docker } from "./leftovers.ts";
import { rigMissing } from "./rig.ts";

/*
 * A lane that is killed, or whose host is, leaves clusters in Docker, and the next lane's labs of the same names would be refused. While
 * a lane runs there is a volume; one that is found tells that the last lane did not end, and since when clusters are to be taken away.
 */

const RUNNING = "cnilab-rig-lane";
const STARTED_LABEL = "dev.cnilab.test.started";

/** Before any test. */
export function setup(): void {
  if (rigMissing !== undefined) return;
  const [since] = docker("volume", "ls", "--filter", `name=^${RUNNING}$`, "--format", `{{.Label "${STARTED_LABEL}"}}`);
  if (since !== undefined) removeClustersSince(Date.parse(since));
  else docker("volume", "create", "--label", `${STARTED_LABEL}=${new Date().toISOString()}`, RUNNING);
}

/** After the last. */
export function teardown(): void {
  if (rigMissing === undefined) docker("volume", "rm", RUNNING);
}

/** Not those of this user's own labs. */
function removeClustersSince(since: number): void {
  const label = (name: string): string => `{{index .Labels "${name}"}}`;
  const created = '{{.Created.Format "2006-01-02T15:04:05.999Z07:00"}}';
  const format = ["{{.Name}}", created, label(LABELS.lab), label(LABELS.owner)].join("\t");
  for (const id of docker("network", "ls", "--quiet", "--filter", `label=${LABELS.owner}`)) {
    const [inspected = ""] = docker("network", "inspect", "--format", format, id);
    const [name = "", made = "", lab = "", owner = ""] = inspected.split("\t");
    const isUsers = owner === ownerOf(labDirectory(stateRoot(process.env), lab));
    if (isUsers || Date.parse(made) < since) continue;
    const labels = [`${KIND_LABELS.cluster}=${name}`, `${LABELS.owner}=${owner}`];
    const containers = labels.flatMap((label) => docker("ps", "--all", "--quiet", "--filter", `label=${label}`));
    if (containers.length > 0) docker("rm", "--force", "--volumes", ...new Set(containers));
    docker("network", "rm", id);
    console.log(`removed ${name}, which a lane that was killed had left`);
  }
}
