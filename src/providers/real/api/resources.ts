import { apiVersionOf } from "../../../kube/group-version.ts";
import { LabError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { isNotFound } from "./api-error.ts";
import type { ApiConnection } from "./connection.ts";

/** A kind that the API server serves, and where. */
export interface ApiResource {
  group: string;
  version: string;
  kind: string;
  /** "networkpolicies". */
  plural: string;
  namespaced: boolean;
  verbs: readonly string[];
  /** "status", "scale", … */
  subresources: readonly string[];
}

/** Path of a collection, or with `name` of one object (in `default` where no namespace is given). */
export function pathOf(resource: ApiResource, namespace?: string, name?: string): string {
  const base = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const inside = namespace ?? (name === undefined ? undefined : "default");
  const place = resource.namespaced && inside !== undefined ? `/namespaces/${encodeURIComponent(inside)}` : "";
  return `${base}${place}/${resource.plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** What aggregated discovery (apidiscovery.k8s.io/v2, KEP-3352) says of a group. */
interface GroupDiscovery {
  metadata?: { name?: string };
  versions: {
    version: string;
    resources?: {
      resource: string;
      responseKind?: { kind: string };
      scope: "Namespaced" | "Cluster";
      verbs: string[];
      subresources?: { subresource: string }[];
    }[];
  }[];
}

const AGGREGATED = ["v2", "v2beta1"]
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(",");

const served = (group: string, version: string, kind: string, plural: string, isClusterWide = false): ApiResource => ({
  group,
  version,
  kind,
  plural,
  namespaced: !isClusterWide,
  verbs: ["get", "list", "watch", "patch", "update", "delete"],
  subresources: ["Deployment", "ReplicaSet", "StatefulSet"].includes(kind) ? ["status", "scale"] : [],
});

/** Kinds that every server has served since 1.21: what happens often need not ask for all the others first. */
const EVERYWHERE: readonly ApiResource[] = [
  served("", "v1", "Namespace", "namespaces", true),
  served("", "v1", "Node", "nodes", true),
  served("", "v1", "Pod", "pods"),
  served("", "v1", "Service", "services"),
  served("", "v1", "Endpoints", "endpoints"),
  served("", "v1", "ConfigMap", "configmaps"),
  served("", "v1", "Event", "events"),
  served("", "v1", "ServiceAccount", "serviceaccounts"),
  served("apps", "v1", "Deployment", "deployments"),
  served("apps", "v1", "ReplicaSet", "replicasets"),
  served("apps", "v1", "StatefulSet", "statefulsets"),
  served("apps", "v1", "DaemonSet", "daemonsets"),
  served("batch", "v1", "Job", "jobs"),
  served("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
  served("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
  served("networking.k8s.io", "v1", "Ingress", "ingresses"),
];

/** The kinds of one API server; asked once, and again where one is missing. */
export class ApiResources {
  private readonly connection: ApiConnection;
  private known: Promise<ApiResource[]> | undefined;
  private learnt: ApiResource[] = [];

  constructor(connection: ApiConnection) {
    this.connection = connection;
  }

  /** Every kind in its preferred version first, the API's own groups before all others. */
  async all(): Promise<readonly ApiResource[]> {
    this.known ??= this.discover();
    try {
      return [...(await this.known), ...this.learnt];
    } catch (error) {
      this.known = undefined;
      throw error;
    }
  }

  /**
   * The resource of a kind; without `apiVersion` the API's own kind before a stranger's of the same name, or that of
   * `Kind.group`. Throws API_KIND_UNKNOWN.
   */
  async find(kind: string, apiVersion?: string): Promise<ApiResource> {
    const found = pick(EVERYWHERE, kind, apiVersion) ?? pick(await this.all(), kind, apiVersion);
    if (found !== undefined) return found;
    this.known = undefined;
    const all = await this.all();
    const again = pick(all, kind, apiVersion);
    if (again !== undefined) return again;
    const where = apiVersion === undefined ? "" : ` in ${apiVersion}`;
    throw new LabError("API_KIND_UNKNOWN", `the cluster has no kind ${kind}${where}`, {
      hint: didYouMean(kind, new Set(all.map((each) => each.kind))),
    });
  }

  /** Takes in the kind of a CustomResourceDefinition that is established: discovery tells of it a moment later. */
  learn(definition: KubeObject): void {
    this.known = undefined;
    this.learnt = [...this.learnt, ...resourcesOfDefinition(definition)];
  }

  private async discover(): Promise<ApiResource[]> {
    const [core, groups] = await Promise.all([this.groups("/api"), this.groups("/apis")]);
    const all = [...core, ...groups].flatMap((group) => resourcesOf(group));
    return all.toSorted((a, b) => rank(a) - rank(b));
  }

  private async groups(path: string): Promise<GroupDiscovery[]> {
    const { body } = await this.connection.send({ method: "GET", path, accept: `${AGGREGATED},application/json` });
    const list = body as { kind: string; items: GroupDiscovery[] };
    if (list.kind === "APIGroupDiscoveryList") return list.items;
    return classicGroups(this.connection, path, body);
  }
}

/** The kinds that a CustomResourceDefinition makes. */
export function resourcesOfDefinition(definition: KubeObject): ApiResource[] {
  const spec = definition["spec"] as {
    group: string;
    scope: string;
    names: { kind: string; plural: string };
    versions: { name: string; served: boolean; subresources?: Record<string, unknown> }[];
  };
  return spec.versions
    .filter(({ served }) => served)
    .map(({ name, subresources = {} }) => ({
      group: spec.group,
      version: name,
      kind: spec.names.kind,
      plural: spec.names.plural,
      namespaced: spec.scope === "Namespaced",
      verbs: ["get", "list", "watch", "patch", "update", "delete"],
      subresources: Object.keys(subresources),
    }));
}

function pick(all: readonly ApiResource[], written: string, apiVersion: string | undefined): ApiResource | undefined {
  if (apiVersion !== undefined) {
    return all.find((each) => each.kind === written && apiVersionOf(each) === apiVersion);
  }
  const dot = written.indexOf(".");
  if (dot < 0) return all.find((each) => each.kind === written);
  return all.find((each) => each.kind === written.slice(0, dot) && each.group === written.slice(dot + 1));
}

/** Core, then groups without a domain (apps, batch), then *.k8s.io, then those of CustomResourceDefinitions. */
function rank({ group }: ApiResource): number {
  if (group === "") return 0;
  if (!group.includes(".")) return 1;
  // events.k8s.io serves the same objects as core events.
  return group.endsWith(".k8s.io") ? 2 : 3;
}

function resourcesOf(group: GroupDiscovery): ApiResource[] {
  return group.versions.flatMap(({ version, resources = [] }) =>
    resources.flatMap(({ resource, responseKind, scope, verbs, subresources = [] }) =>
      responseKind === undefined
        ? []
        : [
            {
              group: group.metadata?.name ?? "",
              version,
              kind: responseKind.kind,
              plural: resource,
              namespaced: scope === "Namespaced",
              verbs,
              subresources: subresources.map((each) => each.subresource),
            },
          ],
    ),
  );
}

interface ClassicResource {
  name: string;
  kind: string;
  namespaced: boolean;
  verbs: string[];
}

/** Servers before 1.26 tell of each group version alone. */
async function classicGroups(connection: ApiConnection, path: string, body: unknown): Promise<GroupDiscovery[]> {
  const { versions = [], groups = [] } = body as {
    versions?: string[];
    groups?: { name: string; versions: { version: string }[] }[];
  };
  const wanted = [
    ...versions.map((version) => ({ name: "", version })),
    ...groups.flatMap((group) => group.versions.map(({ version }) => ({ name: group.name, version }))),
  ];
  const found = wanted.map(async ({ name, version }): Promise<GroupDiscovery[]> => {
    const place = name === "" ? `${path}/${version}` : `${path}/${name}/${version}`;
    try {
      const { body: list } = await connection.send({ method: "GET", path: place });
      const { resources } = list as { resources: ClassicResource[] };
      return [{ metadata: { name }, versions: [{ version, resources: fromClassic(resources) }] }];
    } catch (error) {
      // An aggregated API whose own server is down is listed all the same, and answers 503.
      if (isNotFound(error) || (error instanceof LabError && error.code === "API_REFUSED")) return [];
      throw error;
    }
  });
  return (await Promise.all(found)).flat();
}

function fromClassic(
  resources: readonly ClassicResource[],
): NonNullable<GroupDiscovery["versions"][number]["resources"]> {
  return resources
    .filter(({ name }) => !name.includes("/"))
    .map(({ name, kind, namespaced, verbs }) => ({
      resource: name,
      responseKind: { kind },
      scope: namespaced ? "Namespaced" : "Cluster",
      verbs,
      subresources: resources
        .filter((each) => each.name.startsWith(`${name}/`))
        .map((each) => ({ subresource: each.name.slice(name.length + 1) })),
    }));
}
