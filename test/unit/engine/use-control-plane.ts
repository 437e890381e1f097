import { afterEach, beforeEach } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import type { Deployment, Endpoints, EndpointSlice, KubeObject, Pod } from "../../../src/kube/types.ts";
import { FakeRuntime, settledControlPlane } from "./fake-runtime.ts";

/** A settled control plane before each test, closed after it, with short ways to ask what namespace "default" holds. */
class ControlPlaneUnderTest {
  plane!: ControlPlane;
  runtime = new FakeRuntime();

  async applied(...objects: KubeObject[]): Promise<void> {
    this.plane.apply(objects);
    await this.plane.settle();
  }

  pods(): Pod[] {
    return this.plane.store.list("Pod", "default");
  }

  names(objects: readonly KubeObject[]): string[] {
    return objects.map(({ metadata }) => metadata.name);
  }

  status(name = "web"): Deployment["status"] {
    return this.plane.store.get("Deployment", name, "default")?.status;
  }

  endpoints(name = "web"): Endpoints["subsets"] {
    return this.plane.store.get("Endpoints", name, "default")?.subsets;
  }

  slices(name = "web"): EndpointSlice[] {
    const slices = this.plane.store.list("EndpointSlice", "default");
    return slices.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  }
}

/** Registers the hooks; what it gives is filled in before each test. */
export function useControlPlane(): ControlPlaneUnderTest {
  const at = new ControlPlaneUnderTest();
  beforeEach(async () => {
    ({ plane: at.plane, runtime: at.runtime } = await settledControlPlane());
  });
  afterEach(() => at.plane.close());
  return at;
}
