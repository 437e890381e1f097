import { isRecord } from "../../core/is-record.ts";
import type { ManifestFindings } from "../manifest-findings.ts";
import type { KubeObject } from "../types.ts";
import { TRAEFIK_API } from "./middleware-types.ts";
import { notModelled } from "./traefik-kinds.ts";

/** What of a Middleware is not modelled. Its structure is sound. */
export function checkMiddleware(object: KubeObject, findings: ManifestFindings): void {
  if (object.apiVersion !== TRAEFIK_API || object.kind !== "Middleware") return;
  const { spec } = object as KubeObject & { spec?: unknown };
  if (!isRecord(spec)) return;
  for (const field of notModelled(spec))
    findings.warn(
      "MANIFEST_NOT_MODELLED",
      ["spec", ...field.split(".")],
      `${field} is not modelled`,
      "on netns what is routed through this middleware is not found (404); Traefik serves it",
      "key",
    );
}
