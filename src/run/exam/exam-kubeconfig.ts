import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { LabError } from "../../core/errors.ts";
import type { RunContext } from "../context.ts";
import { providerNamed } from "../provision.ts";
import { labDirectory } from "../state-directory.ts";
import { examDirectory, knownExam, readExamRecord, writeExamFile } from "./exam-record.ts";

const FILE = "kubeconfig";

/** The parts of a kubeconfig (kubernetes.io/docs/reference/config-api/kubeconfig.v1) that lead to one cluster. */
interface OneCluster {
  clusters: { name: string; cluster: unknown }[];
  users: { name: string; user: unknown }[];
}

/** A kubeconfig with a context for each of these, called as its lab; the first is the current one. JSON, which is YAML, too. */
export function mergeKubeconfigs(labs: readonly { lab: string; text: string }[]): string {
  const parts = labs.map(({ lab, text }) => {
    const { clusters, users } = parse(text) as OneCluster;
    return { lab, cluster: clusters[0]?.cluster, user: users[0]?.user };
  });
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: parts.map(({ lab, cluster }) => ({ name: lab, cluster })),
    users: parts.map(({ lab, user }) => ({ name: lab, user })),
    contexts: parts.map(({ lab }) => ({ name: lab, context: { cluster: lab, user: lab } })),
    "current-context": parts[0]?.lab ?? "",
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** Writes the exam's kubeconfig, for its owner alone; undefined where every lab is on a cluster of the user's. */
export async function writeExamKubeconfig(
  root: string,
  exam: string,
  labs: readonly { name: string; provider: string }[],
): Promise<string | undefined> {
  const texts = labs.flatMap(({ name, provider }) => {
    const path = providerNamed(provider).kubeconfig?.(labDirectory(root, name));
    return path === undefined ? [] : [{ lab: name, text: readFileSync(path, "utf8") }];
  });
  return texts.length === 0 ? undefined : writeExamFile(root, exam, FILE, mergeKubeconfigs(texts));
}

/** The exam's kubeconfig, by its path. Throws EXAM_NOT_FOUND, USAGE_WHICH_EXAM, and LAB_NO_KUBECONFIG where its clusters are the user's own. */
export function examKubeconfigPath(name: string | undefined, { stateRoot }: RunContext): string {
  const exam = knownExam(stateRoot, name);
  const path = join(examDirectory(stateRoot, exam), FILE);
  if (existsSync(path)) return path;
  const started = readExamRecord(stateRoot, exam);
  const why = started?.state === "starting" ? "its labs are still being made" : "its labs are on clusters of yours";
  throw new LabError("LAB_NO_KUBECONFIG", `exam ${exam} has no kubeconfig of its own: ${why}`);
}
