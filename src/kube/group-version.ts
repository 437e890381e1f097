/** A group and a version of the API; the core group is the empty text. */
export interface GroupVersion {
  group: string;
  version: string;
}

/** As objects have it in `apiVersion`: `apps/v1`, `v1`. */
export function apiVersionOf({ group, version }: GroupVersion): string {
  return group === "" ? version : `${group}/${version}`;
}

/** `["apps", "v1"]`, `["", "v1"]`. */
export function splitApiVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

/** Path of a group version below the server and below `/openapi/v3`: `api/v1`, `apis/apps/v1`. */
export function groupVersionPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`;
}
