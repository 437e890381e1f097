import { afterEach, beforeEach } from "vitest";
import { openKubernetesApi, type KubernetesApi } from "../../../../../src/providers/real/api/kubernetes-api.ts";
import { FakeApiServer } from "../../../../fixtures/api-server.ts";

/** A server and a client of it, both new for each test. */
export interface ServedApi {
  server: FakeApiServer;
  api: KubernetesApi;
}

/** What a kubeconfig without credentials says of a server. */
export function kubeconfigOf(server: string): string {
  return JSON.stringify({
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test" } }],
    clusters: [{ name: "test", cluster: { server } }],
  });
}

/** Starts and stops a server around each test. */
export function useServer(): ServedApi {
  const served = {} as ServedApi;
  beforeEach(async () => {
    served.server = new FakeApiServer();
    served.api = await openKubernetesApi(kubeconfigOf(await served.server.start()));
  });
  afterEach(async () => {
    served.api.close();
    await served.server.stop();
  });
  return served;
}
