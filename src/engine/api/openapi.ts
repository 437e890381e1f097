import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { apiVersionOf, groupVersionPath } from "../../kube/group-version.ts";
import { servedKind, type ServedKind } from "../../kube/api-schemas.ts";
import type { CustomKind } from "../../kube/openapi.ts";
import type { ObjectStore } from "../store/store.ts";
import { noSuchPath } from "./api-error.ts";
import { resourcesOf, type Resource } from "./resources.ts";
import { sendJson } from "./send.ts";

/** A document as it is sent, and the SHA-512 of it by which clients know it. */
interface Document {
  text: string;
  hash: string;
}

/** How long a client may keep a document whose address has its hash; the API server says a year, too. */
const YEAR_SECONDS = 365 * 86_400;

/**
 * The OpenAPI v3 documents of a lab's API, one a group and version, and their index (KEP-2896). All are made when the first is asked
 * for, and again only where a definition of a custom resource has changed; the descriptions in them are loaded then, too.
 */
export class OpenApiDocuments {
  private readonly store: ObjectStore;
  private documents: ReadonlyMap<string, Document> = new Map();
  /** Versions of the definitions that {@link documents} are made of. */
  private madeOf: string | undefined;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** Answers `/openapi/v3` and what is below it; rejects with ApiError for a group version that is not served. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
  ): Promise<void> {
    const documents = await this.current();
    if (path === "") {
      sendJson(response, 200, JSON.stringify(indexOf(documents)));
      return;
    }
    const document = documents.get(path);
    if (document === undefined) throw noSuchPath();
    const { hash, text } = document;
    const asked = query.get("hash");
    if (asked !== null && asked !== hash) {
      response.writeHead(301, { Location: addressOf(path, hash), "Content-Length": 0 });
      response.end();
      return;
    }
    response.setHeader("ETag", `"${hash}"`);
    response.setHeader("Vary", "Accept");
    // Without the hash in its address a document may be another one the next time.
    response.setHeader(
      "Cache-Control",
      asked === null ? "no-cache, private" : `public, max-age=${YEAR_SECONDS}, immutable`,
    );
    if (request.headers["if-none-match"]?.includes(`"${hash}"`) === true) {
      response.writeHead(304);
      response.end();
      return;
    }
    sendJson(response, 200, text);
  }

  private async current(): Promise<ReadonlyMap<string, Document>> {
    const { openApiDocument } = await import("../../kube/openapi.ts");
    const definitions = this.store.all({ kind: "CustomResourceDefinition" });
    const madeOf = definitions.map(({ metadata }) => `${metadata.uid} ${metadata.generation}`).join();
    if (this.madeOf !== madeOf) {
      this.documents = documentsOf(this.store, openApiDocument);
      this.madeOf = madeOf;
    }
    return this.documents;
  }
}

function indexOf(documents: ReadonlyMap<string, Document>): object {
  const paths = [...documents].map(([path, { hash }]) => [path, { serverRelativeURL: addressOf(path, hash) }]);
  return { paths: Object.fromEntries(paths) as object };
}

function addressOf(path: string, hash: string): string {
  return `/openapi/v3/${path}?hash=${hash}`;
}

function documentsOf(
  store: ObjectStore,
  openApiDocument: (apiVersion: string, kinds: readonly (ServedKind | CustomKind)[]) => object,
): ReadonlyMap<string, Document> {
  const resources = resourcesOf(store).filter(({ key }) => key !== undefined);
  const kinds = resources.map((resource) => kindOf(resource));
  const versions = new Set(kinds.map(apiVersionOf));
  return new Map(
    [...versions].map((version): [string, Document] => {
      const text = JSON.stringify(openApiDocument(version, kinds));
      return [groupVersionPath(version), { text, hash: createHash("sha512").update(text).digest("hex").toUpperCase() }];
    }),
  );
}

/** A kind whose schema nobody knows may have any fields. */
function kindOf(resource: Resource): ServedKind | CustomKind {
  const { group, version, kind, name, namespaced, subresources, schema: openApi } = resource;
  const served = servedKind(resource);
  if (served !== undefined) return { ...served, subresources };
  const schema = [...group.split(".").toReversed(), version, kind].join(".");
  return { group, version, kind, schema, resource: name, namespaced, subresources, openApi };
}
