import type { ExecutableName } from "./lock.ts";

/*
 * What a lab on a real cluster needs from outside: upstream files and container images, each known by its digest. They
 * come from a bundle, from this host (cache folder, local Docker engine), or from the internet, in this order.
 */

/** An upstream file at a pinned version; the lock (src/supplies/lock.json) holds all of them. */
export interface LockedFile {
  /** Our name for it: "calico-vxlan-v3.28.5.yaml". */
  name: string;
  url: string;
  /** Hex. */
  sha256: string;
  bytes: number;
}

export interface Supplies {
  /** Path of a copy whose digest was checked just now. Throws SUPPLY_MISSING, SUPPLY_DIGEST. */
  file(name: string): Promise<string>;
  /**
   * Has all images in the local Docker engine: what is not there comes from the bundle, else from its registry. Returns
   * the image's id (config digest) by reference. Throws SUPPLY_MISSING, which names all that are still missing.
   */
  images(references: readonly string[]): Promise<Map<string, string>>;
  /** Path of an executable of that name: the bundle's, the PATH's, else fetched by version and checked. Throws SUPPLY_MISSING. */
  executable(name: ExecutableName): Promise<string>;
  /** All comes from a bundle, and nothing from the internet. */
  readonly hasBundle: boolean;
  /**
   * Writes each image of the bundle into an archive of its own below `folder`, as `ctr images import` takes it; one that is there
   * already stays. Throws SUPPLY_MISSING with all that the bundle lacks.
   */
  imageArchives(references: readonly string[], folder: string): Promise<void>;
}
