import { apiVersionOf } from "../../kube/group-version.ts";
import type { KubeObject } from "../../kube/types.ts";
import { ApiError } from "./api-error.ts";
import { jsonText } from "./json-text.ts";
import { type Resource } from "./resources.ts";
import { columnsOf, rowOf, type IncludeObject } from "./table.ts";

/** How a client wants objects (kubernetes.io/docs/reference/using-api/api-concepts, alternate representations). */
export type Form = "object" | "table" | "metadata";

/** One alternative of an Accept header. */
interface Media {
  type: string;
  parameters: ReadonlyMap<string, string>;
}

export function acceptedMedia(accept: string | undefined): Media[] {
  return (accept ?? "*/*").split(",").map((part) => {
    const [type = "", ...parameters] = part.split(";").map((text) => text.trim());
    return {
      type: type.toLowerCase(),
      parameters: new Map(
        parameters.map((parameter): [string, string] => {
          const equals = parameter.indexOf("=");
          return [parameter.slice(0, equals), parameter.slice(equals + 1)];
        }),
      ),
    };
  });
}

const isJson = ({ type }: Media): boolean => ["application/json", "application/*", "*/*"].includes(type);

/** The first of the Accept header's alternatives that is served here; throws ApiError (406) where there is none. */
export function formFor(accept: string | undefined): Form {
  for (const media of acceptedMedia(accept).filter(isJson)) {
    const as = media.parameters.get("as");
    if (as === undefined) return "object";
    if (media.parameters.get("g") !== "meta.k8s.io" || media.parameters.get("v") !== "v1") continue;
    if (as === "Table") return "table";
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return "metadata";
  }
  throw new ApiError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1, application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
  );
}

/** How the answers to one request are written. */
export class Representation {
  readonly form: Form;
  private readonly resource: Resource;
  private readonly include: IncludeObject;
  private readonly nowMs: number;
  private areColumnsSent = false;

  constructor(form: Form, resource: Resource, include: IncludeObject, nowMs: number) {
    this.form = form;
    this.resource = resource;
    this.include = include;
    this.nowMs = nowMs;
  }

  object(object: KubeObject): string {
    if (this.form === "table") return this.table([object], { resourceVersion: object.metadata.resourceVersion ?? "" });
    return this.form === "metadata" ? JSON.stringify(partialMetadata(object)) : this.whole(object);
  }

  list(objects: readonly KubeObject[], metadata: Record<string, unknown>): string {
    if (this.form === "table") return this.table(objects, metadata);
    const isMetadata = this.form === "metadata";
    const head = isMetadata
      ? { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" }
      : { kind: `${this.resource.kind}List`, apiVersion: apiVersionOf(this.resource) };
    const items = objects.map((object) => (isMetadata ? JSON.stringify(partialMetadata(object)) : this.whole(object)));
    const start = JSON.stringify({ ...head, metadata }).slice(0, -1);
    return `${start},"items":[${items.join(",")}]}`;
  }

  /** In a stream of tables only the first has the columns. */
  private table(objects: readonly KubeObject[], metadata: Record<string, unknown>): string {
    const columns = columnsOf(this.resource);
    const table = {
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata,
      columnDefinitions: this.areColumnsSent ? null : columns.map(({ definition }) => definition),
      rows: objects.map((object) => ({
        cells: rowOf(columns, object, this.nowMs),
        ...(this.include === "None" ? {} : { object: this.include === "Object" ? object : partialMetadata(object) }),
      })),
    };
    this.areColumnsSent = true;
    return JSON.stringify(table);
  }

  /** One kind may be stored in one version and asked for in another of its group, whose fields are then the same. */
  private whole(object: KubeObject): string {
    const apiVersion = apiVersionOf(this.resource);
    return object.apiVersion === apiVersion ? jsonText(object) : JSON.stringify({ ...object, apiVersion });
  }
}

function partialMetadata({ metadata }: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}
