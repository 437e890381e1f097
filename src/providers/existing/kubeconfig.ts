import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "yaml";
import { LabError } from "../../core/errors.ts";
import type { PlannedAccess } from "../../plan/types.ts";
import { openKubernetesApi, type KubernetesApi } from "../real/api/kubernetes-api.ts";

/** One cluster, as one user, by where kubectl would find it. */
export interface ClusterChoice {
  /** Absolute; those that exist, in the order of their precedence. */
  kubeconfigs: string[];
  context: string;
}

type Mapping = Record<string, unknown>;

/** What a relative path of a kubeconfig starts at its folder in. */
const PATH_FIELDS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];
const LISTS = ["clusters", "contexts", "users"] as const;
/** Those of @kubernetes/client-node; Kubernetes itself dropped the others in 1.26. */
const AUTH_PROVIDERS = ["azure", "gcp", "oidc"];
const IMPERSONATION = ["as", "as-uid", "as-groups", "as-user-extra"];

/**
 * The cluster that the command line means: its own file, else what KUBECONFIG lists, else ~/.kube/config; its own context,
 * else the current one. Throws KUBECONFIG_MISSING, KUBECONFIG_INVALID, KUBECONFIG_NO_CONTEXT.
 */
export function chooseCluster(access: PlannedAccess | undefined, env: NodeJS.ProcessEnv): ClusterChoice {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  const wanted =
    access?.kubeconfig !== undefined
      ? [access.kubeconfig]
      : listed.length > 0
        ? listed
        : [join(env["HOME"] ?? homedir(), ".kube", "config")];
  const all = wanted.map((file) => resolve(file));
  const kubeconfigs = all.filter((file) => existsSync(file));
  if (kubeconfigs.length === 0) {
    throw new LabError("KUBECONFIG_MISSING", `there is no kubeconfig at ${all.join(", ")}`, {
      hint: "--kubeconfig FILE, or KUBECONFIG, says where the cluster's is",
    });
  }
  const merged = mergeKubeconfigs(kubeconfigs);
  const context = access?.context ?? merged["current-context"];
  if (typeof context !== "string" || context === "") {
    throw new LabError("KUBECONFIG_NO_CONTEXT", "the kubeconfig has no current context", {
      hint: `--context NAME; its contexts: ${namesIn(merged["contexts"]).join(", ") || "none"}`,
    });
  }
  return { kubeconfigs, context };
}

/**
 * Opens the API of a chosen cluster. Throws KUBECONFIG_MISSING where a file is gone, KUBECONFIG_UNSUPPORTED, and what
 * openKubernetesApi throws.
 */
export async function openChosen({ kubeconfigs, context }: ClusterChoice): Promise<KubernetesApi> {
  const gone = kubeconfigs.find((file) => !existsSync(file));
  if (gone !== undefined) {
    throw new LabError("KUBECONFIG_MISSING", `the kubeconfig ${gone}, by which the lab's cluster is reached, is gone`, {
      hint: "put it back",
    });
  }
  const merged = mergeKubeconfigs(kubeconfigs);
  refuseUnsupported(merged, context);
  return openKubernetesApi(JSON.stringify(merged), { context });
}

/**
 * Several kubeconfigs as one, as kubectl has it (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig):
 * of what several files name, the first counts. Relative paths are made absolute.
 */
export function mergeKubeconfigs(files: readonly string[]): Mapping {
  const merged: Mapping = { apiVersion: "v1", kind: "Config" };
  for (const file of files) {
    const config = readMapping(file);
    if (!merged["current-context"]) merged["current-context"] = config["current-context"];
    for (const list of LISTS) {
      const there = itemsIn(merged[list]);
      const added = itemsIn(config[list]).filter(({ name }) => !there.some((each) => each.name === name));
      merged[list] = [...there, ...added.map((item) => withAbsolutePaths(item, dirname(file)))];
    }
  }
  return merged;
}

function readMapping(file: string): Mapping {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LabError("KUBECONFIG_INVALID", `the kubeconfig ${file} cannot be read: ${reason}`, { cause });
  }
  if (value === null) return {};
  if (!isMapping(value)) throw new LabError("KUBECONFIG_INVALID", `the kubeconfig ${file} is none: it is not a map`);
  return value;
}

function withAbsolutePaths(item: Mapping, folder: string): Mapping {
  return Object.fromEntries(
    Object.entries(item).map(([field, value]) => {
      if (isMapping(value))
        return [field, field === "exec" ? withAbsoluteCommand(value, folder) : withAbsolutePaths(value, folder)];
      const isPath = PATH_FIELDS.includes(field) && typeof value === "string" && value !== "" && !isAbsolute(value);
      return [field, isPath ? join(folder, value) : value];
    }),
  );
}

/** A plugin's command without a slash is looked for in PATH. */
function withAbsoluteCommand(exec: Mapping, folder: string): Mapping {
  const { command } = exec;
  const isRelative = typeof command === "string" && command.includes("/") && !isAbsolute(command);
  return isRelative ? { ...exec, command: join(folder, command) } : exec;
}

/** What would be ignored, and so be done as somebody else than the user said. */
function refuseUnsupported(config: Mapping, context: string): void {
  const chosen = itemsIn(config["contexts"]).find(({ name }) => name === context)?.["context"];
  const userName = isMapping(chosen) ? chosen["user"] : undefined;
  const user = itemsIn(config["users"]).find(({ name }) => name === userName)?.["user"];
  if (!isMapping(user)) return;
  const provider = isMapping(user["auth-provider"]) ? user["auth-provider"]["name"] : undefined;
  const unsupported = [
    ...IMPERSONATION.filter((field) => user[field] !== undefined).map((field) => `${field}: (impersonation)`),
    ...(provider === undefined || AUTH_PROVIDERS.includes(String(provider))
      ? []
      : [`auth-provider ${JSON.stringify(provider)}`]),
  ];
  if (unsupported.length === 0) return;
  throw new LabError(
    "KUBECONFIG_UNSUPPORTED",
    `user ${JSON.stringify(userName)} of the kubeconfig has what is not supported: ${unsupported.join(", ")}`,
    {
      hint: "client certificates, tokens, token files, exec plugins, passwords and auth-provider azure, gcp, oidc are",
    },
  );
}

function itemsIn(list: unknown): (Mapping & { name?: unknown })[] {
  return Array.isArray(list) ? list.filter(isMapping) : [];
}

function namesIn(list: unknown): string[] {
  return itemsIn(list).map(({ name }) => String(name));
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
