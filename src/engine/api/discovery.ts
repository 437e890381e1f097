import { apiVersionOf } from "../../kube/group-version.ts";
import type { Resource, Subresource } from "./resources.ts";

const verbsOfSubresource = (subresource: Subresource): string[] =>
  subresource === "eviction" ? ["create"] : ["get", "patch", "update"];

/** The groups and versions of resources, in their order, the core group as the empty text. */
function groupsOf(resources: readonly Resource[]): Map<string, Map<string, Resource[]>> {
  const groups = new Map<string, Map<string, Resource[]>>();
  for (const resource of resources) {
    const versions = groups.get(resource.group) ?? new Map<string, Resource[]>();
    groups.set(resource.group, versions);
    versions.set(resource.version, [...(versions.get(resource.version) ?? []), resource]);
  }
  return groups;
}

/** What `subresource` answers with. */
function kindOf(resource: Resource, subresource: Subresource): { group: string; version: string; kind: string } {
  if (subresource === "eviction") return { group: "policy", version: "v1", kind: "Eviction" };
  return subresource === "scale" ? { group: "autoscaling", version: "v1", kind: "Scale" } : gvk(resource);
}

function gvk({ group, version, kind }: Resource): { group: string; version: string; kind: string } {
  return { group, version, kind };
}

/** KEP-3352, aggregated discovery: everything of /api or of /apis in one answer. */
export function aggregatedDiscovery(served: readonly Resource[], root: "api" | "apis"): object {
  const groups = [...groupsOf(served)].filter(([group]) => (group === "") === (root === "api"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: [...versions].map(([version, resources]) => ({
        version,
        freshness: "Current",
        resources: resources.map((resource) => ({
          resource: resource.name,
          responseKind: gvk(resource),
          scope: resource.namespaced ? "Namespaced" : "Cluster",
          singularResource: resource.singular,
          verbs: resource.verbs,
          ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
          ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
          ...(resource.subresources.length > 0
            ? {
                subresources: resource.subresources.map((subresource) => ({
                  subresource,
                  responseKind: kindOf(resource, subresource),
                  verbs: verbsOfSubresource(subresource),
                })),
              }
            : {}),
        })),
      })),
    })),
  };
}

function apiGroup(name: string, versions: Iterable<string>): object {
  const all = [...versions].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** The older form, path by path (meta/v1 APIVersions, APIGroupList, APIGroup, APIResourceList); undefined where a path is none of them. */
export function discoveryAt(served: readonly Resource[], segments: readonly string[]): object | undefined {
  const [root, first, second] = segments;
  const groups = groupsOf(served);
  if (root === "api" && first === undefined)
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  if (root === "apis" && first === undefined) {
    const named = [...groups].filter(([name]) => name !== "");
    return {
      kind: "APIGroupList",
      apiVersion: "v1",
      groups: named.map(([name, versions]) => apiGroup(name, versions.keys())),
    };
  }
  if (root === "api" && second === undefined) return resourceList(groups.get("")?.get(first ?? ""));
  if (root !== "apis") return undefined;
  const versions = first === "" ? undefined : groups.get(first ?? "");
  if (versions === undefined) return undefined;
  if (second === undefined) return { kind: "APIGroup", apiVersion: "v1", ...apiGroup(first ?? "", versions.keys()) };
  return resourceList(versions.get(second));
}

function resourceList(resources: readonly Resource[] | undefined): object | undefined {
  const [first] = resources ?? [];
  if (resources === undefined || first === undefined) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf(first),
    resources: resources.flatMap((resource) => [
      {
        name: resource.name,
        singularName: resource.singular,
        namespaced: resource.namespaced,
        kind: resource.kind,
        verbs: resource.verbs,
        ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
        ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
      },
      ...resource.subresources.map((subresource) => ({
        name: `${resource.name}/${subresource}`,
        singularName: "",
        namespaced: resource.namespaced,
        ...kindOf(resource, subresource),
        verbs: verbsOfSubresource(subresource),
      })),
    ]),
  };
}
