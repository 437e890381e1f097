import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { openDocker } from "../../src/exec/docker.ts";
import { isMakerAlive, thisMaker } from "../../src/providers/kind/maker.ts";
import { prepareNodeImage, type PreparedNodeImage } from "../../src/providers/kind/node-image.ts";
import { STORE_PATH } from "../../src/providers/kind/node-store.ts";
import { addOnImages } from "../../src/providers/real/add-ons.ts";
import { AGNHOST_IMAGE } from "../../src/providers/real/agnhost-image.ts";
import { openSupplies } from "../../src/supplies/supplies.ts";
import { kubernetesVersion } from "./kubernetes-version.ts";
import { rigEnvironment, rigHome } from "./rig.ts";

/*
 * A cluster that cnilab did not make, with Calico, a control plane and two workers: the tests of the parts that work on
 * any cluster share it. The first that asks makes it, the end of the run removes it.
 */

const NAME = "cnilab-rig-shared";
/** Says on the network which process's it is (`thisMaker`): a later run can tell one that was killed. */
const OWNER_LABEL = "dev.cnilab.test.owner";
/** The Docker network of its nodes. */
export const SHARED_NETWORK = NAME;
/** Add-ons whose images its nodes have; a test that installs them removes them. */
export const SHARED_ADD_ONS = ["metallb", "traefik", "metrics-server"] as const;
const CALICO_IMAGES = ["node", "cni", "kube-controllers"].map((name) => `docker.io/calico/${name}:v3.28.5`);
const TEST_IMAGES = [AGNHOST_IMAGE, "nginx:1.22", rigEnvironment["CNILAB_AGENT_IMAGE"] ?? ""];
const NODES_OF_CONFIG = ["control-plane", "worker", "worker"];
/** Not of Docker's own pools, from which any lab's network may have been given out, nor of the pods' or Services'. */
const SUBNET = "10.177.77.0/24";
/** Names the folder of the kubeconfig to the processes of all test files. */
const FOLDER = "CNILAB_RIG_SHARED";
/** Names the process of the run, which outlives those of its test files. */
const OWNER = "CNILAB_RIG_SHARED_OWNER";

/**
 * kind's own network would lead outside, and where something there takes every connection, the API server once met it in place
 * of a Service that kube-proxy did not know yet, and kept that connection.
 */
const NO_WAY_OUT = "com.docker.network.bridge.enable_ip_masquerade=false";
const environment: NodeJS.ProcessEnv = { ...rigEnvironment, KIND_EXPERIMENTAL_DOCKER_NETWORK: NAME };

const run = promisify(execFile);

/** Before any test: where the shared cluster's kubeconfig will be. */
export function setup(): void {
  process.env[FOLDER] = mkdtempSync(join(tmpdir(), "cnilab-rig-shared-"));
  process.env[OWNER] = thisMaker();
}

/** After all: the cluster, if any test made it, is gone. */
export function teardown(): void {
  const folder = process.env[FOLDER] ?? "";
  if (existsSync(join(folder, "kind.yaml"))) remove();
  rmSync(folder, { recursive: true, force: true });
}

function remove(): void {
  execFileSync("kind", ["delete", "cluster", "--name", NAME], { env: environment, stdio: "pipe" });
  execFileSync("docker", ["network", "rm", NAME], { stdio: "pipe" });
}

/** What a run left that was killed before its end; another run's that still goes on is its own, and an error here. */
function removeLeftover(): void {
  const names = ["network", "ls", "--filter", `name=^${NAME}$`, "--format", `{{.Label "${OWNER_LABEL}"}}`];
  const listed = execFileSync("docker", names, { encoding: "utf8" });
  if (listed === "") return;
  const owner = listed.trim();
  if (owner !== "" && isMakerAlive(owner)) throw new Error(`process ${owner} uses ${NAME}`);
  remove();
}

/** Path of the shared cluster's kubeconfig, made now where no test has asked before; nodes and Calico are ready. */
export async function sharedCluster(): Promise<string> {
  const folder = process.env[FOLDER];
  if (folder === undefined) throw new Error(`${FOLDER} is not set: the project's globalSetup has not run`);
  const kubeconfig = join(folder, "kubeconfig");
  if (existsSync(join(folder, "ready"))) return kubeconfig;
  const env = environment;
  removeLeftover();
  const label = `${OWNER_LABEL}=${process.env[OWNER] ?? ""}`;
  await run("docker", ["network", "create", "--subnet", SUBNET, "--opt", NO_WAY_OUT, "--label", label, NAME]);
  // From here on the cluster is this run's: one that another run on this host has is not removed by this one's end.
  const { reference, storeOnHost } = await nodeImage(folder);
  writeFileSync(join(folder, "kind.yaml"), configOf(storeOnHost));
  const args = ["create", "cluster", "--name", NAME, "--config", join(folder, "kind.yaml"), "--image", reference];
  await run("kind", [...args, "--kubeconfig", kubeconfig], { env });
  const kubectl = async (...command: string[]): Promise<void> => {
    await run("kubectl", ["--kubeconfig", kubeconfig, ...command], { env, maxBuffer: 16 << 20 });
  };
  await kubectl("apply", "--server-side", "-f", join(rigHome, "manifests", "calico.yaml"));
  await kubectl("-n", "kube-system", "rollout", "status", "daemonset/calico-node", "--timeout=180s");
  await kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s");
  writeFileSync(join(folder, "ready"), "");
  return kubeconfig;
}

/**
 * Nodes that have the images of all tests on them, unpacked, as a lab's own nodes do: loading them into each node of a plain one
 * takes minutes.
 */
async function nodeImage(folder: string): Promise<PreparedNodeImage> {
  const docker = await openDocker();
  const supplies = openSupplies({
    cacheDirectory: folder,
    docker: () => Promise.reject(new Error("no image is asked for")),
    isOffline: true,
    localFiles: rigEnvironment["CNILAB_FILES"],
  });
  const references = [...CALICO_IMAGES, ...TEST_IMAGES, ...(await addOnImages(SHARED_ADD_ONS, supplies))];
  const idOf = async (reference: string): Promise<string> => (await docker.getImage(reference).inspect()).Id;
  const base = `kindest/node:${kubernetesVersion()}`;
  return prepareNodeImage({
    docker,
    base: { reference: base, id: await idOf(base) },
    images: new Map(await Promise.all(references.map(async (each) => [each, await idOf(each)] as const))),
    signal: AbortSignal.timeout(5 * 60_000),
    progress: () => undefined,
  });
}

function configOf(storeOnHost: string): string {
  const extraMounts = [{ hostPath: storeOnHost, containerPath: STORE_PATH, readOnly: true }];
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    networking: { disableDefaultCNI: true, podSubnet: "192.168.0.0/16" },
    nodes: NODES_OF_CONFIG.map((role) => ({ role, extraMounts })),
  });
}

/** The text of that kubeconfig. */
export async function sharedKubeconfig(): Promise<string> {
  return readFileSync(await sharedCluster(), "utf8");
}
