import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { configMap, namespace } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest } from "./api-client.ts";

const PLACE = "informed";
const ref = (name: string) => ({ kind: "ConfigMap", namespace: PLACE, name });
let api: ApiUnderTest;

/** A way to the API whose connections can be cut, as a network may. */
class Cable {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((near) => {
    const far = connect(api.port, "127.0.0.1");
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}

beforeAll(async () => {
  api = await new ApiUnderTest().start();
  api.plane.store.create(namespace(PLACE));
});

afterAll(() => api.close());

test("an informer of the official client sees every change, across a cut and a history that is forgotten", async () => {
  const { store } = api.plane;
  const cable = new Cable();
  const port = await cable.open();
  const config = new KubeConfig();
  config.loadFromString(api.kubeconfig.replace(`127.0.0.1:${api.port}`, `127.0.0.1:${port}`));
  const client = config.makeApiClient(CoreV1Api);
  let lists = 0;
  const informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${PLACE}/configmaps`, () => {
    lists += 1;
    return client.listNamespacedConfigMap({ namespace: PLACE });
  });
  const told: string[] = [];
  for (const verb of ["add", "update", "delete"] as const)
    informer.on(verb, ({ metadata, data }) => told.push(`${verb} ${metadata?.name ?? ""} ${data?.["n"] ?? ""}`));
  const known = (): string[] => informer.list().map(({ metadata }) => metadata?.name ?? "");
  // A controller starts its informer again, as the client's own examples do.
  let failures = 0;
  informer.on("error", () => {
    failures += 1;
    void informer.start();
  });

  store.create(configMap("before", { n: "0" }, PLACE));
  await informer.start();
  expect(told).toEqual(["add before 0"]);
  await client.createNamespacedConfigMap({ namespace: PLACE, body: { metadata: { name: "made" }, data: { n: "1" } } });
  store.update(configMap("made", { n: "2" }, PLACE));
  store.delete(ref("before"));
  await expect.poll(() => told).toEqual(["add before 0", "add made 1", "update made 2", "delete before 0"]);

  // Cut off, it goes on where it was: nothing is listed again, and nothing is missed.
  cable.cut();
  store.create(configMap("meanwhile", { n: "3" }, PLACE));
  await expect.poll(() => told.at(-1), { timeout: 5000 }).toBe("add meanwhile 3");
  expect({ lists, failures }).toEqual({ lists: 1, failures: 1 });

  // Cut off for longer than the store remembers, it is told 410 and lists again.
  cable.cut();
  store.delete(ref("made"));
  for (let count = 0; count < 9000; count += 1) store.update(configMap("meanwhile", { n: `x${count}` }, PLACE));
  await expect.poll(() => told.at(-1), { timeout: 5000 }).toBe("update meanwhile x8999");
  expect(told).toContain("delete made 2");
  expect(known()).toEqual(["meanwhile"]);
  expect(lists).toBe(2);
  store.create(configMap("after", { n: "4" }, PLACE));
  await expect.poll(() => told.at(-1), { timeout: 5000 }).toBe("add after 4");

  await informer.stop();
  cable.close();
});
