import type { ObjectStore } from "../store/store.ts";
import { apiVersionOf, resourcesOf } from "./resources.ts";

/** Parameters of a write that clients look for before they use them (kubectl: fieldValidation, dryRun). */
const PARAMETERS = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({
  name,
  in: "query",
  schema: { type: "string" },
}));

const pathOf = (apiVersion: string): string => (apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`);

/** The index of OpenAPI v3 documents, one a group and version (KEP-2896). */
export function openApiIndex(store: ObjectStore): object {
  const paths = [...new Set(resourcesOf(store).map((resource) => pathOf(apiVersionOf(resource))))];
  return { paths: Object.fromEntries(paths.map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}` }])) };
}

/** The document of one group and version: which writes there are and what parameters they take, without the objects' schemas. */
export function openApiDocument(store: ObjectStore, path: string): object | undefined {
  const resources = resourcesOf(store).filter((resource) => pathOf(apiVersionOf(resource)) === path);
  if (resources.length === 0) return undefined;
  const paths = resources.map((resource) => {
    const { group, version, kind, name, namespaced } = resource;
    const place = namespaced ? "namespaces/{namespace}/" : "";
    const operation = {
      "x-kubernetes-group-version-kind": { group, version, kind },
      parameters: PARAMETERS,
      responses: {},
    };
    return [`/${path}/${place}${name}/{name}`, { patch: operation, put: operation }];
  });
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "cnilab" },
    paths: Object.fromEntries(paths) as object,
    components: { schemas: {} },
  };
}
